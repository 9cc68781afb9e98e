// SPDX-License-Identifier: BSD-2-Clause
/* A store that may not become larger. */
#include "tests/unit/store/fixture.h"

#include <errno.h>

#define VALUE_BYTES 3000
#define VALUES      200

/* Value number `i`, all of one character; '\0': it is deleted. */
static int put(struct store *store, unsigned int i, char c)
{
	static char value[VALUE_BYTES];
	char key[16];
	struct mark mark = {.key = "", .stream = 1, .positions = {i}};
	struct state_row write = {i, key, "n", c ? value : NULL, VALUE_BYTES};
	struct outcome outcome = {.function = "f",
		.writes = &write,
		.write_count = 1,
		.marks = &mark,
		.mark_count = 1};

	snprintf(key, sizeof(key), "k%u", i);
	memset(value, c, sizeof(value));
	return store_commit(store, &outcome, 1);
}

static uint64_t size_of(struct store *store)
{
	uint64_t bytes = 0;

	assert_int_equal(store_size(store, &bytes), 0);
	return bytes;
}

/* As many values as there is room for. */
static unsigned int fill(struct store *store)
{
	unsigned int count = 0;

	while (count < VALUES && put(store, count, 'a') == 0)
		count++;
	return count;
}

static void what_needs_more_than_the_limit_is_refused_and_the_rest_taken(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);
	const uint64_t limit = size_of(store) + (256U << 10);
	struct state_sum sum;
	unsigned int count;
	char text[64];

	store_limit(store, limit);
	count = fill(store);
	assert_in_range(count, 30, VALUES - 1);
	assert_true(size_of(store) <= limit && size_of(store) > limit - 16384);
	assert_int_equal(put(store, count, 'a'), -EDQUOT);
	assert_non_null(strstr(store_error(store), "store_max"));
	assert_int_equal(store_sum_state(store, "f", &sum), 0);
	assert_int_equal(sum.entries, count);
	/* What is there can be changed and deleted, and then there is room. */
	assert_int_equal(put(store, 7, 'b'), 0);
	assert_int_equal(*get_state(store, "f", "k7", "n", text), 'b');
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(put(store, i, '\0'), 0);
	assert_int_equal(put(store, count, 'a'), 0);
}

static void a_limit_below_what_is_there_takes_no_more_until_it_is_raised(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);
	unsigned int before = fill(store);

	assert_int_equal(before, VALUES);
	store_limit(store, 1);
	assert_int_equal(put(store, VALUES, 'a'), -EDQUOT);
	assert_int_equal(put(store, 0, 'c'), 0);
	assert_int_equal(put(store, 1, '\0'), 0);
	store_limit(store, 0);
	assert_int_equal(put(store, VALUES, 'a'), 0);
}

static void only_what_has_no_room_is_refused_of_what_is_committed_together(void **state)
{
	const struct place *place = *state;
	_cleanup_(store_closep) struct store *store = open_store(place->path, STORE_RELAXED);
	static char large[1 << 16];
	struct state_row writes[] = {
		{0, "k0", "n", "1", 1}, {1, "large", "n", large, sizeof(large)}};
	struct outcome outcomes[] = {{.function = "f", .writes = &writes[0], .write_count = 1},
		{.function = "g", .writes = &writes[1], .write_count = 1}};
	struct state_sum sum;

	assert_int_equal(put(store, 0, 'a'), 0);
	store_limit(store, size_of(store));
	memset(large, '1', sizeof(large));
	assert_int_equal(store_commit(store, outcomes, 2), -EDQUOT);
	assert_int_equal(store_commit(store, &outcomes[0], 1), 0);
	assert_int_equal(store_sum_state(store, "f", &sum), 0);
	assert_int_equal(sum.bytes, strlen("k0n1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_needs_more_than_the_limit_is_refused_and_the_rest_taken, place_new,
			place_free),
		cmocka_unit_test_setup_teardown(
			a_limit_below_what_is_there_takes_no_more_until_it_is_raised, place_new,
			place_free),
		cmocka_unit_test_setup_teardown(
			only_what_has_no_room_is_refused_of_what_is_committed_together, place_new,
			place_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
