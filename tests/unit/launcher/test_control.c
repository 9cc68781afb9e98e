// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/control.h"

#include "launcher/layers.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint8_t message[CONTROL_BYTES_MAX];

static int put_start(void)
{
	const struct control_start start = {
		.layers = LAYERS_ALL & ~LAYER_BIT(LAYER_UTS),
		.program = "/usr/bin/node",
		.argv = {"node", "--flag", "worker.js", NULL},
		.paths = {"/usr/bin/node", "/srv/runtime", NULL},
		.network = {"api.example.org:443", NULL},
		.environment = {"LEVEL=3", NULL},
	};

	return control_put_start(&start, message);
}

static void start_arrives_as_it_was_sent(void **state _unused_)
{
	struct control_start got;
	int size = put_start();

	assert_true(size > 0);
	assert_int_equal(control_get_start(message, (size_t)size, &got), 0);
	assert_int_equal(got.layers, LAYERS_ALL & ~LAYER_BIT(LAYER_UTS));
	assert_string_equal(got.program, "/usr/bin/node");
	assert_string_equal(got.argv[0], "node");
	assert_string_equal(got.argv[2], "worker.js");
	assert_null(got.argv[3]);
	assert_string_equal(got.paths[1], "/srv/runtime");
	assert_null(got.paths[2]);
	assert_string_equal(got.network[0], "api.example.org:443");
	assert_null(got.network[1]);
	assert_string_equal(got.environment[0], "LEVEL=3");
	assert_null(got.environment[1]);
}

static void specialise_and_reports_arrive_as_they_were_sent(void **state _unused_)
{
	const struct control_specialise specialise = {.dir = "/srv/functions/x"};
	const struct control_report report = {
		.type = CONTROL_FAILED, .pid = 77, .text = "private-root: mount: No such device"};
	struct control_specialise got;
	struct control_report got_report;
	int size = control_put_specialise(&specialise, message);

	assert_true(size > 0);
	assert_int_equal(control_get_specialise(message, (size_t)size, &got), 0);
	assert_string_equal(got.dir, specialise.dir);
	size = control_put_report(&report, message);
	assert_true(size > 0);
	assert_int_equal(control_get_report(message, (size_t)size, &got_report), 0);
	assert_int_equal(got_report.type, CONTROL_FAILED);
	assert_int_equal(got_report.pid, 77);
	assert_string_equal(got_report.text, report.text);
}

/* In memory of just its size, where a sanitizer would see a byte too many read. */
static void what_is_cut_or_too_long_is_refused(void **state _unused_)
{
	struct control_start got = {.layers = 7};
	size_t size = (size_t)put_start();

	for (size_t cut = 0; cut < size; cut++) {
		_cleanup_free_ uint8_t *copy = malloc(cut > 0 ? cut : 1);

		assert_non_null(copy);
		memcpy(copy, message, cut);
		assert_int_equal(control_get_start(copy, cut, &got), -EBADMSG);
	}
	assert_int_equal(control_get_start(message, size + 1, &got), -EBADMSG);
	assert_int_equal(
		control_get_specialise(message, size, &(struct control_specialise){0}), -EBADMSG);
	assert_int_equal(got.layers, 7);
}

static void what_does_not_fit_is_not_sent(void **state _unused_)
{
	static char dir[CONTROL_BYTES_MAX];

	memset(dir, 'x', sizeof(dir) - 1);
	assert_int_equal(
		control_put_specialise(&(struct control_specialise){.dir = dir}, message), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_arrives_as_it_was_sent),
		cmocka_unit_test(specialise_and_reports_arrive_as_they_were_sent),
		cmocka_unit_test(what_is_cut_or_too_long_is_refused),
		cmocka_unit_test(what_does_not_fit_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
