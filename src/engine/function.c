// SPDX-License-Identifier: BSD-2-Clause
#include "engine/function.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/words.h"
#include "engine/instance.h"
#include "event/key_plans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_MAX (8U << 20)       /* bytes of undurable results, above which nothing runs */
#define GATHER_NS  (20 * NS_PER_MS) /* under load: a commit costs as much for few as for many */

uint64_t function_pause_ns(uint64_t base, unsigned int failures, uint64_t max)
{
	unsigned int shift = failures > 0 ? MIN(failures - 1, 20U) : 0;

	return MIN(base << shift, max);
}

void function_forget_error(struct function *function)
{
	free(function->error);
	function->error = NULL;
	function->error_ns = 0;
}

void function_set_error(struct function *function, const char *what, const char *detail)
{
	function_forget_error(function);
	if (asprintf(&function->error, "%s%s%s", what, detail ? ": " : "", detail ? detail : "") <
		0)
		function->error = NULL;
	function->error_ns = clock_realtime_ns();
	log_message_limited(&function->failure_limit, LOG_LEVEL_WARNING, "function=%s %s%s%s",
		function->name, what, detail ? ": " : "", detail ? detail : "");
}

/* ---- results ---- */

static size_t builder_events(struct builder *builder)
{
	return builder ? builder_result(builder)->event_count : 0;
}

/*
 * True if it is worth to wait for more: more is coming, nobody waits for what is there, and the last
 * commit began a moment ago. What comes alone, or last, is never held up.
 */
static bool function_gathers_on(const struct function *function, uint64_t now_ns)
{
	return function->queued > builder_events(function->gathering) &&
	       now_ns < function->submit_after_ns && !builder_is_urgent(function->gathering) &&
	       builder_bytes(function->gathering) <= GATHER_MAX;
}

void function_submit(struct function *function)
{
	struct engine *engine = function->engine;
	uint64_t now;

	if (function->committing || !function->gathering)
		return;
	if (builder_events(function->gathering) == 0) {
		builder_free(TAKE_PTR(function->gathering));
		return;
	}
	now = clock_monotonic_ns();
	if (function_gathers_on(function, now)) {
		if (function->submit.at_ns == 0)
			loop_arm_timer(engine->loop, &function->submit, function->submit_after_ns);
		return;
	}
	loop_disarm_timer(&function->submit);
	function->submit_after_ns = now + GATHER_NS;
	function->committing = TAKE_PTR(function->gathering);
	*builder_result(function->committing)->outcome.sum = function->stats.kept;
	for (unsigned int i = 0; i < function->instance_count; i++)
		function->instances[i]->submitted = function->instances[i]->gathered;
	engine->ops->commit(engine->user, builder_result(function->committing));
}

static void on_submit(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	function_submit(timer->user);
}

struct builder *function_gather(struct function *function)
{
	const struct builder_source source = {
		.function = function,
		.name = function->name,
		.secret = function->engine->secret,
	};

	if (!function->gathering && builder_new(&source, &function->gathering) < 0)
		return NULL;
	return function->gathering;
}

bool function_is_choked(const struct function *function)
{
	return function->gathering && builder_bytes(function->gathering) > GATHER_MAX;
}

void function_hold_workers(struct function *function)
{
	for (unsigned int i = 0; i < function->instance_count; i++)
		instance_hold(function->instances[i], function_is_choked(function));
}

/* ---- running ---- */

void function_dispatch_later(struct function *function, uint64_t after_ns)
{
	struct loop *loop = function->engine->loop;

	/* Not in this round, or one that always finds something to do would hold up the loop. */
	uint64_t at_ns = loop_now_ns(loop) + 1 + after_ns;

	if (function->dispatch.at_ns == 0 || function->dispatch.at_ns > at_ns)
		loop_arm_timer(loop, &function->dispatch, at_ns);
}

void function_dispatch_soon(struct function *function)
{
	loop_disarm_timer(&function->dispatch);
	function_dispatch_later(function, 0);
}

static void on_dispatch(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct function *function = timer->user;

	function_let_workers_go(function);
	for (unsigned int i = 0; i < function->instance_count; i++)
		instance_dispatch(function->instances[i]);
}

int function_begin(struct function *function, const struct scaler_bounds *bounds)
{
	function->dispatch = (struct loop_timer){.fn = on_dispatch, .user = function};
	function_sum_state(function);
	function_patience_begin(function);
	function->submit = (struct loop_timer){.fn = on_submit, .user = function};
	for (unsigned int i = 0; i < PARTITIONS; i++)
		function->partitions[i].held = true;
	key_plans_init(function->plans, (const char *const *)function->key);
	function_crew_begin(function, bounds);
	return bounds->min > 0 && function->instance_count == 0 ? -ENOMEM : 0;
}

/* ---- taking events in ---- */

static void event_fill(struct event *event, const struct event_run *run, size_t i, uint64_t hash)
{
	const bool is_v1 = run->epoch == 0;

	event->origin = run->origin;
	event->partition = (uint8_t)key_partition(hash);
	event->attempts = 0;
	event->suspect = false;
	event->droppable = run->droppable;
	event->pipe = (struct pipe_event){
		.hash = htole64(hash),
		.time_ns = htole64(run->time_ns),
		.sequence = htole64(is_v1 ? run->sequence : run->sequence + i),
		.event_id = htole32(run->event_id),
		.switch_id = htole32(run->switch_id),
		.epoch = htole32(run->epoch),
		.index = htole16(is_v1 ? (uint16_t)(run->index + i) : run->index),
	};
	memcpy(event->record, (const uint8_t *)run->records + i * run->stride, event->record_size);
}

/* Whether there is room: a partition that waits for its failed event must not take all of it. */
static bool function_has_room(const struct function *function, const struct partition *partition)
{
	if (function->queued >= function->queue_max)
		return false;
	return partition->retry_at_ns == 0 ||
	       partition->hold.count < MAX(function->queue_max / 4, (size_t)1);
}

/* False: it cannot be taken now. */
static bool function_push_one(
	struct function *function, const struct event_run *run, size_t i, uint32_t tick)
{
	const struct schema *schema = schema_builtin(run->event_id);
	const void *record = (const uint8_t *)run->records + i * run->stride;
	const bool has_data = run->call && run->call->data[0];
	uint64_t hash = has_data ? key_hash_text(run->call->key)
				 : key_hash(&function->plans[run->event_id], record);
	uint64_t position = (run->epoch == 0 ? run->index : run->sequence) + i;
	struct partition *partition = &function->partitions[key_partition(hash)];
	struct event *event;

	if (run->done && position < run->done[key_partition(hash)])
		return true;
	event = function_has_room(function, partition)
			? event_pool_take(&function->events, schema->record_size)
			: NULL;
	if (!event)
		return false;
	event_fill(event, run, i, hash);
	if (run->call && event_pool_add_request(
				 &function->events, event, run->call->key, run->call->data) < 0) {
		event_pool_give(&function->events, event);
		return false;
	}
	event->arrival = function->arrivals++;
	event->tick = tick;
	partition_push(partition, event);
	partition->queued++;
	function->queued++;
	if (run->waits)
		run->waits[i]++;
	return true;
}

size_t function_push(struct function *function, const struct event_run *run)
{
	uint32_t tick = latency_tick(loop_now_ns(function->engine->loop));
	size_t taken = 0;

	if (run->event_id < EVENT_USER_MIN && schema_builtin(run->event_id) &&
		(!run->call || run->count == 1))
		while (taken < run->count && function_push_one(function, run, taken, tick))
			taken++;
	function->stats.refused += run->count - taken;
	if (taken > 0) {
		function_note_event(function);
		function_crew_note_event(function);
		function_dispatch_later(function, 0);
	}
	return taken;
}

/* ---- commits ---- */

static void function_forget_undurable(struct function *function, struct builder *builder)
{
	struct event_list events = {0};

	if (!builder)
		return;
	for (unsigned int i = 0; i < PARTITIONS; i++)
		function->partitions[i].undurable -= builder_counts(builder)[i];
	builder_take_events(builder, &events);
	/* Why they were put aside goes with the builder. */
	for (struct event *event = events.first; event; event = event->next)
		if (event->request)
			event->request->reason = NULL;
	partitions_return(function, &events);
	builder_free(builder);
}

/* All since the last commit is void: the workers' state, and what was decided on top of it. */
static void function_on_refusal(struct function *function, struct builder *builder, int error)
{
	function->refusals++;
	function_set_error(function, "commit refused", strerror(-error));
	/* Batches under way are nobody's fault. */
	for (unsigned int i = 0; i < function->instance_count; i++)
		instance_replace(function->instances[i], "commit refused");
	function_forget_undurable(function, builder);
	function_forget_undurable(function, TAKE_PTR(function->gathering));
	for (unsigned int i = 0; i < PARTITIONS; i++)
		for (struct event *event = function->partitions[i].hold.first; event;
			event = event->next)
			event->attempts = (uint8_t)MIN(event->attempts, function->attempts - 1);
}

/* A removed function's last result is back; its successor may have waited for that. */
static void function_bury(struct function *function)
{
	struct engine *engine = function->engine;

	function_free(function);
	for (function = engine->functions; function; function = function->next)
		partitions_advance(function);
}

static void function_on_durable(
	struct function *function, struct builder *builder, const struct result *result)
{
	struct event_list events = {0};
	uint64_t now = clock_monotonic_ns();
	struct event *event;

	function->refusals = 0;
	function->stats.events += result->event_count;
	function->stats.dead_letters += result->outcome.dead_letter_count;
	function->stats.alerts += result->outcome.alert_count;
	function_note_state(function, result->outcome.sum);
	function->queued -= result->event_count;
	for (unsigned int i = 0; i < function->instance_count; i++)
		function->instances[i]->durable = function->instances[i]->submitted;
	for (unsigned int i = 0; i < PARTITIONS; i++) {
		function->partitions[i].undurable -= builder_counts(builder)[i];
		function->partitions[i].queued -= builder_counts(builder)[i];
	}
	builder_take_events(builder, &events);
	latency_turn(&function->latency, now);
	while ((event = event_list_take(&events))) {
		latency_add(&function->latency, latency_tick(now) - event->tick);
		event_pool_give(&function->events, event);
	}
	builder_free(builder);
}

void engine_committed(struct result *result, int error)
{
	struct function *function = result->function;
	struct builder *builder = TAKE_PTR(function->committing);

	if (function->removed) {
		builder_free(builder);
		function_bury(function);
		return;
	}
	if (error < 0)
		function_on_refusal(function, builder, error);
	else
		function_on_durable(function, builder, result);
	function_put_aside_more(function);
	function_submit(function);
	function_hold_workers(function);
	partitions_advance(function);
	for (unsigned int i = 0; i < function->instance_count; i++)
		instance_dispatch(function->instances[i]);
}

/* ---- ending ---- */

void function_drop(struct function *function, struct event *event)
{
	struct engine *engine = function->engine;
	const struct finished_event dropped = finished_event(event);

	function->queued--;
	function->partitions[event->partition].queued--;
	event_pool_give(&function->events, event);
	if (engine->ops->dropped)
		engine->ops->dropped(engine->user, function, &dropped);
}

void function_drop_events(struct function *function)
{
	struct event *event;

	for (unsigned int i = 0; i < function->instance_count; i++)
		instance_give_back(function->instances[i]);
	function_forget_undurable(function, TAKE_PTR(function->gathering));
	for (unsigned int i = 0; i < PARTITIONS; i++)
		while ((event = event_list_take(&function->partitions[i].hold)))
			function_drop(function, event);
}

static void forget_in(struct function *function, struct event_list *list, const void *origin)
{
	struct event_list all = *list, rest = {0};
	struct event *event;

	while ((event = event_list_take(&all))) {
		if (event->origin == origin)
			function_drop(function, event);
		else
			event_list_push(&rest, event);
	}
	*list = rest;
}

void function_forget(struct function *function, const void *origin)
{
	for (unsigned int i = 0; i < PARTITIONS; i++)
		forget_in(function, &function->partitions[i].hold, origin);
	for (unsigned int i = 0; i < function->instance_count; i++)
		forget_in(function, &function->instances[i]->waiting, origin);
}

static void function_stop(struct function *function)
{
	loop_disarm_timer(&function->dispatch);
	loop_disarm_timer(&function->retry);
	loop_disarm_timer(&function->look);
	loop_disarm_timer(&function->scale);
	loop_disarm_timer(&function->submit);
	for (unsigned int i = 0; i < function->instance_count; i++)
		instance_free(function->instances[i]);
	function->instance_count = 0;
}

void function_end(struct function *function)
{
	function_stop(function);
	if (!function->committing) {
		function_free(function);
		return;
	}
	function->removed = true;
}

void function_free(struct function *function)
{
	struct function **at = &function->engine->functions;

	while (*at && *at != function)
		at = &(*at)->next;
	if (*at)
		*at = function->next;
	function_stop(function);
	builder_free(function->gathering);
	builder_free(function->committing);
	event_pool_done(&function->events);
	for (unsigned int i = 0; i < PARTITIONS; i++)
		residents_done(&function->partitions[i].residents);
	for (size_t i = 0; i < KEY_FIELDS_MAX; i++)
		free(function->key[i]);
	free(function->handler);
	free(function->dir);
	free(function->config);
	words_free(function->network);
	words_free(function->environment);
	free(function->error);
	free(function);
}
