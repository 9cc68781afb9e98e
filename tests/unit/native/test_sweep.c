// SPDX-License-Identifier: BSD-2-Clause
/* What the native runtime's state forgets. */
#include "tests/unit/native/bench.h"

#include <errno.h>
#include <stdio.h>

static struct surroundings around;

/* Runs one event of a key at a time in seconds. */
static struct lambda_context *begin(struct state *state, struct lambda_context *context,
	struct key_words *words, uint64_t key, double seconds)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)key);
	assert_true(key_words_parse(text, 1, words));
	*context = (struct lambda_context){
		.around = &around,
		.view = {.state = state,
			.hash = key_hash_text(text),
			.words = words,
			.place = state_hash_key(state, words),
			.now = 1763884800e3 + seconds * 1e3},
	};
	state_begin(state, context->view.now);
	return context;
}

static void add(struct state *state, uint64_t key, double seconds)
{
	struct lambda_context context;
	struct key_words words;

	lambda_window_add(begin(state, &context, &words, key, seconds), "w", 10000, 1);
	state_keep(state);
}

static double count(struct state *state, uint64_t key)
{
	struct lambda_context context;
	struct key_words words;
	double sum = lambda_counter_add(begin(state, &context, &words, key, 0), "n", 1);

	state_keep(state);
	return sum;
}

/* How many changes are deletions. */
static size_t collect(struct state *state, size_t *ret_count)
{
	struct pipe_buffer changes = {0};
	size_t deleted = 0;
	struct cursor c;

	state_collect(state, &changes);
	cursor_read_init(&c, changes.bytes, changes.size);
	*ret_count = cursor_get_le32(&c);
	for (size_t i = 0; i < *ret_count; i++) {
		cursor_get_le64(&c);
		pipe_get_text(&c, NULL);
		pipe_get_text(&c, NULL);
		if (cursor_get_u8(&c) == 1)
			deleted++;
		else
			pipe_get_text(&c, NULL);
	}
	assert_true(cursor_ok(&c));
	pipe_buffer_done(&changes);
	return deleted;
}

static void time_sweeps_away_what_is_empty_or_had_its_time_and_plain_values_stay(
	void **unused _unused_)
{
	_cleanup_(state_freep) struct state *state = NULL;
	struct lambda_context context;
	struct key_words words;
	size_t changes;

	assert_int_equal(state_new(1, 1000, &state), 0);
	for (uint64_t key = 0; key < 100; key++)
		add(state, key, 0);
	lambda_set_text(begin(state, &context, &words, 7, 0), "plain", "x");
	lambda_set_text(&context, "leased", "x");
	lambda_ttl(&context, "leased", 59000);
	state_keep(state);
	assert_int_equal(collect(state, &changes), 0);
	assert_int_equal(changes, 102);
	begin(state, &context, &words, 7, 60);
	state_keep(state);
	for (int i = 0; i < 20; i++)
		assert_int_equal(state_sweep(state, 10), 0);
	assert_int_equal(state_size(state), 1);
	assert_int_equal(collect(state, &changes), 101);
	assert_int_equal(changes, 101);
}

static void what_the_store_never_had_is_not_deleted_there(void **unused _unused_)
{
	_cleanup_(state_freep) struct state *state = NULL;
	struct lambda_context context;
	struct key_words words;
	size_t changes;

	assert_int_equal(state_new(1, 1000, &state), 0);
	add(state, 1, 0);
	begin(state, &context, &words, 1, 1);
	assert_true(lambda_delete(&context, "w"));
	state_keep(state);
	assert_int_equal(collect(state, &changes), 0);
	assert_int_equal(changes, 0);
}

static void above_the_cap_what_was_not_used_for_long_is_forgotten(void **unused _unused_)
{
	_cleanup_(state_freep) struct state *state = NULL;

	assert_int_equal(state_new(1, 1000, &state), 0);
	for (uint64_t key = 1; key <= 5000; key++) {
		count(state, 0);
		count(state, key);
		state_sweep(state, 2);
	}
	assert_int_equal(state_size(state), 1000);
	assert_int_equal(state_sweep(state, 2), 4001);
	assert_int_equal(count(state, 0), 5001);
}

static void rows_that_no_event_can_reach_are_left_where_they_are(void **unused _unused_)
{
	static const char *const keys[] = {"", "10.0.0.1|80", "ten", "1|"};
	_cleanup_(state_freep) struct state *state = NULL;
	struct state_row row = {.name = "n", .value = "1", .value_len = 1};

	assert_int_equal(state_new(1, 1000, &state), 0);
	for (size_t i = 1; i < ARRAY_SIZE(keys); i++) {
		row.key = keys[i];
		assert_int_equal(state_load(state, &row), -EINVAL);
	}
	row.key = "2001:db8::1";
	row.name = "";
	assert_int_equal(state_load(state, &row), -EINVAL);
	assert_int_equal(state_size(state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			time_sweeps_away_what_is_empty_or_had_its_time_and_plain_values_stay),
		cmocka_unit_test(what_the_store_never_had_is_not_deleted_there),
		cmocka_unit_test(above_the_cap_what_was_not_used_for_long_is_forgotten),
		cmocka_unit_test(rows_that_no_event_can_reach_are_left_where_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
