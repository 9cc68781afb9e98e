// SPDX-License-Identifier: BSD-2-Clause
#include "base/histogram.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static void every_value_has_a_place_in_order(void **state _unused_)
{
	size_t last = 0;

	for (uint64_t value = 0; value <= UINT32_MAX; value += 1 + value / 50) {
		size_t place = histogram_place((uint32_t)value);

		assert_in_range(place, last, last + 1);
		last = place;
	}
	assert_int_equal(histogram_place(0), 0);
	assert_int_equal(histogram_place(31), 31);
	assert_int_equal(histogram_place(32), 32);
	assert_int_equal(histogram_place(33), 32);
	assert_int_equal(histogram_place(UINT32_MAX), HISTOGRAM_PLACES - 1);
}

static void what_comes_out_is_at_most_a_sixteenth_too_large(void **state _unused_)
{
	for (uint64_t value = 0; value <= UINT32_MAX; value += 1 + value / 500) {
		struct histogram histogram = {0};
		uint64_t out;

		histogram_add(&histogram, (uint32_t)value);
		out = histogram_quantile(&histogram, 0.5);
		assert_in_range(out, value, value + value / 16);
		assert_int_equal(histogram_quantile(&histogram, 0), out);
		assert_int_equal(histogram_quantile(&histogram, 1), out);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void quantiles_are_those_of_the_sorted_values(void **state _unused_)
{
	static const double shares[] = {0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
	struct histogram halves[2] = {0};
	uint32_t values[2000];
	unsigned int seed = 1;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		values[i] = (uint32_t)rand_r(&seed) >> rand_r(&seed) % 28;
		histogram_add(&halves[i % 2], values[i]);
	}
	histogram_merge(&halves[0], &halves[1]);
	qsort(values, ARRAY_SIZE(values), sizeof(values[0]), compare);
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		size_t at = (size_t)(shares[i] * ARRAY_SIZE(values) + 0.999) - 1;
		uint64_t value = values[at];

		assert_in_range(
			histogram_quantile(&halves[0], shares[i]), value, value + value / 16);
	}
}

static void values_below_a_power_of_two_are_counted_exactly(void **state _unused_)
{
	struct histogram histogram = {0};

	for (uint32_t value = 0; value < 5000; value++)
		histogram_add(&histogram, value);
	for (uint32_t power = 1; power <= 4096; power *= 2)
		assert_int_equal(histogram_below(&histogram, power), power);
	assert_int_equal(histogram_below(&histogram, 8192), 5000);
	assert_int_equal(histogram.sum, 5000ULL * 4999 / 2);
}

static void nothing_has_no_quantile(void **state _unused_)
{
	const struct histogram histogram = {0};

	assert_int_equal(histogram_quantile(&histogram, 0.99), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_has_a_place_in_order),
		cmocka_unit_test(what_comes_out_is_at_most_a_sixteenth_too_large),
		cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
		cmocka_unit_test(values_below_a_power_of_two_are_counted_exactly),
		cmocka_unit_test(nothing_has_no_quantile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
