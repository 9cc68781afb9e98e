// SPDX-License-Identifier: BSD-2-Clause
#include "server/callers.h"

#include "base/clock.h"
#include "base/event_clock.h"

#include <errno.h>

static void caller_hear(struct caller *caller, enum call_end end, const char *text)
{
	caller_done_fn done = caller->done;

	loop_disarm_timer(&caller->deadline);
	caller->done = NULL;
	if (done)
		done(caller->user, end, text);
}

/* Its place is free when the engine has done with the event, whoever has heard what. */
static void on_deadline(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct caller *caller = timer->user;

	caller->callers->timeouts++;
	function_forget(caller->function, caller); /* if it waits: callers_finish() */
	caller_hear(caller, CALL_LATE, NULL);
}

static struct caller *find_free(struct callers *callers)
{
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (!callers->items[i].function)
			return &callers->items[i];
	return NULL;
}

/* Microseconds since 1970, unless there is one a microsecond already: an event's name for good. */
static uint64_t next_number(struct callers *callers, uint64_t now_ns)
{
	callers->number = MAX(callers->number + 1, now_ns / NS_PER_US);
	return callers->number;
}

int callers_call(struct callers *callers, struct function *function,
	const struct called_event *event, caller_done_fn done, void *user,
	struct caller **ret_caller)
{
	const uint64_t now_ns = event->time_ns > 0 ? event->time_ns : event_clock_ns();
	struct caller *caller = find_free(callers);

	if (!caller)
		return -EBUSY;
	*caller = (struct caller){
		.callers = callers,
		.function = function,
		.done = done,
		.user = user,
		.deadline = {.fn = on_deadline, .user = caller},
	};
	if (function_push(function, &(struct event_run){
					    .event_id = event->event_id,
					    .sequence = next_number(callers, now_ns),
					    .time_ns = now_ns,
					    .records = event->record,
					    .stride = event->record_size,
					    .count = 1,
					    .origin = caller,
					    .call = &event->call,
				    }) != 1) {
		*caller = (struct caller){0};
		return -EBUSY;
	}
	loop_arm_timer(callers->loop, &caller->deadline, clock_monotonic_ns() + event->wait_ns);
	*ret_caller = caller;
	return 0;
}

void caller_leave(struct caller *caller)
{
	loop_disarm_timer(&caller->deadline);
	caller->done = NULL;
	function_forget(caller->function, caller);
}

bool callers_own(const struct callers *callers, const void *origin)
{
	const struct caller *caller = origin;

	return callers && caller >= callers->items && caller < callers->items + CALLERS_MAX;
}

void callers_finish(const struct finished_event *event, bool dropped)
{
	struct caller *caller = event->origin;

	if (dropped)
		caller_hear(caller, CALL_NOT_RUN, NULL);
	else if (event->reason)
		caller_hear(caller, CALL_FAILED, event->reason);
	else
		caller_hear(caller, CALL_DONE, event->reply);
	*caller = (struct caller){0};
}

void callers_stop(struct callers *callers)
{
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (callers->items[i].function)
			caller_hear(&callers->items[i], CALL_LATE, NULL);
}
