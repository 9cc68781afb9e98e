// SPDX-License-Identifier: BSD-2-Clause
#include "base/cursor.h"
#include "tests/unit/test.h"

static void what_is_written_is_read_again(void **state _unused_)
{
	uint8_t bytes[15];
	struct cursor c;

	cursor_write_init(&c, bytes, sizeof(bytes));
	cursor_put_be(&c, 0x01, 1);
	cursor_put_be(&c, 0x0203, 2);
	cursor_put_le(&c, 0x04050607, 4);
	cursor_put_be(&c, 0x08090a0b0c0d0e0fULL, 8);
	assert_true(cursor_ok(&c));
	assert_memory_equal(
		bytes, "\x01\x02\x03\x07\x06\x05\x04\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 15);

	cursor_read_init(&c, bytes, sizeof(bytes));
	assert_int_equal(cursor_get_u8(&c), 0x01);
	assert_int_equal(cursor_get_be16(&c), 0x0203);
	assert_int_equal(cursor_get_le32(&c), 0x04050607);
	assert_int_equal(cursor_get_be64(&c), 0x08090a0b0c0d0e0fULL);
	assert_true(cursor_ok(&c));
	assert_int_equal(cursor_left(&c), 0);
}

static void the_first_access_that_does_not_fit_sticks(void **state _unused_)
{
	const uint8_t bytes[3] = {1, 2, 3};
	struct cursor c;

	cursor_read_init(&c, bytes, sizeof(bytes));
	assert_int_equal(cursor_get_be16(&c), 0x0102);
	assert_int_equal(cursor_get_be32(&c), 0);
	assert_false(cursor_ok(&c));
	assert_int_equal(cursor_get_u8(&c), 0); /* it would fit, but the cursor has failed */
	assert_int_equal(cursor_left(&c), 1);
}

static void lengths_near_the_limit_do_not_wrap(void **state _unused_)
{
	uint8_t bytes[4] = {0};
	struct cursor c;

	cursor_read_init(&c, bytes, sizeof(bytes));
	cursor_get_u8(&c);
	assert_null(cursor_get(&c, SIZE_MAX));
	assert_false(cursor_ok(&c));
}

static void a_write_that_does_not_fit_changes_nothing(void **state _unused_)
{
	uint8_t bytes[4] = {9, 9, 9, 9};
	struct cursor c;

	cursor_write_init(&c, bytes, 3);
	cursor_put_be(&c, 0, 4);
	assert_false(cursor_ok(&c));
	assert_memory_equal(bytes, "\x09\x09\x09\x09", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(the_first_access_that_does_not_fit_sticks),
		cmocka_unit_test(lengths_near_the_limit_do_not_wrap),
		cmocka_unit_test(a_write_that_does_not_fit_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
