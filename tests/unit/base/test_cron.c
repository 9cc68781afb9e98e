// SPDX-License-Identifier: BSD-2-Clause
#include "base/cron.h"

#include "base/clock.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t ns(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (uint64_t)timegm(&tm) * NS_PER_SEC;
}

static void assert_next(const char *schedule, const char *after, const char *expected)
{
	struct cron cron;
	char *error = NULL;
	char text[32];
	uint64_t next;
	time_t seconds;
	struct tm tm;

	if (cron_parse(schedule, &cron, &error) < 0)
		fail_msg("%s", error);
	next = cron_next(&cron, ns(after));
	seconds = (time_t)(next / NS_PER_SEC);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&seconds, &tm));
	if (strcmp(next ? text : "never", expected) != 0)
		fail_msg("%s after %s: expected %s, found %s", schedule, after, expected,
			next ? text : "never");
}

static void next_time_is_strictly_later_and_the_first(void **state _unused_)
{
	assert_next("* * * * *", "2026-11-27 08:00:00", "2026-11-27 08:01:00");
	assert_next("* * * * *", "2026-11-27 08:00:59", "2026-11-27 08:01:00");
	assert_next("*/5 * * * *", "2026-11-27 08:04:59", "2026-11-27 08:05:00");
	assert_next("*/5 * * * *", "2026-11-27 23:55:00", "2026-11-28 00:00:00");
	assert_next("30 6 * * *", "2026-12-31 06:30:00", "2027-01-01 06:30:00");
	assert_next("0,30 8-9 * * *", "2026-11-27 08:30:00", "2026-11-27 09:00:00");
	assert_next("10/20 * * * *", "2026-11-27 08:10:00", "2026-11-27 08:30:00");
	assert_next("0 0 1-31/2 * *", "2026-11-29 00:00:00", "2026-12-01 00:00:00");
	assert_next("0 12 * jan,JUL *", "2026-11-27 08:00:00", "2027-01-01 12:00:00");
}

static void days_of_month_and_week_are_either_or_if_both_are_restricted(void **state _unused_)
{
	/* 2026-11-27 is a Friday. */
	assert_next("0 0 * * mon", "2026-11-27 08:00:00", "2026-11-30 00:00:00");
	assert_next("0 0 * * 7", "2026-11-27 08:00:00", "2026-11-29 00:00:00");
	assert_next("0 0 * * 1-5", "2026-11-27 08:00:00", "2026-11-30 00:00:00");
	assert_next("0 0 13 * *", "2026-11-27 08:00:00", "2026-12-13 00:00:00");
	assert_next("0 0 13 * fri", "2026-11-27 08:00:00", "2026-12-04 00:00:00");
}

static void leap_days_come_and_impossible_days_never(void **state _unused_)
{
	assert_next("0 0 29 2 *", "2026-11-27 08:00:00", "2028-02-29 00:00:00");
	assert_next("0 0 29 2 *", "2096-03-01 00:00:00", "2104-02-29 00:00:00");
	assert_next("0 0 31 2 *", "2026-11-27 08:00:00", "never");
}

static void every_is_due_at_multiples(void **state _unused_)
{
	assert_next("@every 30s", "2026-11-27 08:00:00", "2026-11-27 08:00:30");
	assert_next("@every 30s", "2026-11-27 08:00:31", "2026-11-27 08:01:00");
	assert_next("@every 1h", "2026-11-27 08:59:59", "2026-11-27 09:00:00");
	assert_next("@daily", "2026-11-27 08:59:59", "2026-11-28 00:00:00");
	assert_next("@weekly", "2026-11-27 08:59:59", "2026-11-29 00:00:00");
}

static void mistakes_are_named(void **state _unused_)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "minute"},
		{"* * * *", "day of week"},
		{"* * * * * *", "found more"},
		{"60 * * * *", "minute"},
		{"* 24 * * *", "hour"},
		{"* * 0 * *", "day of month"},
		{"* * * 13 *", "month"},
		{"* * * * 8", "day of week"},
		{"5-1 * * * *", "minute"},
		{"*/0 * * * *", "minute"},
		{"a * * * *", "minute"},
		{"1;2 * * * *", "minute"},
		{"@every", "minute"},
		{"@every 0s", "expected a time"},
		{"@every 5", "expected a time"},
		{"@every -5s", "expected a time"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cron cron;
		char *error = NULL;

		assert_int_equal(cron_parse(cases[i].text, &cron, &error), -EINVAL);
		if (!strstr(error, cases[i].why))
			fail_msg("\"%s\": %s", cases[i].text, error);
		free(error);
	}
}

/* Against the plain definition, minute by minute, over more than half a year. */
static void next_time_is_what_walking_finds(void **state _unused_)
{
	static const char *const schedules[] = {
		"7 3 * * *", "0 */6 1,15 * *", "*/17 9-17 * * 1-5", "59 23 31 * sun"};

	for (size_t i = 0; i < ARRAY_SIZE(schedules); i++) {
		uint64_t at = ns("2027-11-01 00:00:00"), due;
		struct cron cron;
		char *error = NULL;

		assert_int_equal(cron_parse(schedules[i], &cron, &error), 0);
		due = cron_next(&cron, at);
		for (int minute = 0; minute < 200 * 24 * 60; minute++) {
			at += 60 * NS_PER_SEC;
			assert_true(due >= at);
			assert_int_equal(cron_next(&cron, at - 1), due);
			if (due == at)
				due = cron_next(&cron, at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_time_is_strictly_later_and_the_first),
		cmocka_unit_test(days_of_month_and_week_are_either_or_if_both_are_restricted),
		cmocka_unit_test(leap_days_come_and_impossible_days_never),
		cmocka_unit_test(every_is_due_at_multiples),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(next_time_is_what_walking_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
