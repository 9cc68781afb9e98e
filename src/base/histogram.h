/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

/*
 * Counts values by their size: exactly up to 31, above that by their highest five bits, so that what comes
 * out is less than 1/16 above what went in. All of uint32_t has a place.
 */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_PLACES 464

struct histogram {
	uint64_t counts[HISTOGRAM_PLACES];
	uint64_t count;
	uint64_t sum;
};

static inline size_t histogram_place(uint32_t value)
{
	unsigned int shift = value < 32 ? 0 : 27 - (unsigned int)__builtin_clz(value);

	return shift * 16 + (value >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint32_t value)
{
	histogram->counts[histogram_place(value)]++;
	histogram->count++;
	histogram->sum += value;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other);

/* A value that at least that share of the values, from 0 to 1, is not above. 0 if there are none. */
uint32_t histogram_quantile(const struct histogram *histogram, double share);

/* How many are below a power of two. */
uint64_t histogram_below(const struct histogram *histogram, uint32_t power_of_two);

#endif
