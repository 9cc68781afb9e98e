// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events a second through one Node.js worker: bench_engine FILE.FUNCTION [EVENTS]. A keyed counter over
 * 1000 sources, results "committed" in the next round of the loop; for batches of 1, 16 and 256.
 */
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SOURCES 1000

struct bench {
	struct loop *loop;
	struct engine *engine;
	struct function *function;
	struct loop_timer commit_timer, push_timer;
	struct result *result;
	uint64_t pushed, finished, want;
};

static void on_commit(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct bench *bench = timer->user;
	struct result *result = TAKE_PTR(bench->result);

	bench->finished += result->event_count;
	engine_committed(result, 0);
	if (bench->finished == bench->want)
		loop_stop(bench->loop);
}

static void commit(void *user, struct result *result)
{
	struct bench *bench = user;

	bench->result = result;
	loop_arm_timer(bench->loop, &bench->commit_timer, 1);
}

static int load_state(void *user _unused_, const char *function _unused_, state_row_fn row _unused_,
	void *arg _unused_)
{
	return 0;
}

static void on_push(struct loop_timer *timer, uint64_t now_ns)
{
	struct bench *bench = timer->user;

	while (bench->pushed < bench->want) {
		uint32_t source = (uint32_t)(bench->pushed % SOURCES);
		struct port_event record = {.dstport = 80, .protocol = 6, .syn = 1};
		const struct event_ref event = {
			.event_id = EVENT_PORT,
			.switch_id = 1,
			.time_ns = 1763884800000000000ULL + bench->pushed * NS_PER_US,
			.record = &record,
		};

		record.srcip.bytes[10] = record.srcip.bytes[11] = 0xff;
		record.srcip.bytes[12] = 10;
		memcpy(record.srcip.bytes + 13, &source, 3);
		if (function_push(bench->function, &event) < 0)
			break;
		bench->pushed++;
	}
	if (bench->pushed < bench->want)
		loop_arm_timer(bench->loop, timer, now_ns + NS_PER_MS);
}

static int run(const char *handler, unsigned int batch_max, uint64_t events)
{
	static const struct engine_ops ops = {.commit = commit, .load_state = load_state};
	static const char *const key[] = {"srcip", NULL};
	const struct engine_options engine_options = {.runtime_dir = TEST_RUNTIME, .node = "node"};
	const struct function_options options = {
		.name = "bench",
		.runtime = "nodejs",
		.handler = handler,
		.dir = TEST_FUNCTIONS,
		.key = key,
		.timeout_ns = 10 * NS_PER_SEC,
		.attempts = 3,
		.batch_max = batch_max,
		.queue_max = 16384,
	};
	struct bench bench = {.want = 1};
	struct function_stats stats;
	char *error = NULL;
	uint64_t start;
	int r;

	bench.commit_timer = (struct loop_timer){.fn = on_commit, .user = &bench};
	bench.push_timer = (struct loop_timer){.fn = on_push, .user = &bench};
	r = loop_new(&bench.loop);
	if (r == 0)
		r = engine_new(bench.loop, &engine_options, &ops, &bench, &bench.engine);
	if (r == 0)
		r = engine_add(bench.engine, &options, &bench.function, &error);
	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : strerror(-r));
		return r;
	}
	/* The first event waits for the worker to start; then the clock runs. */
	start = clock_monotonic_ns();
	on_push(&bench.push_timer, start);
	r = loop_run(bench.loop);
	printf("start %.0f ms, ", (double)(clock_monotonic_ns() - start) / NS_PER_MS);
	bench.want += events;
	start = clock_monotonic_ns();
	on_push(&bench.push_timer, start);
	if (r == 0)
		r = loop_run(bench.loop);
	function_stats(bench.function, &stats);
	printf("batch %u: %.0f events/s, %.2f us/event in the worker\n", batch_max,
		(double)events * NS_PER_SEC / (double)(clock_monotonic_ns() - start),
		(double)stats.busy_ns / NS_PER_US / (double)(events + 1));
	engine_free(bench.engine);
	loop_free(bench.loop);
	return r;
}

int main(int argc, char **argv)
{
	const char *handler = argc > 1 ? argv[1] : "sum.count";
	uint64_t events = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000;

	log_set_level(LOG_LEVEL_ERROR);
	if (schema_init() < 0)
		return 1;
	return run(handler, 1, events / 10) < 0 || run(handler, 16, events) < 0 ||
	       run(handler, 256, events) < 0;
}
