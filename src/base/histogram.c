// SPDX-License-Identifier: BSD-2-Clause
#include "base/histogram.h"

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
	for (size_t i = 0; i < HISTOGRAM_PLACES; i++)
		histogram->counts[i] += other->counts[i];
	histogram->count += other->count;
	histogram->sum += other->sum;
}

/* The largest value that has a place. */
static uint32_t place_end(size_t place)
{
	unsigned int shift = place < 32 ? 0 : (unsigned int)(place / 16 - 1);

	return (uint32_t)(((uint64_t)(place - shift * 16) + 1) << shift) - 1;
}

uint32_t histogram_quantile(const struct histogram *histogram, double share)
{
	double wanted = share * (double)histogram->count;
	uint64_t count = 0;

	for (size_t i = 0; i < HISTOGRAM_PLACES; i++) {
		count += histogram->counts[i];
		if (count > 0 && (double)count >= wanted)
			return place_end(i);
	}
	return 0;
}

uint64_t histogram_below(const struct histogram *histogram, uint32_t power_of_two)
{
	size_t end = histogram_place(power_of_two);
	uint64_t count = 0;

	for (size_t i = 0; i < end; i++)
		count += histogram->counts[i];
	return count;
}
