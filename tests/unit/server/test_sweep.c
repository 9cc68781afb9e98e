// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "server/sweep.h"
#include "tests/unit/test.h"

#define START (1763884800 * NS_PER_SEC)
#define HOUR  (3600 * NS_PER_SEC)

static void a_clock_that_is_set_ahead_is_not_believed(void **state _unused_)
{
	const struct sweeper sweeper = {.started_ns = START, .started_monotonic_ns = 77};

	assert_int_equal(sweeper_time_ns(&sweeper, START + HOUR, 77 + HOUR), START + HOUR);
	assert_int_equal(sweeper_time_ns(&sweeper, START + 9000 * HOUR, 77 + HOUR),
		START + HOUR + 60 * NS_PER_SEC);
	/* What has not expired by the clock stays in any case. */
	assert_int_equal(sweeper_time_ns(&sweeper, START - HOUR, 77 + HOUR), START - HOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clock_that_is_set_ahead_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
