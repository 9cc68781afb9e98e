// SPDX-License-Identifier: BSD-2-Clause
#include "native/loader.h"
#include "tests/unit/test.h"

#include <string.h>

static void assert_refused(const char *handler, const char *reason)
{
	char error[LOADER_ERROR_MAX];
	struct loaded loaded;

	assert_int_equal(loader_load(TEST_OBJECTS, handler, &loaded, error), -1);
	if (!strstr(error, reason))
		fail_msg("found \"%s\", expected \"%s\"", error, reason);
}

static void what_does_not_fit_is_refused_with_what_to_do(void **state _unused_)
{
	assert_refused("right", "expected FILE.FUNCTION");
	assert_refused("right.", "expected FILE.FUNCTION");
	assert_refused("nowhere.handle", "nowhere.so");
	assert_refused("right.other", "right.so exports no function \"other\"");
	assert_refused("plain.handle", "plain.so was not built with <netlambda/function.h>");
	assert_refused("newer.handle", "build it again");
	assert_refused("shorter.handle", "struct flow_event of 64 bytes, here it has 72");
	assert_refused("missing.handle", "lambda_of_the_future");
}

static void handler_is_called_by_its_name(void **state _unused_)
{
	char error[LOADER_ERROR_MAX];
	struct loaded loaded;

	assert_int_equal(loader_load(TEST_OBJECTS, "right.handle", &loaded, error), 0);
	assert_null(loaded.batch_handler);
	assert_int_equal(loaded.handler(NULL, NULL), 1);
	assert_int_equal(loaded.init(NULL), 3);
	assert_int_equal(loader_load(TEST_OBJECTS, "right.handle_batch", &loaded, error), 0);
	assert_null(loaded.handler);
	assert_null(loaded.init);
	assert_int_equal(loaded.batch_handler(NULL, 0, NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_fit_is_refused_with_what_to_do),
		cmocka_unit_test(handler_is_called_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
