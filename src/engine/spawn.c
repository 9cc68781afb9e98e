// SPDX-License-Identifier: BSD-2-Clause
#include "engine/spawn.h"

#include "base/fd.h"
#include "engine/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

#define PIPE_BUFFER_BYTES (1 << 20) /* so that a batch is one write */

static const struct {
	int resource;
	rlim_t limit;
} limits[] = {
	{RLIMIT_CORE, 0},
	{RLIMIT_DATA,
		1U << 30}, /* bytes: V8's heap has its own, lower limit; buffers lie outside it */
	{RLIMIT_NOFILE, 256},
	{RLIMIT_FSIZE, 64U << 20}, /* bytes a file */
	{RLIMIT_MSGQUEUE, 0},
	{RLIMIT_MEMLOCK, 64U << 10},
};

/* What the child needs, computed before the fork: after it only async-signal-safe calls are made. */
struct child {
	const char *path;
	char *const *argv;
	char *const *envp;
	const char *dir;
	int pipe_fd, output_fd, null_fd;
	pid_t parent;
};

static void child_say(const char *what)
{
	static const char tail[] = ": the worker could not be started\n";

	if (write(STDERR_FILENO, what, strlen(what)) < 0 ||
		write(STDERR_FILENO, tail, sizeof(tail) - 1) < 0)
		return;
}

/* Out of the way of 0-3 first, then into place. */
static bool child_place_fds(const struct child *child)
{
	int null_fd = fcntl(child->null_fd, F_DUPFD, 16);
	int output_fd = fcntl(child->output_fd, F_DUPFD, 16);
	int pipe_fd = fcntl(child->pipe_fd, F_DUPFD, 16);

	return dup2(null_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
	       dup2(output_fd, STDERR_FILENO) >= 0 && dup2(pipe_fd, PIPE_FD) >= 0 &&
	       close_range(PIPE_FD + 1, ~0U, 0) == 0;
}

static void child_reset_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* If memory runs out, a worker goes before the server does. Best effort. */
static void child_offer_to_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, "500", 3) < 0)
		child_say("oom_score_adj");
	close(fd);
}

static bool child_limit(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit now, limit = {limits[i].limit, limits[i].limit};

		if (getrlimit(limits[i].resource, &now) < 0)
			return false;
		limit.rlim_cur = MIN(limit.rlim_cur, now.rlim_max);
		limit.rlim_max = MIN(limit.rlim_max, now.rlim_max);
		if (setrlimit(limits[i].resource, &limit) < 0)
			return false;
	}
	return true;
}

static _Noreturn void child_run(const struct child *child)
{
	const char *failed = NULL;

	child_reset_signals();
	if (!child_place_fds(child))
		failed = "descriptors";
	else if (setpgid(0, 0) < 0)
		failed = "setpgid";
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		failed = "prctl";
	else if (!child_limit())
		failed = "setrlimit";
	else if (chdir(child->dir) < 0)
		failed = child->dir;
	if (failed) {
		child_say(failed);
		_exit(127);
	}
	child_offer_to_oom_killer();
	/* The parent may have died before the prctl took effect. */
	if (getppid() != child->parent)
		_exit(127);
	execve(child->path, child->argv, child->envp);
	child_say(child->path);
	_exit(127);
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

static int open_channels(int pipe_fds[static 2], int output_fds[static 2])
{
	int bytes = PIPE_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipe_fds) < 0)
		return -errno;
	if (pipe2(output_fds, O_CLOEXEC) < 0)
		return -errno;
	/* Only our ends: the runtime sets up its own. */
	if (fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) < 0 ||
		fcntl(output_fds[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (setsockopt(pipe_fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0)
			return -errno;
	return 0;
}

int spawn(const struct spawn_options *options, struct spawned *ret_spawned)
{
	_cleanup_fd_ int pipe_ours = -1, pipe_theirs = -1, out_ours = -1, out_theirs = -1,
			 null_fd = -1;
	const char *search = getenv("PATH");
	int pipe_fds[2] = {-1, -1}, output_fds[2] = {-1, -1};
	_cleanup_free_ char *path = NULL, *env_path = NULL;
	char *envp[] = {NULL, (char *)"LANG=C.UTF-8", (char *)"HOME=/nonexistent", NULL};
	struct child child;
	int pid_fd, r;
	pid_t pid;

	if (!search)
		search = DEFAULT_PATH;
	r = find_program(options->program, search, &path);
	if (r != 0)
		return r;
	if (!path || asprintf(&env_path, "PATH=%s", search) < 0)
		return -ENOMEM;
	envp[0] = env_path;
	r = open_channels(pipe_fds, output_fds);
	pipe_ours = pipe_fds[0];
	pipe_theirs = pipe_fds[1];
	out_ours = output_fds[0];
	out_theirs = output_fds[1];
	if (r < 0)
		return r;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return -errno;

	child = (struct child){
		.path = path,
		.argv = (char *const *)options->argv,
		.envp = envp,
		.dir = options->dir,
		.pipe_fd = pipe_theirs,
		.output_fd = out_theirs,
		.null_fd = null_fd,
		.parent = getpid(),
	};
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_run(&child);
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
		.pipe_fd = TAKE_FD(pipe_ours),
		.output_fd = TAKE_FD(out_ours),
	};
	return 0;
}
