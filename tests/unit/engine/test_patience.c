// SPDX-License-Identifier: BSD-2-Clause
/* Functions that get nothing done, and partitions that fail again and again. */
#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int setup(void **state _unused_)
{
	log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	return schema_init();
}

static struct function_options patient(void)
{
	struct function_options o = options("sum.main");

	o.patience_ns = 60 * NS_PER_SEC;
	return o;
}

static struct function_stats stats_of(const struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	return stats;
}

/* ---- partitions ---- */

static void a_partition_that_fails_again_and_again_gets_no_second_attempts(void **state _unused_)
{
	struct function_options o = patient();
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	for (uint32_t i = 0; i < 60; i++)
		push_order(&world, i, ORDER_THROW);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_int_equal(world.letter_count, 60);
	assert_int_equal(world.letters[0].attempts, 3);
	assert_int_equal(world.letters[59].attempts, 1);
	assert_true(stats_of(&world).failures < 120);
	assert_false(stats_of(&world).stalled);
	world_done(&world);
}

static void one_failure_now_and_then_is_forgiven(void **state _unused_)
{
	struct function_options o = patient();
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	for (uint32_t i = 0; i < 300; i++)
		push_order(&world, i, i % 150 == 0 ? ORDER_THROW : ORDER_NONE);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_int_equal(world.letter_count, 2);
	assert_int_equal(world.letters[0].attempts, 3);
	assert_int_equal(world.letters[1].attempts, 3);
	world_done(&world);
}

static bool is_shut(struct world *world)
{
	return world->letter_count > 0 &&
	       strstr(world->letters[world->letter_count - 1].reason, "not run, since others");
}

/* Else a worker that is ended again and again would get nothing else done. */
static void events_that_end_the_worker_again_and_again_are_put_aside_unrun(void **state _unused_)
{
	struct function_options o = patient();
	struct world world;
	uint32_t next = 0;

	o.attempts = 1;
	world_init(&world);
	world_add(&world, &o);
	for (; next < 40; next++)
		push_order(&world, next, ORDER_EXIT);
	run_until(&world, is_shut);
	assert_in_range(stats_of(&world).crashes, 1, 30);
	for (uint32_t i = 0; i < 100; i++, next++)
		assert_true(push_from(&world, 5, next, 1, ORDER_NONE));
	world.want += 100;
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count, 40);
	assert_in_range(stats_of(&world).crashes, 1, 30);
	assert_string_equal(value_of(&world, "10.0.0.5", "sum"), "100");
	world_done(&world);
}

/* ---- functions ---- */

static bool has_error(struct world *world)
{
	return stats_of(world).error;
}

/* In a folder of its own, so that it can be mended. */
static void install(const char *from)
{
	const char *suffix = is_node() ? "js" : "py";
	char command[512];

	snprintf(command, sizeof(command), "cp %s/%s.%s sum.%s", TEST_FUNCTIONS, from, suffix,
		suffix);
	assert_int_equal(system(command), 0);
	assert_int_equal(chmod(".", 0755), 0);
}

static struct function_options impatient(const char *dir)
{
	struct function_options o = options("sum.main");

	o.dir = dir;
	o.timeout_ns = NS_PER_SEC;
	o.patience_ns = 3 * NS_PER_SEC;
	o.keep_trying = true;
	return o;
}

static bool one_is_left(struct world *world)
{
	return stats_of(world).queued == 1 && !world->result;
}

/* Of 30 events that somebody waits for, and 10 that nobody does. */
static void assert_stalled(const struct world *world, const char *reason)
{
	struct function_stats stats = stats_of(world);

	assert_true(stats.stalled);
	assert_in_range(stats.dropped, 9, 10);
	assert_int_equal(stats.dropped + world->letter_count, 39);
	for (size_t i = 0; i < world->letter_count; i++) {
		assert_non_null(strstr(world->letters[i].reason, "got nothing done"));
		assert_non_null(strstr(world->letters[i].reason, reason));
		assert_int_equal(world->letters[i].attempts, 0);
	}
}

static void a_function_that_does_not_load_holds_nothing_up_for_ever(void **state)
{
	struct function_options o = impatient(*state);
	struct world world;

	install("broken");
	world_init(&world);
	world_add(&world, &o);
	run_until(&world, has_error);
	for (uint32_t i = 0; i < 30; i++)
		assert_true(push_from(&world, (uint8_t)(i % 8), i, 1, ORDER_NONE));
	world.droppable = true;
	for (uint32_t i = 30; i < 40; i++)
		assert_true(push_from(&world, (uint8_t)(i % 8), i, 1, ORDER_NONE));
	run_until(&world, one_is_left);
	assert_stalled(&world, "broken on purpose");

	install("sum");
	world.want = world.letter_count + 1;
	run_until(&world, all_finished);
	assert_false(stats_of(&world).stalled);
	world.droppable = false;
	push_many(&world, 40, 5);
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count + stats_of(&world).dropped, 39);
	world_done(&world);
}

/* It is run again ever more seldom, at last after 5 s: that is longer than it may get nothing done. */
static void nothing_is_put_aside_since_the_store_refuses(void **state)
{
	struct function_options o = impatient(*state);
	struct world world;

	o.patience_ns = 4 * NS_PER_SEC;
	install("sum");
	world_init(&world);
	world.commit_errors = 8;
	world_add(&world, &o);
	run_until(&world, is_ready); /* which may take longer */
	push_many(&world, 0, 10);
	run_until(&world, all_finished);
	assert_int_equal(world.refusals, 8);
	assert_int_equal(world.letter_count, 0);
	world_done(&world);
}

/* Nor one whose file is not there when it is added: its events are not the switches' trouble. */
static void a_handler_that_comes_later_is_found(void **state)
{
	struct function_options o = impatient(*state);
	struct world world;

	o.patience_ns = 0;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 10);
	run_until(&world, has_error);
	assert_non_null(strstr(stats_of(&world).error, "no readable file"));
	install("sum");
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_int_equal(world.letter_count, 0);
	world_done(&world);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_partition_that_fails_again_and_again_gets_no_second_attempts),
		cmocka_unit_test(one_failure_now_and_then_is_forgiven),
		cmocka_unit_test(events_that_end_the_worker_again_and_again_are_put_aside_unrun),
		cmocka_unit_test_setup_teardown(
			a_function_that_does_not_load_holds_nothing_up_for_ever, scratch_new,
			scratch_free),
		cmocka_unit_test_setup_teardown(
			nothing_is_put_aside_since_the_store_refuses, scratch_new, scratch_free),
		cmocka_unit_test_setup_teardown(
			a_handler_that_comes_later_is_found, scratch_new, scratch_free),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
