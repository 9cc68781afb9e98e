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
	assert_int_equal(count_alerts(store, (struct alert_filter){0}), 1);
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
		PLACED(what_is_old_is_removed_in_pieces),
		PLACED(tasks_keep_their_place_among_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
