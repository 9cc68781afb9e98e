/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_SAMPLE_H
#define CLI_SAMPLE_H

/* Captures to begin a function's tests with. */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define SAMPLE_START_US (1700000000 * 1000000ULL)

/*
 * Writes a pcap file of TCP connections that one client, 192.0.2.2, opens to a web server,
 * 192.0.2.1: `attempts` SYN segments, ten milliseconds apart. If `completed`, each is answered,
 * used, and closed, as ordinary ones are. The first is at `start_us`, since the UNIX epoch. 0 or a negative errno.
 */
int sample_write(
	const char *path, uint64_t start_us, unsigned int attempts, bool completed) _must_check_;

/* How long one of attempts that are not completed is: from the first to the last. */
uint64_t sample_length_us(unsigned int attempts);

#endif
