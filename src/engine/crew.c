// SPDX-License-Identifier: BSD-2-Clause
/* The workers of a function: how many there are to be, and how they do. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/instance.h"

/* ---- their number ---- */

static bool instance_is_empty(const struct instance *instance)
{
	for (unsigned int i = 0; i < PARTITIONS; i++) {
		const struct partition *partition = &instance->function->partitions[i];

		if (partition->owner == instance || partition->next == instance)
			return false;
	}
	return true;
}

/* Instances that were to leave and have nothing any more. */
void function_let_workers_go(struct function *function)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < function->instance_count; i++) {
		struct instance *instance = function->instances[i];

		if (instance->leaving && instance_is_empty(instance))
			instance_free(instance);
		else
			function->instances[kept++] = instance;
	}
	function->instance_count = kept;
}

static unsigned int count_staying(const struct function *function)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < function->instance_count; i++)
		count += !function->instances[i]->leaving;
	return count;
}

/* All go at once: nothing is with them, and what they know is durable. */
static void function_dismiss(struct function *function)
{
	for (unsigned int i = 0; i < PARTITIONS; i++) {
		partition_unload(&function->partitions[i]);
		function->partitions[i].owner = NULL;
		function->partitions[i].next = NULL;
	}
	for (unsigned int i = 0; i < function->instance_count; i++)
		instance_free(function->instances[i]);
	function->instance_count = 0;
}

void function_set_workers(struct function *function, unsigned int workers)
{
	unsigned int staying = count_staying(function);

	workers = MIN(workers, PARTITIONS);
	function->scaler.workers = workers;
	if (workers == 0) {
		if (function->queued == 0)
			function_dismiss(function);
		return;
	}
	for (unsigned int i = function->instance_count; i > 0 && staying > workers; i--) {
		struct instance *instance = function->instances[i - 1];

		staying -= !instance->leaving;
		instance->leaving = true;
	}
	/* One that is about to leave may as well stay. */
	for (unsigned int i = 0; i < function->instance_count && staying < workers; i++) {
		staying += function->instances[i]->leaving;
		function->instances[i]->leaving = false;
	}
	for (; staying < workers && function->instance_count < PARTITIONS; staying++)
		if (instance_new(function, &function->instances[function->instance_count]) == 0)
			function->instance_count++;
	partitions_balance(function);
	function_dispatch_soon(function);
}

/* ---- by what they have to do ---- */

static uint64_t busy_ns(const struct function *function, uint64_t now_ns)
{
	uint64_t sum = function->stats.busy_ns;

	for (unsigned int i = 0; i < function->instance_count; i++)
		if (function->instances[i]->batch_count > 0)
			sum += now_ns - function->instances[i]->batch_start_ns;
	return sum;
}

/* Ticks since the oldest event came that a worker has, or is to have. */
static uint32_t waited_ticks(const struct function *function, uint64_t now_ns)
{
	uint32_t now = latency_tick(now_ns), most = 0;

	for (unsigned int i = 0; i < PARTITIONS; i++)
		if (function->partitions[i].hold.count > 0)
			most = MAX(most, now - function->partitions[i].hold.first->tick);
	for (unsigned int i = 0; i < function->instance_count; i++) {
		const struct instance *instance = function->instances[i];

		if (instance->waiting.count > 0)
			most = MAX(most, now - instance->waiting.first->tick);
	}
	return most;
}

static struct scaler_load load_of(const struct function *function, uint64_t now_ns)
{
	struct scaler_load load = {
		.now_ns = now_ns,
		.queued = function->queued,
		.waited_ns = waited_ticks(function, now_ns) * LATENCY_TICK_NS,
		.busy_ns = busy_ns(function, now_ns),
	};

	for (unsigned int i = 0; i < PARTITIONS; i++)
		load.partitions += function->partitions[i].queued > 0;
	for (unsigned int i = 0; i < function->instance_count; i++)
		load.up += function->instances[i]->phase == INSTANCE_READY &&
			   !function->instances[i]->leaving;
	return load;
}

static void on_scale(struct loop_timer *timer, uint64_t now_ns)
{
	struct function *function = timer->user;
	struct scaler_load load = load_of(function, now_ns);
	unsigned int before = function->scaler.workers, workers;
	uint64_t next_ns;

	workers = scaler_look(&function->scaler, &load);
	if (workers != before) {
		log_info("function=%s workers=%u before=%u queued=%zu waited_ms=%llu",
			function->name, workers, before, load.queued,
			(unsigned long long)(load.waited_ns / NS_PER_MS));
		function_set_workers(function, workers);
	}
	next_ns = scaler_next_ns(&function->scaler, &load);
	if (next_ns != 0)
		loop_arm_timer(function->engine->loop, timer, next_ns);
}

void function_crew_begin(struct function *function, const struct scaler_bounds *bounds)
{
	function->scale = (struct loop_timer){.fn = on_scale, .user = function};
	scaler_init(&function->scaler, bounds, loop_now_ns(function->engine->loop));
	function_set_workers(function, bounds->min);
}

void function_crew_note_event(struct function *function)
{
	struct loop *loop = function->engine->loop;
	uint64_t soon = function->instance_count > 0 ? SCALER_LOOK_NS : 0;

	if (function->scaler.bounds.min == function->scaler.bounds.max)
		return;
	soon += loop_now_ns(loop) + 1;
	if (function->scale.at_ns == 0 || function->scale.at_ns > soon)
		loop_arm_timer(loop, &function->scale, soon);
}

/* ---- what the server calls ---- */

const char *function_name(const struct function *function)
{
	return function->name;
}

struct phases {
	unsigned int up, starting, busy, failing, broken;
};

static void count_phases(const struct function *function, struct phases *phases)
{
	for (unsigned int i = 0; i < function->instance_count; i++) {
		const struct instance *instance = function->instances[i];

		phases->up += instance->phase == INSTANCE_READY;
		phases->busy += instance->phase == INSTANCE_READY && instance->batch_count > 0;
		phases->starting +=
			instance->phase == INSTANCE_STARTING ||
			(instance->phase == INSTANCE_WAITING && instance->failures == 0);
		phases->broken += instance->phase == INSTANCE_WAITING && instance->load_failed;
	}
}

static const char *function_state(const struct function *function)
{
	struct phases phases = {0};

	if (function->stalled)
		return "stalled";
	count_phases(function, &phases);
	if (phases.up > 0 && function_is_full(function))
		return "full";
	if (phases.up > 0)
		return phases.busy > 0 ? "busy" : "ready";
	if (phases.broken > 0)
		return "failed";
	if (function->instance_count == 0)
		return "idle";
	return phases.starting > 0 ? "starting" : "backoff";
}

void function_stats(const struct function *function, struct function_stats *ret_stats)
{
	struct phases phases = {0};
	unsigned int count = 0;

	count_phases(function, &phases);
	*ret_stats = function->stats;
	ret_stats->queued = function->queued;
	for (unsigned int i = 0; i < PARTITIONS; i++)
		ret_stats->keys += function->partitions[i].residents.count;
	ret_stats->stalled = function->stalled;
	ret_stats->kept_max = function->state_bytes;
	ret_stats->full = function_is_full(function);
	ret_stats->workers = phases.up;
	ret_stats->workers_wanted = function->scaler.workers;
	for (unsigned int i = 0; i < function->instance_count; i++) {
		ret_stats->worker_pids[count] = function_worker_pid(function, i);
		count += ret_stats->worker_pids[count] > 0;
	}
	latency_look(&function->latency, clock_monotonic_ns(), &ret_stats->latency);
	ret_stats->state = function_state(function);
	ret_stats->error = function->error;
	ret_stats->error_ns = function->error_ns;
	ret_stats->isolation = function->isolation;
	ret_stats->layers = function->layers;
	ret_stats->layers_chosen = function->prepared;
}

void function_latency(const struct function *function, struct histogram *ret_latency)
{
	*ret_latency = function->latency.total;
	histogram_merge(ret_latency, &function->latency.recent[0]);
}

int function_worker_pid(const struct function *function, unsigned int number)
{
	if (number >= function->instance_count || !function->instances[number]->worker)
		return 0;
	return worker_pid(function->instances[number]->worker);
}
