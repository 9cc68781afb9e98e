// SPDX-License-Identifier: BSD-2-Clause
#include "server/helper.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define TIME_NS (120 * NS_PER_SEC)

static void helper_close(struct helper *helper)
{
	loop_disarm_timer(&helper->timer);
	loop_remove_io(&helper->pid_io);
	fd_closep(&helper->pid_fd);
	fd_closep(&helper->output_fd);
	helper->pid = 0;
}

static void on_exit_of(struct loop_io *io, uint32_t events _unused_)
{
	struct helper *helper = io->user;
	char output[HELPER_OUTPUT_MAX + 1];
	/* It printed less than a pipe holds. */
	ssize_t len = read(helper->output_fd, output, HELPER_OUTPUT_MAX);
	int status = -1;

	if (waitpid(helper->pid, &status, 0) < 0)
		status = -1;
	helper_close(helper);
	output[MAX(len, 0)] = '\0';
	output[strcspn(output, "\n")] = '\0';
	helper->done(helper, WIFEXITED(status) && WEXITSTATUS(status) == 0, output);
}

static void on_timeout(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct helper *helper = timer->user;

	kill(helper->pid, SIGKILL);
}

/* The server's signal mask is for its loop. */
static int helper_spawn(
	struct helper *helper, const char *const *arguments, int input_fd, int output_fd)
{
	static char *const environment[] = {(char *)"LANG=C.UTF-8", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, input_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attributes, &set);
	sigaddset(&set, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &set);
	r = posix_spawn(&helper->pid, arguments[0], &actions, &attributes, (char *const *)arguments,
		environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

static int helper_watch(struct helper *helper, struct loop *loop)
{
	helper->loop = loop;
	helper->pid_io = (struct loop_io){.fn = on_exit_of, .user = helper};
	helper->timer = (struct loop_timer){.fn = on_timeout, .user = helper};
	helper->pid_fd = pidfd_open(helper->pid, 0);
	if (helper->pid_fd < 0)
		return -errno;
	loop_arm_timer(loop, &helper->timer, clock_monotonic_ns() + TIME_NS);
	return loop_add_io(loop, &helper->pid_io, helper->pid_fd, EPOLLIN);
}

int helper_start(
	struct helper *helper, struct loop *loop, const char *const *arguments, int input_fd)
{
	_cleanup_fd_ int output_fd = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	helper->output_fd = fds[0];
	output_fd = fds[1];
	helper->pid_fd = -1;
	r = helper_spawn(helper, arguments, input_fd, output_fd);
	if (r < 0) {
		helper->pid = 0;
		fd_closep(&helper->output_fd);
		return r;
	}
	r = helper_watch(helper, loop);
	if (r < 0)
		helper_stop(helper);
	return r;
}

void helper_stop(struct helper *helper)
{
	if (helper->pid == 0)
		return;
	kill(helper->pid, SIGKILL);
	waitpid(helper->pid, NULL, 0);
	helper_close(helper);
}
