// SPDX-License-Identifier: BSD-2-Clause
#include "server/alert_log.h"

#include "base/log.h"
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct alert full_alert(void)
{
	struct alert alert = make_alert("port-scan-1");

	alert.time_ns = 1795419179123456789;
	alert.srcport = 4242;
	return alert;
}

static void line_has_the_field_names_of_eve(void **state _unused_)
{
	const struct alert alert = full_alert();
	json_t *eve = alert_to_eve("port-scan", &alert);
	_cleanup_free_ char *text = json_dumps(eve, JSON_COMPACT);

	json_decref(eve);
	assert_string_equal(text,
		"{\"timestamp\":\"2026-11-23T07:32:59.123456+0000\",\"event_type\":\"alert\","
		"\"src_ip\":\"10.0.0.1\",\"src_port\":4242,\"dest_ip\":\"10.0.0.2\","
		"\"dest_port\":80,\"proto\":\"TCP\","
		"\"alert\":{\"signature\":\"TCP SYN scan\",\"category\":\"recon\",\"severity\":1},"
		"\"netlambda\":{\"id\":\"port-scan-1\",\"function\":\"port-scan\",\"switch\":7,"
		"\"event_id\":1,\"severity\":\"high\",\"data\":{\"syn\":300}}}");
}

static void what_the_event_has_not_is_left_out(void **state _unused_)
{
	struct alert alert = {.id = "x",
		.raised_ns = 1000,
		.severity = "info",
		.title = "hello",
		.srcport = -1,
		.dstport = -1,
		.protocol = -1};
	json_t *eve = alert_to_eve("f", &alert);

	assert_null(json_object_get(eve, "src_ip"));
	assert_null(json_object_get(eve, "src_port"));
	assert_null(json_object_get(eve, "dest_ip"));
	assert_null(json_object_get(eve, "dest_port"));
	assert_null(json_object_get(eve, "proto"));
	assert_null(json_object_get(json_object_get(eve, "netlambda"), "data"));
	assert_string_equal(json_string_value(json_object_get(eve, "timestamp")),
		"1970-01-01T00:00:00.000001+0000");
	json_decref(eve);
}

static void severities_map_to_three_numbers(void **state _unused_)
{
	static const struct {
		const char *word;
		int number;
	} cases[] = {{"critical", 1}, {"high", 1}, {"medium", 2}, {"low", 3}, {"info", 3}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct alert alert = full_alert();
		json_t *eve, *part;

		alert.severity = cases[i].word;
		eve = alert_to_eve("f", &alert);
		part = json_object_get(eve, "alert");
		assert_int_equal(
			json_integer_value(json_object_get(part, "severity")), cases[i].number);
		json_decref(eve);
	}
}

static void text_that_is_not_utf8_is_repaired(void **state _unused_)
{
	struct alert alert = full_alert();
	json_t *eve;

	alert.title = "a\xff"
		      "b\xc3(\xe2\x82\xac";
	alert.data = "{not json";
	eve = alert_to_eve("f", &alert);
	assert_non_null(eve);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(eve, "alert"), "signature")),
		"a\xef\xbf\xbd"
		"b\xef\xbf\xbd(\xe2\x82\xac");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(eve, "netlambda"), "data")),
		"{not json");
	json_decref(eve);
}

/* ---- the file ---- */

/* The number of lines, all of which must be JSON objects but for `damaged`. */
static size_t count_lines(const char *path, size_t damaged)
{
	FILE *file = fopen(path, "r");
	_cleanup_free_ char *line = NULL;
	size_t size = 0, lines = 0, bad = 0;

	assert_non_null(file);
	while (getline(&line, &size, file) > 0) {
		json_t *object = json_loads(line, 0, NULL);

		lines++;
		bad += !object;
		json_decref(object);
	}
	fclose(file);
	assert_int_equal(bad, damaged);
	return lines;
}

static void reopened_file_is_a_new_one_after_rotation(void **state)
{
	const struct place *place = *state;
	_cleanup_(alert_log_closep) struct alert_log *log = NULL;
	const struct alert alert = full_alert();
	struct alert_log_stats stats;
	char rotated[128];

	snprintf(rotated, sizeof(rotated), "%s.1", place->path);
	assert_int_equal(alert_log_open(place->path, &log), 0);
	alert_log_write(log, "f", &alert);
	alert_log_write(log, "f", &alert);
	assert_int_equal(rename(place->path, rotated), 0);
	alert_log_write(log, "f", &alert);
	assert_int_equal(alert_log_reopen(log), 0);
	alert_log_write(log, "f", &alert);
	assert_int_equal(count_lines(rotated, 0), 3);
	assert_int_equal(count_lines(place->path, 0), 1);
	alert_log_get_stats(log, &stats);
	assert_int_equal(stats.written, 4);
	assert_int_equal(stats.failed, 0);
}

static void file_that_cannot_be_reopened_stays_in_use(void **state)
{
	const struct place *place = *state;
	_cleanup_(alert_log_closep) struct alert_log *log = NULL;
	const struct alert alert = full_alert();
	char rotated[128];

	snprintf(rotated, sizeof(rotated), "%s.1", place->path);
	assert_int_equal(alert_log_open(place->path, &log), 0);
	assert_int_equal(rename(place->path, rotated), 0);
	assert_int_equal(mkdir(place->path, 0700), 0);
	assert_int_equal(alert_log_reopen(log), -EISDIR);
	alert_log_write(log, "f", &alert);
	assert_int_equal(count_lines(rotated, 0), 1);
}

static void failing_write_is_counted_and_does_not_damage_the_next_line(void **state)
{
	const struct place *place = *state;
	_cleanup_(alert_log_closep) struct alert_log *log = NULL;
	const struct alert alert = full_alert();
	struct rlimit before, small;
	struct alert_log_stats stats;
	struct stat st;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(alert_log_open(place->path, &log), 0);
	alert_log_write(log, "f", &alert);
	assert_int_equal(stat(place->path, &st), 0);
	/* Room for two and a half lines: the third is cut short, the fourth refused. */
	small = before;
	small.rlim_cur = (rlim_t)st.st_size * 5 / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned int i = 0; i < 3; i++)
		alert_log_write(log, "f", &alert);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	alert_log_get_stats(log, &stats);
	assert_int_equal(stats.written, 2);
	assert_int_equal(stats.failed, 2);

	alert_log_write(log, "f", &alert);
	alert_log_write(log, "f", &alert);
	alert_log_get_stats(log, &stats);
	assert_int_equal(stats.written, 4);
	assert_int_equal(count_lines(place->path, 1), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_has_the_field_names_of_eve),
		cmocka_unit_test(what_the_event_has_not_is_left_out),
		cmocka_unit_test(severities_map_to_three_numbers),
		cmocka_unit_test(text_that_is_not_utf8_is_repaired),
		cmocka_unit_test_setup_teardown(
			reopened_file_is_a_new_one_after_rotation, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			file_that_cannot_be_reopened_stays_in_use, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			failing_write_is_counted_and_does_not_damage_the_next_line, place_new,
			place_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
