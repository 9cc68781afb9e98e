// SPDX-License-Identifier: BSD-2-Clause
/* The native runtime's state against tests/state/cases.json, which every runtime's is held to. */
#include "native/context.h"
#include "tests/unit/test.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define START_MS 1763884800000.0

struct rig {
	struct state *state;
	struct surroundings around;
	struct lambda_context context;
	json_t *stored; /* key -> name -> JSON text */
};

/* ---- values ---- */

/* "$i" is the round's number, and text with it inside is text. The result is to be released. */
static json_t *fill(const json_t *value, int round)
{
	const char *text = json_string_value(value), *at;
	char filled[256];

	if (!text || !(at = strstr(text, "$i")))
		return json_deep_copy(value);
	if (strcmp(text, "$i") == 0)
		return json_integer(round);
	snprintf(filled, sizeof(filled), "%.*s%d%s", (int)(at - text), text, round, at + 2);
	return json_string(filled);
}

/* "10s" as milliseconds; null is 0. */
static uint64_t length_of(const json_t *value)
{
	const char *text = json_string_value(value);
	char *unit;
	double number;

	if (!text)
		return 0;
	number = strtod(text, &unit);
	return (uint64_t)(number * (strcmp(unit, "ms") == 0 ? 1 : *unit == 's' ? 1000 : 60000));
}

/* What a function in C would write instead of a value of another type. */
static const char *text_of(struct lambda_context *context, const json_t *value)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	return lambda_format(context, "%.15g", json_number_value(value));
}

static time_ns time_of(const json_t *value)
{
	struct key_words key;

	if (!value)
		return 0;
	assert_true(key_words_parse(json_string_value(value), 1, &key));
	return key.words[1];
}

static bool equals(const json_t *a, const json_t *b)
{
	const char *name;
	json_t *member;
	size_t i;

	if (json_is_number(a) && json_is_number(b))
		return json_number_value(a) == json_number_value(b);
	if (json_is_array(a)) {
		json_array_foreach (a, i, member) {
			if (!equals(member, json_array_get(b, i)))
				return false;
		}
		return json_is_array(b) && json_array_size(a) == json_array_size(b);
	}
	if (json_is_object(a)) {
		json_object_foreach ((json_t *)a, name, member) {
			if (!equals(member, json_object_get(b, name)))
				return false;
		}
		return json_is_object(b) && json_object_size(a) == json_object_size(b);
	}
	return json_equal(a, b);
}

/* ---- operations: each gives what it found, or NULL if that says nothing ---- */

static const json_t *arg(const json_t *args, size_t i)
{
	return json_array_get(args, i);
}

static double number_or(const json_t *value, double otherwise)
{
	return value ? json_number_value(value) : otherwise;
}

static json_t *op_get(struct lambda_context *context, const char *name, const json_t *args _unused_)
{
	const char *text = lambda_get(context, name);

	return text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();
}

/* An argument {"ttl": "10s"}, if it is there. */
static void set_ttl(struct lambda_context *context, const char *name, const json_t *options)
{
	if (options)
		lambda_ttl(context, name, length_of(json_object_get(options, "ttl")));
}

static json_t *op_set(struct lambda_context *context, const char *name, const json_t *args)
{
	char *text = json_dumps(arg(args, 1), JSON_ENCODE_ANY | JSON_INDENT(2));

	if (json_is_string(arg(args, 1)))
		lambda_set_text(context, name, json_string_value(arg(args, 1)));
	else
		lambda_set(context, name, text);
	free(text);
	set_ttl(context, name, arg(args, 2));
	return NULL;
}

static json_t *op_delete(
	struct lambda_context *context, const char *name, const json_t *args _unused_)
{
	return json_boolean(lambda_delete(context, name));
}

static json_t *op_counter_add(struct lambda_context *context, const char *name, const json_t *args)
{
	double count = lambda_counter_add(context, name, number_or(arg(args, 1), 1));

	set_ttl(context, name, arg(args, 2));
	return json_real(count);
}

static json_t *op_counter(
	struct lambda_context *context, const char *name, const json_t *args _unused_)
{
	return json_real(lambda_counter(context, name));
}

static json_t *op_window_add(struct lambda_context *context, const char *name, const json_t *args)
{
	return json_real(lambda_window_add(
		context, name, length_of(arg(args, 1)), json_number_value(arg(args, 2))));
}

static json_t *op_window(struct lambda_context *context, const char *name, const json_t *args)
{
	return json_real(lambda_window(context, name, length_of(arg(args, 1))));
}

static json_t *op_distinct_add(struct lambda_context *context, const char *name, const json_t *args)
{
	unsigned int cap = (unsigned int)number_or(arg(args, 3), 0);
	uint64_t length = length_of(arg(args, 1));

	if (json_is_integer(arg(args, 2)))
		return json_real(lambda_distinct_add_number(
			context, name, length, cap, (uint64_t)json_integer_value(arg(args, 2))));
	return json_real(
		lambda_distinct_add(context, name, length, cap, text_of(context, arg(args, 2))));
}

static json_t *op_distinct(struct lambda_context *context, const char *name, const json_t *args)
{
	return json_real(lambda_distinct(
		context, name, length_of(arg(args, 1)), (unsigned int)number_or(arg(args, 2), 0)));
}

static json_t *op_top_add(struct lambda_context *context, const char *name, const json_t *args)
{
	return json_real(lambda_top_add(context, name, (unsigned int)number_or(arg(args, 1), 0),
		length_of(arg(args, 2)), text_of(context, arg(args, 3)),
		number_or(arg(args, 4), 1)));
}

static json_t *op_top(struct lambda_context *context, const char *name, const json_t *args)
{
	unsigned int k = (unsigned int)number_or(arg(args, 1), 0);
	struct lambda_sum sums[50];
	size_t count = lambda_top(context, name, k, length_of(arg(args, 2)), sums);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "value", sums[i].value,
						    "sum", sums[i].sum, "error", sums[i].error));
	return list;
}

static json_t *op_growth(struct lambda_context *context, const char *name, const json_t *args)
{
	return json_real(lambda_growth(
		context, name, json_number_value(arg(args, 1)), time_of(arg(args, 2))));
}

static json_t *op_once(struct lambda_context *context, const char *name, const json_t *args)
{
	return json_boolean(lambda_once(context, name, length_of(arg(args, 1))));
}

static const struct {
	const char *name;
	json_t *(*run)(struct lambda_context *context, const char *name, const json_t *args);
} operations[] = {
	{"get", op_get},
	{"set", op_set},
	{"delete", op_delete},
	{"counter.add", op_counter_add},
	{"counter.value", op_counter},
	{"window.add", op_window_add},
	{"window.value", op_window},
	{"distinct.add", op_distinct_add},
	{"distinct.value", op_distinct},
	{"top.add", op_top_add},
	{"top.value", op_top},
	{"growth", op_growth},
	{"once", op_once},
};

static void assert_found(const json_t *operation, const json_t *found, const json_t *expected)
{
	char *was;

	if (equals(expected, found))
		return;
	was = json_dumps(found, JSON_ENCODE_ANY);
	print_error("found %s: ", was);
	json_dumpf(operation, stderr, JSON_ENCODE_ANY);
	print_error("\n");
	free(was);
	fail();
}

static void operate(struct lambda_context *context, const json_t *operation, int round)
{
	const char *name = json_string_value(json_array_get(operation, 0));
	const json_t *expected = json_array_get(operation, 2), *value;
	json_t *args = json_array(), *found = NULL;
	size_t i;

	json_array_foreach (json_array_get(operation, 1), i, value)
		json_array_append_new(args, fill(value, round));
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (strcmp(operations[i].name, name) == 0)
			found = operations[i].run(
				context, json_string_value(json_array_get(args, 0)), args);
	if (json_is_string(expected) && strcmp(json_string_value(expected), "FAILS") == 0) {
		if (!context->failed)
			json_dumpf(operation, stderr, JSON_ENCODE_ANY);
		assert_true(context->failed);
		context->failed = false;
	} else if (expected) {
		assert_found(operation, found, expected);
	}
	if (context->failed)
		fail_msg("%s: %s", name, context->error);
	json_decref(found);
	json_decref(args);
}

/* ---- events and commits ---- */

static void run_event(struct rig *rig, const json_t *event)
{
	const char *key = json_string_value(json_object_get(event, "key"));
	int times = (int)number_or(json_object_get(event, "times"), 1);
	struct state_view *view = &rig->context.view;
	const json_t *operation;
	struct key_words words;
	size_t i;

	rig->context = (struct lambda_context){.around = &rig->around};
	view->state = rig->state;
	view->now = START_MS + json_number_value(json_object_get(event, "at")) * 1000;
	view->hash = key_hash_text(key ? key : "7");
	assert_true(key_words_parse(key ? key : "7", 1, &words));
	view->words = &words;
	view->place = state_hash_key(rig->state, &words);
	state_set_full(rig->state, json_is_true(json_object_get(event, "full")));
	state_begin(rig->state, view->now);
	for (int round = 0; round < times; round++)
		json_array_foreach (json_object_get(event, "do"), i, operation)
			operate(&rig->context, operation, round);
	if (json_is_true(json_object_get(event, "fails")))
		state_rollback(rig->state);
	else
		state_keep(rig->state);
	scratch_clear(&rig->around.scratch);
}

static void commit(struct rig *rig)
{
	struct pipe_buffer changes = {0};
	struct cursor c;

	state_collect(rig->state, &changes);
	assert_false(changes.failed);
	cursor_read_init(&c, changes.bytes, changes.size);
	for (uint32_t left = cursor_get_le32(&c); left > 0; left--) {
		const uint8_t *hash = cursor_get(&c, 8);
		const char *key = pipe_get_text(&c, NULL), *name = pipe_get_text(&c, NULL);
		json_t *names = json_object_get(rig->stored, key);

		assert_non_null(hash);
		if (!names) {
			names = json_object();
			json_object_set_new(rig->stored, key, names);
		}
		if (cursor_get_u8(&c) == 1)
			assert_int_equal(json_object_del(names, name), 0);
		else
			json_object_set_new(names, name, json_string(pipe_get_text(&c, NULL)));
		if (json_object_size(names) == 0)
			json_object_del(rig->stored, key);
	}
	assert_true(cursor_ok(&c) && cursor_left(&c) == 0);
	pipe_buffer_done(&changes);
}

static void load(struct rig *rig)
{
	const char *key, *name;
	json_t *names, *value;

	json_object_foreach (rig->stored, key, names)
		json_object_foreach (names, name, value) {
			const struct state_row row = {
				.hash = key_hash_text(key),
				.key = key,
				.name = name,
				.value = json_string_value(value),
				.value_len = json_string_length(value),
			};

			assert_int_equal(state_load(rig->state, &row), 0);
		}
}

/* What a new worker would be given. */
static void restart(struct rig *rig)
{
	state_free(rig->state);
	assert_int_equal(state_new(1, STATE_ENTRIES_MAX, &rig->state), 0);
	load(rig);
}

/* Each key leaves memory, and comes back. */
static void evict(struct rig *rig)
{
	const char *key;
	json_t *names;

	json_object_foreach (rig->stored, key, names) {
		uint64_t hash = htole64(key_hash_text(key));

		state_evict(rig->state, &hash, 1);
	}
	assert_int_equal(state_size(rig->state), 0);
	load(rig);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(
		json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* [age, value, ...] with its values in order: that in which distinct values are kept says nothing. */
static void sort_seen(json_t *seen)
{
	size_t count = json_array_size(seen) - 1;
	json_t *values[5000];

	for (size_t i = 0; i < count; i++)
		values[i] = json_incref(json_array_get(seen, i + 1));
	qsort(values, count, sizeof(values[0]), compare_texts);
	for (size_t i = 0; i < count; i++)
		json_array_set_new(seen, i + 1, values[i]);
}

static int compare_ages(const void *a, const void *b)
{
	return (int)(json_number_value(json_array_get(*(json_t *const *)a, 0)) -
		     json_number_value(json_array_get(*(json_t *const *)b, 0)));
}

static void normalize(json_t *value)
{
	json_t *seen = json_object_get(value, "seen"), *ages[10], *age;
	size_t i, count = json_array_size(seen);

	json_array_foreach (seen, i, age) {
		sort_seen(age);
		ages[i] = json_incref(age);
	}
	qsort(ages, count, sizeof(ages[0]), compare_ages);
	for (i = 0; i < count; i++)
		json_array_set_new(seen, i, ages[i]);
}

static void assert_stored(const struct rig *rig, const json_t *expected, const char *name_of_case)
{
	const char *key, *name;
	json_t *names, *value, *all = json_object();

	json_object_foreach (rig->stored, key, names) {
		json_t *parsed = json_object();

		json_object_foreach (names, name, value) {
			json_t *one = json_loads(json_string_value(value), JSON_DECODE_ANY, NULL);

			normalize(one);
			json_object_set_new(parsed, name, one);
		}
		json_object_set_new(all, key, parsed);
	}
	json_object_foreach ((json_t *)expected, key, names)
		json_object_foreach (names, name, value)
			normalize(value);
	if (!equals(expected, all)) {
		json_dumpf(all, stderr, 0);
		fail_msg("%s", name_of_case);
	}
	json_decref(all);
}

/* What happens after each event. */
enum { COMMITS = 1, RESTARTS = 2, EVICTS = 4 };

static void play(const json_t *one, unsigned int how)
{
	struct rig rig = {.stored = json_object()};
	const json_t *event;
	size_t i;

	assert_int_equal(state_new(1, STATE_ENTRIES_MAX, &rig.state), 0);
	json_array_foreach (json_object_get(one, "events"), i, event) {
		run_event(&rig, event);
		if (how & COMMITS)
			commit(&rig);
		if (how & RESTARTS)
			restart(&rig);
		if (how & EVICTS)
			evict(&rig);
	}
	commit(&rig);
	assert_stored(&rig, json_object_get(one, "stored"),
		json_string_value(json_object_get(one, "name")));
	state_free(rig.state);
	scratch_done(&rig.around.scratch);
	json_decref(rig.stored);
}

static void play_case(void **state)
{
	const json_t *one = *state;

	play(one, 0);
	play(one, COMMITS);
	play(one, COMMITS | RESTARTS);
	play(one, COMMITS | EVICTS);
}

int main(void)
{
	json_error_t error;
	json_t *cases = json_load_file(STATE_CASES, 0, &error);
	size_t count = json_array_size(cases);
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	int failed;

	if (!cases || !tests) {
		fprintf(stderr, "%s: %s\n", STATE_CASES, error.text);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < count; i++) {
		json_t *one = json_array_get(cases, i);

		tests[i] = (struct CMUnitTest){
			.name = json_string_value(json_object_get(one, "name")),
			.test_func = play_case,
			.initial_state = one,
		};
	}
	failed = _cmocka_run_group_tests("cases", tests, count, NULL, NULL);
	free(tests);
	json_decref(cases);
	return failed;
}
