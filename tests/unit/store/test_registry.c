// SPDX-License-Identifier: BSD-2-Clause
#include "store/registry.h"

#include "store/committer.h"
#include "tests/unit/store/fixture.h"

#include <errno.h>

struct listing {
	char text[1024]; /* "name:version+," where + marks the active one */
};

static int list_version(void *user, const struct function_version *version)
{
	struct listing *listing = user;
	size_t len = strlen(listing->text);

	snprintf(listing->text + len, sizeof(listing->text) - len, "%s:%u%s,", version->function,
		version->version, version->active ? "+" : "");
	return 0;
}

static const char *list(struct store *store)
{
	static struct listing listing;

	listing.text[0] = '\0';
	assert_int_equal(registry_each(store, list_version, &listing), 0);
	return listing.text;
}

static unsigned int add(struct store *store, const char *function)
{
	const struct function_version version = {
		.function = function,
		.code = "abc",
		.spec = "{}",
		.deployed_ns = 5,
		.deployed_by = "uid 0",
	};
	unsigned int number = 0;

	assert_int_equal(registry_add(store, &version, &number), 0);
	return number;
}

static void newest_version_is_active_and_others_can_be_again(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);

	assert_int_equal(add(store, "b"), 1);
	assert_int_equal(add(store, "a"), 1);
	assert_int_equal(add(store, "b"), 2);
	assert_string_equal(list(store), "a:1+,b:1,b:2+,");
	assert_int_equal(registry_activate(store, "b", 1), 0);
	assert_string_equal(list(store), "a:1+,b:1+,b:2,");
	assert_int_equal(registry_activate(store, "b", 7), -ENOENT);
	assert_int_equal(registry_activate(store, "c", 1), -ENOENT);
	assert_int_equal(add(store, "b"), 3);
	assert_string_equal(list(store), "a:1+,b:1,b:2,b:3+,");
	store_close(store);
	store = open_store(place->path, STORE_READ_ONLY);
	assert_string_equal(list(store), "a:1+,b:1,b:2,b:3+,");
	store_close(store);
}

static void oldest_versions_are_forgotten(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);

	for (unsigned int i = 1; i <= REGISTRY_VERSIONS_MAX + 2; i++)
		assert_int_equal(add(store, "f"), i);
	assert_non_null(strstr(list(store), "f:3,f:4,"));
	assert_null(strstr(list(store), "f:2,"));
	store_close(store);
}

static void removal_keeps_what_it_remembers_unless_purged(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);
	const struct dead_letter letter = {.reason = "r", .data = "{}"};
	const struct outcome outcome = {
		.function = "f", .dead_letters = &letter, .dead_letter_count = 1};
	struct alert alert = make_alert("x");
	const struct outcome raised = {.function = "f", .alerts = &alert, .alert_count = 1};

	add(store, "f");
	assert_int_equal(store_commit(store, &outcome, 1), 0);
	assert_int_equal(store_commit(store, &raised, 1), 0);
	assert_int_equal(registry_remove(store, "f", false), 0);
	assert_string_equal(list(store), "");
	add(store, "f");
	assert_string_equal(list(store), "f:1+,");
	assert_int_equal(registry_remove(store, "f", true), 0);
	assert_int_equal(registry_purge(store, "f", 10), 1); /* the letter */
	assert_int_equal(registry_purge(store, "f", 10), 0);
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 1);
	store_close(store);
}

static int count_row(void *user, const struct state_row *row _unused_)
{
	++*(unsigned int *)user;
	return 0;
}

static int count_letter(void *user, uint64_t row _unused_, const char *function _unused_,
	const struct dead_letter *letter _unused_)
{
	++*(unsigned int *)user;
	return 0;
}

static int count_mark(void *user, const char *function _unused_, const struct mark *mark _unused_)
{
	++*(unsigned int *)user;
	return 0;
}

/* "STATE ROWS/DEAD LETTERS/MARKS", the latter of all functions. */
static const char *remembered(struct store *store, const char *function)
{
	static char text[64];
	unsigned int rows = 0, letters = 0, marks = 0;

	assert_int_equal(store_each_state(store, function, count_row, &rows), 0);
	assert_int_equal(store_each_dead_letter(store, function, 0, count_letter, &letters), 0);
	assert_int_equal(store_each_mark(store, NULL, count_mark, &marks), 0);
	snprintf(text, sizeof(text), "%u/%u/%u", rows, letters, marks);
	return text;
}

/* As many entries of the state as letters, and a mark. */
static void remember(struct store *store, const char *function, size_t count)
{
	const struct mark mark = {.key = "", .stream = 1};
	struct state_row rows[16];
	struct dead_letter letters[16];
	const struct outcome outcome = {
		.function = function,
		.writes = rows,
		.write_count = count,
		.dead_letters = letters,
		.dead_letter_count = count,
		.marks = &mark,
		.mark_count = 1,
	};
	char keys[16][8];

	assert_true(count <= ARRAY_SIZE(rows));
	for (size_t i = 0; i < count; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
		rows[i] = (struct state_row){i << 60, keys[i], "n", "1", 1};
		letters[i] = (struct dead_letter){.reason = "r", .data = "{}"};
	}
	assert_int_equal(store_commit(store, &outcome, 1), 0);
}

/* The server may end between any two of them. */
static void what_a_function_remembered_goes_in_pieces(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);
	char name[64] = "";

	add(store, "f");
	remember(store, "f", 10);
	remember(store, "g", 2);
	assert_int_equal(registry_next_purge(store, name), 0);
	assert_int_equal(registry_remove(store, "f", true), 0);
	assert_string_equal(list(store), "");
	assert_string_equal(remembered(store, "f"), "10/10/2");
	for (const char *const *left = (const char *const[]){"6/10/2", "2/10/2", "0/10/2", "0/6/2",
		     "0/2/2", "0/0/2", NULL};
		*left; left++) {
		store_close(store);
		store = open_store(place->path, 0);
		assert_int_equal(registry_next_purge(store, name), 1);
		assert_string_equal(name, "f");
		assert_int_equal(registry_purge(store, name, 4), 1);
		assert_string_equal(remembered(store, "f"), *left);
	}
	assert_int_equal(registry_purge(store, "f", 4), 0);
	assert_int_equal(registry_next_purge(store, name), 0);
	assert_string_equal(remembered(store, "g"), "2/2/1");
	store_close(store);
}

static void a_piece_of_large_values_is_a_few(void **state)
{
	enum { SIZE = 3 << 20 };
	const struct place *place = *state;
	struct store *store = open_store(place->path, STORE_RELAXED);
	char *value = malloc(SIZE + 1);
	struct state_row rows[4];
	const struct outcome outcome = {.function = "f", .writes = rows, .write_count = 4};

	assert_non_null(value);
	memset(value, '1', SIZE);
	value[SIZE] = '\0';
	for (uint64_t i = 0; i < 4; i++)
		rows[i] = (struct state_row){i, "k", "n", value, SIZE};
	assert_int_equal(store_commit(store, &outcome, 1), 0);
	assert_int_equal(registry_remove(store, "f", true), 0);
	assert_int_equal(registry_purge(store, "f", 1000), 1);
	assert_string_equal(remembered(store, "f"), "2/0/0");
	store_close(store);
	free(value);
}

static void who_is_deployed_is_not_purged_later(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);
	char name[64];

	add(store, "f");
	remember(store, "f", 1);
	assert_int_equal(registry_remove(store, "f", true), 0);
	assert_int_equal(registry_remove(store, "f", true), 0); /* once will do */
	add(store, "f");
	assert_int_equal(registry_next_purge(store, name), 0);
	assert_string_equal(remembered(store, "f"), "1/1/1");
	store_close(store);
}

static void what_is_old_is_removed_in_pieces(void **state)
{
	const struct place *place = *state;
	struct store *store = open_store(place->path, 0);
	uint64_t count = 0;

	for (unsigned int i = 1; i <= 10; i++) {
		struct alert alert = make_alert("");
		const struct dead_letter letter = {.time_ns = i, .reason = "r", .data = "{}"};
		const struct outcome outcome = {
			.function = "f",
			.alerts = &alert,
			.alert_count = 1,
			.dead_letters = &letter,
			.dead_letter_count = 1,
		};

		snprintf(alert.id, sizeof(alert.id), "a%u", i);
		alert.raised_ns = i;
		assert_int_equal(store_commit(store, &outcome, 1), 0);
	}
	assert_int_equal(store_prune(store, 9, 4, 5, &count), 0);
	assert_int_equal(count, 5 + 3);
	assert_int_equal(store_prune(store, 9, 4, 5, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(store_prune(store, 0, 0, 5, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 2);
	store_close(store);
}

/* ---- tasks of the committer ---- */

static int add_task(struct store *store, struct commit_request *request)
{
	const struct function_version version = {
		.function = request->user, .code = "c", .spec = "{}", .deployed_by = "me"};
	unsigned int number;

	return registry_add(store, &version, &number);
}

static int fail_task(struct store *store _unused_, struct commit_request *request _unused_)
{
	return -ENOENT;
}

static void nothing(void *user _unused_)
{
}

static void tasks_keep_their_place_among_commits(void **state)
{
	const struct place *place = *state;
	struct alert alert = make_alert("x");
	struct commit_request requests[4] = {
		{.outcome = {.function = "f", .alerts = &alert, .alert_count = 1}},
		{.task = fail_task},
		{.task = add_task, .user = (void *)"g"},
		{.outcome = {.function = "f"}},
	};
	struct commit_request *done;
	struct committer *committer;
	struct store *store;

	assert_int_equal(committer_new(open_store(place->path, 0), nothing, NULL, &committer), 0);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		committer_submit(committer, &requests[i]);
	committer_stop(committer);
	done = committer_collect(committer);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++, done = done->next) {
		assert_ptr_equal(done, &requests[i]);
		assert_int_equal(done->error, i == 1 ? -ENOENT : 0);
	}
	committer_free(committer);
	store = open_store(place->path, STORE_READ_ONLY);
	assert_string_equal(list(store), "g:1+,");
	store_close(store);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_new, place_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACED(newest_version_is_active_and_others_can_be_again),
		PLACED(oldest_versions_are_forgotten),
		PLACED(removal_keeps_what_it_remembers_unless_purged),
		PLACED(what_a_function_remembered_goes_in_pieces),
		PLACED(a_piece_of_large_values_is_a_few),
		PLACED(who_is_deployed_is_not_purged_later),
		PLACED(what_is_old_is_removed_in_pieces),
		PLACED(tasks_keep_their_place_among_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
