// SPDX-License-Identifier: BSD-2-Clause
#include "agent/alarms.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/netlambda-alarms-XXXXXX";

static void write_file(const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void file_sets_what_it_names_and_nothing_else(void **state _unused_)
{
	struct fanout_options options = {.window_ns = 5, .source = {1, 2, 3}, .target = {4, 5, 6}};
	char *error = NULL;

	write_file("# who scans\nsource-ports = 20  # a lot\n\n\ttarget-half-open=0\r\n");
	assert_int_equal(alarms_read(path, &options, &error), 0);
	assert_int_equal(options.window_ns, 5);
	assert_int_equal(options.source.hosts, 1);
	assert_int_equal(options.source.ports, 20);
	assert_int_equal(options.source.half_open, 3);
	assert_int_equal(options.target.hosts, 4);
	assert_int_equal(options.target.ports, 5);
	assert_int_equal(options.target.half_open, 0);
	write_file("");
	assert_int_equal(alarms_read(path, &options, &error), 0);
	assert_int_equal(options.source.ports, 20);
}

static void wrong_file_changes_nothing_and_names_the_line(void **state _unused_)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{"source-ports=1\nsource-port=2\n",
			":2: source-port=2: expected source-hosts, target-sources, or source- or "
			"target-ports, -half-open, -packets or -bytes, and =N (did you mean "
			"source-ports?)"},
		{"source-ports=1\n\n\nsource-hosts=5001",
			":4: source-hosts=5001: expected a number from 0 to 5000 behind ="},
		{"source-hosts=", ":1: source-hosts=: expected a number from 0 to 5000 behind ="},
		{"source-hosts=-1",
			":1: source-hosts=-1: expected a number from 0 to 5000 behind ="},
		{"source-hosts", ":1: source-hosts: expected a number from 0 to 5000 behind ="},
	};
	const struct fanout_options before = {.source = {1, 2, 3}, .target = {4, 5, 6}};
	char expected[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fanout_options options = before;
		char *error = NULL;

		write_file(cases[i].text);
		snprintf(expected, sizeof(expected), "%s%s", path, cases[i].error);
		assert_int_equal(alarms_read(path, &options, &error), -EINVAL);
		assert_string_equal(error, expected);
		assert_memory_equal(&options, &before, sizeof(before));
		free(error);
	}
}

static void file_that_is_not_there_is_named(void **state _unused_)
{
	struct fanout_options options = {0};
	char *error = NULL;

	assert_int_equal(alarms_read("/nowhere/alarms", &options, &error), -ENOENT);
	assert_string_equal(error, "/nowhere/alarms: cannot read it: No such file or directory");
	free(error);
}

static int make_path(void **state _unused_)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state _unused_)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_sets_what_it_names_and_nothing_else),
		cmocka_unit_test(wrong_file_changes_nothing_and_names_the_line),
		cmocka_unit_test(file_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
