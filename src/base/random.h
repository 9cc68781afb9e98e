/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

/*
 * Random numbers in quantity: 64 bits at a time that nobody can guess who does not know the key
 * (SipHash of a counter), without a system call for each. Not for keys of ciphers, which OpenSSL makes.
 * One thread.
 */

#include "base/attr.h"
#include "base/siphash.h"

struct random_stream {
	struct siphash_key key;
	uint64_t counter;
};

/* With a key from the kernel. 0 or the negative errno of getrandom(2). */
int random_stream_init(struct random_stream *stream) _must_check_;
uint64_t random_stream_next(struct random_stream *stream);
/* The same, as the wire's cores want it: `stream` is a struct random_stream. */
uint64_t random_stream_draw(void *stream);

/* From 0 to below 1. */
double random_stream_unit(struct random_stream *stream);

#endif
