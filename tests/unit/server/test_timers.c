// SPDX-License-Identifier: BSD-2-Clause
/* Schedules in a time of the test's own; the events stay in the queue of a function that never starts. */
#include "server/timers.h"

#include "base/clock.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#define START_NS  (1790000000ULL * NS_PER_SEC) /* 2026-09-21 14:13:20 */
#define MINUTE_NS (60 * NS_PER_SEC)

struct bench {
	struct loop *loop;
	struct engine *engine;
	struct units *units;
	struct timers timers;
	struct config *config;
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	if (!bench || schema_init() < 0)
		return -1;
	bench->units = units_new();
	bench->config = calloc(1, sizeof(*bench->config));
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	timers_done(&bench->timers);
	engine_free(bench->engine);
	loop_free(bench->loop);
	units_free(bench->units);
	config_free(bench->config);
	free(bench);
	return 0;
}

static void start_function(struct bench *bench, size_t queue_max)
{
	static const struct engine_ops ops = {0};
	const struct engine_options options = {.runtime_dir = "/nowhere"};
	const struct function_options function_options = {
		.name = "tested",
		.runtime = "nodejs",
		.handler = "sum.main",
		.dir = TEST_FUNCTIONS,
		.timeout_ns = 1,
		.attempts = 1,
		.batch_max = 1,
		.queue_max = queue_max,
	};
	struct function_config *config = calloc(1, sizeof(*config));
	_cleanup_free_ char *error = NULL;

	config->name = strdup("tested");
	bench->units->units[0].config = config;
	assert_int_equal(loop_new(&bench->loop), 0);
	assert_int_equal(engine_new(bench->loop, &options, &ops, bench, &bench->engine), 0);
	if (engine_add(bench->engine, &function_options, &bench->units->units[0].function, &error) <
		0)
		fail_msg("%s", error);
}

static void want(struct bench *bench, const char *schedule)
{
	_cleanup_free_ char *error = NULL;

	if (config_add_timer(bench->config, schedule, "tested", &error) < 0)
		fail_msg("%s", error);
}

static void configure(struct bench *bench, uint64_t now_ns)
{
	assert_int_equal(timers_configure(&bench->timers, bench->units, bench->config, now_ns), 0);
}

static uint64_t run(struct bench *bench, uint64_t now_ns)
{
	return timers_run(&bench->timers, bench->units, now_ns);
}

static size_t queued(const struct bench *bench)
{
	struct function_stats stats;

	function_stats(bench->units->units[0].function, &stats);
	return stats.queued;
}

static void ticks_come_when_they_are_due_and_not_before(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 100);
	want(bench, "@every 10s");
	want(bench, "* * * * *");
	configure(bench, START_NS);
	assert_int_equal(run(bench, START_NS), START_NS + 10 * NS_PER_SEC);
	assert_int_equal(queued(bench), 0);
	assert_int_equal(run(bench, START_NS + 10 * NS_PER_SEC - 1), START_NS + 10 * NS_PER_SEC);
	assert_int_equal(queued(bench), 0);
	run(bench, START_NS + 10 * NS_PER_SEC);
	assert_int_equal(queued(bench), 1);
	run(bench, START_NS + 10 * NS_PER_SEC);
	assert_int_equal(queued(bench), 1);
	for (uint64_t s = 11; s <= 60; s++)
		run(bench, START_NS + s * NS_PER_SEC);
	/* Five more of the first; the second at 14:14:00. */
	assert_int_equal(queued(bench), 1 + 5 + 1);
	assert_int_equal(bench->timers.ticks, 7);
	assert_int_equal(bench->timers.missed, 0);
}

static void late_ticks_become_one_that_says_how_many_were_missed(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 100);
	want(bench, "@every 10s");
	want(bench, "* * * * *");
	configure(bench, START_NS);
	run(bench, START_NS + 1000 * NS_PER_SEC);
	assert_int_equal(queued(bench), 2);
	assert_int_equal(bench->timers.missed, 99 + 16);
	assert_int_equal(run(bench, START_NS + 1001 * NS_PER_SEC), START_NS + 1010 * NS_PER_SEC);
}

static void tick_waits_for_a_function_that_cannot_take_it(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 1);
	want(bench, "@every 10s");
	configure(bench, START_NS);
	run(bench, START_NS + 10 * NS_PER_SEC);
	assert_int_equal(queued(bench), 1);
	assert_true(run(bench, START_NS + 20 * NS_PER_SEC) < START_NS + 21 * NS_PER_SEC);
	run(bench, START_NS + 30 * NS_PER_SEC);
	assert_int_equal(bench->timers.ticks, 1);
	assert_int_equal(bench->timers.missed, 1);
	assert_int_equal(bench->timers.items[0].pending_ns, START_NS + 30 * NS_PER_SEC);
	assert_int_equal(bench->timers.items[0].missed, 1);
}

static void schedule_goes_on_over_a_new_configuration(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 100);
	want(bench, "@every 1h");
	configure(bench, START_NS);
	want(bench, "@every 2h");
	/* A tick is due and was not looked for yet. */
	configure(bench, START_NS + 3600 * NS_PER_SEC);
	assert_int_equal(bench->timers.count, 2);
	run(bench, START_NS + 3600 * NS_PER_SEC);
	assert_int_equal(bench->timers.ticks, 1);
}

static void clock_that_is_set_back_makes_no_tick_twice(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 100);
	want(bench, "@every 10s");
	configure(bench, START_NS);
	run(bench, START_NS + 10 * NS_PER_SEC);
	run(bench, START_NS);
	run(bench, START_NS + 10 * NS_PER_SEC);
	assert_int_equal(bench->timers.ticks, 1);
}

/* From 1970, where a machine without a clock of its own begins. */
static void clock_that_jumps_by_decades_makes_no_decades_of_ticks(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 100);
	want(bench, "* * * * *");
	configure(bench, 1000 * NS_PER_SEC);
	assert_int_equal(run(bench, START_NS), START_NS / MINUTE_NS * MINUTE_NS + MINUTE_NS);
	assert_int_equal(bench->timers.ticks, 1);
	assert_in_range(bench->timers.missed, 1, 31 * 24 * 60);
}

static void clock_that_was_far_ahead_stops_no_timer_when_it_is_set_right(void **state)
{
	const uint64_t ahead_ns = 3650 * 24 * 60 * MINUTE_NS;
	struct bench *bench = *state;

	start_function(bench, 100);
	want(bench, "@every 10s");
	want(bench, "* * * * *");
	configure(bench, START_NS);
	run(bench, START_NS + ahead_ns);
	assert_int_equal(bench->timers.ticks, 2);
	run(bench, START_NS);
	assert_int_equal(bench->timers.ticks, 2);
	run(bench, START_NS + MINUTE_NS);
	assert_int_equal(bench->timers.ticks, 4);
}

/* The function is replaced: what it had not done is its successor's. */
static void tick_that_was_not_done_comes_again(void **state)
{
	const struct timer_event record = {.scheduled = START_NS + 10 * NS_PER_SEC};
	const struct finished_event tick = {
		.event_id = EVENT_TIMER, .time_ns = record.scheduled, .record = &record};
	struct bench *bench = *state;

	start_function(bench, 1);
	want(bench, "@every 10s");
	configure(bench, START_NS - NS_PER_SEC);
	run(bench, START_NS + 10 * NS_PER_SEC);
	assert_int_equal(bench->timers.ticks, 1);
	assert_true(timers_take_back(&bench->timers, 0, &tick));
	assert_int_equal(bench->timers.items[0].pending_ns, START_NS + 10 * NS_PER_SEC);
	/* What came meanwhile is newer. */
	run(bench, START_NS + 20 * NS_PER_SEC);
	assert_int_equal(bench->timers.items[0].pending_ns, START_NS + 20 * NS_PER_SEC);
	assert_true(timers_take_back(&bench->timers, 0, &tick));
	assert_int_equal(bench->timers.items[0].pending_ns, START_NS + 20 * NS_PER_SEC);
	assert_int_equal(bench->timers.items[0].missed, 2);
	/* Of several, they come back in the order in which they were due. */
	assert_true(timers_take_back(&bench->timers, 0,
		&(struct finished_event){.event_id = EVENT_TIMER,
			.time_ns = START_NS + 30 * NS_PER_SEC,
			.record = &record}));
	assert_int_equal(bench->timers.items[0].pending_ns, START_NS + 30 * NS_PER_SEC);
	assert_int_equal(bench->timers.items[0].missed, 3);
	/* Its successor has another schedule, or none. */
	assert_false(timers_take_back(&bench->timers, 0,
		&(struct finished_event){
			.event_id = EVENT_TIMER, .time_ns = START_NS + 15 * NS_PER_SEC}));
	assert_false(timers_take_back(&bench->timers, 1, &tick));
}

/* What it had to say of those before it is not lost with it; each counts once. */
static void tick_that_comes_again_says_what_was_missed_before_it(void **state)
{
	const struct timer_event record = {.scheduled = START_NS + 40 * NS_PER_SEC, .missed = 3};
	const struct finished_event tick = {
		.event_id = EVENT_TIMER, .time_ns = record.scheduled, .record = &record};
	struct bench *bench = *state;

	start_function(bench, 1);
	want(bench, "@every 10s");
	configure(bench, START_NS);
	run(bench, START_NS + 40 * NS_PER_SEC);
	assert_int_equal(bench->timers.ticks, 1);
	assert_int_equal(bench->timers.missed, 3);
	assert_true(timers_take_back(&bench->timers, 0, &tick));
	assert_int_equal(bench->timers.items[0].pending_ns, START_NS + 40 * NS_PER_SEC);
	assert_int_equal(bench->timers.items[0].missed, 3);
	assert_int_equal(bench->timers.missed, 3);
	/* Behind it the next one is due: it says four. */
	run(bench, START_NS + 50 * NS_PER_SEC);
	assert_int_equal(bench->timers.items[0].pending_ns, START_NS + 50 * NS_PER_SEC);
	assert_int_equal(bench->timers.items[0].missed, 4);
	assert_int_equal(bench->timers.missed, 4);
}

static void clock_that_was_ahead_when_it_was_configured_is_followed_back(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 100);
	want(bench, "* * * * *");
	run(bench, START_NS);
	configure(bench, START_NS + 24 * 60 * MINUTE_NS);
	run(bench, START_NS + 1);
	run(bench, START_NS + MINUTE_NS);
	assert_int_equal(bench->timers.ticks, 1);
}

static void timer_without_its_function_is_harmless(void **state)
{
	struct bench *bench = *state;

	want(bench, "@every 10s");
	configure(bench, START_NS);
	run(bench, START_NS + 10 * NS_PER_SEC);
	assert_int_equal(bench->timers.ticks, 0);
}

#define BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH(ticks_come_when_they_are_due_and_not_before),
		BENCH(late_ticks_become_one_that_says_how_many_were_missed),
		BENCH(tick_waits_for_a_function_that_cannot_take_it),
		BENCH(schedule_goes_on_over_a_new_configuration),
		BENCH(clock_that_is_set_back_makes_no_tick_twice),
		BENCH(clock_that_jumps_by_decades_makes_no_decades_of_ticks),
		BENCH(clock_that_was_far_ahead_stops_no_timer_when_it_is_set_right),
		BENCH(tick_that_was_not_done_comes_again),
		BENCH(tick_that_comes_again_says_what_was_missed_before_it),
		BENCH(clock_that_was_ahead_when_it_was_configured_is_followed_back),
		BENCH(timer_without_its_function_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
