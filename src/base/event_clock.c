// SPDX-License-Identifier: BSD-2-Clause
#include "base/event_clock.h"

#include "base/clock.h"

#define STEP_NS (100 * NS_PER_MS) /* less is no jump, but the two clocks read one after the other */
#define BACK_NS (3 * 3600 * NS_PER_SEC) /* as timers have it (server/timers.c) */

uint64_t event_clock_follow(_Atomic uint64_t *epoch_ns, uint64_t realtime_ns, uint64_t monotonic_ns)
{
	const uint64_t wanted_ns = realtime_ns - monotonic_ns;
	uint64_t kept_ns = *epoch_ns;

	if (kept_ns != 0 && wanted_ns <= kept_ns + STEP_NS && wanted_ns + BACK_NS >= kept_ns)
		return kept_ns;
	*epoch_ns = wanted_ns;
	return wanted_ns;
}

uint64_t event_clock_epoch_ns(void)
{
	static _Atomic uint64_t epoch_ns;
	/* First: a thread that is held up in between finds too little, which is no jump; and not too much, which stays. */
	const uint64_t realtime_ns = clock_realtime_ns();

	return event_clock_follow(&epoch_ns, realtime_ns, clock_monotonic_ns());
}

uint64_t event_clock_ns(void)
{
	uint64_t epoch_ns = event_clock_epoch_ns();

	return clock_monotonic_ns() + epoch_ns;
}
