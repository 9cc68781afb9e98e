// SPDX-License-Identifier: BSD-2-Clause
#include "server/metrics.h"

#include "tests/unit/test.h"

#include <string.h>

static void samples_follow_their_family(void **state _unused_)
{
	_cleanup_(metrics_freep) struct metrics *metrics = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(metrics_new(&metrics), 0);
	metrics_family(metrics, "netlambda_events_total", METRIC_COUNTER, "Events received.");
	metrics_sample(metrics,
		(const struct metric_label[]){{"event", "port"}, {"switch", "7"}, {NULL, NULL}},
		12);
	metrics_sample(metrics, (const struct metric_label[]){{"event", "flow"}, {NULL, NULL}},
		UINT64_MAX);
	metrics_single(metrics, "netlambda_queued", METRIC_GAUGE, "Waiting.", 0);
	metrics_family(metrics, "netlambda_busy_seconds_total", METRIC_COUNTER, "Working.");
	metrics_sample_seconds(metrics, NULL, 1000000001);
	assert_int_equal(metrics_finish(metrics, &text, &len), 0);
	assert_string_equal(text, "# HELP netlambda_events_total Events received.\n"
				  "# TYPE netlambda_events_total counter\n"
				  "netlambda_events_total{event=\"port\",switch=\"7\"} 12\n"
				  "netlambda_events_total{event=\"flow\"} 18446744073709551615\n"
				  "# HELP netlambda_queued Waiting.\n"
				  "# TYPE netlambda_queued gauge\n"
				  "netlambda_queued 0\n"
				  "# HELP netlambda_busy_seconds_total Working.\n"
				  "# TYPE netlambda_busy_seconds_total counter\n"
				  "netlambda_busy_seconds_total 1.000000001\n");
	assert_int_equal(len, strlen(text));
}

static void a_histogram_has_buckets_that_add_up(void **state _unused_)
{
	_cleanup_(metrics_freep) struct metrics *metrics = NULL;
	_cleanup_free_ char *text = NULL;
	struct histogram histogram = {0};
	size_t len;

	histogram_add(&histogram, 31);            /* just below 131 us */
	histogram_add(&histogram, 32);            /* that */
	histogram_add(&histogram, (1 << 23) + 1); /* above the largest */
	assert_int_equal(metrics_new(&metrics), 0);
	metrics_family(metrics, "x_seconds", METRIC_HISTOGRAM, "X.");
	metrics_durations(
		metrics, (const struct metric_label[]){{"f", "g"}, {0}}, &histogram, 4096);
	assert_int_equal(metrics_finish(metrics, &text, &len), 0);
	assert_non_null(strstr(text, "# TYPE x_seconds histogram\n"
				     "x_seconds_bucket{f=\"g\",le=\"0.000131072\"} 1\n"
				     "x_seconds_bucket{f=\"g\",le=\"0.000262144\"} 2\n"));
	assert_non_null(strstr(text, "x_seconds_bucket{f=\"g\",le=\"34.359738368\"} 2\n"
				     "x_seconds_bucket{f=\"g\",le=\"+Inf\"} 3\n"
				     "x_seconds_sum{f=\"g\"} 34.360000512\n"
				     "x_seconds_count{f=\"g\"} 3\n"));
}

static void what_could_end_a_line_or_a_value_is_escaped(void **state _unused_)
{
	_cleanup_(metrics_freep) struct metrics *metrics = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(metrics_new(&metrics), 0);
	metrics_family(metrics, "x", METRIC_GAUGE, "a\\b\n\"c\"");
	metrics_sample(
		metrics, (const struct metric_label[]){{"l", "a\\b\n\"c\""}, {NULL, NULL}}, 1);
	metrics_sample(metrics, (const struct metric_label[]){{"l", NULL}, {NULL, NULL}}, 2);
	assert_int_equal(metrics_finish(metrics, &text, &len), 0);
	assert_string_equal(text, "# HELP x a\\\\b\\n\"c\"\n"
				  "# TYPE x gauge\n"
				  "x{l=\"a\\\\b\\n\\\"c\\\"\"} 1\n"
				  "x{l=\"\"} 2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_follow_their_family),
		cmocka_unit_test(a_histogram_has_buckets_that_add_up),
		cmocka_unit_test(what_could_end_a_line_or_a_value_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
