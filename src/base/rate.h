/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_RATE_H
#define BASE_RATE_H

/*
 * How often something may happen: `burst` times at once, and then once each interval. That is a token
 * bucket of which nothing is kept but the time at which it is full again (GCRA, as in ATM's traffic
 * management): one number, of which 0 is a full one.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct rate {
	uint64_t interval_ns;
	uint64_t burst; /* at least 1 */
};

static inline bool rate_equal(const struct rate *a, const struct rate *b)
{
	return a->interval_ns == b->interval_ns && a->burst == b->burst;
}

/* Whether once more is not too often; then it is counted. */
static inline bool rate_take(const struct rate *rate, uint64_t *full_at_ns, uint64_t now_ns)
{
	uint64_t full_at = MAX(*full_at_ns, now_ns) + rate->interval_ns;

	if (full_at - now_ns > rate->burst * rate->interval_ns)
		return false;
	*full_at_ns = full_at;
	return true;
}

#endif
