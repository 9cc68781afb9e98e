// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "base/rate.h"
#include "tests/unit/test.h"

static const struct rate two_a_second = {NS_PER_SEC / 2, 8};

/* How often of `tries` at this time. */
static unsigned int take(const struct rate *rate, uint64_t *bucket, uint64_t now_ns, int tries)
{
	unsigned int taken = 0;

	for (int i = 0; i < tries; i++)
		taken += rate_take(rate, bucket, now_ns);
	return taken;
}

static void full_bucket_gives_its_burst_and_no_more(void **state _unused_)
{
	uint64_t bucket = 0;

	assert_int_equal(take(&two_a_second, &bucket, 0, 100), 8);
	bucket = 0;
	assert_int_equal(take(&two_a_second, &bucket, 1000 * NS_PER_SEC, 100), 8);
}

static void empty_bucket_gives_one_each_interval(void **state _unused_)
{
	uint64_t bucket = 0, now_ns = 77 * NS_PER_SEC;

	assert_int_equal(take(&two_a_second, &bucket, now_ns, 8), 8);
	assert_int_equal(take(&two_a_second, &bucket, now_ns + NS_PER_SEC / 2 - 1, 9), 0);
	for (int i = 0; i < 100; i++) {
		now_ns += NS_PER_SEC / 2;
		assert_int_equal(take(&two_a_second, &bucket, now_ns, 9), 1);
	}
}

static void what_is_not_taken_is_kept_up_to_the_burst(void **state _unused_)
{
	uint64_t bucket = 0, now_ns = NS_PER_SEC;

	assert_int_equal(take(&two_a_second, &bucket, now_ns, 100), 8);
	assert_int_equal(take(&two_a_second, &bucket, now_ns + 3 * NS_PER_SEC, 100), 6);
	assert_int_equal(take(&two_a_second, &bucket, now_ns + 3600 * NS_PER_SEC, 100), 8);
}

/* Who asks all the time gets no less than who asks when there is something to get. */
static void refused_attempts_cost_nothing(void **state _unused_)
{
	uint64_t bucket = 0;
	unsigned int taken = 0;

	for (uint64_t now_ns = 0; now_ns < 100 * NS_PER_SEC; now_ns += NS_PER_MS)
		taken += rate_take(&two_a_second, &bucket, now_ns);
	assert_int_equal(taken, 8 + 199);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_bucket_gives_its_burst_and_no_more),
		cmocka_unit_test(empty_bucket_gives_one_each_interval),
		cmocka_unit_test(what_is_not_taken_is_kept_up_to_the_burst),
		cmocka_unit_test(refused_attempts_cost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
