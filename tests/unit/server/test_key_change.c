// SPDX-License-Identifier: BSD-2-Clause
/* A function's key changes: what one key has done is not done again by another, and nothing is left out. */
#include "server/progress.h"

#include "base/clock.h"
#include "event/render.h"
#include "tests/unit/server/core.h"
#include "tests/unit/store/fixture.h"

#define PORT V2_LANE_PORT

static const char *const by_source[] = {"srcip", NULL};
static const char *const by_port[] = {"dstport", NULL};
static const uint64_t incarnation[2] = {1, 99};

/* ---- progress ---- */

struct fixture {
	struct divisions divisions;
	struct progress *progress;
	struct port_event records[64]; /* sources 10.0.0.0 ... */
	struct event_run run;
};

static const struct division *division(struct fixture *f, const char *key)
{
	const struct division *division = divisions_get(&f->divisions, key);

	assert_non_null(division);
	return division;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(schema_init(), 0);
	for (uint8_t i = 0; i < ARRAY_SIZE(f->records); i++) {
		f->records[i].dstport = 80;
		assert_int_equal(ip_parse("10.0.0.0", &f->records[i].srcip), 0);
		f->records[i].srcip.bytes[15] = i;
	}
	f->run = (struct event_run){.event_id = EVENT_PORT,
		.records = f->records,
		.stride = sizeof(f->records[0]),
		.count = ARRAY_SIZE(f->records)};
	f->progress = progress_new(division(f, "srcip"), 5, incarnation);
	assert_non_null(f->progress);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	progress_free(f->progress);
	divisions_done(&f->divisions);
	free(f);
	return 0;
}

static unsigned int partition_of(unsigned int source)
{
	char key[16];

	snprintf(key, sizeof(key), "10.0.0.%u", source);
	return key_partition(key_hash_text(key));
}

static void rekey(struct fixture *f, const char *key)
{
	assert_int_equal(progress_rekey(f->progress, division(f, key)), 0);
}

/* A partition of the present key is done up to a position. */
static void commit(struct fixture *f, unsigned int partition, uint64_t position)
{
	struct mark mark = progress_mark(f->progress);

	mark.positions[partition] = position;
	progress_commit(f->progress, &mark);
}

/* Of the run's first event. */
static bool is_done(struct fixture *f, uint64_t position)
{
	struct event_run one = f->run;
	bool done;

	one.records = &f->records[position];
	one.count = 1;
	f->progress->pushed = position;
	assert_int_equal(progress_same(f->progress, &one, &done), 1);
	return done;
}

static void a_division_is_made_once(void **state)
{
	static const char *const both[] = {"srcip", "dstport", NULL};
	static const char *const none[] = {NULL};
	struct fixture *f = *state;
	const struct division *found = divisions_get_fields(&f->divisions, both);

	assert_non_null(found);
	assert_string_equal(found->key, "srcip,dstport");
	assert_ptr_equal(found, division(f, "srcip,dstport"));
	assert_ptr_equal(divisions_get_fields(&f->divisions, none), division(f, ""));
	assert_ptr_equal(divisions_get_fields(&f->divisions, NULL), division(f, ""));
	assert_ptr_not_equal(found, division(f, "dstport,srcip"));
}

/* As the engine divides them, and the state's keys. */
static void a_division_is_the_keys(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(f->records); i++) {
		const void *record = &f->records[i];
		char both[24];

		snprintf(both, sizeof(both), "10.0.0.%u|80", i);
		assert_int_equal(division_partition(division(f, "srcip"), EVENT_PORT, record),
			partition_of(i));
		assert_int_equal(
			division_partition(division(f, "srcip,dstport"), EVENT_PORT, record),
			key_partition(key_hash_text(both)));
		assert_int_equal(division_partition(division(f, ""), EVENT_PORT, record), 0);
	}
}

static void what_an_earlier_mark_says_is_done_by_its_own_key(void **state)
{
	struct fixture *f = *state;
	unsigned int done = 0;

	commit(f, partition_of(7), 20);
	assert_false(is_done(f, 7)); /* that is for the engine to see */
	rekey(f, "dstport");
	for (unsigned int i = 0; i < ARRAY_SIZE(f->records); i++) {
		bool expected = i < 20 && partition_of(i) == partition_of(7);

		assert_int_equal(is_done(f, i), expected);
		done += expected;
	}
	assert_in_range(done, 1, 19);
}

static void events_of_one_fate_go_together(void **state)
{
	struct fixture *f = *state;
	uint64_t position = 0;
	bool done, before;

	commit(f, partition_of(7), 20);
	rekey(f, "dstport");
	before = !is_done(f, 0);
	while (position < 20) {
		f->progress->pushed = position;
		f->run.records = &f->records[position];
		f->run.count = ARRAY_SIZE(f->records) - position;
		position += progress_same(f->progress, &f->run, &done);
		assert_int_equal(done, !before);
		before = done;
	}
	assert_false(before);
	assert_int_equal(position, ARRAY_SIZE(f->records)); /* the rest at once */
}

static void a_key_that_comes_back_goes_on_with_its_mark(void **state)
{
	struct fixture *f = *state;

	commit(f, 3, 10);
	rekey(f, "dstport");
	assert_int_equal(f->progress->mark.positions[3], 0);
	commit(f, 5, 15);
	rekey(f, "srcip");
	assert_int_equal(f->progress->mark.positions[3], 10);
	assert_string_equal(f->progress->mark.key, "srcip");
	assert_string_equal(f->progress->earlier->mark.key, "dstport");
	assert_int_equal(f->progress->earlier->mark.positions[5], 15);
	assert_null(f->progress->earlier->next);
	rekey(f, "srcip");
	assert_int_equal(f->progress->mark.positions[3], 10);
}

static void an_earlier_mark_goes_when_it_says_nothing_any_more(void **state)
{
	struct fixture *f = *state;

	commit(f, 3, 10);
	assert_true(f->progress->swept);
	assert_false(progress_mark(f->progress).sweep);
	rekey(f, "dstport");
	progress_pass(f->progress, 9);
	assert_non_null(f->progress->earlier);
	assert_false(progress_mark(f->progress).sweep);
	progress_pass(f->progress, 10);
	assert_null(f->progress->earlier);
	assert_true(progress_mark(f->progress).sweep);
	commit(f, 1, 11);
	assert_false(progress_mark(f->progress).sweep); /* once will do */
}

static void another_incarnation_makes_all_marks_void(void **state)
{
	static const uint64_t other[2] = {2, 7};
	struct fixture *f = *state;

	commit(f, 3, 10);
	rekey(f, "dstport");
	commit(f, 4, 12);
	progress_begin(f->progress, incarnation, 5); /* the same */
	assert_non_null(f->progress->earlier);
	assert_int_equal(f->progress->mark.positions[4], 12);
	progress_begin(f->progress, other, 0);
	assert_null(f->progress->earlier);
	assert_int_equal(f->progress->mark.positions[4], 0);
	assert_true(f->progress->mark.stream == 5 && f->progress->mark.incarnation[1] == 7);
}

static void marks_are_restored_in_any_order(void **state)
{
	const struct mark own = {
		.key = "borrowed", .stream = 5, .incarnation = {1, 99}, .positions = {7}};
	const struct mark other = {.stream = 5, .incarnation = {1, 99}, .positions = {9}};
	struct fixture *f = *state;

	assert_int_equal(progress_restore(f->progress, division(f, "dstport"), &other), 0);
	assert_int_equal(progress_restore(f->progress, division(f, "srcip"), &own), 0);
	assert_int_equal(progress_restore(f->progress, division(f, ""), &other), 0);
	assert_int_equal(f->progress->mark.positions[0], 7);
	assert_string_equal(f->progress->mark.key, "srcip"); /* which stays */
	assert_string_equal(f->progress->earlier->mark.key, "");
	assert_string_equal(f->progress->earlier->next->mark.key, "dstport");
	assert_false(progress_mark(f->progress).sweep);
}

/* ---- the server ---- */

static struct core_options options_for(void **state, const char *handler)
{
	const struct place *place = *state;

	return (struct core_options){.path = place->path,
		.handler = handler,
		.queue_max = 4096,
		.workers = 1,
		.window = 1024};
}

static uint64_t events_wanted;

static bool so_many_are_done(struct core *core)
{
	return core_stats(core).events >= events_wanted;
}

/* The first event fails again and again; ten of another source, so of another partition, are done. */
static void begin(struct core *core, const struct core_options *options)
{
	struct v2_mark mark;

	core_open(core, options);
	assert_int_equal(core_hello(core, 99, 0, &mark), V2_ADMIT_NEW);
	assert_int_equal(core_offer(core, PORT, 3, 1, 0), 1);
	assert_int_equal(core_offer(core, PORT, 5, 10, 1), 10);
	events_wanted = 10;
	core_run_until(core, so_many_are_done);
	assert_int_equal(core->processed[PORT], 0);
}

/* They come again, as they do after a restart. */
static void offer_again(struct core *core, const struct core_options *options)
{
	struct v2_mark mark;

	core_open(core, options);
	assert_int_equal(core_hello(core, 99, 1, &mark), V2_ADMIT_RESUME);
	assert_int_equal(mark.before[PORT], 0);
	assert_int_equal(core_offer(core, PORT, 3, 1, 0), 1);
	assert_int_equal(core_offer(core, PORT, 5, 10, 1), 10);
}

static int count_mark(void *user, const char *function _unused_, const struct mark *mark _unused_)
{
	++*(unsigned int *)user;
	return 0;
}

static unsigned int marks_of(struct core *core)
{
	unsigned int count = 0;

	assert_int_equal(store_each_mark(core->reader, NULL, count_mark, &count), 0);
	return count;
}

static void a_key_that_changed_while_the_server_was_down_does_nothing_twice(void **state)
{
	struct core_options o = options_for(state, "sum.stuck");
	struct core core = {0};
	char text[64];

	begin(&core, &o);
	core_close(&core);
	o.handler = "sum.main";
	o.keys[0] = by_port; /* which all events have: one partition */
	offer_again(&core, &o);
	core_run_to(&core, PORT, 11);
	assert_int_equal(core_stats(&core).events, 1);
	assert_string_equal(core_state(&core, "10.0.0.5", "sum", text), "55");
	assert_string_equal(core_state(&core, "80", "last", text), "0");
	assert_int_equal(marks_of(&core), 2);
	assert_int_equal(core_offer(&core, PORT, 5, 1, 11), 1);
	core_run_to(&core, PORT, 12);
	assert_int_equal(marks_of(&core), 1); /* the earlier one says nothing any more */
	assert_string_equal(core_state(&core, "80", "sum", text), "11");
	core_close(&core);
}

/* Nothing is done by the second key, something by the third, the rest by the first. */
static void a_key_may_change_at_each_start(void **state)
{
	static const char *const none[] = {NULL};
	struct core_options o = options_for(state, "sum.stuck");
	struct core core = {0};
	char text[64];

	begin(&core, &o);
	core_close(&core);
	o.keys[0] = by_port;
	offer_again(&core, &o);
	core_close(&core);
	o.keys[0] = none;
	offer_again(&core, &o);
	core_close(&core);
	o.handler = "sum.main";
	o.keys[0] = by_source;
	offer_again(&core, &o);
	core_run_to(&core, PORT, 11);
	assert_int_equal(core_stats(&core).events, 1);
	assert_string_equal(core_state(&core, "10.0.0.5", "sum", text), "55");
	assert_string_equal(core_state(&core, "10.0.0.3", "last", text), "0");
	core_close(&core);
}

static uint64_t left_to_offer;

/* From the first event that was given back on. */
static void offer_what_is_left(struct core *core, uint8_t lane)
{
	while (agent_next(core->agent, lane) < left_to_offer) {
		uint64_t next = agent_next(core->agent, lane);

		if (core_offer(core, lane, next == 0 ? 3 : 5, next == 0 ? 1 : left_to_offer - next,
			    (uint32_t)next) == 0)
			return;
	}
}

static void what_a_function_with_another_key_takes_over_is_done_once(void **state)
{
	struct core_options o = options_for(state, "sum.stuck");
	struct core core = {0};
	char text[64];

	begin(&core, &o);
	core.on_room = offer_what_is_left;
	left_to_offer = 11;
	core.options.handler = "sum.main";
	core_rekey(&core, 0, by_port);
	assert_true(core_settle(&core, clock_monotonic_ns()));
	assert_false(core_settle(&core, clock_monotonic_ns() + 60 * NS_PER_SEC));
	offer_what_is_left(&core, PORT);
	core_run_to(&core, PORT, 11);
	assert_int_equal(core_stats(&core).events, 1);
	assert_string_equal(core_state(&core, "10.0.0.5", "sum", text), "55");
	assert_string_equal(core_state(&core, "80", "last", text), "0");
	core_close(&core);
}

/* It had the other key, and the server ended before it had done anything by that. */
static void what_a_function_that_did_nothing_took_over_is_done_once(void **state)
{
	struct core_options o = options_for(state, "sum.stuck");
	struct core core = {0};
	char text[64];

	begin(&core, &o);
	core_rekey(&core, 0, by_port);
	assert_false(core_settle(&core, clock_monotonic_ns() + 60 * NS_PER_SEC));
	core_close(&core);
	o.handler = "sum.main";
	o.keys[0] = by_port;
	offer_again(&core, &o);
	core_run_to(&core, PORT, 11);
	assert_int_equal(core_stats(&core).events, 1);
	assert_string_equal(core_state(&core, "10.0.0.5", "sum", text), "55");
	core_close(&core);
}

#define PROGRESS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SERVER(name)   cmocka_unit_test_setup_teardown(name, place_new, place_free)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PROGRESS(a_division_is_made_once),
		PROGRESS(a_division_is_the_keys),
		PROGRESS(what_an_earlier_mark_says_is_done_by_its_own_key),
		PROGRESS(events_of_one_fate_go_together),
		PROGRESS(a_key_that_comes_back_goes_on_with_its_mark),
		PROGRESS(an_earlier_mark_goes_when_it_says_nothing_any_more),
		PROGRESS(another_incarnation_makes_all_marks_void),
		PROGRESS(marks_are_restored_in_any_order),
		SERVER(a_key_that_changed_while_the_server_was_down_does_nothing_twice),
		SERVER(a_key_may_change_at_each_start),
		SERVER(what_a_function_with_another_key_takes_over_is_done_once),
		SERVER(what_a_function_that_did_nothing_took_over_is_done_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
