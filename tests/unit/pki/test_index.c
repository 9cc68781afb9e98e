// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "pki/index.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test.h"

#include <errno.h>

#define FIRST  "netlambda-pki-index 1\n"
#define SERIAL "0123456789abcdef0123456789abcdef"
#define TIMES  "2026-08-03T10:00:00Z\t2027-08-03T10:00:00Z"
#define VALID  SERIAL "\tswitch\t7\tedge-7\t" TIMES "\n"

static int read_text(const char *text, struct index *ret_index, char **ret_error)
{
	assert_int_equal(file_write("index", text, strlen(text), 0644, true), 0);
	return index_read("index", ret_index, ret_error);
}

static void what_is_written_is_read_again(void **state _unused_)
{
	const struct index_entry entries[] = {
		{SERIAL, CERTIFICATE_SWITCH, 7, "edge-7", 1785751200, 1817287200, 0, 0},
		{"f123456789abcdef0123456789abcdef", CERTIFICATE_SERVER, 0, "lambda.example.net",
			1785751200, 4102444800, 1785751201, REVOCATION_KEY_COMPROMISE},
	};
	struct index index = {0}, again;
	_cleanup_free_ char *error = NULL;

	for (size_t i = 0; i < 100; i++) {
		struct index_entry entry = entries[i % 2];

		snprintf(entry.serial, sizeof(entry.serial), "%032zx", i + 1);
		assert_int_equal(index_add(&index, &entry), 0);
	}
	assert_int_equal(index_write("index", &index, &error), 0);
	assert_int_equal(index_read("index", &again, &error), 0);
	assert_int_equal(again.count, 100);
	for (size_t i = 0; i < 100; i++) {
		assert_string_equal(again.entries[i].serial, index.entries[i].serial);
		assert_string_equal(again.entries[i].name, entries[i % 2].name);
		assert_int_equal(again.entries[i].switch_id, entries[i % 2].switch_id);
		assert_int_equal(again.entries[i].expires, entries[i % 2].expires);
		assert_int_equal(again.entries[i].revoked, entries[i % 2].revoked);
		assert_int_equal(again.entries[i].reason, entries[i % 2].reason);
	}
	index_done(&index);
	index_done(&again);
}

static void damage_is_found_with_its_line(void **state _unused_)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "index:1: expected"},
		{"netlambda-pki-index 2\n", "index:1: expected"},
		{"netlambda-pki-index 1", "index:1: the line has no end"},
		{FIRST VALID "\n" VALID, "index:3: expected 6 fields"},
		{FIRST SERIAL "\tswitch\t7\tedge-7\t" TIMES, "index:2: the line has no end"},
		{FIRST SERIAL "\tswitch\t7\tedge-7\t2026-08-03T10:00:00Z\n", "index:2: expected 6"},
		{FIRST SERIAL "\tswitch\t7\tedge-7\t" TIMES "\tx\n", "index:2: expected 6"},
		{FIRST SERIAL "\tswitch\t7\tedge-7\t" TIMES "\t\t\t\t\n", "index:2: expected 6"},
		{FIRST "0123\tswitch\t7\tedge-7\t" TIMES "\n", "index:2: the serial"},
		{FIRST VALID "X" SERIAL "\tswitch\t7\te\t" TIMES "\n", "index:3: the serial"},
		{FIRST SERIAL "\trouter\t7\tedge-7\t" TIMES "\n", "\"switch\" or \"server\""},
		{FIRST SERIAL "\tswitch\t0\tedge-7\t" TIMES "\n", "number"},
		{FIRST SERIAL "\tswitch\t4294967296\tedge-7\t" TIMES "\n", "number"},
		{FIRST SERIAL "\tswitch\t7x\tedge-7\t" TIMES "\n", "number"},
		{FIRST SERIAL "\tserver\t7\tedge-7\t" TIMES "\n", "number"},
		{FIRST SERIAL "\tswitch\t7\t\t" TIMES "\n", "name"},
		{FIRST SERIAL "\tswitch\t7\tedge 7\t" TIMES "\n", "name"},
		{FIRST SERIAL "\tswitch\t7\te\t2026-02-30T10:00:00Z\t2027-08-03T10:00:00Z\n",
			"two times"},
		{FIRST SERIAL "\tswitch\t7\te\t2026-02-03 10:00:00\t2027-08-03T10:00:00Z\n",
			"two times"},
		{FIRST SERIAL "\tswitch\t7\te\t" TIMES "\t2026-08-04T10:00:00Z\tboredom\n",
			"when it was revoked"},
		{FIRST SERIAL "\tswitch\t7\te\t" TIMES "\tyesterday\tsuperseded\n",
			"when it was revoked"},
		{FIRST VALID VALID, "serial " SERIAL " is there twice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = NULL;
		struct index index = {.count = 99};

		assert_int_equal(read_text(cases[i].text, &index, &error), -EBADMSG);
		if (!error || !strstr(error, cases[i].message))
			fail_msg("case %zu: expected \"%s\", found \"%s\"", i, cases[i].message,
				error ? error : "");
		assert_int_equal(index.count, 99);
	}
}

static void file_with_a_nul_is_no_text(void **state _unused_)
{
	static const char text[] = FIRST VALID "\0" VALID;
	_cleanup_free_ char *error = NULL;
	struct index index;

	assert_int_equal(file_write("index", text, sizeof(text) - 1, 0644, true), 0);
	assert_int_equal(index_read("index", &index, &error), -EBADMSG);
}

/* Without it a revocation list would lack everything. */
static void missing_index_is_an_error(void **state _unused_)
{
	_cleanup_free_ char *error = NULL;
	struct index index;

	assert_int_equal(index_read("absent", &index, &error), -ENOENT);
	assert_non_null(strstr(error, "absent"));
}

static void cut_at_any_byte_it_is_refused_or_shorter_by_lines(void **state _unused_)
{
	static const char text[] =
		FIRST VALID "1123456789abcdef0123456789abcdef\tserver\t-\tlambda\t" TIMES
			    "\t2026-08-04T10:00:00Z\tsuperseded\n";
	size_t accepted = 0;

	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		_cleanup_free_ char *error = NULL;
		struct index index;

		assert_int_equal(file_write("index", text, cut, 0644, true), 0);
		if (index_read("index", &index, &error) == 0) {
			assert_int_equal(text[cut - 1], '\n');
			accepted++;
			index_done(&index);
		}
	}
	assert_int_equal(accepted, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(damage_is_found_with_its_line),
		cmocka_unit_test(file_with_a_nul_is_no_text),
		cmocka_unit_test(missing_index_is_an_error),
		cmocka_unit_test(cut_at_any_byte_it_is_refused_or_shorter_by_lines),
	};

	return cmocka_run_group_tests(tests, scratch_new, scratch_free);
}
