// SPDX-License-Identifier: BSD-2-Clause
#include "server/log_ring.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *next(const struct log_rings *rings, const char *function, uint64_t *after)
{
	struct log_line line;

	if (log_rings_next(rings, function, *after, &line) < 0)
		return NULL;
	*after = line.number;
	return line.text;
}

static void lines_come_in_order_and_a_reader_goes_on_where_it_stopped(void **state _unused_)
{
	_cleanup_(log_rings_freep) struct log_rings *rings = log_rings_new();
	uint64_t a = 0, b = 0;

	log_rings_add(rings, "a", "one", 1);
	log_rings_add(rings, "b", "two", 2);
	log_rings_add(rings, "a", "three", 3);
	assert_string_equal(next(rings, "a", &a), "one");
	assert_string_equal(next(rings, "a", &a), "three");
	assert_null(next(rings, "a", &a));
	assert_string_equal(next(rings, "b", &b), "two");
	assert_null(next(rings, "c", &b));
	log_rings_add(rings, "a", "four", 4);
	assert_string_equal(next(rings, "a", &a), "four");
}

static void newest_lines_can_be_asked_for(void **state _unused_)
{
	_cleanup_(log_rings_freep) struct log_rings *rings = log_rings_new();
	char text[16];
	uint64_t after;

	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "%d", i);
		log_rings_add(rings, "a", text, 1);
		log_rings_add(rings, "b", text, 1);
	}
	after = log_rings_before(rings, "a", 2);
	assert_string_equal(next(rings, "a", &after), "8");
	assert_string_equal(next(rings, "a", &after), "9");
	after = log_rings_before(rings, "a", 0);
	assert_null(next(rings, "a", &after));
	assert_int_equal(log_rings_before(rings, "a", 99), 0);
	assert_int_equal(log_rings_before(rings, "c", 99), 0);
}

static void oldest_lines_make_room_and_are_counted(void **state _unused_)
{
	_cleanup_(log_rings_freep) struct log_rings *rings = log_rings_new();
	char text[1001];
	uint64_t after = 0, lines = 0;

	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (int i = 0; i < 1000; i++)
		log_rings_add(rings, "a", text, 1);
	while (next(rings, "a", &after))
		lines++;
	assert_int_equal(lines, LOG_RING_BYTES / 1000);
	assert_int_equal(log_rings_lost(rings, "a"), 1000 - lines);
	/* Empty lines take no bytes, but have their own bound. */
	for (int i = 0; i < 100000; i++)
		log_rings_add(rings, "b", "", 1);
	assert_true(log_rings_lost(rings, "b") > 90000);
}

static void quietest_function_is_forgotten_first(void **state _unused_)
{
	_cleanup_(log_rings_freep) struct log_rings *rings = log_rings_new();
	char name[16];
	uint64_t after = 0;

	for (int i = 0; i < LOG_RING_FUNCTIONS; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		log_rings_add(rings, name, "x", 1);
	}
	log_rings_add(rings, "f0", "again", 1);
	log_rings_add(rings, "new", "x", 1);
	assert_null(next(rings, "f1", &after));
	assert_string_equal(next(rings, "f0", &after), "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_in_order_and_a_reader_goes_on_where_it_stopped),
		cmocka_unit_test(newest_lines_can_be_asked_for),
		cmocka_unit_test(oldest_lines_make_room_and_are_counted),
		cmocka_unit_test(quietest_function_is_forgotten_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
