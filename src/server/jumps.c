// SPDX-License-Identifier: BSD-2-Clause
#include "server/jumps.h"

#include "base/clock.h"

#define LEAP_NS (60 * NS_PER_SEC)

struct clock_origin clock_origin_now(void)
{
	return (struct clock_origin){clock_realtime_ns(), clock_monotonic_ns()};
}

uint64_t time_without_leaps(
	const struct clock_origin *origin, uint64_t realtime_ns, uint64_t monotonic_ns)
{
	uint64_t passed_ns = monotonic_ns - origin->monotonic_ns;

	return MIN(realtime_ns, origin->realtime_ns + passed_ns + LEAP_NS);
}
