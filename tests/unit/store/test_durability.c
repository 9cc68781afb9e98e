// SPDX-License-Identifier: BSD-2-Clause
#include "base/fd.h"
#include "store/committer.h"
#include "tests/unit/store/fixture.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>

#define KILLS 5

/*
 * What the child does until it is killed: commits n = 1, 2, ... as a counter and as alert n, and
 * writes n to the pipe once the commit is reported.
 */
static void on_done(void *user)
{
	sem_post(user);
}

static void commit_for_ever(const char *path, unsigned int n, int report_fd)
{
	struct committer *committer;
	sem_t done;

	sem_init(&done, 0, 0);
	if (committer_new(open_store(path, 0), on_done, &done, &committer) < 0)
		_exit(1);
	for (;; n++) {
		char value[16], id[16];
		struct alert alert;
		struct state_row counter = {0, "key", "n", value, 0};
		struct commit_request request = {.outcome = {.function = "f",
							 .writes = &counter,
							 .write_count = 1,
							 .alerts = &alert,
							 .alert_count = 1}};

		counter.value_len = (size_t)snprintf(value, sizeof(value), "%u", n);
		snprintf(id, sizeof(id), "%u", n);
		alert = make_alert(id);
		committer_submit(committer, &request);
		sem_wait(&done);
		if (committer_collect(committer)->error != 0 ||
			write(report_fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
			_exit(1);
	}
}

/* Runs the child from `from` on, kills it in the midst of its commits, and returns the last n
 * reported. */
static unsigned int kill_in_mid_commit(const char *path, unsigned int from, unsigned int reports)
{
	_cleanup_fd_ int read_fd = -1;
	unsigned int n, last = from - 1;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	read_fd = fds[0];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		commit_for_ever(path, from, fds[1]);
	}
	close(fds[1]);
	for (unsigned int i = 0; i < reports; i++, last = n)
		assert_int_equal(read(read_fd, &n, sizeof(n)), sizeof(n));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(read_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		last = n;
	return last;
}

static void sigkill_loses_nothing_that_was_reported(void **state)
{
	const struct place *place = *state;
	unsigned int found = 0;

	for (unsigned int i = 0; i < KILLS; i++) {
		_cleanup_(store_closep) struct store *store = NULL;
		unsigned int reported = kill_in_mid_commit(place->path, found + 1, 7 + i);
		char text[64];

		store = open_store(place->path, 0);
		found = (unsigned int)atoi(get_state(store, "f", "key", "n", text));
		/* One more may be committed than was reported. */
		assert_in_range(found, reported, reported + 1);
		/* State and alerts are of one piece. */
		assert_int_equal(count_alerts(store, (struct alert_filter){0}), found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			sigkill_loses_nothing_that_was_reported, place_new, place_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
