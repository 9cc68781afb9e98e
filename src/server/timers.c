// SPDX-License-Identifier: BSD-2-Clause
#include "server/timers.h"

#include "base/clock.h"
#include "netlambda/event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_NS (100 * NS_PER_MS)             /* when a function could not take its tick */
#define LATE_NS  (31 * 24 * 3600 * NS_PER_SEC) /* what was due before was so by another clock */
#define BACK_NS                                                                                    \
	(3 * 3600 * NS_PER_SEC) /* set back by more, the clock was wrong; as cron(8) has it */

static void items_free(struct timer *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].schedule);
	free(items);
}

void timers_done(struct timers *timers)
{
	items_free(timers->items, timers->count);
	*timers = (struct timers){0};
}

static size_t find_slot(const struct units *units, const char *function)
{
	for (size_t i = 0; i < UNITS_MAX; i++)
		if (units->units[i].config && strcmp(units->units[i].config->name, function) == 0)
			return i;
	return UNITS_MAX;
}

/* What is due between two looks at the configuration is not lost. */
static void keep_place(const struct timers *timers, struct timer *timer)
{
	for (size_t i = 0; i < timers->count; i++) {
		const struct timer *old = &timers->items[i];

		if (strcmp(old->function, timer->function) != 0 ||
			strcmp(old->schedule, timer->schedule) != 0)
			continue;
		timer->next_ns = old->next_ns;
		timer->pending_ns = old->pending_ns;
		timer->missed = old->missed;
	}
}

static uint32_t count_before(const struct timer *items, size_t count, const char *function)
{
	uint32_t number = 0;

	for (size_t i = 0; i < count; i++)
		number += strcmp(items[i].function, function) == 0;
	return number;
}

int timers_configure(struct timers *timers, const struct units *units, const struct config *config,
	uint64_t now_ns)
{
	struct timer *items = calloc(config->timer_count + 1, sizeof(*items));
	size_t count = 0;

	if (!items)
		return -ENOMEM;
	for (; count < config->timer_count; count++) {
		const struct timer_config *wanted = &config->timers[count];
		struct timer *timer = &items[count];

		snprintf(timer->function, sizeof(timer->function), "%s", wanted->function);
		timer->schedule = strdup(wanted->schedule);
		if (!timer->schedule) {
			items_free(items, count);
			return -ENOMEM;
		}
		timer->slot = find_slot(units, wanted->function);
		timer->cron = wanted->cron;
		timer->number = count_before(items, count, wanted->function);
		timer->next_ns = cron_next(&timer->cron, now_ns);
		keep_place(timers, timer);
	}
	items_free(timers->items, timers->count);
	timers->items = items;
	timers->count = count;
	timers->looked_ns = MAX(timers->looked_ns, now_ns);
	return 0;
}

/* When it is due next is found out once, and again only if the clock was set back since the last look. */
static void follow_clock(const struct timers *timers, struct timer *timer, uint64_t now_ns)
{
	uint64_t next_ns = now_ns < timers->looked_ns ? cron_next(&timer->cron, now_ns) : 0;

	if (next_ns != 0 && timer->next_ns > next_ns + BACK_NS)
		timer->next_ns = next_ns;
	if (timer->cron.every_ns == 0 && timer->next_ns != 0 && timer->next_ns + LATE_NS < now_ns)
		timer->next_ns = cron_next(&timer->cron, now_ns - LATE_NS);
}

static void note_missed(struct timers *timers, struct timer *timer, uint64_t count)
{
	timer->missed = (uint32_t)MIN(timer->missed + count, (uint64_t)UINT32_MAX);
	timers->missed += count;
}

/*
 * Ticks that are due now become the one that is pending. A clock that was set back makes none
 * twice.
 */
static void note_due(struct timers *timers, struct timer *timer, uint64_t now_ns)
{
	follow_clock(timers, timer, now_ns);
	while (timer->next_ns != 0 && timer->next_ns <= now_ns) {
		if (timer->pending_ns != 0)
			note_missed(timers, timer, 1);
		timer->pending_ns = timer->next_ns;
		timer->next_ns = cron_next(&timer->cron, timer->next_ns);
		/*
		 * After a long pause only the last tick matters: the others are counted, not walked
		 * through.
		 */
		if (timer->cron.every_ns > 0 && timer->next_ns <= now_ns) {
			uint64_t passed = (now_ns - timer->next_ns) / timer->cron.every_ns;

			note_missed(timers, timer, passed);
			timer->next_ns += passed * timer->cron.every_ns;
		}
	}
}

/* Its identity is its place in time: "0-SECONDS-NUMBER". */
static bool give(struct units *units, const struct timer *timer)
{
	const struct unit *unit = timer->slot < UNITS_MAX ? &units->units[timer->slot] : NULL;
	const struct timer_event record = {
		.scheduled = timer->pending_ns,
		.timer = timer->number,
		.missed = timer->missed,
	};

	return unit && unit_is_live(unit) &&
	       function_push(unit->function, &(struct event_run){
						     .event_id = EVENT_TIMER,
						     .sequence = timer->pending_ns / NS_PER_SEC,
						     .index = (uint16_t)timer->number,
						     .time_ns = timer->pending_ns,
						     .records = &record,
						     .stride = sizeof(record),
						     .count = 1,
					     }) == 1;
}

/* They are counted already, and not told yet. */
static void note_missed_before(struct timer *timer, const struct timer_event *record)
{
	timer->missed += MIN(record->missed, UINT32_MAX - timer->missed);
}

bool timers_take_back(struct timers *timers, size_t slot, const struct finished_event *tick)
{
	for (size_t i = 0; i < timers->count; i++) {
		struct timer *timer = &timers->items[i];

		if (timer->slot != slot || timer->number != tick->position ||
			cron_next(&timer->cron, tick->time_ns - 1) != tick->time_ns)
			continue;
		if (timer->pending_ns != 0)
			note_missed(timers, timer, 1);
		note_missed_before(timer, tick->record);
		timer->pending_ns = MAX(timer->pending_ns, tick->time_ns);
		return true;
	}
	return false;
}

uint64_t timers_run(struct timers *timers, struct units *units, uint64_t now_ns)
{
	uint64_t soonest = UINT64_MAX;

	for (size_t i = 0; i < timers->count; i++) {
		struct timer *timer = &timers->items[i];

		note_due(timers, timer, now_ns);
		if (timer->pending_ns != 0 && give(units, timer)) {
			timers->ticks++;
			timer->pending_ns = 0;
			timer->missed = 0;
		}
		if (timer->pending_ns != 0)
			soonest = MIN(soonest, now_ns + AGAIN_NS);
		else if (timer->next_ns != 0)
			soonest = MIN(soonest, timer->next_ns);
	}
	timers->looked_ns = now_ns;
	return soonest == UINT64_MAX ? 0 : soonest;
}
