// SPDX-License-Identifier: BSD-2-Clause
#include "engine/instance.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define START_NS       (30 * NS_PER_SEC) /* for a worker to load its handler */
#define PAUSE_NS       (50 * NS_PER_MS)  /* before the first restart; doubles with each */
#define PAUSE_MAX_NS   (30 * NS_PER_SEC)
#define REFUSED_MAX_NS (5 * NS_PER_SEC) /* after refused commits: likewise, but less */
#define COLLECT_NS                                                                                 \
	(10 * NS_PER_MS) /* under load: a value that changes often is written once in it */
#define BATCH_BYTES (1U << 20)

static void instance_arm(struct instance *instance, uint64_t after_ns)
{
	loop_arm_timer(instance->function->engine->loop, &instance->timer,
		clock_monotonic_ns() + after_ns);
}

/* ---- what was with the worker ---- */

void instance_give_back(struct instance *instance)
{
	struct function *function = instance->function;
	struct event_list events = {0};

	event_list_append(&events, &instance->done);
	event_list_append(&events, &instance->sent);
	event_list_append(&events, &instance->waiting);
	for (unsigned int i = 0; i < PARTITIONS; i++)
		if (function->partitions[i].owner == instance)
			partition_unload(&function->partitions[i]);
	partitions_return(function, &events);
	instance->batch_count = 0;
	instance->batches_done = instance->batches_sent;
	instance->loading = NULL;
	instance->collect_wanted = false;
	instance->some_are_void = false;
	instance->held = false;
}

void instance_kill(struct instance *instance, enum worker_end end, const char *reason)
{
	loop_disarm_timer(&instance->timer);
	instance->phase = INSTANCE_ENDING;
	worker_kill(instance->worker, end, reason);
}

void instance_replace(struct instance *instance, const char *reason)
{
	if (instance_is_up(instance))
		instance_kill(instance, WORKER_REPLACED, reason);
	instance_give_back(instance);
}

/* ---- running ---- */

void instance_watch(struct instance *instance)
{
	if (instance->batch_count == 0) {
		loop_disarm_timer(&instance->timer);
		return;
	}
	instance->batch_start_ns = clock_monotonic_ns();
	instance_arm(instance, instance->function->timeout_ns);
}

void instance_hold(struct instance *instance, bool held)
{
	if (instance->held == held || instance->phase != INSTANCE_READY ||
		(held && instance->batch_count == 0))
		return;
	instance->held = held;
	worker_hold(instance->worker, held);
	if (held)
		loop_disarm_timer(&instance->timer);
	else
		instance_watch(instance);
}

bool instance_lingers(const struct instance *instance)
{
	const struct event *first = instance->waiting.first;

	return first && !first->suspect && !first->request &&
	       instance->waiting.count < instance->batch_limit &&
	       loop_now_ns(instance->function->engine->loop) < instance->linger_until_ns;
}

static bool instance_may_dispatch(const struct instance *instance)
{
	const struct event *first = instance->waiting.first;

	if (instance->phase != INSTANCE_READY || instance->waiting.count == 0 ||
		function_is_choked(instance->function))
		return false;
	if (instance->batch_count == 0)
		return first->request || !instance_lingers(instance);
	/* One more only if it is full: what comes meanwhile fills it. A request is full. */
	return instance->batch_count < INSTANCE_IN_FLIGHT && !first->suspect &&
	       !instance->batches[0].alone &&
	       (first->request || instance->waiting.count >= instance->batch_limit);
}

/* Moves one event to the worker. */
static void instance_put_event(struct instance *instance)
{
	struct event *event = event_list_take(&instance->waiting);
	struct partition *partition = &instance->function->partitions[event->partition];

	event->pipe.generation = partition->generation;
	pipe_put_event(&instance->buffer, &event->pipe, event->record, event->record_size);
	if (event->request)
		pipe_put_request(&instance->buffer, event->request->key, event->request->data);
	partition->sent++;
	event_list_push(&instance->sent, event);
}

/* Whether the next event goes into the batch whose frame is being made. */
static bool may_join(const struct instance *instance, const struct batch *batch, size_t frame)
{
	if (instance->waiting.count == 0 || batch->left >= instance->batch_limit)
		return false;
	if (batch->left == 0)
		return true;
	return !batch->alone && !batch->request && !instance->waiting.first->suspect &&
	       !instance->waiting.first->request && instance->buffer.size - frame <= BATCH_BYTES;
}

/* Whether the batch that is being made shall bring back what has changed. */
static bool wants_collecting(struct instance *instance)
{
	uint64_t now = clock_monotonic_ns();
	bool cautious = instance->batch_limit < instance->function->batch_max;

	if (instance->waiting.count > 0 && !instance->collect_wanted && !cautious &&
		now < instance->collect_after_ns)
		return false;
	instance->collect_wanted = false;
	instance->collect_after_ns = now + COLLECT_NS;
	return true;
}

static void put_le32(struct instance *instance, size_t at, uint32_t value)
{
	struct cursor c;

	if (instance->buffer.failed)
		return;
	cursor_write_init(&c, instance->buffer.bytes + at, sizeof(value));
	cursor_put_le(&c, value, sizeof(value));
}

static void instance_end_batch(struct instance *instance, const struct batch *batch, size_t frame)
{
	put_le32(instance, frame + PIPE_HEADER_BYTES, batch->left);
	put_le32(instance, frame + PIPE_HEADER_BYTES + 4,
		(batch->collect ? PIPE_BATCH_COLLECT : 0) |
			(batch->request ? PIPE_BATCH_REPLY : 0) |
			(function_is_full(instance->function) ? PIPE_BATCH_FULL : 0));
	pipe_end(&instance->buffer, frame);
	instance->batches[instance->batch_count] = *batch;
	instance->batches_sent++;
	if (instance->batch_count++ == 0)
		instance_watch(instance);
}

static void instance_send_batch(struct instance *instance)
{
	struct batch batch = {
		.alone = instance->waiting.first->suspect,
		.request = instance->waiting.first->request != NULL,
	};
	const bool is_single = batch.alone || batch.request;
	size_t most = instance_fetch(instance, is_single ? 1 : instance->batch_limit);
	size_t frame;

	if (most == 0)
		return;
	frame = pipe_begin_batch(&instance->buffer, 0, 0);
	instance->linger_until_ns =
		loop_now_ns(instance->function->engine->loop) + instance->function->linger_ns;
	while (batch.left < most && may_join(instance, &batch, frame)) {
		instance_put_event(instance);
		batch.left++;
	}
	batch.full = batch.left == instance->batch_limit;
	batch.collect = wants_collecting(instance) || batch.request;
	instance_end_batch(instance, &batch, frame);
}

void instance_collect(struct instance *instance)
{
	const struct batch batch = {.collect = true};

	instance->collect_wanted = true;
	if (instance->phase != INSTANCE_READY || instance->batch_count > 0 ||
		instance->done.count == 0)
		return;
	instance->collect_wanted = false;
	instance_end_batch(instance, &batch, pipe_begin_batch(&instance->buffer, 0, 0));
	worker_send(instance->worker, &instance->buffer);
}

/* ---- sending ---- */

void instance_drop(struct instance *instance, struct partition *partition)
{
	if (instance->loading == partition)
		instance->loading = NULL;
	if (!instance_is_up(instance))
		return;
	pipe_put_drop(&instance->buffer,
		(uint16_t)(1U << partition_number(instance->function, partition)));
	worker_send(instance->worker, &instance->buffer);
}

void instance_dispatch(struct instance *instance)
{
	instance_load(instance);
	/* What may end the worker is not to take with it what was done before. */
	if (instance->waiting.count > 0 && instance->waiting.first->suspect)
		instance_collect(instance);
	while (instance_may_dispatch(instance))
		instance_send_batch(instance);
	if (instance_is_up(instance) && instance->buffer.size > 0)
		worker_send(instance->worker, &instance->buffer);
	if (instance->batch_count == 0 && instance_lingers(instance))
		function_dispatch_later(instance->function,
			instance->linger_until_ns - loop_now_ns(instance->function->engine->loop));
}

/* ---- starting and ending ---- */

static int instance_on_ready(struct instance *instance)
{
	if (instance->phase != INSTANCE_STARTING)
		return -EPROTO;
	loop_disarm_timer(&instance->timer);
	instance->phase = INSTANCE_READY;
	instance->load_failed = false;
	log_info("function=%s ready pid=%d", instance->function->name,
		(int)worker_pid(instance->worker));
	instance_dispatch(instance);
	return 0;
}

static int instance_on_load_failure(struct instance *instance, const struct pipe_frame *frame)
{
	const char *message;
	struct cursor c;

	cursor_read_init(&c, frame->payload, frame->size);
	message = pipe_get_text(&c, NULL);
	if (instance->phase != INSTANCE_STARTING || !message)
		return -EPROTO;
	instance->load_failed = true;
	instance_kill(instance, WORKER_CRASHED, message);
	return 0;
}

static int on_frame(void *user, const struct pipe_frame *frame)
{
	struct instance *instance = user;

	switch (frame->type) {
	case PIPE_READY:
		return frame->size == 0 ? instance_on_ready(instance) : -EBADMSG;
	case PIPE_FAILED:
		return instance_on_load_failure(instance, frame);
	case PIPE_RESULT:
		return instance_on_result(instance, frame);
	default:
		return -EPROTO;
	}
}

/*
 * The oldest batch is lost. One that was alone is to blame; of several, each runs alone from now on,
 * so the culprit is found in one more round. It was not alone either if others of its partition are
 * lost that were done: they run again before it.
 */
static struct event *find_culprit(struct instance *instance)
{
	uint32_t left = instance->batch_count > 0 ? instance->batches[0].left : 0;
	struct event *event = instance->sent.first;
	struct partition *partition =
		left == 1 ? &instance->function->partitions[event->partition] : NULL;

	instance->batch_limit = MAX(instance->batch_limit / 2, (size_t)1);
	if (partition && partition->done == 0) {
		event_list_take(&instance->sent);
		partition->sent--;
		event->suspect = true;
		return event;
	}
	for (; left > 0; left--, event = event->next)
		event->suspect = true;
	return NULL;
}

/* Before its phase changes. */
static const char *name_loss(const struct instance *instance)
{
	if (instance->load_failed)
		return "handler does not load";
	return instance->phase == INSTANCE_STARTING ? "worker lost while it loaded the handler"
						    : "worker lost";
}

static void instance_on_loss(struct instance *instance, enum worker_end end, const char *reason)
{
	struct function *function = instance->function;
	struct event *culprit = NULL;

	if (end == WORKER_TIMEOUT)
		function->stats.timeouts++;
	else if (end == WORKER_CRASHED)
		function->stats.crashes++;
	if (end != WORKER_REPLACED)
		culprit = find_culprit(instance);
	instance_give_back(instance);
	if (culprit) {
		instance->failures = 1; /* the worker is not to blame */
		function_blame(function, culprit, reason, true);
	}
}

/* What the store would refuse again is not run again and again. */
static uint64_t instance_pause_ns(const struct instance *instance)
{
	return MAX(function_pause_ns(PAUSE_NS, instance->failures, PAUSE_MAX_NS),
		function_pause_ns(PAUSE_NS, instance->function->refusals, REFUSED_MAX_NS));
}

static void on_ended(void *user, enum worker_end end, const char *reason)
{
	struct instance *instance = user;
	struct function *function = instance->function;
	uint64_t pause_ns;

	function_set_error(function, name_loss(instance), reason);
	instance->worker = NULL;
	pipe_buffer_done(&instance->buffer);
	instance->phase = INSTANCE_WAITING;
	instance->failures++;
	instance_on_loss(instance, end, reason);
	pause_ns = instance_pause_ns(instance);
	if (end == WORKER_REPLACED && function->refusals > 0)
		function_excuse(function, clock_monotonic_ns() + pause_ns);
	instance_arm(instance, pause_ns);
	function_submit(function);
	partitions_advance(function);
}

static const struct worker_ops worker_ops = {.frame = on_frame, .ended = on_ended};

static void instance_put_opening(struct instance *instance)
{
	const struct function *function = instance->function;
	const struct pipe_hello hello = {
		.function = function->name,
		.dir = isolation_function_dir(function->layers, function->dir),
		.handler = function->handler,
		.config = function->config,
		.timeout_ms = (uint32_t)MIN(function->timeout_ns / NS_PER_MS, (uint64_t)UINT32_MAX),
		.memory_mb = function_memory_mb(function),
		.key = (const char *const *)function->key,
	};

	pipe_put_hello(&instance->buffer, &hello);
	for (uint32_t id = 1; id < EVENT_USER_MIN; id++)
		if (schema_builtin(id))
			pipe_put_schema(&instance->buffer, schema_builtin(id));
	pipe_put_start(&instance->buffer);
}

static int instance_specialise(struct instance *instance, struct worker *worker)
{
	struct function *function = instance->function;
	const struct worker_function its = {
		.name = function->name,
		.home = {.dir = function->dir,
			.memory = (uint64_t)function_memory_mb(function) << 20,
			.cpu = function->cpu,
			.processes = CONTROL_PROCESSES},
		.limit = &function->output_limit,
	};
	int r = worker_specialise(worker, &its, &(struct worker_user){&worker_ops, instance});

	if (r < 0)
		worker_retire(worker);
	else
		instance->worker = worker;
	return r;
}

static int instance_spawn(struct instance *instance)
{
	struct function *function = instance->function;
	const struct worker_kind kind = function_kind(function);
	struct spares *spares = &function->engine->spares;
	struct worker *worker = spares_take(spares, &kind);
	int r;

	/* One that has just ended is no use, nor a reason not to start. */
	if (worker && instance_specialise(instance, worker) == 0)
		return 0;
	r = worker_kind_start(spares, &kind, function->name, &(struct worker_user){0}, &worker);
	return r < 0 ? r : instance_specialise(instance, worker);
}

static void instance_start(struct instance *instance)
{
	struct function *function = instance->function;
	_cleanup_free_ char *error = NULL;
	int r = function->prepared ? 0 : function_prepare(function, &error);

	if (r == 0)
		r = instance_spawn(instance);
	if (r < 0) {
		instance->failures++;
		instance->load_failed = !function->prepared;
		function_set_error(
			function, "worker could not be started", error ? error : strerror(-r));
		instance_arm(
			instance, function_pause_ns(PAUSE_NS, instance->failures, PAUSE_MAX_NS));
		return;
	}
	instance->phase = INSTANCE_STARTING;
	instance->load_failed = false;
	instance_arm(instance, START_NS);
	instance_put_opening(instance);
	instance_dispatch(instance);
}

static void on_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct instance *instance = timer->user;

	switch (instance->phase) {
	case INSTANCE_WAITING:
		instance_start(instance);
		break;
	case INSTANCE_STARTING:
		instance_kill(instance, WORKER_TIMEOUT, "was not ready in time");
		break;
	case INSTANCE_READY:
		instance_kill(instance, WORKER_TIMEOUT, "overran its deadline");
		break;
	default:
		break;
	}
}

int instance_new(struct function *function, struct instance **ret_instance)
{
	struct instance *instance = calloc(1, sizeof(*instance));

	if (!instance)
		return -ENOMEM;
	instance->function = function;
	instance->phase = INSTANCE_WAITING;
	instance->timer = (struct loop_timer){.fn = on_timer, .user = instance};
	instance->batch_limit = function->batch_max;
	instance_arm(instance, 0);
	*ret_instance = instance;
	return 0;
}

void instance_free(struct instance *instance)
{
	loop_disarm_timer(&instance->timer);
	if (instance->worker)
		worker_retire(instance->worker);
	pipe_buffer_done(&instance->buffer);
	free(instance);
}
