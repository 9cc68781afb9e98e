// SPDX-License-Identifier: BSD-2-Clause
#include "server/file_limit.h"

#include "tests/unit/test.h"

#include <sys/resource.h>

static void the_limit_rises_as_far_as_it_may(void **state _unused_)
{
	struct rlimit limit = {.rlim_cur = 64, .rlim_max = 200};
	uint64_t now;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(file_limit_raise(100, &now), 0);
	assert_int_equal(now, 100);
	assert_int_equal(file_limit_raise(50, &now), 0); /* never down */
	assert_int_equal(now, 100);
	assert_int_equal(file_limit_raise(300, &now), 0);
	assert_int_equal(now, 200);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 200);
}

static void each_switch_may_have_two_connections(void **state _unused_)
{
	assert_int_equal(file_limit_needed(4096) - file_limit_needed(0), 8192);
	assert_true(file_limit_needed(UINT32_MAX) > UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_rises_as_far_as_it_may),
		cmocka_unit_test(each_switch_may_have_two_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
