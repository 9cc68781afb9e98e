/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_NETNS_H
#define BENCH_NETNS_H

/*
 * A network of the program's own: nothing that it sends can reach the machine's, and nothing else is
 * on it.
 */

#include "base/attr.h"

/*
 * Moves the calling process (call it before there are threads) into a new network namespace with its
 * loopback interface up; it is gone when the process ends. Returns 0 or a negative errno: -EPERM
 * without CAP_SYS_ADMIN.
 */
int netns_enter_private(void) _must_check_;
/* Of its loopback interface, bytes: 1500 makes datagrams as large as on Ethernet. */
int netns_set_mtu(int mtu) _must_check_;

#endif
