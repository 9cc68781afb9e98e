// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "base/log.h"
#include "launcher/layers.h"
#include "tests/unit/engine/world.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int setup(void **state _unused_)
{
	log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	return schema_init();
}

/* ---- delivery ---- */

static void events_run_in_order_and_state_adds_up(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 1000);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "1000");
	function_stats(world.function, &stats);
	assert_int_equal(stats.events, 1000);
	assert_int_equal(stats.latency.events, 1000);
	assert_true(stats.latency.p50_ns > 0);
	assert_true(stats.latency.p50_ns <= stats.latency.p99_ns);
	assert_true(stats.latency.p99_ns <= stats.latency.max_ns);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.dead_letters + stats.failures + stats.crashes, 0);
	world_done(&world);
}

static void what_has_queued_up_goes_in_one_batch_up_to_the_limit(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 200); /* while it starts */
	run_until(&world, all_finished);
	function_stats(world.function, &stats);
	assert_int_equal(stats.batches, 4); /* 64, 64, 64, 8 */
	push_many(&world, 200, 30);         /* in one round of the loop */
	run_until(&world, all_finished);
	function_stats(world.function, &stats);
	assert_int_equal(stats.batches, 5);
	assert_in_order(&world);
	world_done(&world);
}

static unsigned int rounds;

static bool some_rounds_are_over(struct world *world _unused_)
{
	return ++rounds % 20 == 0;
}

static uint64_t batches_of(const struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	return stats.batches;
}

static void a_batch_that_is_not_full_waits_unless_the_function_is_idle(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.linger_ns = 60 * NS_PER_SEC;
	o.batch_max = 4;
	skip_unless_native();
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 1); /* idle: at once */
	run_until(&world, all_finished);
	push_many(&world, 1, 4); /* full: at once */
	run_until(&world, all_finished);
	push_many(&world, 5, 3);
	run_until(&world, some_rounds_are_over);
	assert_int_equal(world.finished_count, 5);
	push_many(&world, 8, 1);
	run_until(&world, all_finished);
	assert_int_equal(batches_of(&world), 3);
	assert_in_order(&world);
	world_done(&world);
}

static void what_waits_for_company_does_not_wait_for_ever(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.linger_ns = 100 * NS_PER_MS;
	skip_unless_native();
	world_init(&world);
	world_add(&world, &o);
	for (uint32_t i = 0; i < 5; i++) {
		push_many(&world, i, 1);
		run_until(&world, all_finished);
	}
	assert_in_order(&world);
	world_done(&world);
}

static void full_queue_refuses(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	o.queue_max = 10;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 10);
	assert_false(push(&world, 10, 1, ORDER_NONE));
	run_until(&world, all_finished);
	function_stats(world.function, &stats);
	assert_int_equal(stats.refused, 1);
	push_many(&world, 10, 5);
	run_until(&world, all_finished);
	assert_in_order(&world);
	world_done(&world);
}

static void slow_commits_gather_into_one(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.batch_max = 8;
	world_init(&world);
	world.commit_ns = 100 * NS_PER_MS;
	world_add(&world, &o);
	push_many(&world, 0, 800);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_in_range(world.commits, 2, 50); /* of 100 batches */
	assert_true(world.largest > 8);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "800");
	world_done(&world);
}

static void promises_are_awaited_in_order(void **state _unused_)
{
	struct function_options o = options("sum.slow");
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 100);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "100");
	world_done(&world);
}

static void es_modules_load(void **state _unused_)
{
	struct function_options o = options("modern.main");
	struct world world;

	if (!is_node())
		skip();
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 3);
	run_until(&world, all_finished);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "3");
	world_done(&world);
}

/* ---- failure ---- */

/* `reason`: a pattern of what is in it. */
static void assert_reason(const char *found, const char *reason)
{
	char pattern[256];

	snprintf(pattern, sizeof(pattern), "*%s*", reason);
	if (fnmatch(pattern, found, 0) != 0)
		fail_msg("reason: expected %s, found %s", pattern, found);
}

/* 50 good events, one with an order, 50 good ones: it alone ends as a dead letter. */
static void poison_of(
	const char *handler, enum order order, const char *reason, uint64_t timeout_ns)
{
	struct function_options o = options(handler);
	struct function_stats stats;
	struct world world;

	o.timeout_ns = timeout_ns;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 50);
	push_order(&world, 50, order);
	push_many(&world, 51, 50);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_int_equal(world.letter_count, 1);
	assert_int_equal(world.letters[0].sequence, 50);
	assert_int_equal(world.letters[0].attempts, 3);
	assert_reason(world.letters[0].reason, reason);
	assert_non_null(strstr(world.letters[0].data, "\"srcip\":\"10.0.0.3\""));
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "100");
	assert_int_equal(world.alert_count, 0);
	function_stats(world.function, &stats);
	assert_int_equal(stats.dead_letters, 1);
	assert_int_equal(stats.events, 101);
	/* In company, then alone as often as it may; or just the latter, if it threw. */
	assert_in_range(stats.crashes + stats.timeouts + stats.failures, 3, 4);
	world_done(&world);
}

static void poison_ends_as_dead_letter(enum order order, const char *reason, uint64_t timeout_ns)
{
	poison_of("sum.main", order, reason, timeout_ns);
}

static void crashing_event_is_put_aside_alone(void **state _unused_)
{
	poison_ends_as_dead_letter(ORDER_EXIT, "exited with status 3", TEST_NS);
}

/* With the place, in the languages whose exceptions know it. */
static void throwing_event_is_put_aside_alone(void **state _unused_)
{
	const char *reason = strcmp(tested_runtime(), "nodejs") == 0 ? "sum.js:*: Error: as told"
			     : strcmp(tested_runtime(), "python") == 0
				     ? "sum.py:*: RuntimeError: as told"
				     : "Error: as told";

	poison_ends_as_dead_letter(ORDER_THROW, reason, TEST_NS);
}

static void failed_event_leaves_neither_state_nor_alert(void **state _unused_)
{
	poison_ends_as_dead_letter(ORDER_THROW_LATE, "after a write", TEST_NS);
}

static void memory_outside_the_heap_is_limited(void **state _unused_)
{
	if (strcmp(tested_runtime(), "perl") == 0)
		skip(); /* there, no memory is the end of the process */
	poison_ends_as_dead_letter(ORDER_MEMORY, "allocation failed", TEST_NS);
}

static void promise_that_never_settles_overruns(void **state _unused_)
{
	poison_ends_as_dead_letter(ORDER_HANG, "deadline", 2 * NS_PER_SEC);
}

static void endless_loop_overruns(void **state _unused_)
{
	poison_ends_as_dead_letter(ORDER_LOOP, "deadline", 2 * NS_PER_SEC);
}

static void garbage_in_the_pipe_is_a_crash(void **state _unused_)
{
	poison_ends_as_dead_letter(ORDER_GARBAGE, "no frame", TEST_NS);
}

/* ---- batch handlers ---- */

static void batch_handler_adds_up_as_any_other(void **state _unused_)
{
	struct function_options o = options("sum.mainBatch");
	struct world world;

	if (strcmp(tested_runtime(), "perl") == 0)
		skip();
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 1000);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "1000");
	world_done(&world);
}

static void event_that_a_batch_handler_names_is_put_aside_alone(void **state _unused_)
{
	if (strcmp(tested_runtime(), "perl") == 0)
		skip();
	poison_of("sum.mainBatch", ORDER_THROW, "Error: as told", TEST_NS);
}

static void event_at_which_a_batch_handler_throws_is_put_aside_alone(void **state _unused_)
{
	if (strcmp(tested_runtime(), "perl") == 0)
		skip();
	poison_of("sum.mainBatch", ORDER_THROW_LATE, "after a write", TEST_NS);
}

static void event_that_crashes_a_batch_handler_is_put_aside_alone(void **state _unused_)
{
	if (strcmp(tested_runtime(), "perl") == 0)
		skip();
	poison_of("sum.mainBatch", ORDER_EXIT, "exited with status 3", TEST_NS);
}

/* ---- several batches ---- */

/* Two batches are out: what the first one's failure makes void is skipped, and runs again later. */
static void failures_with_a_batch_on_its_way_lose_and_double_nothing(void **state _unused_)
{
	static const enum order orders[] = {
		[20] = ORDER_THROW, [21] = ORDER_THROW_LATE, [63] = ORDER_EXIT, [90] = ORDER_THROW};
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	o.batch_max = 8;
	o.attempts = 2;
	world_init(&world);
	world_add(&world, &o);
	run_until(&world, is_ready);
	for (uint32_t i = 0; i < 400; i++)
		push_order(&world, i, i < ARRAY_SIZE(orders) ? orders[i] : ORDER_NONE);
	run_until(&world, all_finished);
	assert_in_order(&world);
	function_stats(world.function, &stats);
	assert_int_equal(stats.dead_letters, 4);
	assert_int_equal(stats.failures, 6);
	assert_int_equal(stats.crashes, 3); /* once in company, twice alone */
	assert_int_equal(world.letter_count, 4);
	assert_int_equal(world.letters[2].sequence, 63);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "396");
	world_done(&world);
}

/* Marks say that all before is done: what a lost worker had run and not told goes first. */
static void what_is_put_aside_goes_behind_what_came_before(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.batch_max = 1;
	o.attempts = 1;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 20);
	push_order(&world, 20, ORDER_EXIT);
	push_many(&world, 21, 20);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_int_equal(world.letter_count, 1);
	assert_int_equal(world.letters[0].sequence, 20);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "40");
	world_done(&world);
}

/* What is alone is never held up to gather more. */
static void single_events_are_committed_at_once(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	for (uint32_t i = 0; i < 20; i++) {
		push_many(&world, i, 1);
		run_until(&world, all_finished);
	}
	assert_int_equal(world.commits, 20);
	world_done(&world);
}

static void batches_grow_back_after_a_crash(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats before, after;
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	push_order(&world, 0, ORDER_EXIT);
	push_many(&world, 1, 1000);
	run_until(&world, all_finished);
	function_stats(world.function, &before);
	assert_int_equal(before.crashes, 4); /* in company, then three attempts */
	push_many(&world, 1001, 640);
	run_until(&world, all_finished);
	function_stats(world.function, &after);
	assert_in_range(after.batches - before.batches, 10, 20);
	assert_in_order(&world);
	world_done(&world);
}

static void refused_commit_runs_again_from_committed_state(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	o.batch_max = 8;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 100);
	run_until(&world, all_finished);
	world.commit_errors = 2;
	push_many(&world, 100, 200);
	run_until(&world, all_finished);
	assert_int_equal(world.refusals, 2);
	assert_in_order(&world);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "300");
	world_done(&world);
}

static uint64_t until_ns;

static bool time_is_up(struct world *world _unused_)
{
	return clock_monotonic_ns() >= until_ns;
}

static bool is_refused(struct world *world)
{
	return world->refusals > 0;
}

/* After the first there are pauses of at least 50, 100, 200, 400 and 800 ms; a slow machine refuses less often. */
static void what_the_store_refuses_is_run_again_ever_more_seldom(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	world.commit_errors = INT_MAX;
	push_many(&world, 0, 10);
	run_until(&world, is_refused);
	until_ns = clock_monotonic_ns() + 1500 * NS_PER_MS;
	run_until(&world, time_is_up);
	assert_in_range(world.refusals, 1, 6);
	world.commit_errors = 0;
	run_until(&world, all_finished);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "10");
	world_done(&world);
}

/* Source 3's sum is there when the function is full: it goes on, and source 4 has to wait for room. */
static void a_full_function_keeps_nothing_new_and_goes_on_with_the_rest(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	o.state_bytes = 20; /* what is kept of a source has 25 and more */
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 50);
	run_until(&world, all_finished);
	function_stats(world.function, &stats);
	assert_true(stats.full);
	assert_string_equal(stats.state, "full");
	assert_true(push_from(&world, 4, 50, 1, ORDER_NONE));
	world.want++;
	push_many(&world, 51, 50);
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count, 1);
	assert_int_equal(world.letters[0].sequence, 50);
	if (!strstr(world.letters[0].reason, "StateFull"))
		fail_msg("reason: %s", world.letters[0].reason);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "100");
	assert_string_equal(value_of(&world, "10.0.0.4", "sum"), "(none)");
	forget_value(&world, "10.0.0.3", "last");
	assert_true(push_from(&world, 4, 101, 1, ORDER_NONE));
	world.want++;
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count, 1);
	assert_string_equal(value_of(&world, "10.0.0.4", "sum"), "1");
	function_stats(world.function, &stats);
	assert_int_equal(stats.fills, 2);
	assert_int_equal(stats.kept.entries, 3);
	world_done(&world);
}

static void a_function_may_do_without_what_there_is_no_room_for(void **state _unused_)
{
	struct function_options o = options("sum.spared");
	struct world world;

	if (!is_node() && strcmp(tested_runtime(), "python") != 0)
		skip(); /* there the event fails */
	o.state_bytes = 20;
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 50);
	run_until(&world, all_finished);
	assert_true(push_from(&world, 4, 50, 1, ORDER_NONE));
	world.want++;
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count, 0);
	assert_int_equal(world.alert_count, 1);
	if (!strstr(world.alerts[0].title, "cannot grow"))
		fail_msg("title: %s", world.alerts[0].title);
	assert_string_equal(value_of(&world, "10.0.0.4", "sum"), "(none)");
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "50");
	world_done(&world);
}

static void a_full_function_is_full_when_it_starts(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function_stats stats;
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 5);
	run_until(&world, all_finished);
	engine_remove(world.function);
	o.state_bytes = 20;
	world_add(&world, &o);
	function_stats(world.function, &stats);
	assert_true(stats.full);
	assert_true(push_from(&world, 4, 5, 1, ORDER_NONE));
	world.want++;
	push_many(&world, 6, 5);
	run_until(&world, all_finished);
	assert_int_equal(world.letter_count, 1);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "10");
	world_done(&world);
}

static bool killed_often(struct world *world)
{
	static uint64_t next_ns;
	struct function_stats stats;

	function_stats(world->function, &stats);
	if (stats.worker_pids[0] > 0 && clock_monotonic_ns() > next_ns) {
		kill(stats.worker_pids[0], SIGKILL);
		next_ns = clock_monotonic_ns() + 150 * NS_PER_MS;
	}
	return stats.crashes >= 5 || all_finished(world);
}

static void killed_worker_loses_and_doubles_nothing(void **state _unused_)
{
	struct function_options o = options("sum.slow");
	struct world world;

	o.attempts = 100; /* the events are not to blame */
	world_init(&world);
	world.commit_ns = 20 * NS_PER_MS;
	world_add(&world, &o);
	push_many(&world, 0, 500);
	run_until(&world, killed_often);
	run_until(&world, all_finished);
	assert_in_order(&world);
	assert_true(world.loads > 2);
	assert_int_equal(world.letter_count, 0);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), "500");
	world_done(&world);
}

static bool has_failed_twice(struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	return world->loads >= 3 && strcmp(stats.state, "failed") == 0;
}

static void handler_that_does_not_load_is_said_and_tried_again(void **state _unused_)
{
	struct function_options o = options("broken.main");
	struct function_stats stats;
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	assert_true(push(&world, 0, 1, ORDER_NONE));
	run_until(&world, has_failed_twice);
	function_stats(world.function, &stats);
	assert_non_null(stats.error);
	if (!strstr(stats.error, "broken on purpose"))
		fail_msg("error: %s", stats.error);
	assert_true(stats.error_ns > 0);
	assert_int_equal(stats.queued, 1);
	function_forget_error(world.function);
	function_stats(world.function, &stats);
	assert_null(stats.error);
	assert_int_equal(stats.error_ns, 0);
	world_done(&world);
}

/* ---- what comes out ---- */

static void alerts_are_filled_in_from_their_event(void **state _unused_)
{
	struct function_options o = options("sum.alerts");
	struct world world;

	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 2);
	run_until(&world, all_finished);
	assert_int_equal(world.alert_count, 4);
	assert_string_equal(world.alerts[0].title, "first");
	assert_string_equal(world.alerts[0].severity, "high");
	assert_string_equal(world.alerts[0].srcip, "10.0.0.3");
	assert_string_equal(world.alerts[0].dstip, "2001:db8::1");
	assert_string_equal(world.alerts[0].data, "{\"syn\":1}");
	assert_int_equal(world.alerts[0].srcport, -1);
	assert_int_equal(world.alerts[0].dstport, 80);
	assert_int_equal(world.alerts[0].protocol, 6);
	assert_string_equal(world.alerts[1].title, "second");
	assert_string_equal(world.alerts[1].severity, "medium");
	assert_string_equal(world.alerts[1].srcip, "(null)");
	assert_int_equal(world.alerts[1].dstport, 99);
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(world.alerts[i].id, world.alerts[j].id);
	world_done(&world);
}

static void alert_of_an_event_that_runs_again_has_the_same_id(void **state _unused_)
{
	struct function_options o = options("sum.alerts");
	struct world first, second;

	world_init(&first);
	world_add(&first, &o);
	push_many(&first, 0, 1);
	run_until(&first, all_finished);
	world_init(&second);
	world_add(&second, &o);
	push_many(&second, 0, 1);
	run_until(&second, all_finished);
	assert_string_equal(first.alerts[0].id, second.alerts[0].id);
	assert_string_equal(first.alerts[1].id, second.alerts[1].id);
	world_done(&first);
	world_done(&second);
}

/* Two datagrams that want no answer have no sequence, and may come at the same time. */
static void alerts_of_events_that_differ_in_the_record_alone_have_different_ids(
	void **state _unused_)
{
	struct function_options o = options("sum.alerts");
	struct world world;

	world_init(&world);
	world.epoch = 0;
	world_add(&world, &o);
	assert_true(push(&world, 0, 1, ORDER_NONE));
	assert_true(push(&world, 0, 2, ORDER_NONE));
	world.want = 2;
	run_until(&world, all_finished);
	assert_int_equal(world.alert_count, 4);
	assert_string_not_equal(world.alerts[0].id, world.alerts[2].id);
	world_done(&world);
}

static void worker_is_alone_with_its_pipe(void **state _unused_)
{
	struct function_options o = options("sum.surroundings");
	struct world world;
	_cleanup_free_ char *secret = strdup("s3cret");
	int leak = open("/etc/passwd", O_RDONLY); /* deliberately without O_CLOEXEC */

	setenv("NETLAMBDA_SECRET", secret, 1);
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 1);
	run_until(&world, all_finished);
	assert_string_equal(value_of(&world, "10.0.0.3", "seen"),
		"{\"env\":[\"HOME\",\"LANG\",\"PATH\"],\"fds\":4,\"extraFds\":[],\"status\":\"1\","
		"\"group\":true}");
	unsetenv("NETLAMBDA_SECRET");
	close(leak);
	world_done(&world);
}

static void function_output_goes_to_the_log_cleaned_and_cut(void **state _unused_)
{
	struct function_options o = options("sum.prints");
	char path[] = "/tmp/test_engine.XXXXXX", text[8192] = {0};
	int saved = dup(STDERR_FILENO), fd = mkstemp(path);
	struct world world;
	ssize_t n;

	assert_true(saved >= 0 && fd >= 0);
	unlink(path);
	log_set_level(LOG_LEVEL_INFO);
	dup2(fd, STDERR_FILENO);
	world_init(&world);
	world_add(&world, &o);
	push_many(&world, 0, 1);
	run_until(&world, all_finished);
	world_done(&world);
	dup2(saved, STDERR_FILENO);
	log_set_level(LOG_LEVEL_ERROR);
	n = pread(fd, text, sizeof(text) - 1, 0);
	close(fd);
	close(saved);
	assert_true(n > 0);
	assert_non_null(strstr(text, "function=tested told 1?[31m\n"));
	assert_non_null(strstr(text, "xxx [cut]\n"));
	assert_true(n < 3000);
}

/* ---- adding and removing ---- */

static void refuse(
	struct world *world, const struct function_options *o, int error, const char *says)
{
	_cleanup_free_ char *message = NULL;
	struct function *function;

	assert_int_equal(engine_add(world->engine, o, &function, &message), error);
	assert_non_null(message);
	if (!strstr(message, says))
		fail_msg("%s", message);
}

static void bad_options_are_refused_with_a_reason(void **state _unused_)
{
	static const char *const no_such_key[] = {"srcip", "colour", NULL};
	struct function_options o;
	struct world world;

	world_init(&world);
	o = options("sum.main");
	o.name = "Not_A_Label";
	refuse(&world, &o, -EINVAL, "Not_A_Label");
	o = options("sum.main");
	o.runtime = "cobol";
	refuse(&world, &o, -EINVAL, "cobol");
	o = options("sum.main");
	o.key = no_such_key;
	refuse(&world, &o, -EINVAL, "colour");
	o = options("sum.main");
	o.config = "{\"a\": }";
	refuse(&world, &o, -EINVAL, "config: line 1");
	o = options("nowhere.main");
	refuse(&world, &o, -ENOENT, "nowhere");
	o = options("../sum.main");
	refuse(&world, &o, -EINVAL, "FILE.FUNCTION");
	world_done(&world);
}

static bool is_committing(struct world *world)
{
	return world->result != NULL;
}

static void removed_function_gives_up_what_is_pending(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct function *again;
	struct world world;
	char *error = NULL, sum[32];
	size_t under_way;

	world_init(&world);
	world.commit_ns = 50 * NS_PER_MS;
	world_add(&world, &o);
	run_until(&world, is_ready);
	push_many(&world, 0, 10);
	run_until(&world, is_committing);
	under_way = world.result->event_count; /* a slow worker may say what it did in parts */
	world.want = under_way;
	engine_remove(world.function);
	assert_int_equal(engine_add(world.engine, &o, &again, &error), 0);
	world.function = again;
	push_many(&world, 10, 5);
	run_until(&world, all_finished); /* with the state that the result under way has left */
	snprintf(sum, sizeof(sum), "%zu", under_way + 5);
	assert_string_equal(value_of(&world, "10.0.0.3", "sum"), sum);
	world_done(&world);
}

static void stopping_does_not_wait_for_an_endless_loop(void **state _unused_)
{
	struct function_options o = options("sum.main");
	struct world world;
	uint64_t start;

	world_init(&world);
	world_add(&world, &o);
	run_until(&world, is_ready);
	push_order(&world, 0, ORDER_LOOP);
	world.want = 0;
	run_until(&world, all_finished);
	start = clock_monotonic_ns();
	world_done(&world);
	assert_true(clock_monotonic_ns() - start < TEST_NS);
}
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_run_in_order_and_state_adds_up),
		cmocka_unit_test(what_has_queued_up_goes_in_one_batch_up_to_the_limit),
		cmocka_unit_test(a_batch_that_is_not_full_waits_unless_the_function_is_idle),
		cmocka_unit_test(what_waits_for_company_does_not_wait_for_ever),
		cmocka_unit_test(full_queue_refuses),
		cmocka_unit_test(slow_commits_gather_into_one),
		cmocka_unit_test(promises_are_awaited_in_order),
		cmocka_unit_test(es_modules_load),
		cmocka_unit_test(crashing_event_is_put_aside_alone),
		cmocka_unit_test(throwing_event_is_put_aside_alone),
		cmocka_unit_test(failed_event_leaves_neither_state_nor_alert),
		cmocka_unit_test(memory_outside_the_heap_is_limited),
		cmocka_unit_test(promise_that_never_settles_overruns),
		cmocka_unit_test(endless_loop_overruns),
		cmocka_unit_test(garbage_in_the_pipe_is_a_crash),
		cmocka_unit_test(batch_handler_adds_up_as_any_other),
		cmocka_unit_test(event_that_a_batch_handler_names_is_put_aside_alone),
		cmocka_unit_test(event_at_which_a_batch_handler_throws_is_put_aside_alone),
		cmocka_unit_test(event_that_crashes_a_batch_handler_is_put_aside_alone),
		cmocka_unit_test(failures_with_a_batch_on_its_way_lose_and_double_nothing),
		cmocka_unit_test(what_is_put_aside_goes_behind_what_came_before),
		cmocka_unit_test(single_events_are_committed_at_once),
		cmocka_unit_test(batches_grow_back_after_a_crash),
		cmocka_unit_test(refused_commit_runs_again_from_committed_state),
		cmocka_unit_test(what_the_store_refuses_is_run_again_ever_more_seldom),
		cmocka_unit_test(a_full_function_keeps_nothing_new_and_goes_on_with_the_rest),
		cmocka_unit_test(a_function_may_do_without_what_there_is_no_room_for),
		cmocka_unit_test(a_full_function_is_full_when_it_starts),
		cmocka_unit_test(killed_worker_loses_and_doubles_nothing),
		cmocka_unit_test(handler_that_does_not_load_is_said_and_tried_again),
		cmocka_unit_test(alerts_are_filled_in_from_their_event),
		cmocka_unit_test(
			alerts_of_events_that_differ_in_the_record_alone_have_different_ids),
		cmocka_unit_test(alert_of_an_event_that_runs_again_has_the_same_id),
		cmocka_unit_test(worker_is_alone_with_its_pipe),
		cmocka_unit_test(function_output_goes_to_the_log_cleaned_and_cut),
		cmocka_unit_test(bad_options_are_refused_with_a_reason),
		cmocka_unit_test(removed_function_gives_up_what_is_pending),
		cmocka_unit_test(stopping_does_not_wait_for_an_endless_loop),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
