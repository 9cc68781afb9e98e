// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "base/number.h"
#include "tests/unit/test.h"

#include <errno.h>

static void numbers_are_digits_and_nothing_else(void **state _unused_)
{
	static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "1x", "0x10", "x",
		"18446744073709551616", "99999999999999999999"};
	uint64_t value = 77;

	assert_int_equal(number_parse("0", 0, 9, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(number_parse("18446744073709551615", 0, UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(number_parse("007", 0, 9, &value), 0);
	assert_int_equal(value, 7);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		value = 77;
		if (number_parse(wrong[i], 0, UINT64_MAX, &value) != -EINVAL)
			fail_msg("\"%s\" is taken for %llu", wrong[i], (unsigned long long)value);
		assert_int_equal(value, 77);
	}
}

static void bounds_are_taken_and_what_is_beyond_is_not(void **state _unused_)
{
	uint32_t value = 77;

	assert_int_equal(number32_parse("1", 1, 10, &value), 0);
	assert_int_equal(number32_parse("10", 1, 10, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(number32_parse("0", 1, 10, &value), -EINVAL);
	assert_int_equal(number32_parse("11", 1, 10, &value), -EINVAL);
	/* Not by its lower 32 bits. */
	assert_int_equal(number32_parse("4294967297", 0, UINT32_MAX, &value), -EINVAL);
	assert_int_equal(value, 10);
}

static void durations_have_a_unit(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} right[] = {
		{"0s", 0},
		{"500us", 500 * NS_PER_US},
		{"200ms", 200 * NS_PER_MS},
		{"2s", 2 * NS_PER_SEC},
		{"1m", 60 * NS_PER_SEC},
		{"24h", 86400 * NS_PER_SEC},
		{"1d", 86400 * NS_PER_SEC},
	};
	static const char *const wrong[] = {"", "1", "s", "1.5s", "-1s", "1 s", "1S", "1w", "2d",
		"1ss", "25h", "18446744073709551615h"};
	uint64_t ns = 77;

	for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
		assert_int_equal(duration_parse(right[i].text, 0, 86400 * NS_PER_SEC, &ns), 0);
		assert_true(ns == right[i].ns);
	}
	ns = 77;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (duration_parse(wrong[i], 0, 86400 * NS_PER_SEC, &ns) != -EINVAL)
			fail_msg("\"%s\" is taken for a time", wrong[i]);
	assert_int_equal(duration_parse("9ms", 10 * NS_PER_MS, NS_PER_SEC, &ns), -EINVAL);
	assert_int_equal(ns, 77);
}

static void sizes_are_a_number_and_a_unit(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} right[] = {
		{"4096", 4096},
		{"64K", 64 << 10},
		{"3Mi", 3 << 20},
		{"1GiB", 1 << 30},
		{"2Ti", 2ULL << 40},
	};
	static const char *const wrong[] = {"", "Gi", "1.5Gi", "-1", "1 Gi", "1gi", "1B", "1GB",
		"1Gii", "1Pi", "18446744073709551616", "16777216Ti"};
	uint64_t bytes = 77;

	for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
		assert_int_equal(size_parse(right[i].text, 0, UINT64_MAX, &bytes), 0);
		assert_true(bytes == right[i].bytes);
	}
	bytes = 77;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (size_parse(wrong[i], 0, UINT64_MAX, &bytes) != -EINVAL)
			fail_msg("\"%s\" is taken for a size", wrong[i]);
	assert_int_equal(size_parse("1Ki", 1025, 4096, &bytes), -EINVAL);
	assert_int_equal(size_parse("5Ki", 1025, 4096, &bytes), -EINVAL);
	assert_int_equal(bytes, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_digits_and_nothing_else),
		cmocka_unit_test(bounds_are_taken_and_what_is_beyond_is_not),
		cmocka_unit_test(durations_have_a_unit),
		cmocka_unit_test(sizes_are_a_number_and_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
