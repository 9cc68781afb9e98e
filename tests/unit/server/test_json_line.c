// SPDX-License-Identifier: BSD-2-Clause
#include "server/json_line.h"
#include "tests/unit/test.h"

static const char text[] = "{\n"                                /* 1 */
			   "  \"listen\": \"a,b}:1\",\n"        /* 2 */
			   "  \"functions\": {\n"               /* 3 */
			   "    \"a.b\": {\"key\": [1, {}]},\n" /* 4 */
			   "    \"a\": {\n"                     /* 5 */
			   "      \"q\\\"\": 1,\n"              /* 6 */
			   "      \"key\": [\n"                 /* 7 */
			   "        \"x\",\n"                   /* 8 */
			   "        {\"deep\": true}\n"         /* 9 */
			   "      ]\n"                          /* 10 */
			   "    }\n"                            /* 11 */
			   "  },\n"                             /* 12 */
			   "  \"triggers\": {\"1\": \"a\"}\n"   /* 13 */
			   "}\n";

static void members_are_found_where_they_stand(void **state _unused_)
{
	assert_int_equal(json_line(text, "listen"), 2);
	assert_int_equal(json_line(text, "functions"), 3);
	assert_int_equal(json_line(text, "functions.a"), 5);
	assert_int_equal(json_line(text, "functions.a.key"), 7);
	assert_int_equal(json_line(text, "triggers.1"), 13);
}

static void array_elements_are_found_by_index(void **state _unused_)
{
	assert_int_equal(json_line(text, "functions.a.key.0"), 8);
	assert_int_equal(json_line(text, "functions.a.key.1.deep"), 9);
}

static void names_may_hold_dots(void **state _unused_)
{
	assert_int_equal(json_line(text, "functions.a.b"), 4);
	assert_int_equal(json_line(text, "functions.a.b.key"), 4);
}

static void what_is_not_there_has_its_ancestors_line(void **state _unused_)
{
	assert_int_equal(json_line(text, "functions.a.none"), 5);
	assert_int_equal(json_line(text, "nothing"), 1);
	assert_int_equal(json_line(text, ""), 1);
	assert_int_equal(json_line("{}", "a.b.c"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_where_they_stand),
		cmocka_unit_test(array_elements_are_found_by_index),
		cmocka_unit_test(names_may_hold_dots),
		cmocka_unit_test(what_is_not_there_has_its_ancestors_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
