// SPDX-License-Identifier: BSD-2-Clause
/* No more dead letters than are wanted of each function: the oldest leave, and are counted. */
#include "tests/unit/store/fixture.h"

#include <errno.h>

#define MANY 2500

/* `count` letters of a function, numbered from `first` on, beside the removal of `settled`. Returns how many left. */
static uint64_t put_aside(struct store *store, const char *function, uint64_t first, size_t count,
	const uint64_t *settled, size_t settled_count)
{
	static struct dead_letter letters[MANY];
	uint64_t shed = 0;
	struct outcome outcome = {.function = function,
		.dead_letters = letters,
		.dead_letter_count = count,
		.letters_shed = &shed,
		.settled = settled,
		.settled_count = settled_count};

	for (size_t i = 0; i < count; i++)
		letters[i] = (struct dead_letter){.sequence = first + i,
			.reason = "why",
			.data = "{}",
			.record = "r",
			.record_size = 1};
	assert_int_equal(store_commit(store, &outcome, 1), 0);
	return shed;
}

struct found {
	uint64_t count, first, last; /* sequences */
	uint64_t row;                /* of the first */
};

static int note_letter(
	void *user, uint64_t row, const char *function _unused_, const struct dead_letter *letter)
{
	struct found *found = user;

	if (found->count++ == 0)
		*found = (struct found){.count = 1, .first = letter->sequence, .row = row};
	found->last = letter->sequence;
	return 0;
}

static struct found look(struct store *store, const char *function)
{
	struct found found = {0};

	assert_int_equal(store_each_dead_letter(store, function, 0, note_letter, &found), 0);
	return found;
}

static void assert_letters(
	struct store *store, const char *function, uint64_t count, uint64_t first, uint64_t last)
{
	struct found found = look(store, function);

	assert_int_equal(found.count, count);
	assert_int_equal(found.first, first);
	assert_int_equal(found.last, last);
}

static void of_too_many_the_oldest_of_their_function_leave(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);

	store_limit_letters(store, 10);
	assert_int_equal(put_aside(store, "g", 1, 3, NULL, 0), 0);
	assert_int_equal(put_aside(store, "f", 1, 10, NULL, 0), 0);
	assert_int_equal(put_aside(store, "f", 11, 1, NULL, 0), 1);
	assert_letters(store, "f", 10, 2, 11);
	assert_int_equal(put_aside(store, "f", 12, 25, NULL, 0), 25);
	assert_letters(store, "f", 10, 27, 36);
	assert_letters(store, "g", 3, 1, 3);
}

static void what_is_settled_or_dropped_makes_room(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);
	uint64_t rows[2], dropped = 0;

	store_limit_letters(store, 10);
	assert_int_equal(put_aside(store, "f", 1, 10, NULL, 0), 0);
	rows[0] = look(store, "f").row;
	rows[1] = 1000000; /* it is not there */
	assert_int_equal(put_aside(store, "f", 11, 2, rows, 2), 1);
	assert_letters(store, "f", 10, 3, 12);
	rows[0] = look(store, "f").row;
	assert_int_equal(put_aside(store, "f", 0, 0, rows, 1), 0);
	assert_int_equal(put_aside(store, "f", 13, 1, NULL, 0), 0);
	assert_int_equal(store_drop_dead_letters(
				 store, &(struct dead_letter_range){.function = "f"}, &dropped),
		0);
	assert_int_equal(dropped, 10);
	assert_int_equal(put_aside(store, "f", 14, 10, NULL, 0), 0);
	assert_letters(store, "f", 10, 14, 23);
}

static void a_commit_that_is_refused_sheds_nothing(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);
	static char reason[1 << 20];
	const struct dead_letter letter = {.reason = reason, .data = "{}"};
	const struct outcome outcome = {
		.function = "f", .dead_letters = &letter, .dead_letter_count = 1};

	store_limit_letters(store, 3);
	assert_int_equal(put_aside(store, "f", 1, 3, NULL, 0), 0);
	store_limit(store, 1);
	memset(reason, 'x', sizeof(reason) - 1);
	assert_int_equal(store_commit(store, &outcome, 1), -EDQUOT);
	store_limit(store, 0);
	assert_letters(store, "f", 3, 1, 3);
	assert_int_equal(put_aside(store, "f", 4, 1, NULL, 0), 1);
	assert_letters(store, "f", 3, 2, 4);
}

/* No commit takes long, however many there were before. */
static void those_above_a_new_limit_leave_piece_by_piece(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);

	assert_int_equal(put_aside(store, "f", 1, MANY, NULL, 0), 0);
	store_limit_letters(store, 10);
	assert_int_equal(put_aside(store, "f", MANY + 1, 1, NULL, 0), 1001);
	assert_int_equal(put_aside(store, "f", MANY + 2, 1, NULL, 0), 1001);
	assert_int_equal(put_aside(store, "f", MANY + 3, 1, NULL, 0), MANY + 3 - 2002 - 10);
	assert_letters(store, "f", 10, MANY - 6, MANY + 3);
}

/* More than are counted at a time. */
static void each_of_very_many_functions_has_its_own(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);
	char name[16];

	store_limit_letters(store, 2);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < 200; i++) {
			snprintf(name, sizeof(name), "f%u", i);
			assert_int_equal(
				put_aside(store, name, round, 1, NULL, 0), round == 2 ? 1 : 0);
		}
	assert_letters(store, "f199", 2, 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			of_too_many_the_oldest_of_their_function_leave, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			what_is_settled_or_dropped_makes_room, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			a_commit_that_is_refused_sheds_nothing, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			those_above_a_new_limit_leave_piece_by_piece, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			each_of_very_many_functions_has_its_own, place_new, place_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
