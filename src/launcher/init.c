// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/init.h"

#include "base/capabilities.h"
#include "base/fd.h"
#include "launcher/doors.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Returns when the launcher has written the maps of the user namespace. */
static void wait_for_launcher(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) != 1)
		if (errno != EINTR)
			_exit(EXIT_UNBORN);
}

static bool launcher_is_gone(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* If memory runs out, a worker goes before the server does. Best effort. */
static void offer_to_oom_killer(void)
{
	_cleanup_fd_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "500", 3) < 0)
		return;
}

static void enter_namespaces(struct sandbox *sandbox)
{
	static const struct {
		enum layer layer;
		int flag;
		const char *what;
	} namespaces[] = {
		{LAYER_NETWORK, CLONE_NEWNET, "unshare(CLONE_NEWNET)"},
		{LAYER_IPC, CLONE_NEWIPC, "unshare(CLONE_NEWIPC)"},
		{LAYER_UTS, CLONE_NEWUTS, "unshare(CLONE_NEWUTS)"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (sandbox_wants(sandbox, namespaces[i].layer))
			sandbox_step(sandbox, namespaces[i].layer,
				unshare(namespaces[i].flag) < 0 ? -errno : 0, namespaces[i].what);
}

/* They stay listening where they were made, with whoever has them. */
static void open_doors(struct sandbox *sandbox)
{
	const char *what;
	int fds[DOORS_MAX], r;

	if (!sandbox_has_doors(sandbox))
		return;
	r = doors_open(sandbox->doors, sandbox->door_count, fds, &what);
	if (!sandbox_step(sandbox, LAYER_NETWORK, r, what))
		return;
	report_send_doors(sandbox->report_fd, fds, sandbox->door_count);
	for (size_t i = 0; i < sandbox->door_count; i++)
		close(fds[i]);
}

/* What the launcher, not being root, could not open in the host's namespace. */
static void open_trees(struct sandbox *sandbox)
{
	const char *what;
	int r;

	if (sandbox->may_mount || !sandbox_wants(sandbox, LAYER_ROOT))
		return;
	r = trees_open(&sandbox->trees, sandbox->start->paths, true, &what);
	sandbox_step(sandbox, LAYER_ROOT, r, what);
}

/* In a user namespace capabilities outlast this, as nobody there is root. */
static void become_user(struct sandbox *sandbox)
{
	int r;

	if (!sandbox_wants(sandbox, LAYER_USER) || !sandbox->becomes)
		return;
	r = become(SANDBOX_UID, SANDBOX_UID);
	sandbox_step(sandbox, LAYER_USER, r, "setresuid");
}

/* Nothing is kept but the way to report. */
static void shut_down_to_reaping(const struct sandbox *sandbox)
{
	if (dup3(sandbox->report_fd, 0, O_CLOEXEC) < 0 || close_range(1, ~0U, 0) < 0)
		_exit(EXIT_UNBORN);
	capabilities_bound(0);
	if (capabilities_keep(0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(EXIT_UNBORN);
}

/* Until the runtime has ended; what it started and left is reaped meanwhile. */
static _Noreturn void reap(const struct sandbox *sandbox, pid_t runtime)
{
	siginfo_t info = {0};
	int status;

	while (info.si_pid != runtime) {
		if (info.si_pid > 0)
			(void)waitpid(info.si_pid, NULL, 0);
		if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0 && errno != EINTR)
			_exit(EXIT_UNBORN);
	}
	/* While the group cannot be another's. */
	if (!sandbox_wants(sandbox, LAYER_PID))
		kill(-runtime, SIGKILL);
	if (waitpid(runtime, &status, 0) == runtime)
		report_send(0, REPORT_ENDED, LAYER_COUNT, status, "");
	_exit(0);
}

_Noreturn void init_run(struct sandbox *sandbox, const struct init_sockets *sockets)
{
	pid_t runtime;

	sandbox->report_fd = sockets->init_fd;
	wait_for_launcher(sockets->init_fd);
	offer_to_oom_killer();
	open_trees(sandbox);
	become_user(sandbox);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		sandbox_fail(sandbox, LAYER_COUNT, -errno, "prctl");
	/* It may have died before that took effect. */
	if (launcher_is_gone(sockets->init_fd))
		_exit(EXIT_UNBORN);
	enter_namespaces(sandbox);
	open_doors(sandbox);
	runtime = fork();
	if (runtime < 0)
		sandbox_fail(sandbox, LAYER_COUNT, -errno, "fork");
	if (runtime == 0) {
		sandbox->report_fd = sockets->runtime_fd;
		runtime_run(sandbox);
	}
	shut_down_to_reaping(sandbox);
	reap(sandbox, runtime);
}
