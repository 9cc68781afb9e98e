/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_SAMPLE_H
#define CLI_SAMPLE_H

/* Captures to begin a function's tests with. */

#include "base/attr.h"

#include <stdbool.h>

/*
 * Writes a pcap file of TCP connections that one client, 192.0.2.2, opens to a web server,
 * 192.0.2.1: `attempts` SYN segments, ten milliseconds apart. If `completed`, each is answered,
 * used, and closed, as ordinary ones are. 0 or a negative errno.
 */
int sample_write(const char *path, unsigned int attempts, bool completed) _must_check_;

#endif
