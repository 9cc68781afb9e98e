// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/variables.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int check(const char *variable)
{
	const char *const list[] = {variable, NULL};

	return variables_check(list);
}

static void names_are_those_that_shells_take(void **state _unused_)
{
	static const char *const right[] = {"A=", "_=x", "a1_B=x=y", "PATH=\n"},
				 *const wrong[] = {"", "=", "=x", "A", "1A=x", "A-B=x", " A=x",
					 "A =x", "\303\244=x", "A.B=x"};

	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		if (check(right[i]) != 0)
			fail_msg("refused: \"%s\"", right[i]);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (check(wrong[i]) != -EINVAL)
			fail_msg("taken: \"%s\"", wrong[i]);
}

static void lists_are_bounded_and_have_each_once(void **state _unused_)
{
	static const char *const twice[] = {"A=1", "AB=1", "A=2", NULL};
	static char texts[VARIABLES_MAX + 1][16], large[VARIABLES_BYTES_MAX + 1] = "A=";
	const char *many[VARIABLES_MAX + 2] = {NULL};

	assert_int_equal(variables_check(NULL), 0);
	assert_int_equal(variables_check(twice), -EEXIST);
	for (size_t i = 0; i <= VARIABLES_MAX; i++) {
		assert_int_equal(variables_check(many), 0);
		snprintf(texts[i], sizeof(texts[i]), "A%zu=x", i);
		many[i] = texts[i];
	}
	assert_int_equal(variables_check(many), -E2BIG);
	memset(large + 2, 'x', sizeof(large) - 3);
	assert_int_equal(check(large), -E2BIG);
	large[VARIABLES_BYTES_MAX - 1] = '\0';
	assert_int_equal(check(large), 0);
}

static void what_is_given_goes_before_the_usual(void **state _unused_)
{
	static const char *const given[] = {"B=1", "LANG=de", NULL}, *const usual[] = {"PATH=/bin",
									     "LANG=C", NULL};
	const char *joined[VARIABLES_MAX + VARIABLES_USUAL_MAX + 1];

	assert_int_equal(variables_join(given, usual, joined), 0);
	assert_string_equal(joined[0], "B=1");
	assert_string_equal(joined[1], "LANG=de");
	assert_string_equal(joined[2], "PATH=/bin");
	assert_null(joined[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_that_shells_take),
		cmocka_unit_test(lists_are_bounded_and_have_each_once),
		cmocka_unit_test(what_is_given_goes_before_the_usual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
