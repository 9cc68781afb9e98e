// SPDX-License-Identifier: BSD-2-Clause
#include "base/suggest.h"
#include "tests/unit/test.h"

static const char *const words[] = {"heavy-hitter", "port-scan", "syn-flood"};

static void a_typing_error_finds_its_word(void **state _unused_)
{
	assert_string_equal(suggest_nearest("prot-scan", words, 3), "port-scan");
	assert_string_equal(suggest_nearest("port-scn", words, 3), "port-scan");
	assert_string_equal(suggest_nearest("heavyhitter", words, 3), "heavy-hitter");
	assert_string_equal(suggest_nearest("syn-floood", words, 3), "syn-flood");
}

static void another_word_finds_nothing(void **state _unused_)
{
	assert_null(suggest_nearest("dns-tunnel", words, 3));
	assert_null(suggest_nearest("", words, 3));
}

static void the_nearest_of_two_wins(void **state _unused_)
{
	static const char *const near[] = {"status", "stats"};

	assert_string_equal(suggest_nearest("stat", near, 2), "stats");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_typing_error_finds_its_word),
		cmocka_unit_test(another_word_finds_nothing),
		cmocka_unit_test(the_nearest_of_two_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
