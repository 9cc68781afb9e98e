/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_BITS_H
#define WIRE_V2_BITS_H

/*
 * A ring of bits for numbers that ascend for ever: bit i is kept at i modulo the ring's size, so all
 * that is asked of at one time must lie within so many numbers. Works by words: what a whole datagram
 * carried is marked with one or two.
 */

#include "base/attr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct v2_bits {
	uint64_t *words;
	uint64_t mask; /* of a word's place */
};

/* All 0; room for `bits`, rounded up to a power of two of 64 or more. 0 or -ENOMEM. */
static inline int v2_bits_init(struct v2_bits *bits, uint64_t count)
{
	uint64_t words = 1;

	while (words * 64 < count)
		words *= 2;
	bits->words = calloc(words, sizeof(*bits->words));
	bits->mask = words - 1;
	return bits->words ? 0 : -ENOMEM;
}

static inline void v2_bits_done(struct v2_bits *bits)
{
	free(bits->words);
	bits->words = NULL;
}

static inline void v2_bits_clear_all(struct v2_bits *bits)
{
	memset(bits->words, 0, (bits->mask + 1) * sizeof(*bits->words));
}

static inline uint64_t *v2_bits_word(const struct v2_bits *bits, uint64_t i)
{
	return &bits->words[i / 64 & bits->mask];
}

/* The bits from `i` on that lie in its word and before `end`. */
static inline uint64_t v2_bits_span(uint64_t i, uint64_t end)
{
	uint64_t count = MIN(64 - i % 64, end - i);

	return (count == 64 ? UINT64_MAX : (1ULL << count) - 1) << i % 64;
}

/* The first number of the next word. */
static inline uint64_t v2_bits_step(uint64_t i)
{
	return (i | 63) + 1;
}

static inline bool v2_bits_test(const struct v2_bits *bits, uint64_t i)
{
	return *v2_bits_word(bits, i) >> i % 64 & 1;
}

static inline void v2_bits_set(struct v2_bits *bits, uint64_t from, uint64_t end)
{
	for (uint64_t i = from; i < end; i = v2_bits_step(i))
		*v2_bits_word(bits, i) |= v2_bits_span(i, end);
}

static inline void v2_bits_clear(struct v2_bits *bits, uint64_t from, uint64_t end)
{
	for (uint64_t i = from; i < end; i = v2_bits_step(i))
		*v2_bits_word(bits, i) &= ~v2_bits_span(i, end);
}

static inline uint64_t v2_bits_count(const struct v2_bits *bits, uint64_t from, uint64_t end)
{
	uint64_t count = 0;

	for (uint64_t i = from; i < end; i = v2_bits_step(i))
		count += (unsigned int)__builtin_popcountll(
			*v2_bits_word(bits, i) & v2_bits_span(i, end));
	return count;
}

/* The first number from `from` on whose bit is `value`; `end` if there is none before. */
static inline uint64_t v2_bits_find(
	const struct v2_bits *bits, uint64_t from, uint64_t end, bool value)
{
	for (uint64_t i = from; i < end; i = v2_bits_step(i)) {
		uint64_t word = *v2_bits_word(bits, i);
		uint64_t hits = (value ? word : ~word) & v2_bits_span(i, end);

		if (hits)
			return (i & ~63ULL) + (unsigned int)__builtin_ctzll(hits);
	}
	return end;
}

#endif
