// SPDX-License-Identifier: BSD-2-Clause
#include "net/random.h"

#include "base/attr.h"
#include "base/clock.h"

#include <sys/random.h>
#include <sys/types.h>

uint64_t random_bits(void *user _unused_)
{
	uint64_t bits = 0;

	/* Without it the numbers are less random, which harms nobody here. */
	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
		bits = clock_monotonic_ns() * 0x9e3779b97f4a7c15ULL;
	return bits;
}
