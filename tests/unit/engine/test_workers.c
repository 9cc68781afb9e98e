// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "base/log.h"
#include "launcher/layers.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state _unused_)
{
	log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	return schema_init();
}

/* ---- spare workers ---- */

static int spare_pid;

static bool has_spare(struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	spare_pid = engine_spare_pid(world->engine, 0);
	return spare_pid > 0 && stats.workers == stats.workers_wanted;
}

/* What was spare is the function's worker, and has done its events. */
static bool spare_is_at_work(struct world *world)
{
	return function_worker_pid(world->function, 0) == spare_pid && all_finished(world);
}

/* Of two runtimes, which say enough. Without a root of its own, a sandbox must know its function from the start. */
static void init_with_a_spare(struct world *world)
{
	if (!is_node() && strcmp(tested_runtime(), "native") != 0)
		skip();
	world_init_spares(world, 1);
	if (engine_level(world->engine)->layers & LAYER_BIT(LAYER_ROOT))
		return;
	world_done(world);
	skip();
}

static void a_spare_worker_takes_the_place_of_a_lost_one(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	init_with_a_spare(&world);
	world_add(&world, &o);
	for (uint32_t i = 0; i < 2; i++) {
		run_until(&world, has_spare);
		assert_int_equal(engine_spare_pid(world.engine, 1), 0);
		kill(function_worker_pid(world.function, 0), SIGKILL);
		push_many(&world, i * 10, 10);
		run_until(&world, spare_is_at_work);
	}
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "20");
	world_done(&world);
}

static void an_idle_function_gets_the_spare_worker(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.min = 0;
	o.max = 1;
	init_with_a_spare(&world);
	world_add(&world, &o);
	run_until(&world, has_spare);
	assert_int_equal(function_worker_pid(world.function, 0), 0);
	push_many(&world, 0, 10);
	run_until(&world, spare_is_at_work);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "10");
	world_done(&world);
}

static bool has_another_spare(struct world *world)
{
	int pid = engine_spare_pid(world->engine, 0);

	return pid > 0 && pid != spare_pid;
}

static void a_spare_worker_that_ends_is_replaced_and_missed_by_nobody(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	init_with_a_spare(&world);
	world_add(&world, &o);
	run_until(&world, has_spare);
	kill(spare_pid, SIGKILL);
	run_until(&world, has_another_spare);
	/* One is taken that is as good as dead. */
	kill(engine_spare_pid(world.engine, 0), SIGKILL);
	kill(function_worker_pid(world.function, 0), SIGKILL);
	push_many(&world, 0, 10);
	run_until(&world, all_finished);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "10");
	function_stats(world.function, &stats);
	assert_int_equal(stats.dead_letters, 0);
	world_done(&world);
}

/* ---- partitions ---- */

#define SOURCES 48

/* Events of many sources, each of which counts its own; what disturbs the engine meanwhile. */
struct crowd {
	struct world world;
	struct loop_timer push_timer;
	uint32_t pushed[SOURCES];
	uint32_t total, most;
	unsigned int seed, ticks, rate; /* events a millisecond */
	unsigned int disturbances;      /* kills and refused commits */
	size_t state_keys;              /* in memory; 0: all */
	size_t undisturbed;             /* events finished by when something was last disturbed */
	void (*disturb)(struct crowd *crowd);
	int pids[PARTITIONS]; /* of the workers when there were several; 0: there were not yet */
};

static void on_crowd(struct loop_timer *timer, uint64_t now_ns)
{
	struct crowd *crowd = timer->user;

	for (unsigned int i = 0; i < crowd->rate && crowd->total < crowd->most; i++) {
		uint8_t source = (uint8_t)(rand_r(&crowd->seed) % SOURCES);

		if (!push_from(
			    &crowd->world, source, crowd->total, crowd->pushed[source], ORDER_NONE))
			break;
		crowd->pushed[source]++;
		crowd->total++;
	}
	if (crowd->disturb)
		crowd->disturb(crowd);
	crowd->ticks++;
	if (crowd->total < crowd->most)
		loop_arm_timer(crowd->world.loop, timer, now_ns + NS_PER_MS);
}

/* Each source's events were run once, and in order. */
static void assert_sources(struct crowd *crowd)
{
	for (unsigned int i = 0; i < SOURCES; i++) {
		char key[32], sum[32];

		snprintf(key, sizeof(key), "10.0.0.%u", i);
		snprintf(sum, sizeof(sum), "%u", crowd->pushed[i]);
		assert_string_equal(value_of(&crowd->world, key, "sum"), sum);
		assert_string_equal(value_of(&crowd->world, key, "odd"), "(none)");
	}
}

static void run_crowd(struct crowd *crowd, unsigned int workers, uint32_t events)
{
	struct function_options o = options("sum.ordered");

	o.min = o.max = workers;
	o.state_keys = crowd->state_keys;
	o.attempts = 100; /* the events are not to blame */
	world_init(&crowd->world);
	world_add(&crowd->world, &o);
	crowd->most = events;
	crowd->seed = seed_take();
	crowd->world.want = events;
	crowd->push_timer = (struct loop_timer){.fn = on_crowd, .user = crowd};
	loop_arm_timer(crowd->world.loop, &crowd->push_timer, clock_monotonic_ns());
	run_until(&crowd->world, all_finished);
	assert_sources(crowd);
	assert_int_equal(crowd->world.letter_count, 0);
}

static void several_workers_share_a_function(void **state _unused_)
{
	static struct crowd crowd;
	struct function_stats stats;

	crowd = (struct crowd){.rate = 40};
	run_crowd(&crowd, 3, 5000);
	function_stats(crowd.world.function, &stats);
	assert_int_equal(stats.workers, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_true(function_worker_pid(crowd.world.function, i) > 0);
	assert_int_equal(function_worker_pid(crowd.world.function, 3), 0);
	world_done(&crowd.world);
}

/* Notes the processes that there are then. */
static bool has_scaled(struct crowd *crowd)
{
	struct function_stats stats;

	function_stats(crowd->world.function, &stats);
	if (stats.workers < 2 || stats.moves == 0 || stats.worker_pids[1] == 0)
		return false;
	memcpy(crowd->pids, stats.worker_pids, sizeof(crowd->pids));
	return true;
}

/* More in a millisecond than a worker can do, until there are several. */
static void on_flood(struct loop_timer *timer, uint64_t now_ns)
{
	struct crowd *crowd = timer->user;

	for (unsigned int i = 0; i < crowd->rate && crowd->total < crowd->most; i++) {
		uint8_t source = (uint8_t)(crowd->total % SOURCES);

		if (!push_from(&crowd->world, source, crowd->total, 1, ORDER_NONE))
			break;
		crowd->pushed[source]++;
		crowd->total++;
	}
	if (crowd->pids[0] == 0 && has_scaled(crowd))
		crowd->most = crowd->total;
	loop_arm_timer(crowd->world.loop, timer, now_ns + NS_PER_MS);
}

static bool load_has_come(struct world *world)
{
	return container_of(world, struct crowd, world)->pids[0] > 0;
}

/* Load that takes several workers comes, and is done. */
static void have_load(struct crowd *crowd, const struct function_options *options)
{
	*crowd = (struct crowd){.rate = 4, .most = UINT32_MAX};
	world_init(&crowd->world);
	world_add(&crowd->world, options);
	crowd->push_timer = (struct loop_timer){.fn = on_flood, .user = crowd};
	loop_arm_timer(crowd->world.loop, &crowd->push_timer, clock_monotonic_ns());
	run_until(&crowd->world, load_has_come);
	crowd->world.want = crowd->total;
	run_until(&crowd->world, all_finished);
}

static void workers_come_with_the_load_and_nothing_is_lost_or_doubled(void **state _unused_)
{
	struct function_options o = options("sum.slow");
	static struct crowd crowd;

	o.min = 0;
	o.max = 4;
	o.queue_max = 1000;
	skip_unless_native();
	have_load(&crowd, &o);
	assert_sources(&crowd);
	assert_int_equal(crowd.world.letter_count, 0);
	world_done(&crowd.world);
}

static bool has_one_worker(struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	return stats.workers_wanted == 1 && stats.workers == 1 && stats.worker_pids[1] == 0;
}

static unsigned int count_left(const struct crowd *crowd)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < PARTITIONS && crowd->pids[i] > 0; i++)
		left += kill(crowd->pids[i], 0) == 0;
	return left;
}

static bool the_others_have_ended(struct world *world)
{
	return count_left(container_of(world, struct crowd, world)) <= 1;
}

/* Load comes, and goes, and comes again: what is counted is what was sent. */
static void idle_workers_go_and_what_they_know_comes_back(void **state _unused_)
{
	struct function_options o = options("sum.slow");
	static struct crowd crowd;

	o.min = 1;
	o.max = 4;
	o.idle_ns = 200 * NS_PER_MS;
	o.queue_max = 1000;
	skip_unless_native();
	have_load(&crowd, &o);
	run_until(&crowd.world, has_one_worker);
	run_until(&crowd.world, the_others_have_ended);
	assert_int_equal(count_left(&crowd), 1);
	assert_sources(&crowd);
	for (unsigned int i = 0; i < 3 * SOURCES; i++) {
		assert_true(push_from(
			&crowd.world, (uint8_t)(i % SOURCES), crowd.total++, 1, ORDER_NONE));
		crowd.pushed[i % SOURCES]++;
	}
	crowd.world.want = crowd.total;
	run_until(&crowd.world, all_finished);
	assert_sources(&crowd);
	assert_int_equal(crowd.world.letter_count, 0);
	world_done(&crowd.world);
}

static bool is_idle(struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	return strcmp(stats.state, "idle") == 0;
}

static void assert_idle(const struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	assert_string_equal(stats.state, "idle");
	assert_int_equal(stats.workers, 0);
	assert_int_equal(stats.worker_pids[0], 0);
}

static void a_function_without_worker_gets_one_when_something_comes(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.min = 0;
	o.max = 1;
	o.idle_ns = 10 * NS_PER_MS;
	skip_unless_native();
	world_init(&world);
	world_add(&world, &o);
	for (uint32_t i = 0; i < 3; i++) {
		run_until(&world, is_idle);
		assert_idle(&world);
		push_many(&world, i * 10, 10);
		run_until(&world, all_finished);
	}
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "30");
	world_done(&world);
}

static void change_workers(struct crowd *crowd)
{
	static const unsigned int workers[] = {1, 4, 2, 3, 1, 2};

	if (crowd->ticks % 30 == 29)
		function_set_workers(
			crowd->world.function, workers[crowd->ticks / 30 % ARRAY_SIZE(workers)]);
}

static void partitions_move_under_load_and_nothing_is_lost_doubled_or_out_of_order(
	void **state _unused_)
{
	static struct crowd crowd;
	struct function_stats stats;

	crowd = (struct crowd){.rate = 40, .disturb = change_workers};
	run_crowd(&crowd, 2, 20000);
	function_stats(crowd.world.function, &stats);
	assert_true(stats.moves > 20);
	assert_int_equal(stats.crashes + stats.timeouts + stats.failures, 0);
	world_done(&crowd.world);
}

/*
 * Workers are killed, and commits refused, at any time; but something gets done in between, however
 * slow the machine is.
 */
static void change_and_kill(struct crowd *crowd)
{
	int pid = function_worker_pid(crowd->world.function, crowd->ticks % 4);
	size_t pause = 600 + crowd->ticks % 611;

	change_workers(crowd);
	if (pid <= 0 || crowd->world.finished_count < crowd->undisturbed + pause)
		return;
	if (crowd->disturbances++ % 3 == 2)
		crowd->world.commit_errors++;
	else
		kill(pid, SIGKILL);
	crowd->undisturbed = crowd->world.finished_count;
}

static void moves_kills_and_refused_commits_at_once_lose_and_double_nothing(void **state _unused_)
{
	static struct crowd crowd;
	struct function_stats stats;

	crowd = (struct crowd){.rate = 5, .disturb = change_and_kill};
	run_crowd(&crowd, 2, 20000);
	function_stats(crowd.world.function, &stats);
	assert_true(stats.crashes > 2);
	assert_true(crowd.world.refusals > 1);
	world_done(&crowd.world);
}

static bool push_poisoned(struct crowd *crowd, unsigned int one_in)
{
	static const enum order orders[] = {
		ORDER_EXIT, ORDER_THROW, ORDER_THROW_LATE, ORDER_GARBAGE};
	uint8_t source = (uint8_t)(rand_r(&crowd->seed) % SOURCES);
	enum order order = rand_r(&crowd->seed) % one_in == 0
				   ? orders[rand_r(&crowd->seed) % ARRAY_SIZE(orders)]
				   : ORDER_NONE;

	return push_from(&crowd->world, source, crowd->total, 1, order);
}

static void on_poisoned(struct loop_timer *timer, uint64_t now_ns)
{
	struct crowd *crowd = timer->user;

	for (unsigned int i = 0; i < crowd->rate && crowd->total < crowd->most; i++) {
		if (!push_poisoned(crowd, 200))
			break;
		crowd->total++;
	}
	crowd->disturb(crowd);
	crowd->ticks++;
	if (crowd->total < crowd->most)
		loop_arm_timer(crowd->world.loop, timer, now_ns + NS_PER_MS);
}

static uint64_t sum_of_all(struct world *world)
{
	uint64_t sum = 0;
	char key[32];

	for (unsigned int i = 0; i < SOURCES; i++) {
		snprintf(key, sizeof(key), "10.0.0.%u", i);
		sum += strtoull(value_of(world, key, "sum"), NULL, 10);
	}
	return sum;
}

/* What is put aside, and who is to blame, differs; but each event is either done or put aside, and none before its turn. */
static void poison_among_kills_moves_and_refusals_is_put_aside_in_its_turn(void **state _unused_)
{
	static const struct {
		unsigned int batch_max, attempts;
	} settings[] = {{1, 1}, {2, 2}, {64, 1}};
	static struct crowd crowd;
	struct function_options o = options("sum.main");
	struct function_stats stats;
	unsigned int seed;

	skip_unless_native();
	seed = seed_take();
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		crowd = (struct crowd){.rate = 10,
			.most = 2000,
			.seed = seed + (unsigned int)i,
			.disturb = change_and_kill};
		o.min = o.max = 2;
		o.batch_max = settings[i].batch_max;
		o.attempts = settings[i].attempts;
		world_init(&crowd.world);
		world_add(&crowd.world, &o);
		crowd.world.want = crowd.most;
		crowd.push_timer = (struct loop_timer){.fn = on_poisoned, .user = &crowd};
		loop_arm_timer(crowd.world.loop, &crowd.push_timer, clock_monotonic_ns());
		run_until(&crowd.world, all_finished);
		function_stats(crowd.world.function, &stats);
		assert_int_equal(stats.events, crowd.most);
		assert_true(stats.dead_letters > 0);
		assert_int_equal(sum_of_all(&crowd.world), crowd.most - stats.dead_letters);
		world_done(&crowd.world);
	}
}

/* ---- several functions ---- */

static void assert_undone(const struct function *function, size_t events)
{
	struct function_stats stats;

	function_stats(function, &stats);
	assert_int_equal(stats.queued, events);
	assert_int_equal(stats.events, 0);
}

/* One never ends, one never loads, one ends its worker: what they do is their own loss. */
static void bad_functions_hold_up_no_other(void **state _unused_)
{
	static const enum order orders[] = {ORDER_LOOP, ORDER_EXIT, ORDER_GARBAGE, ORDER_NONE};
	static const char *const names[] = {"loops", "exits", "writes", "lies"};
	struct function *bad[ARRAY_SIZE(orders)];
	struct function_options o;
	struct world world;

	skip_unless_native();
	world_init(&world);
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		o = options(i < 3 ? "sum.main" : "broken.main");
		o.name = names[i];
		o.timeout_ns = 500 * NS_PER_MS;
		o.attempts = 255;
		world_add(&world, &o);
		bad[i] = world.function;
		for (uint32_t sequence = 0; sequence < 100; sequence++)
			assert_true(push(&world, sequence, 1, orders[i]));
	}
	o = options("sum.main");
	world_add(&world, &o);
	for (uint32_t i = 0; i < 20; i++) {
		push_many(&world, i * 100, 100);
		run_until(&world, all_finished);
	}
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "2000");
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		assert_undone(bad[i], 100);
	world_done(&world);
}

static bool all_is_printed(struct world *world)
{
	return all_finished(world) && world->printed >= (size_t)63 * 16384;
}

/* A tenth of a second at a time, so that others have theirs; who prints waits, and nothing is left out. */
static void what_a_chatterbox_prints_is_read_in_pieces(void **state _unused_)
{
	const size_t piece = (64 << 10) + 8192;
	struct function_options o = options("sum.chatters");
	struct world world;
	uint64_t began, pieces;

	skip_unless_native();
	world_init(&world);
	world_add(&world, &o);
	run_until(&world, is_ready);
	began = clock_monotonic_ns();
	push_many(&world, 0, 1);
	run_until(&world, all_is_printed);
	pieces = (clock_monotonic_ns() - began) * 10 / NS_PER_SEC + 2;
	assert_true(world.printed <= pieces * piece);
	assert_int_equal(world.printed, 63 * 16384);
	world_done(&world);
}

/* ---- keys that leave memory ---- */

static void keys_leave_memory_and_come_back_with_what_they_were(void **state _unused_)
{
	static struct crowd crowd;
	struct function_stats stats;

	crowd = (struct crowd){.rate = 4, .state_keys = 16}; /* one a partition, of three */
	run_crowd(&crowd, 2, 4000);
	function_stats(crowd.world.function, &stats);
	assert_true(stats.keys_fetched > 0);
	assert_true(stats.keys_fetched <= stats.keys_evicted);
	assert_in_range(stats.keys, 1, SOURCES);
	assert_int_equal(stats.crashes + stats.timeouts + stats.failures, 0);
	world_done(&crowd.world);
}

static void keys_come_back_whatever_happens_to_workers_and_store(void **state _unused_)
{
	static struct crowd crowd;
	struct function_stats stats;

	crowd = (struct crowd){.rate = 5, .state_keys = 20, .disturb = change_and_kill};
	run_crowd(&crowd, 2, 8000);
	function_stats(crowd.world.function, &stats);
	assert_true(stats.keys_fetched > 0);
	assert_true(stats.crashes > 0);
	assert_true(crowd.world.refusals > 0);
	world_done(&crowd.world);
}

/* What is there when a worker starts is loaded as far as there is room. */
static void no_more_keys_are_loaded_than_there_is_room_for(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	o.state_keys = 32;
	world_init(&world);
	for (unsigned int i = 0; i < 1000; i++) {
		struct row *row = &world.rows[i];

		row->used = true;
		snprintf(row->key, sizeof(row->key), "10.0.%u.%u", i / 250, i % 250);
		snprintf(row->name, sizeof(row->name), "sum");
		snprintf(row->value, sizeof(row->value), "%u", i);
	}
	world_add(&world, &o);
	for (uint32_t i = 0; i < 250; i++)
		assert_true(push_from(&world, (uint8_t)i, i, 1000, ORDER_NONE));
	world.want = 250;
	run_until(&world, all_finished);
	function_stats(world.function, &stats);
	assert_in_range(stats.keys, 32, 250);
	assert_true(stats.keys_fetched > 200);
	for (unsigned int i = 0; i < 250; i++) {
		char key[32], sum[32];

		snprintf(key, sizeof(key), "10.0.0.%u", i);
		snprintf(sum, sizeof(sum), "%u", 1000 + i);
		assert_string_equal(value_of(&world, key, "sum"), sum);
	}
	world_done(&world);
}

static bool others_are_done(struct world *world)
{
	return world->finished_count == 200;
}

/* It waits for its next attempt, and with it what has its key. */
static void an_event_that_fails_again_and_again_holds_up_only_its_partition(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.attempts = 100;
	world_init(&world);
	world_add(&world, &o);
	assert_true(push_from(&world, 3, 1000, 1, ORDER_THROW));
	assert_true(push_from(&world, 3, 1001, 1, ORDER_NONE));
	for (uint32_t i = 0; i < 200; i++)
		assert_true(push_from(&world, 5, i, 1, ORDER_NONE)); /* of another partition */
	run_until(&world, others_are_done);
	assert_string_equal(value_of(&world, "10.0.0.5", "sum"), "200");
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "(none)");
	world_done(&world);
}

/* The events of three other partitions that were in its batch are not to blame. */
static void a_crashing_event_is_found_among_several_partitions(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.min = o.max = 2;
	world_init(&world);
	world_add(&world, &o);
	for (uint32_t i = 0; i < 200; i++)
		assert_true(push_from(
			&world, (uint8_t)(i % 8), i, 1, i == 77 ? ORDER_EXIT : ORDER_NONE));
	world.want = 200;
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count, 1);
	assert_int_equal(world.letters[0].sequence, 77);
	for (uint8_t i = 0; i < 8; i++) {
		char key[32];

		snprintf(key, sizeof(key), "10.0.0.%u", i);
		assert_string_equal(value_of(&world, key, "sum"), i == 5 ? "24" : "25");
	}
	world_done(&world);
}

static void events_that_were_committed_before_are_left_out(void **state _unused_)
{
	struct function_options o = options("sum.main");
	uint64_t done[PARTITIONS] = {0};
	uint8_t waits[3] = {0};
	struct port_event records[3] = {{.syn = 1}, {.syn = 10}, {.syn = 100}};
	const struct event_run run = {
		.event_id = EVENT_PORT,
		.epoch = 1,
		.sequence = 7,
		.records = records,
		.stride = sizeof(records[0]),
		.count = 3,
		.done = done,
		.waits = waits,
	};
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	for (size_t i = 0; i < PARTITIONS; i++)
		done[i] = 9; /* 7 and 8 are */
	assert_int_equal(function_push(world.function, &run), 3);
	assert_int_equal(waits[0] + waits[1], 0);
	assert_int_equal(waits[2], 1);
	world_done(&world);
}

/* More rows than are read in one piece. */
static void state_is_loaded_in_pieces(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	world_init(&world);
	for (unsigned int i = 0; i < 3500; i++) {
		struct row *row = &world.rows[i];

		row->used = true;
		snprintf(row->key, sizeof(row->key), "10.0.0.3");
		snprintf(row->name, sizeof(row->name), "%04u", i);
		snprintf(row->value, sizeof(row->value), "%u", i);
	}
	snprintf(world.rows[3499].name, sizeof(world.rows[0].name), "sum");
	world_add(&world, &o);
	push_many(&world, 0, 10);
	run_until(&world, all_finished);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "3509");
	world_done(&world);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spare_worker_takes_the_place_of_a_lost_one),
		cmocka_unit_test(an_idle_function_gets_the_spare_worker),
		cmocka_unit_test(a_spare_worker_that_ends_is_replaced_and_missed_by_nobody),
		cmocka_unit_test(several_workers_share_a_function),
		cmocka_unit_test(workers_come_with_the_load_and_nothing_is_lost_or_doubled),
		cmocka_unit_test(idle_workers_go_and_what_they_know_comes_back),
		cmocka_unit_test(a_function_without_worker_gets_one_when_something_comes),
		cmocka_unit_test(
			partitions_move_under_load_and_nothing_is_lost_doubled_or_out_of_order),
		cmocka_unit_test(moves_kills_and_refused_commits_at_once_lose_and_double_nothing),
		cmocka_unit_test(poison_among_kills_moves_and_refusals_is_put_aside_in_its_turn),
		cmocka_unit_test(bad_functions_hold_up_no_other),
		cmocka_unit_test(what_a_chatterbox_prints_is_read_in_pieces),
		cmocka_unit_test(keys_leave_memory_and_come_back_with_what_they_were),
		cmocka_unit_test(keys_come_back_whatever_happens_to_workers_and_store),
		cmocka_unit_test(no_more_keys_are_loaded_than_there_is_room_for),
		cmocka_unit_test(an_event_that_fails_again_and_again_holds_up_only_its_partition),
		cmocka_unit_test(a_crashing_event_is_found_among_several_partitions),
		cmocka_unit_test(events_that_were_committed_before_are_left_out),
		cmocka_unit_test(state_is_loaded_in_pieces),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
