// SPDX-License-Identifier: BSD-2-Clause
#include "base/event_clock.h"

#include "base/clock.h"
#include "tests/unit/test.h"

#define START  (1763884800 * NS_PER_SEC)
#define BOOTED (77 * NS_PER_SEC)
#define SECOND NS_PER_SEC
#define HOUR   (3600 * SECOND)

static uint64_t at(_Atomic uint64_t *epoch_ns, uint64_t realtime_ns, uint64_t monotonic_ns)
{
	return monotonic_ns + event_clock_follow(epoch_ns, realtime_ns, monotonic_ns);
}

static void events_time_is_that_of_day_while_the_clock_does_not_jump(void **state _unused_)
{
	_Atomic uint64_t epoch = 0;

	for (uint64_t s = 0; s < 10000; s++)
		assert_int_equal(
			at(&epoch, START + s * SECOND, BOOTED + s * SECOND), START + s * SECOND);
	/* The clocks are read one after the other, and the thread may have waited in between. */
	assert_int_equal(at(&epoch, START + HOUR + SECOND / 20, BOOTED + HOUR), START + HOUR);
	assert_int_equal(at(&epoch, START + HOUR - SECOND / 20, BOOTED + HOUR), START + HOUR);
}

static void a_clock_that_is_set_back_does_not_take_events_back(void **state _unused_)
{
	_Atomic uint64_t epoch = 0;

	assert_int_equal(at(&epoch, START, BOOTED), START);
	assert_int_equal(at(&epoch, START - HOUR, BOOTED), START);
	assert_int_equal(
		at(&epoch, START - HOUR + 9 * SECOND, BOOTED + 9 * SECOND), START + 9 * SECOND);
	/* An hour later it is right again. */
	assert_int_equal(at(&epoch, START + HOUR, BOOTED + HOUR), START + HOUR);
}

static void a_clock_that_is_set_ahead_is_followed_and_not_taken_back(void **state _unused_)
{
	_Atomic uint64_t epoch = 0;

	assert_int_equal(at(&epoch, START, BOOTED), START);
	assert_int_equal(at(&epoch, START + HOUR, BOOTED), START + HOUR);
	assert_int_equal(at(&epoch, START + SECOND, BOOTED + SECOND), START + HOUR + SECOND);
}

static void a_clock_that_was_wrong_by_hours_is_set_right(void **state _unused_)
{
	_Atomic uint64_t epoch = 0;

	assert_int_equal(at(&epoch, START + 9000 * HOUR, BOOTED), START + 9000 * HOUR);
	assert_int_equal(at(&epoch, START, BOOTED + SECOND), START);
	/* Nor does it matter that the time of day was before the machine's start. */
	assert_int_equal(at(&epoch, 5 * SECOND, BOOTED + SECOND), 5 * SECOND);
	assert_int_equal(at(&epoch, START, BOOTED + 2 * SECOND), START);
}

static void a_moment_has_one_time(void **state _unused_)
{
	uint64_t epoch_ns = event_clock_epoch_ns();

	for (int i = 0; i < 1000; i++)
		assert_int_equal(event_clock_epoch_ns(), epoch_ns);
	assert_in_range(
		event_clock_ns(), clock_realtime_ns() - SECOND, clock_realtime_ns() + SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_time_is_that_of_day_while_the_clock_does_not_jump),
		cmocka_unit_test(a_clock_that_is_set_back_does_not_take_events_back),
		cmocka_unit_test(a_clock_that_is_set_ahead_is_followed_and_not_taken_back),
		cmocka_unit_test(a_clock_that_was_wrong_by_hours_is_set_right),
		cmocka_unit_test(a_moment_has_one_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
