// SPDX-License-Identifier: BSD-2-Clause
#include "engine/function.h"

#include "base/clock.h"
#include "base/log.h"
#include "event/key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_NS     (30 * NS_PER_SEC) /* for a worker to load its handler */
#define PAUSE_NS     (50 * NS_PER_MS)  /* before the first restart; doubles with each */
#define PAUSE_MAX_NS (30 * NS_PER_SEC)
#define RETRY_NS     (10 * NS_PER_MS) /* before an event that failed runs again; doubles likewise */
#define RETRY_MAX_NS (5 * NS_PER_SEC)
#define LOAD_ROWS    1000             /* in a piece */
#define GATHER_MAX   (8U << 20)       /* bytes of undurable results, above which nothing runs */
#define GATHER_NS    (20 * NS_PER_MS) /* under load: a commit costs as much for few as for many */

static void function_start(struct function *function);

static uint64_t pause_ns(uint64_t base, unsigned int failures, uint64_t max)
{
	unsigned int shift = failures > 0 ? MIN(failures - 1, 20U) : 0;

	return MIN(base << shift, max);
}

static void function_arm(struct function *function, uint64_t after_ns)
{
	loop_arm_timer(function->engine->loop, &function->timer, clock_monotonic_ns() + after_ns);
}

static void function_set_error(struct function *function, const char *what, const char *detail)
{
	free(function->error);
	function->error = NULL;
	if (asprintf(&function->error, "%s%s%s", what, detail ? ": " : "", detail ? detail : "") <
		0)
		function->error = NULL;
	log_message_limited(&function->failure_limit, LOG_LEVEL_WARNING, "function=%s %s%s%s",
		function->name, what, detail ? ": " : "", detail ? detail : "");
}

/* ---- results ---- */

/*
 * True if it is worth to wait for more: more is coming, nobody waits for what is there, and the last
 * commit began a moment ago. What comes alone, or last, is never held up.
 */
static bool function_gathers_on(const struct function *function, uint64_t now_ns)
{
	return function->queue.pushed > function->queue.decided &&
	       now_ns < function->submit_after_ns && !builder_is_urgent(function->gathering) &&
	       builder_bytes(function->gathering) <= GATHER_MAX;
}

/* Hands over what has gathered, unless a result is under way: then it goes when that comes back. */
static void function_submit(struct function *function)
{
	struct engine *engine = function->engine;
	uint64_t now;

	if (function->committing || !function->gathering)
		return;
	if (builder_result(function->gathering)->event_count == 0) {
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
	engine->ops->commit(engine->user, builder_result(function->committing));
}

static void on_submit(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	function_submit(timer->user);
}

static int function_gather(struct function *function)
{
	const struct builder_source source = {
		.function = function,
		.name = function->name,
		.secret = function->engine->secret,
	};

	return function->gathering ? 0 : builder_new(&source, &function->gathering);
}

/* The front of the queue has moved on. */
static void function_decide(struct function *function, size_t count)
{
	function->front_attempts = 0;
	function->suspects -= MIN(count, function->suspects);
}

/* The event at the front has failed alone for the last time. False: no memory, later then. */
static bool function_put_aside(struct function *function, const char *reason)
{
	if (function_gather(function) < 0)
		return false;
	if (builder_add_dead_letter(
		    function->gathering, &function->queue, function->front_attempts, reason) < 0)
		return false;
	function_set_error(function, "event put aside", reason);
	function->queue.decided++;
	queue_rewind_sent(&function->queue);
	function_decide(function, 1);
	return true;
}

/* Counts a failed attempt of the event at the front. True if it is now a dead letter. */
static bool function_blame_front(struct function *function, const char *reason)
{
	function->front_attempts++;
	return function->front_attempts >= function->attempts &&
	       function_put_aside(function, reason);
}

/* ---- running ---- */

/* The worker's end is reported later; what it had not decided runs again then. */
static void function_kill(struct function *function, enum worker_end end, const char *reason)
{
	loop_disarm_timer(&function->timer);
	function->phase = FUNCTION_ENDING;
	worker_kill(function->worker, end, reason);
}

/* The deadline of the oldest batch begins when the one before it is back. */
static void function_watch(struct function *function)
{
	if (function->in_flight_count == 0) {
		loop_disarm_timer(&function->timer);
		return;
	}
	function->batch_start_ns = clock_monotonic_ns();
	function_arm(function, function->timeout_ns);
}

static bool function_may_dispatch(const struct function *function)
{
	size_t waiting = queue_waiting(&function->queue);

	if (function->phase != FUNCTION_READY || waiting == 0)
		return false;
	if (function->gathering && builder_bytes(function->gathering) > GATHER_MAX)
		return false; /* goes on when the store has caught up */
	if (function->in_flight_count == 0)
		return true;
	/* A second one only if it is full: what comes meanwhile fills it. */
	return function->in_flight_count < FUNCTION_IN_FLIGHT && function->suspects == 0 &&
	       function->front_attempts == 0 && waiting >= function->batch_limit;
}

static void function_send_batch(struct function *function)
{
	struct queue *queue = &function->queue;
	size_t limit = function->suspects > 0 ? 1 : function->batch_limit;
	struct batch *batch = &function->in_flight[function->in_flight_count];
	size_t frame;

	batch->count = (uint32_t)MIN(queue_waiting(queue), limit);
	batch->position = function->worker_done + (uint32_t)(queue->sent - queue->decided);
	frame = pipe_begin_batch(&function->buffer, batch->count, batch->position);
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct event_ref *event = queue_at(queue, queue->sent + i);

		pipe_put_event(
			&function->buffer, event, schema_builtin(event->event_id)->record_size);
	}
	pipe_end(&function->buffer, frame);
	queue->sent += batch->count;
	if (function->in_flight_count++ == 0)
		function_watch(function);
}

static void function_dispatch(struct function *function)
{
	bool any = false;

	while (function_may_dispatch(function)) {
		function_send_batch(function);
		any = true;
	}
	if (any)
		worker_send(function->worker, &function->buffer);
}

static void on_dispatch(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	function_dispatch(timer->user);
}

static int function_on_ready(struct function *function)
{
	if (function->phase != FUNCTION_STARTING)
		return -EPROTO;
	loop_disarm_timer(&function->timer);
	function->phase = FUNCTION_READY;
	function->load_failed = false;
	log_info("function=%s ready pid=%d", function->name, (int)worker_pid(function->worker));
	function_dispatch(function);
	return 0;
}

static int function_on_load_failure(struct function *function, const uint8_t *payload, size_t size)
{
	const char *message;
	struct cursor c;

	cursor_read_init(&c, payload, size);
	message = pipe_get_text(&c, NULL);
	if (function->phase != FUNCTION_STARTING || !message)
		return -EPROTO;
	function->load_failed = true;
	function_kill(function, WORKER_CRASHED, message);
	return 0;
}

static void function_grow_batch(struct function *function, size_t count)
{
	if (count == function->batch_limit && function->batch_limit < function->batch_max)
		function->batch_limit++;
}

/* An event threw: the runtime took back what it did, the worker is sound. */
static void function_on_exception(struct function *function, const char *message)
{
	function->stats.failures++;
	if (function_blame_front(function, message)) {
		function->phase = FUNCTION_READY;
		return;
	}
	function_set_error(function, "event failed", message);
	function->phase = FUNCTION_PAUSED;
	function_arm(function, pause_ns(RETRY_NS, function->front_attempts, RETRY_MAX_NS));
}

static struct batch function_take_oldest(struct function *function)
{
	struct batch oldest = function->in_flight[0];

	function->stats.batches++;
	function->stats.busy_ns += clock_monotonic_ns() - function->batch_start_ns;
	function->in_flight_count--;
	memmove(function->in_flight, function->in_flight + 1,
		function->in_flight_count * sizeof(function->in_flight[0]));
	if (function->phase == FUNCTION_READY)
		function_watch(function);
	return oldest;
}

/* Of a batch that was void when it came to the worker: nothing was run, nothing changed. */
static int function_on_skipped(struct function *function, const uint8_t *payload, size_t size)
{
	static const uint8_t nothing[PIPE_SKIPPED_BYTES];

	if (size != sizeof(nothing) || memcmp(payload, nothing, size) != 0)
		return -EBADMSG;
	function_take_oldest(function);
	function_dispatch(function);
	return 0;
}

static void function_on_verdict(
	struct function *function, const struct verdict *verdict, size_t count)
{
	struct queue *queue = &function->queue;

	queue->decided += verdict->done;
	function->worker_done += (uint32_t)verdict->done;
	if (verdict->done < count)
		queue_rewind_sent(queue);
	if (verdict->done > 0) {
		function_decide(function, verdict->done);
		function->failures = 0;
	}
	if (verdict->failed)
		function_on_exception(function, verdict->message);
	else if (verdict->done == count)
		function_grow_batch(function, count);
	function_dispatch(function);
	function_submit(function);
}

static int function_on_result(struct function *function, const uint8_t *payload, size_t size)
{
	struct verdict verdict = {0};
	struct batch oldest;
	int r;

	if (function->in_flight_count == 0)
		return -EPROTO;
	oldest = function->in_flight[0];
	if (oldest.position != function->worker_done)
		return function_on_skipped(function, payload, size);
	r = function_gather(function);
	if (r == 0)
		r = builder_add_result(function->gathering, &function->queue, oldest.count, payload,
			size, &verdict);
	if (r == -ENOMEM) {
		/* Its state is now ahead of ours. */
		function_kill(function, WORKER_REPLACED, "no memory for its result");
		return 0;
	}
	if (r != 0)
		return r;
	function_take_oldest(function);
	function_on_verdict(function, &verdict, oldest.count);
	return 0;
}

static int on_frame(void *user, uint8_t type, const uint8_t *payload, size_t size)
{
	struct function *function = user;

	switch (type) {
	case PIPE_READY:
		return size == 0 ? function_on_ready(function) : -EBADMSG;
	case PIPE_RESULT:
		return function_on_result(function, payload, size);
	case PIPE_FAILED:
		return function_on_load_failure(function, payload, size);
	default:
		return -EBADMSG;
	}
}

/*
 * What was out did not come back. Its events run again one by one, so that the culprit ends up alone;
 * that costs as many round trips, where halving would cost a crash, or a whole deadline, each time. If
 * it was one event, it is the culprit.
 */
static void function_blame(struct function *function, size_t count, const char *reason)
{
	if (count == 1) {
		function_blame_front(function, reason);
		return;
	}
	function->suspects = count;
	function->batch_limit = MAX(function->batch_limit / 2, 1U);
}

static void on_ended(void *user, enum worker_end end, const char *reason)
{
	struct function *function = user;
	size_t out = (size_t)(function->queue.sent - function->queue.decided);

	function->worker = NULL;
	function->phase = FUNCTION_WAITING;
	function->in_flight_count = 0;
	function->worker_done = 0;
	queue_rewind_sent(&function->queue);
	function->stats.crashes += end == WORKER_CRASHED && !function->load_failed;
	function->stats.timeouts += end == WORKER_TIMEOUT;
	if (out > 0 && end != WORKER_REPLACED)
		function_blame(function, out, reason);
	function->failures++;
	function_set_error(
		function, function->load_failed ? "handler does not load" : "worker lost", reason);
	function_arm(function, pause_ns(PAUSE_NS, function->failures, PAUSE_MAX_NS));
	function_submit(function);
}

static const struct worker_ops worker_ops = {.frame = on_frame, .ended = on_ended};

/* ---- starting ---- */

struct loading {
	struct function *function;
	struct state_place place; /* behind the last row */
};

static int put_state_row(void *arg, const struct state_row *row)
{
	struct loading *loading = arg;
	struct pipe_buffer *buffer = &loading->function->buffer;

	if (!pipe_put_state(buffer, row->key, row->name, row->value, row->value_len))
		return -E2BIG;
	loading->place.hash = row->hash;
	snprintf(loading->place.key, sizeof(loading->place.key), "%s", row->key);
	snprintf(loading->place.name, sizeof(loading->place.name), "%s", row->name);
	return buffer->failed ? -ENOMEM : 0;
}

static int function_put_partition(struct function *function, unsigned int partition)
{
	struct loading loading = {.function = function};
	struct state_range range = {
		.function = function->name, .partition = partition, .limit = LOAD_ROWS};
	struct engine *engine = function->engine;
	int r;

	do {
		r = engine->ops->load_state(engine->user, &range, put_state_row, &loading);
		range.after = &loading.place;
	} while (r == LOAD_ROWS);
	return MIN(r, 0);
}

static int function_put_opening(struct function *function)
{
	const struct pipe_hello hello = {
		.function = function->name,
		.dir = function->dir,
		.handler = function->handler,
		.config = function->config,
		.timeout_ms = (uint32_t)MIN(function->timeout_ns / NS_PER_MS, (uint64_t)UINT32_MAX),
		.memory_mb = RUNTIME_MEMORY_MB,
		.key = (const char *const *)function->key,
	};
	int r = 0;

	pipe_put_hello(&function->buffer, &hello);
	for (uint32_t id = 1; id < EVENT_USER_MIN; id++)
		if (schema_builtin(id))
			pipe_put_schema(&function->buffer, schema_builtin(id));
	for (unsigned int i = 0; i < PARTITIONS && r == 0; i++)
		r = function_put_partition(function, i);
	pipe_put_start(&function->buffer);
	return r < 0 ? r : function->buffer.failed ? -ENOMEM : 0;
}

static int function_spawn(struct function *function)
{
	const struct runtime *runtime = function->runtime;
	struct engine *engine = function->engine;
	const char *interpreter = runtime->interpreter;
	const char *argv[RUNTIME_FLAGS_MAX + 4] = {interpreter};
	_cleanup_free_ char *script = NULL;
	size_t argc = 1;

	if (engine->node && strcmp(runtime->name, "nodejs") == 0)
		interpreter = engine->node;
	if (asprintf(&script, "%s/%s", engine->runtime_dir, runtime->script) < 0) {
		script = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < RUNTIME_FLAGS_MAX && runtime->flags[i]; i++)
		argv[argc++] = runtime->flags[i];
	argv[argc++] = script;
	argv[argc] = function->name; /* for ps(1) */
	return worker_start(&engine->pool,
		&(struct worker_options){
			.program = interpreter,
			.argv = argv,
			.dir = function->dir,
			.function = function->name,
			.limit = &function->output_limit,
		},
		&worker_ops, function, &function->worker);
}

/* True if results are out that the next worker must find in its state. */
static bool function_must_wait(const struct function *function)
{
	if (function->committing || function->gathering)
		return true;
	/* A function of that name was removed a moment ago. */
	for (struct function *other = function->engine->functions; other; other = other->next)
		if (other->removed && strcmp(other->name, function->name) == 0)
			return true;
	return false;
}

static void function_start(struct function *function)
{
	const char *what = "committed state could not be read";
	int r;

	function->start_due = function_must_wait(function);
	if (function->start_due)
		return;
	r = function_put_opening(function);
	if (r == 0) {
		what = "worker could not be started";
		r = function_spawn(function);
	}
	if (r < 0) {
		pipe_buffer_done(&function->buffer);
		function->failures++;
		function_set_error(function, what, strerror(-r));
		function_arm(function, pause_ns(PAUSE_NS, function->failures, PAUSE_MAX_NS));
		return;
	}
	function->phase = FUNCTION_STARTING;
	function->load_failed = false;
	function_arm(function, START_NS);
	worker_send(function->worker, &function->buffer);
}

static void on_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct function *function = timer->user;

	switch (function->phase) {
	case FUNCTION_WAITING:
		function_start(function);
		break;
	case FUNCTION_STARTING:
		function_kill(function, WORKER_TIMEOUT, "was not ready in time");
		break;
	case FUNCTION_READY:
		function_kill(function, WORKER_TIMEOUT, "overran its deadline");
		break;
	case FUNCTION_PAUSED:
		function->phase = FUNCTION_READY;
		function_watch(function);
		function_dispatch(function);
		break;
	default:
		break;
	}
}

void function_begin(struct function *function)
{
	function->timer = (struct loop_timer){.fn = on_timer, .user = function};
	function->dispatch = (struct loop_timer){.fn = on_dispatch, .user = function};
	function->submit = (struct loop_timer){.fn = on_submit, .user = function};
	function->batch_limit = function->batch_max;
	function->phase = FUNCTION_WAITING;
	function_arm(function, 0);
}

/* ---- what the server calls ---- */

const char *function_name(const struct function *function)
{
	return function->name;
}

static const char *function_state(const struct function *function)
{
	switch (function->phase) {
	case FUNCTION_STARTING:
		return "starting";
	case FUNCTION_READY:
		return function->in_flight_count > 0 ? "busy" : "ready";
	case FUNCTION_WAITING:
		if (function->failures == 0)
			return "starting";
		return function->load_failed ? "failed" : "backoff";
	default:
		return "backoff";
	}
}

void function_stats(const struct function *function, struct function_stats *ret_stats)
{
	*ret_stats = function->stats;
	ret_stats->queued = queue_count(&function->queue);
	ret_stats->worker_pid = function->worker ? worker_pid(function->worker) : 0;
	ret_stats->state = function_state(function);
	ret_stats->error = function->error;
}

int function_push(struct function *function, const struct event_ref *event)
{
	const struct schema *schema = schema_builtin(event->event_id);
	int r;

	if (!schema)
		return -EINVAL;
	r = queue_push(&function->queue, event, schema->record_size);
	if (r < 0) {
		function->stats.refused++;
		return r;
	}
	if (function->phase == FUNCTION_READY && function->dispatch.at_ns == 0 &&
		function->in_flight_count < FUNCTION_IN_FLIGHT)
		loop_arm_timer(function->engine->loop, &function->dispatch, 1);
	return 0;
}

static void function_count(struct function *function, const struct result *result)
{
	function->stats.events += result->event_count;
	function->stats.dead_letters += result->outcome.dead_letter_count;
	function->stats.alerts += result->outcome.alert_count;
}

/* All since the last commit is void: the worker's state, and what was decided on top of it. */
static void function_on_refusal(struct function *function, int error)
{
	builder_free(function->gathering);
	function->gathering = NULL;
	function->front_attempts = 0;
	function->suspects = 0;
	if (!function->worker)
		function_set_error(function, "commit refused", strerror(-error));
	else
		function_kill(function, WORKER_REPLACED, "commit refused");
	/* A batch under way is nobody's fault, and its events lie behind what must run again. */
	queue_rewind_decided(&function->queue);
	if (function->start_due) {
		function->start_due = false;
		function->failures++;
		function_arm(function, pause_ns(PAUSE_NS, function->failures, PAUSE_MAX_NS));
	}
}

/* A removed function's last result is back; its successor may have waited for that. */
static void function_bury(struct function *function)
{
	struct engine *engine = function->engine;

	function_free(function);
	for (function = engine->functions; function; function = function->next)
		if (function->start_due)
			function_start(function);
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
	if (error < 0) {
		builder_free(builder);
		function_on_refusal(function, error);
		return;
	}
	function_count(function, result);
	queue_commit(&function->queue, result->event_count);
	builder_free(builder);
	function_submit(function);
	if (function->start_due)
		function_start(function);
	else
		function_dispatch(function);
}

void function_end(struct function *function)
{
	loop_disarm_timer(&function->timer);
	loop_disarm_timer(&function->dispatch);
	loop_disarm_timer(&function->submit);
	if (function->worker)
		worker_retire(function->worker);
	function->worker = NULL;
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
	builder_free(function->gathering);
	builder_free(function->committing);
	queue_done(&function->queue);
	pipe_buffer_done(&function->buffer);
	for (size_t i = 0; i < FUNCTION_KEYS_MAX; i++)
		free(function->key[i]);
	free(function->handler);
	free(function->dir);
	free(function->config);
	free(function->error);
	free(function);
}
