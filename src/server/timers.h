/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_TIMERS_H
#define SERVER_TIMERS_H

/*
 * Timer triggers: events (EVENT_TIMER) that the server gives to functions when their schedule says
 * so. No clock in here: time comes in.
 *
 * A tick is an event at the time at which it was due. What is due while its function cannot take
 * it, or while nobody looks, is not made up for one by one: the newest such tick is given, and says
 * how many before it are `missed`. What was due while the server did not run is not given at all.
 *
 * Clocks that jump: what would have been due more than a month ago is not counted, and one that is set
 * back by hours was wrong before.
 */

#include "base/cron.h"
#include "server/config.h"
#include "server/units.h"

struct timer {
	size_t slot; /* of its unit */
	char function[64];
	char *schedule;
	struct cron cron;
	uint32_t number;     /* among its function's timers, from 0 on */
	uint64_t next_ns;    /* UNIX epoch; 0: never */
	uint64_t pending_ns; /* the newest tick that was not given yet; 0: none */
	uint32_t missed;     /* before that */
};

struct timers {
	struct timer *items;
	size_t count;
	uint64_t looked_ns; /* when the clock was looked at last */
	uint64_t ticks;     /* given to functions */
	uint64_t missed;    /* not made up for */
};

void timers_done(struct timers *timers);

/*
 * Makes the timers of `config` the wanted ones, whose functions are in `units`; those that were
 * there go on. 0 or -ENOMEM with nothing changed.
 */
int timers_configure(struct timers *timers, const struct units *units, const struct config *config,
	uint64_t now_ns) _must_check_;

/*
 * A function that is being replaced will not do a tick that it was given: it is pending again, or missed if a
 * newer one is; so are those that it said were missed before it. False: it is none of a timer that there is.
 */
bool timers_take_back(
	struct timers *timers, size_t slot, const struct finished_event *tick) _must_check_;

/* Gives what is due at `now_ns` (UNIX epoch). Returns when to look again; 0: never. */
uint64_t timers_run(struct timers *timers, struct units *units, uint64_t now_ns);

#endif
