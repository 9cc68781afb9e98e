// SPDX-License-Identifier: BSD-2-Clause
#include "bench/report.h"
#include "tests/unit/test.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static void median_is_the_middle_of_unsorted_values(void **state _unused_)
{
	assert_float_equal(report_median((double[]){5}, 1), 5, 0);
	assert_float_equal(report_median((double[]){9, 1, 5}, 3), 5, 0);
	assert_float_equal(report_median((double[]){9, 1, 5, 6}, 4), 5.5, 0);
}

static void percentile_is_by_nearest_rank(void **state _unused_)
{
	double values[100];

	for (int i = 0; i < 100; i++)
		values[i] = 100 - i;
	assert_float_equal(report_percentile(values, 100, 0.5), 50, 0);
	assert_float_equal(report_percentile(values, 100, 0.99), 99, 0);
	assert_float_equal(report_percentile(values, 100, 0.999), 100, 0);
	assert_float_equal(report_percentile(values, 100, 1), 100, 0);
	assert_float_equal(report_percentile(values, 100, 0), 1, 0);
}

static void assert_text(const json_t *row, const char *key, const char *expected)
{
	const json_t *value = json_object_get(row, key);

	assert_non_null(value);
	if (expected)
		assert_string_equal(json_string_value(value), expected);
	else
		assert_true(json_is_null(value));
}

static void assert_numbers(const json_t *row, double value, double min, double max, int runs)
{
	assert_float_equal(json_real_value(json_object_get(row, "value")), value, 1e-6);
	assert_float_equal(json_real_value(json_object_get(row, "min")), min, 1e-6);
	assert_float_equal(json_real_value(json_object_get(row, "max")), max, 1e-6);
	assert_int_equal(json_integer_value(json_object_get(row, "runs")), runs);
}

static json_t *write_and_read(const struct report *report)
{
	char path[] = "/tmp/test-report-XXXXXX";
	int fd = mkstemp(path);
	json_t *list;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(report_write(report, path), 0);
	list = json_load_file(path, 0, NULL);
	unlink(path);
	assert_non_null(list);
	return list;
}

static void file_holds_the_rows_in_order(void **state _unused_)
{
	struct report *report = report_new("test");
	json_t *list;

	report_add(report, &(struct report_row){
				   .name = "raw",
				   .metric = "rate",
				   .unit = "datagrams/s",
				   .values = (double[]){3, 1, 2},
				   .runs = 3,
			   });
	report_add(report, &(struct report_row){
				   .name = "ours",
				   .metric = "rate",
				   .unit = "events/s",
				   .values = (double[]){7},
				   .runs = 1,
				   .goal = "half of raw",
				   .met = true,
				   .beside = "raw",
			   });
	list = write_and_read(report);
	report_free(report);

	assert_int_equal(json_array_size(list), 2);
	assert_text(json_array_get(list, 0), "case", "raw");
	assert_text(json_array_get(list, 0), "metric", "rate");
	assert_text(json_array_get(list, 0), "unit", "datagrams/s");
	assert_numbers(json_array_get(list, 0), 2, 1, 3, 3);
	assert_text(json_array_get(list, 0), "goal", NULL);
	assert_text(json_array_get(list, 0), "met", NULL);
	assert_text(json_array_get(list, 0), "beside", NULL);
	assert_numbers(json_array_get(list, 1), 7, 7, 7, 1);
	assert_text(json_array_get(list, 1), "goal", "half of raw");
	assert_true(json_is_true(json_object_get(json_array_get(list, 1), "met")));
	assert_text(json_array_get(list, 1), "beside", "raw");
	json_decref(list);
}

static void row_without_a_goal_misses_none(void **state _unused_)
{
	struct report *report = report_new("test");
	struct report_row row = {
		.name = "a", .metric = "b", .unit = "c", .values = (double[]){1}, .runs = 1};

	report_add(report, &row);
	assert_true(report_all_met(report));
	row.goal = "more";
	row.met = true;
	report_add(report, &row);
	assert_true(report_all_met(report));
	row.met = false;
	report_add(report, &row);
	assert_false(report_all_met(report));
	report_free(report);
}

static void file_that_cannot_be_written_is_an_error(void **state _unused_)
{
	struct report *report = report_new("test");

	assert_true(report_write(report, "/nonexistent/report.json") < 0);
	report_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(median_is_the_middle_of_unsorted_values),
		cmocka_unit_test(percentile_is_by_nearest_rank),
		cmocka_unit_test(file_holds_the_rows_in_order),
		cmocka_unit_test(row_without_a_goal_misses_none),
		cmocka_unit_test(file_that_cannot_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
