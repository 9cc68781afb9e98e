// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each call by which the store or SQLite asks for memory, or for anything of the disk, fails, one after
 * the other. What was to be done is done as a whole and said to be, or an error says that it is not; what
 * was there before stays; and with nothing failing any more all goes on.
 */
#include "store/streams.h"
#include "tests/unit/faults.h"
#include "tests/unit/store/faulty_disk.h"
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <sys/wait.h>

#define SWITCH 7
#define EPOCH  3

/* ---- what is done: outcomes with the marks that they move, and losses ---- */

/* Effects of event n, 1, 2 ...: a state, an alert, and all below n + 1 is processed. */
static int commit(struct store *store, unsigned int n)
{
	char id[16];
	struct state_row write = {0, id, "n", "1", 1};
	struct alert alert;
	struct stream_mark mark = {.stream = stream_id(SWITCH, 0), .epoch = EPOCH, .before = n + 1};
	struct outcome outcome = {.function = "f",
		.writes = &write,
		.write_count = 1,
		.alerts = &alert,
		.alert_count = 1,
		.stream_marks = &mark,
		.stream_mark_count = 1};

	snprintf(id, sizeof(id), "%u", n);
	alert = make_alert(id);
	return store_commit(store, &outcome, 1);
}

static int admit(struct store *store, uint64_t epoch, uint64_t lost_from)
{
	const struct agent_row agent = {.switch_id = SWITCH, .boot = epoch * 11, .epoch = epoch};
	const struct loss loss = {.stream = stream_id(SWITCH, 0),
		.epoch = epoch - 1,
		.sequence = lost_from,
		.cause = "restart"};

	return streams_admit(store, &agent, &loss, lost_from > 0);
}

static int keep_agent(void *user, const struct agent_row *agent)
{
	*(struct agent_row *)user = *agent;
	return 0;
}

static struct agent_row agent_of(struct store *store)
{
	struct agent_row agent = {0};

	assert_int_equal(streams_each_agent(store, keep_agent, &agent), 0);
	return agent;
}

/* Everything of events 1 to n is there, once, and of those behind nothing. */
static void assert_done(struct store *store, unsigned int n)
{
	char key[16], text[64];

	assert_int_equal(count_alerts(store, (struct alert_filter){0}), n);
	for (unsigned int i = 1; i <= n + 1; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_string_equal(get_state(store, "f", key, "n", text), i <= n ? "1" : "");
	}
	assert_int_equal(agent_of(store).before[0], n + 1);
}

static unsigned int count_done(struct store *store)
{
	return count_alerts(store, (struct alert_filter){0});
}

/* A store in which event 1 was processed. */
static struct store *begin(const struct place *place)
{
	struct store *store;
	char name[128];

	for (const char *const *suffix = (const char *const[]){"", "-wal", "-shm", NULL}; *suffix;
		suffix++) {
		snprintf(name, sizeof(name), "%s%s", place->path, *suffix);
		unlink(name);
	}
	store = open_store(place->path, 0);
	for (uint64_t epoch = 1; epoch <= EPOCH; epoch++)
		assert_int_equal(admit(store, epoch, 0), 0);
	assert_int_equal(commit(store, 1), 0);
	return store;
}

/* ---- tests ---- */

static void commit_that_fails_changes_nothing_and_can_be_made_again(void **state)
{
	const struct place *place = *state;
	unsigned int refused = 0;

	faults_begin();
	while (faults_more()) {
		_cleanup_(store_closep) struct store *store = begin(place);
		int r;

		faults_arm();
		r = commit(store, 2);
		assert_true(faults_disarm() || r == 0);
		assert_done(store, r == 0 ? 2 : 1);
		refused += r < 0;
		if (r < 0)
			assert_int_equal(commit(store, 2), 0);
		assert_int_equal(commit(store, 3), 0);
		store_close(store);
		store = open_store(place->path, 0);
		assert_done(store, 3);
	}
	assert_true(refused > 10);
}

/* The process ends at once: what is on the disk then is what counts. */
static int commit_and_die(const struct place *place, bool *ret_failed)
{
	int status;
	pid_t pid;

	store_close(begin(place));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *store = open_store(place->path, 0);
		int r;

		faults_arm();
		r = commit(store, 2);
		_exit((r < 0 ? 1 : 0) | (faults_disarm() ? 2 : 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	*ret_failed = WEXITSTATUS(status) & 2;
	return WEXITSTATUS(status) & 1 ? -EIO : 0;
}

static void commit_before_a_crash_is_there_as_a_whole_or_not_at_all(void **state)
{
	const struct place *place = *state;

	for (unsigned int at = 1;; at++) {
		_cleanup_(store_closep) struct store *store = NULL;
		unsigned int done;
		bool failed;
		int r;

		faults_begin();
		for (unsigned int i = 0; i < at; i++)
			(void)faults_more();
		r = commit_and_die(place, &failed);
		store = open_store(place->path, 0);
		done = count_done(store);
		/* One that was refused may be there after a crash, but then with its mark. */
		assert_in_range(done, r == 0 ? 2 : 1, 2);
		assert_done(store, done);
		if (!failed)
			break;
	}
}

static void new_incarnation_and_the_losses_of_the_old_one_come_together(void **state)
{
	const struct place *place = *state;
	unsigned int refused = 0;

	faults_begin();
	while (faults_more()) {
		_cleanup_(store_closep) struct store *store = begin(place);
		int r;

		faults_arm();
		r = admit(store, EPOCH + 1, 2);
		(void)faults_disarm();
		assert_int_equal(agent_of(store).epoch, r == 0 ? EPOCH + 1 : EPOCH);
		if (r < 0)
			assert_done(store, 1);
		refused += r < 0;
		r = admit(store, EPOCH + 1, 2);
		assert_int_equal(agent_of(store).epoch, EPOCH + 1);
		assert_true(r == 0 || r == -ESTALE);
		/* What comes late of the old one is refused, and says so by leaving the mark. */
		(void)commit(store, 2);
		assert_int_equal(agent_of(store).before[0], 0);
	}
	assert_true(refused > 10);
}

static void store_that_cannot_be_opened_says_why_and_is_left_as_it_was(void **state)
{
	const struct place *place = *state;
	unsigned int refused = 0;

	store_close(begin(place));
	faults_begin();
	while (faults_more()) {
		_cleanup_(store_closep) struct store *store = NULL;
		_cleanup_free_ char *error = NULL;
		int r;

		faults_arm();
		r = store_open(place->path, 0, &store, &error);
		(void)faults_disarm();
		assert_int_equal(r == 0, store != NULL);
		assert_int_equal(r == 0 || r == -ENOMEM, error == NULL || r == -ENOMEM);
		refused += r < 0;
		store_close(store);
		store = open_store(place->path, 0);
		assert_done(store, 1);
	}
	assert_true(refused > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			commit_that_fails_changes_nothing_and_can_be_made_again, place_new,
			place_free),
		cmocka_unit_test_setup_teardown(
			commit_before_a_crash_is_there_as_a_whole_or_not_at_all, place_new,
			place_free),
		cmocka_unit_test_setup_teardown(
			new_incarnation_and_the_losses_of_the_old_one_come_together, place_new,
			place_free),
		cmocka_unit_test_setup_teardown(
			store_that_cannot_be_opened_says_why_and_is_left_as_it_was, place_new,
			place_free),
	};

	faulty_disk_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
