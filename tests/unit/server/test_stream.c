// SPDX-License-Identifier: BSD-2-Clause
/* Gaps of a stream: how they are noted, passed, and come back. */
#include "server/stream.h"

#include "event/schema.h"
#include "tests/unit/test.h"

#include <errno.h>

#define WINDOW 1024

struct fixture {
	struct stream stream;
	struct units *units; /* none */
};

static int setup(void **state)
{
	static const uint64_t incarnation[2] = {1, 99};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->units = units_new();
	assert_non_null(f->units);
	assert_int_equal(stream_init(&f->stream, 1793, WINDOW), 0);
	f->stream.epoch = 1;
	stream_begin(&f->stream, incarnation, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stream_done(&f->stream);
	units_free(f->units);
	free(f);
	return 0;
}

/* That no unit takes: they are decided at once. */
static void offer(struct fixture *f, uint64_t count)
{
	static const struct port_event records[WINDOW];
	const struct event_run run = {.event_id = EVENT_PORT,
		.epoch = 1,
		.records = records,
		.stride = sizeof(records[0]),
		.count = count};

	assert_false(stream_offer(&f->stream, f->units, &run, f->stream.next));
	stream_advance(&f->stream);
}

static void lose(struct fixture *f, uint64_t count)
{
	assert_int_equal(stream_reserve_gap(&f->stream), 0);
	stream_skip(&f->stream, count, false);
	stream_advance(&f->stream);
}

static void declare(struct fixture *f, uint64_t position)
{
	stream_declare(&f->stream, position);
	stream_advance(&f->stream);
}

static void a_gap_is_passed_as_far_as_it_is_declared(void **state)
{
	struct fixture *f = *state;

	offer(f, 10);
	lose(f, 5);
	lose(f, 5); /* neighbours are one */
	offer(f, 3);
	assert_int_equal(f->stream.gap_count, 1);
	assert_int_equal(f->stream.base, 10);
	declare(f, 15);
	assert_int_equal(f->stream.base, 15);
	declare(f, 20);
	assert_int_equal(f->stream.base, 23);
}

static void a_gap_that_was_passed_can_become_longer(void **state)
{
	struct fixture *f = *state;

	offer(f, 10);
	lose(f, 5);
	declare(f, 15);
	assert_int_equal(f->stream.base, 15);
	lose(f, 5);
	offer(f, 1);
	assert_int_equal(f->stream.base, 15);
	declare(f, 20);
	assert_int_equal(f->stream.base, 21);
}

/* The gap is far longer than the ring of counters. */
static void a_refused_commit_goes_back_over_a_gap_and_forth(void **state)
{
	struct fixture *f = *state;
	const uint64_t end = 10 + (1ULL << 60);

	offer(f, 10);
	lose(f, end - 10);
	declare(f, end);
	offer(f, 5);
	assert_true(f->stream.base == end + 5);
	stream_undecide(&f->stream, 8);
	stream_advance(&f->stream);
	assert_int_equal(f->stream.base, 8);
	stream_decide(&f->stream, 8);
	stream_advance(&f->stream);
	assert_true(f->stream.base == end + 5);
}

static void what_a_unit_is_to_have_again_passes_over_the_gaps_that_are_known(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 50; i++) {
		offer(f, 2);
		lose(f, 8);
	}
	f->stream.next = 2;
	for (unsigned int i = 0; i < 50; i++) {
		assert_int_equal(f->stream.next, 10 * i + 2);
		assert_true(stream_skip_known(&f->stream));
		assert_false(stream_skip_known(&f->stream));
		f->stream.next += 2;
	}
	assert_int_equal(f->stream.base, 2);
	declare(f, 500);
	assert_int_equal(f->stream.base, f->stream.next);
}

/* An agent says how many there are. */
static void gaps_have_a_limit_until_those_in_front_are_processed(void **state)
{
	struct fixture *f = *state;
	struct stream *stream = &f->stream;

	for (unsigned int i = 0; i < STREAM_GAPS_MAX; i++) {
		lose(f, 1);
		offer(f, 1);
	}
	assert_int_equal(stream_reserve_gap(stream), -ENOBUFS);
	declare(f, stream->next);
	assert_int_equal(stream->base, 2 * STREAM_GAPS_MAX);
	assert_int_equal(stream_reserve_gap(stream), -ENOBUFS);
	stream->processed = 3;
	assert_int_equal(stream_reserve_gap(stream), 0);
	assert_int_equal(stream->gap_count, STREAM_GAPS_MAX - 2);
	for (unsigned int i = 0; i < 10 * STREAM_GAPS_MAX; i++) {
		lose(f, 1);
		offer(f, 1);
		declare(f, stream->next);
		stream->processed += 2;
	}
	assert_int_equal(stream->base, 22 * STREAM_GAPS_MAX);
	assert_true(stream->gap_room <= (size_t)2 * STREAM_GAPS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Where slot 0's unit is, by a mark that says that all below 500 is done. */
static uint64_t restored_position(struct fixture *f, uint64_t boot)
{
	struct mark mark = {.key = "", .stream = f->stream.id, .incarnation = {1, boot}};

	for (size_t i = 0; i < PARTITIONS; i++)
		mark.positions[i] = 500;
	f->units->units[0].division = divisions_get(&f->units->divisions, "");
	assert_int_equal(stream_restore(&f->stream, f->units, 0, &mark), 0);
	return f->stream.progress[0]->mark.positions[0];
}

static void a_mark_of_another_incarnation_says_nothing_of_one_that_has_begun(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(restored_position(f, 98), 0);
	assert_int_equal(restored_position(f, 99), 500);
	stream_forget_unit(&f->stream, 0);
	/* Before that it is kept, until it is known. */
	stream_forget(&f->stream);
	f->stream.epoch = 0;
	assert_int_equal(restored_position(f, 98), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_gap_is_passed_as_far_as_it_is_declared),
		TEST(a_gap_that_was_passed_can_become_longer),
		TEST(a_refused_commit_goes_back_over_a_gap_and_forth),
		TEST(what_a_unit_is_to_have_again_passes_over_the_gaps_that_are_known),
		TEST(gaps_have_a_limit_until_those_in_front_are_processed),
		TEST(a_mark_of_another_incarnation_says_nothing_of_one_that_has_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
