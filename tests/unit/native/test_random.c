// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random events on two states. One lives on, with events in between that fail; the other sees none
 * that fails, and is taken from what was stored after each. All that they answer and keep must be equal: so
 * what fails leaves no trace, and what is stored says all.
 */
#include "tests/unit/native/bench.h"
#include "tests/unit/seed.h"

#include <stdio.h>

#define EVENTS 4000
#define KEYS   3

struct side {
	struct state *state;
	struct surroundings around;
	struct lambda_context context;
	struct key_words words;
	struct state_row rows[64]; /* what is stored */
	size_t row_count;
	char answers[4096];
};

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

static void begin(struct side *side, uint32_t key, double seconds)
{
	struct state_view *view = &side->context.view;
	char text[16];

	snprintf(text, sizeof(text), "%u", key);
	assert_true(key_words_parse(text, 1, &side->words));
	side->context = (struct lambda_context){.around = &side->around};
	view->state = side->state;
	view->words = &side->words;
	view->hash = key_hash_text(text);
	view->place = state_hash_key(side->state, &side->words);
	view->now = 1763884800e3 + seconds * 1e3;
	state_begin(side->state, view->now);
	side->answers[0] = '\0';
}

static void answer(struct side *side, double value)
{
	size_t len = strlen(side->answers);

	snprintf(side->answers + len, sizeof(side->answers) - len, "%g ", value);
}

static void operate(struct side *side, uint32_t operation, uint32_t value)
{
	struct lambda_context *context = &side->context;
	const char *text = lambda_format(context, "%s%u",
		value % 7 ? "v"
			  : "a value that is too long to be in place, since it goes on and on ",
		value);
	struct lambda_sum sums[3];

	switch (operation) {
	case 0:
		answer(side, lambda_counter_add(context, "c", value));
		break;
	case 1:
		answer(side, lambda_window_add(context, "w", 1000, value));
		break;
	case 2:
		answer(side, lambda_distinct_add(context, "d", 1000, 5, text));
		break;
	case 3:
		answer(side, lambda_top_add(context, "t", 3, 1000, text, value));
		for (size_t i = lambda_top(context, "t", 3, 1000, sums); i-- > 0;)
			answer(side, sums[i].sum - sums[i].error);
		break;
	case 4:
		answer(side, lambda_growth(context, "g", value, 1 + value % 3));
		break;
	case 5:
		answer(side, lambda_once(context, "o", 1000));
		break;
	case 6:
		lambda_set_text(context, "c2", text);
		break;
	case 7: {
		static const char *const names[] = {"c", "w", "d", "t", "g", "o", "c2"};

		answer(side, lambda_delete(context, names[value % ARRAY_SIZE(names)]));
		break;
	}
	case 8:
		answer(side, lambda_distinct_add(context, "d", 2000, 5, text));
		break;
	case 10:
		lambda_set_number(context, "n", value);
		lambda_ttl(context, "n", 300);
		break;
	case 11:
		answer(side, lambda_counter_add(context, "n", value));
		answer(side, lambda_get_number(context, "n", -1));
		break;
	case 9:
		answer(side, lambda_top_add(context, "t", 3, 0, text, value));
		break;
	}
	if (context->failed)
		fail_msg("operation %u: %s", operation, context->error);
}

static void forget_row(struct side *side, size_t i)
{
	free((char *)side->rows[i].key);
	free((char *)side->rows[i].name);
	free((char *)side->rows[i].value);
	side->rows[i] = side->rows[--side->row_count];
}

static void store(struct side *side)
{
	struct pipe_buffer changes = {0};
	struct cursor c;

	state_collect(side->state, &changes);
	cursor_read_init(&c, changes.bytes, changes.size);
	for (uint32_t left = cursor_get_le32(&c); left > 0; left--) {
		struct state_row row = {.hash = cursor_get_le64(&c)};

		row.key = pipe_get_text(&c, NULL);
		row.name = pipe_get_text(&c, NULL);
		for (size_t i = 0; i < side->row_count; i++)
			if (strcmp(side->rows[i].key, row.key) == 0 &&
				strcmp(side->rows[i].name, row.name) == 0)
				forget_row(side, i);
		if (cursor_get_u8(&c) == 1)
			continue;
		row.value = strdup(pipe_get_text(&c, &row.value_len));
		row.key = strdup(row.key);
		row.name = strdup(row.name);
		assert_true(side->row_count < ARRAY_SIZE(side->rows));
		side->rows[side->row_count++] = row;
	}
	assert_true(cursor_ok(&c) && cursor_left(&c) == 0);
	pipe_buffer_done(&changes);
}

static void restart(struct side *side)
{
	state_free(side->state);
	assert_int_equal(state_new(1, STATE_ENTRIES_MAX, &side->state), 0);
	for (size_t i = 0; i < side->row_count; i++)
		assert_int_equal(state_load(side->state, &side->rows[i]), 0);
}

static void side_done(struct side *side)
{
	while (side->row_count > 0)
		forget_row(side, 0);
	state_free(side->state);
	scratch_done(&side->around.scratch);
}

static void events_that_fail_and_restarts_change_no_answer(void **unused _unused_)
{
	struct side steady = {0}, restarted = {0};
	double seconds = 0;

	seed = seed_take();
	assert_int_equal(state_new(1, STATE_ENTRIES_MAX, &steady.state), 0);
	assert_int_equal(state_new(1, STATE_ENTRIES_MAX, &restarted.state), 0);
	for (int i = 0; i < EVENTS; i++) {
		uint32_t key = draw(KEYS), count = 1 + draw(6);
		bool fails = draw(3) == 0;

		seconds += draw(40) == 0 ? draw(30) / 10.0 : draw(10) / 100.0;
		begin(&steady, key, seconds - draw(3) * 0.3);
		if (!fails) {
			begin(&restarted, key, 0);
			restarted.context.view.now = steady.context.view.now;
		}
		for (uint32_t n = 0; n < count; n++) {
			uint32_t operation = draw(12), value = 1 + draw(40);

			operate(&steady, operation, value);
			if (!fails)
				operate(&restarted, operation, value);
		}
		if (fails) {
			state_rollback(steady.state);
		} else {
			state_keep(steady.state);
			state_keep(restarted.state);
			assert_string_equal(steady.answers, restarted.answers);
			store(&restarted);
			restart(&restarted);
			assert_int_equal(state_size(steady.state), restarted.row_count);
		}
		scratch_clear(&steady.around.scratch);
		scratch_clear(&restarted.around.scratch);
	}
	side_done(&steady);
	side_done(&restarted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_that_fail_and_restarts_change_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
