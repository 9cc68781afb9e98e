// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "server/jumps.h"
#include "tests/unit/test.h"

#define START  (1763884800 * NS_PER_SEC)
#define BOOTED (77 * NS_PER_SEC)
#define SECOND NS_PER_SEC
#define HOUR   (3600 * SECOND)

static void what_is_deleted_goes_by_the_time_that_has_passed(void **state _unused_)
{
	const struct clock_origin origin = {START, BOOTED};

	assert_int_equal(time_without_leaps(&origin, START + HOUR, BOOTED + HOUR), START + HOUR);
	assert_int_equal(time_without_leaps(&origin, START + 9000 * HOUR, BOOTED + HOUR),
		START + HOUR + 60 * SECOND);
	/* What is not due by the clock stays in any case. */
	assert_int_equal(time_without_leaps(&origin, START - HOUR, BOOTED + HOUR), START - HOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_deleted_goes_by_the_time_that_has_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
