/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_EVENT_CLOCK_H
#define BASE_EVENT_CLOCK_H

/*
 * The time that events have, in nanoseconds since the UNIX epoch: the time of day, but that it does not go back
 * when that is set back by up to three hours. Functions' windows would count nothing until the clock had
 * caught up. It goes on with the monotonic clock instead, ahead of the time of day, until that has caught
 * up or the process ends. By more, the clock was wrong before, and its new time counts. A clock that is
 * set ahead is followed at once.
 *
 * Between two jumps it is the monotonic clock and a constant: so a moment has the same time whenever it is told.
 *
 * Like base/clock.h it is for controllers and tools, on any thread; docs/functions.md, "Clocks that jump",
 * says what it means for functions.
 */

#include "base/attr.h"

#include <stdatomic.h>
#include <stdint.h>

uint64_t event_clock_ns(void);

/* Added to the monotonic clock it gives that. */
uint64_t event_clock_epoch_ns(void);

/* The same, pure, for an epoch that is 0 at first and kept by the caller. */
uint64_t event_clock_follow(
	_Atomic uint64_t *epoch_ns, uint64_t realtime_ns, uint64_t monotonic_ns);

#endif
