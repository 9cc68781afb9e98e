/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_JUMPS_H
#define SERVER_JUMPS_H

/*
 * What is deleted since its time is over goes by the time that has passed: a clock that is set ahead while the
 * server runs is believed for a minute. (The time that events have: base/event_clock.h.)
 */

#include "base/attr.h"

#include <stdint.h>

/* Both clocks at one moment. */
struct clock_origin {
	uint64_t realtime_ns, monotonic_ns;
};

struct clock_origin clock_origin_now(void);

/* The time of day, but for leaps ahead of more than a minute since `origin`. */
uint64_t time_without_leaps(
	const struct clock_origin *origin, uint64_t realtime_ns, uint64_t monotonic_ns);

#endif
