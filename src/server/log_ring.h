/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_LOG_RING_H
#define SERVER_LOG_RING_H

/*
 * The last lines that each function printed, in memory: LOG_RING_BYTES of them a function, the
 * oldest make room. A line has a number, from 1 on for the server's life, so that a reader can go
 * on where it stopped and knows what it missed.
 */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

#define LOG_RING_BYTES     (64U << 10) /* of text, one function's */
#define LOG_RING_FUNCTIONS 128 /* above it, the one that was quiet for longest is forgotten */

struct log_rings;

struct log_line {
	uint64_t number;
	uint64_t time_ns; /* UNIX epoch */
	const char *text; /* borrowed until the next line comes */
};

struct log_rings *log_rings_new(void);
void log_rings_free(struct log_rings *rings);
DEFINE_CLEANUP(struct log_rings, log_rings_free)

/* Keeps a line; without memory for it, it is lost. */
void log_rings_add(
	struct log_rings *rings, const char *function, const char *text, uint64_t time_ns);

/*
 * The function's first line with a number above `after`. -ENOENT: there is none (yet).
 * Numbers are given over all functions, so those of one have gaps.
 */
int log_rings_next(const struct log_rings *rings, const char *function, uint64_t after,
	struct log_line *ret_line) _must_check_;

/* The number behind which the newest `count` lines of the function follow. */
uint64_t log_rings_before(const struct log_rings *rings, const char *function, size_t count);

/* Of the newest line of all. */
uint64_t log_rings_newest(const struct log_rings *rings);

/* Lines of the function that were given up to make room. */
uint64_t log_rings_lost(const struct log_rings *rings, const char *function);

#endif
