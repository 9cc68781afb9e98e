// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/engine/sandboxed.h"

#include "base/fd.h"
#include "tests/unit/engine/escape.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 60000

void wait_readable(int fd, const char *what)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	if (poll(&poll_fd, 1, WAIT_MS) != 1)
		fail_msg("waited in vain for %s", what);
}

struct control_report next_report(const struct spawned *spawned)
{
	struct control_report report = {0};
	int r;

	wait_readable(spawned->control_fd, "the launcher to say something");
	r = spawn_read(spawned, &report);
	if (r == -EPIPE)
		fail_msg("the launcher ended without a word");
	assert_int_equal(r, 1);
	return report;
}

void expect_report(const struct spawned *spawned, enum control_type type)
{
	struct control_report report = next_report(spawned);

	if (report.type != type)
		fail_msg("expected report %d, got %d: %s", type, report.type, report.text);
}

struct spawned sandbox_start(const struct sandbox_options *options)
{
	const char *const argv[] = {"escape", NULL}, *const paths[] = {NULL};
	const struct spawn_options spawn_options = {
		.launcher = getenv("NETLAMBDA_WORKER"),
		.name = "test",
		.layers = options->layers,
		.program = getenv("NETLAMBDA_ESCAPE"),
		.argv = argv,
		.paths = paths,
		.network = options->network,
		.environment = options->environment,
	};
	struct spawned spawned;

	assert_int_equal(spawn_start(&spawn_options, &spawned), 0);
	return spawned;
}

void sandbox_specialise(
	const struct spawned *spawned, const char *dir, const struct control_specialise *limits)
{
	struct control_specialise function = *limits;

	function.dir = dir;
	assert_int_equal(spawn_specialise(spawned, &function), 0);
}

void sandbox_await(const struct spawned *spawned, pid_t *ret_runtime)
{
	bool specialised = false;
	pid_t runtime = 0;

	while (!specialised || runtime == 0) {
		struct control_report report = next_report(spawned);

		if (report.type == CONTROL_FAILED)
			fail_msg("not started: %s", report.text);
		if (report.type == CONTROL_STARTED)
			runtime = (pid_t)report.pid;
		specialised = specialised || report.type == CONTROL_SPECIALISED;
	}
	if (ret_runtime)
		*ret_runtime = runtime;
}

int64_t try(const struct spawned *spawned, const char *attempt, const char *argument)
{
	struct escape_order order = {0};
	int64_t answer = INT64_MIN;

	snprintf(order.attempt, sizeof(order.attempt), "%s", attempt);
	snprintf(order.argument, sizeof(order.argument), "%s", argument ? argument : "");
	assert_int_equal(write(spawned->pipe_fd, &order, sizeof(order)), sizeof(order));
	wait_readable(spawned->pipe_fd, attempt);
	assert_int_equal(read(spawned->pipe_fd, &answer, sizeof(answer)), sizeof(answer));
	if (answer == -ENOTSUP)
		fail_msg("no attempt is called %s", attempt);
	return answer;
}

int finish(struct spawned *spawned)
{
	int status = 0;

	spawn_kill(spawned);
	wait_readable(spawned->pid_fd, "the worker's end");
	assert_int_equal(waitpid(spawned->pid, &status, 0), spawned->pid);
	fd_closep(&spawned->pid_fd);
	fd_closep(&spawned->pipe_fd);
	fd_closep(&spawned->output_fd);
	fd_closep(&spawned->control_fd);
	return status;
}
