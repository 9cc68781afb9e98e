// SPDX-License-Identifier: BSD-2-Clause
#include "engine/spawn.h"

#include "base/fd.h"
#include "engine/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

#define PIPE_BUFFER_BYTES (1 << 20) /* so that a batch is one write */
#define FDS_ABOVE         16        /* out of the way of those that the launcher finds in place */

/* Our ends, and the launcher's. */
struct channels {
	int pipe_fd, output_fd, control_fd;
	int their_pipe_fd, their_output_fd, their_control_fd;
	int null_fd;
};

static void channels_close(struct channels *channels)
{
	fd_closep(&channels->pipe_fd);
	fd_closep(&channels->output_fd);
	fd_closep(&channels->control_fd);
	fd_closep(&channels->their_pipe_fd);
	fd_closep(&channels->their_output_fd);
	fd_closep(&channels->their_control_fd);
	fd_closep(&channels->null_fd);
}

/* `ret_path` is to be freed. */
static int find_program(const char *program, const char *search, char **ret_path)
{
	while (!strchr(program, '/')) {
		_cleanup_free_ char *path = NULL;
		size_t len = strcspn(search, ":");

		if (asprintf(&path, "%.*s/%s", (int)len, search, program) < 0)
			return -ENOMEM;
		if (len > 0 && access(path, X_OK) == 0) {
			*ret_path = TAKE_PTR(path);
			return 0;
		}
		search += len;
		if (*search++ == 0)
			return -ENOENT;
	}
	if (access(program, X_OK) < 0)
		return -errno;
	*ret_path = strdup(program);
	return *ret_path ? 0 : -ENOMEM;
}

static int open_pair(int type, int *ret_ours, int *ret_theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	/* Only our end: the other side sets up its own. */
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int move_up(int *fd)
{
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, FDS_ABOVE);

	if (moved < 0)
		return -errno;
	close(*fd);
	*fd = moved;
	return 0;
}

static int channels_open(struct channels *channels)
{
	int *const theirs[] = {&channels->their_pipe_fd, &channels->their_output_fd,
		&channels->their_control_fd, &channels->null_fd};
	int bytes = PIPE_BUFFER_BYTES, output_fds[2];
	int r = open_pair(SOCK_STREAM, &channels->pipe_fd, &channels->their_pipe_fd);

	if (r == 0)
		r = open_pair(SOCK_SEQPACKET, &channels->control_fd, &channels->their_control_fd);
	if (r < 0)
		return r;
	if (setsockopt(channels->pipe_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ||
		setsockopt(channels->their_pipe_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) <
			0)
		return -errno;
	if (pipe2(output_fds, O_CLOEXEC) < 0)
		return -errno;
	channels->output_fd = output_fds[0];
	channels->their_output_fd = output_fds[1];
	if (fcntl(channels->output_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	channels->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (channels->null_fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(theirs) && r == 0; i++)
		r = move_up(theirs[i]);
	return r;
}

/* ---- the launcher's process ---- */

static int prepare_files(posix_spawn_file_actions_t *actions, const struct channels *channels)
{
	const int places[][2] = {
		{channels->null_fd, STDIN_FILENO},
		{channels->their_output_fd, STDOUT_FILENO},
		{channels->their_output_fd, STDERR_FILENO},
		{channels->their_pipe_fd, PIPE_FD},
		{channels->their_control_fd, CONTROL_FD},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(actions, places[i][0], places[i][1]);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, CONTROL_FD + 1);
	if (r == 0)
		r = posix_spawn_file_actions_addchdir_np(actions, "/");
	return -r;
}

/* A session of its own: no terminal, no group of ours, no signal handled or blocked. */
static int prepare_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes,
			POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	return -r;
}

static int run_launcher(const struct spawn_options *options, const struct channels *channels,
	char *const *environment, pid_t *ret_pid)
{
	const char *const argv[] = {"netlambda-worker", options->name, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	r = prepare_files(&actions, channels);
	if (r == 0)
		r = prepare_attributes(&attributes);
	if (r == 0)
		r = -posix_spawn(ret_pid, options->launcher, &actions, &attributes,
			(char *const *)argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int copy_list(const char *const *list, const char **ret_copy, size_t most)
{
	size_t count = 0;

	for (; list && list[count]; count++) {
		if (count == most)
			return -E2BIG;
		ret_copy[count] = list[count];
	}
	return 0;
}

static int send_start(
	const struct channels *channels, const struct spawn_options *options, const char *program)
{
	/* The file itself: not every link that leads to it is in the sandbox. */
	_cleanup_free_ char *real = realpath(program, NULL);
	struct control_start start = {.layers = options->layers, .program = real};
	char message[CONTROL_BYTES_MAX];
	int size;

	if (!real)
		return -errno;

	start.paths[0] = program;
	if (copy_list(options->argv, start.argv, CONTROL_LIST_MAX) < 0 ||
		copy_list(options->paths, &start.paths[1], CONTROL_LIST_MAX - 1) < 0 ||
		copy_list(options->network, start.network, CONTROL_LIST_MAX) < 0 ||
		copy_list(options->environment, start.environment, CONTROL_LIST_MAX) < 0)
		return -E2BIG;
	size = control_put_start(&start, message);
	if (size < 0)
		return size;
	return send(channels->control_fd, message, (size_t)size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int spawn_start(const struct spawn_options *options, struct spawned *ret_spawned)
{
	_cleanup_(channels_close) struct channels channels = {-1, -1, -1, -1, -1, -1, -1};
	_cleanup_free_ char *path = NULL, *env_path = NULL;
	char *environment[] = {NULL, (char *)"LANG=C.UTF-8", (char *)"HOME=/nonexistent", NULL};
	const char *search = getenv("PATH");
	int pid_fd, r;
	pid_t pid = -1;

	if (!search)
		search = DEFAULT_PATH;
	r = find_program(options->program, search, &path);
	if (r < 0)
		return r;
	if (asprintf(&env_path, "PATH=%s", search) < 0)
		return -ENOMEM;
	environment[0] = env_path;
	r = channels_open(&channels);
	/* It lies there until the launcher reads it. */
	if (r == 0)
		r = send_start(&channels, options, path);
	if (r == 0)
		r = run_launcher(options, &channels, environment, &pid);
	if (r < 0)
		return r;
	pid_fd = pidfd_open(pid, 0);
	if (pid_fd < 0) {
		r = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	*ret_spawned = (struct spawned){
		.pid = pid,
		.pid_fd = pid_fd,
		.pipe_fd = TAKE_FD(channels.pipe_fd),
		.output_fd = TAKE_FD(channels.output_fd),
		.control_fd = TAKE_FD(channels.control_fd),
	};
	return 0;
}

int spawn_specialise(const struct spawned *spawned, const struct control_specialise *function)
{
	char message[CONTROL_BYTES_MAX];
	int size = control_put_specialise(function, message);

	if (size < 0)
		return size;
	return send(spawned->control_fd, message, (size_t)size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int spawn_read(const struct spawned *spawned, struct control_report *ret_report)
{
	char message[CONTROL_BYTES_MAX];
	ssize_t n = recv(spawned->control_fd, message, sizeof(message), 0);
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	r = control_get_report(message, (size_t)n, ret_report);
	return r < 0 ? r : 1;
}

void spawn_kill(const struct spawned *spawned)
{
	/* The launcher takes the end of its orders for one. */
	(void)shutdown(spawned->control_fd, SHUT_WR);
}
