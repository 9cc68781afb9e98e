// SPDX-License-Identifier: BSD-2-Clause
/* What a worker says that is not true. A function is not to be believed: it may write into its pipe itself. */
#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/engine/world.h"

#include <stdio.h>
#include <string.h>

#define MEMORY_MAX_KB (96 << 10)

static int setup(void **state _unused_)
{
	log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	return schema_init();
}

static void world_begin(struct world *world, const char *handler)
{
	struct function_options o = options(handler);

	world_init(world);
	world_add(world, &o);
}

static void assert_put_aside(const char *handler, const char *reason)
{
	struct world world;

	world_begin(&world, handler);
	push_many(&world, 0, 20);
	push_order(&world, 20, ORDER_THROW);
	push_many(&world, 21, 20);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_int_equal(world.letter_count, 1);
	assert_int_equal(world.letters[0].sequence, 20);
	if (!strstr(world.letters[0].reason, reason))
		fail_msg("reason: %s", world.letters[0].reason);
	world_done(&world);
}

static void an_event_is_not_left_out_for_ever(void **state _unused_)
{
	assert_put_aside("liar.skips", "makes no sense");
}

static void no_event_goes_before_one_of_its_key_that_failed(void **state _unused_)
{
	assert_put_aside("liar.overtakes", "as told");
}

static void a_reason_is_cut(void **state _unused_)
{
	struct function_stats stats;
	struct world world;

	world_begin(&world, "liar.rambles");
	push_order(&world, 0, ORDER_THROW);
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count, 1);
	function_stats(world.function, &stats);
	assert_in_range(strlen(stats.error), 500, 3000);
	world_done(&world);
}

static long read_memory_kb(const char *name)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256], format[32];
	long value = -1;

	assert_non_null(file);
	snprintf(format, sizeof(format), "%s: %%ld", name);
	while (value < 0 && fgets(line, sizeof(line), file))
		sscanf(line, format, &value);
	fclose(file);
	return value;
}

static bool some_are_finished(struct world *world)
{
	return world->finished_count >= 6;
}

static void what_has_changed_does_not_pile_up_while_the_store_is_slow(void **state _unused_)
{
	long before = read_memory_kb("VmRSS"), grown;
	struct world world;

	world_begin(&world, "liar.floods");
	world.commit_ns = NS_PER_SEC / 2;
	push_many(&world, 0, 200);
	run_until(&world, some_are_finished);
	grown = read_memory_kb("VmHWM") - before;
#ifdef SANITIZED
	grown = 0; /* what was freed is kept by the sanitizer for a while */
#endif
	if (grown > MEMORY_MAX_KB)
		fail_msg("%ld KiB more", grown);
	world_done(&world);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_not_left_out_for_ever),
		cmocka_unit_test(no_event_goes_before_one_of_its_key_that_failed),
		cmocka_unit_test(a_reason_is_cut),
		cmocka_unit_test(what_has_changed_does_not_pile_up_while_the_store_is_slow),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
