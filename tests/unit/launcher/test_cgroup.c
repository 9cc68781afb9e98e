// SPDX-License-Identifier: BSD-2-Clause
/* Of control groups, what needs none: a directory stands for one. */
#include "launcher/cgroup.h"

#include "tests/unit/scratch.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <sys/wait.h>

#define READ_MAX 8191 /* bytes of the list that are read at a time */

static pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static bool is_alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

/* `len` bytes of processes that nobody has. */
static void write_nobodys(FILE *file, size_t len)
{
	while (len >= 20) {
		fputs("99999999\n", file);
		len -= 9;
	}
	fprintf(file, "%0*d\n", (int)len - 1, 99999999);
}

/* A long list may end in the middle of a number, which is then another process's. */
static void a_number_that_was_cut_is_not_killed(void **state)
{
	struct cgroup cgroup = {.unified = false};
	pid_t inside = start_child(), outside = start_child();
	char number[16];
	FILE *file = fopen("cgroup.procs", "w");
	int digits = snprintf(number, sizeof(number), "%d", outside);

	assert_non_null(file);
	snprintf(cgroup.dir, sizeof(cgroup.dir), "%s", (const char *)*state);
	write_nobodys(file, READ_MAX - (size_t)digits - (size_t)snprintf(NULL, 0, "%d\n", inside));
	fprintf(file, "%d\n", inside);
	assert_int_equal(ftell(file), READ_MAX - digits);
	fprintf(file, "%s99\n", number);
	fclose(file);
	cgroup_kill(&cgroup);
	assert_int_equal(waitpid(inside, NULL, 0), inside);
	assert_true(is_alive(outside));
	kill(outside, SIGKILL);
	waitpid(outside, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_number_that_was_cut_is_not_killed, scratch_new, scratch_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
