/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_UDP_GROUP_H
#define NET_UDP_GROUP_H

/*
 * Several sockets at one address, one a worker. Which of them gets a datagram is written in the
 * datagram, not in the peer's address, so an agent keeps its worker when it moves, and what the
 * worker knows of it needs no lock:
 *
 *   version 2   the last octet of the session number is the worker's index (docs/protocol-2.md 3)
 *   version 1   a socket of its own, if it is asked for
 *
 * Anything else gets to some worker.
 */

#include "net/udp.h"

#include <stdbool.h>

#define UDP_GROUP_MAX 256

/*
 * Opens a socket for each of `workers`, 1 to UDP_GROUP_MAX; `ret_fds[i]` is worker i's. With `version1`
 * there is one more, `ret_fds[workers]`. None of them may be closed before all are: the kernel would
 * renumber the others. 0 or negative errno, also -EADDRINUSE: another socket has the address.
 */
int udp_group_open(const struct endpoint *local, unsigned int workers, bool version1,
	int *ret_fds) _must_check_;

#endif
