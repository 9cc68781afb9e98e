/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_SEED_H
#define TESTS_UNIT_SEED_H

#include "base/clock.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What a test of chance begins with: another each time, or $NETLAMBDA_SEED. It is printed. */
static inline uint32_t seed_take(void)
{
	const char *given = getenv("NETLAMBDA_SEED");
	uint32_t seed = given ? (uint32_t)strtoul(given, NULL, 10) : (uint32_t)clock_realtime_ns();

	printf("NETLAMBDA_SEED=%u\n", seed);
	return seed;
}

#endif
