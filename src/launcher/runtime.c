// SPDX-License-Identifier: BSD-2-Clause
#include "base/capabilities.h"
#include "launcher/confine.h"
#include "launcher/init.h"
#include "launcher/rlimits.h"
#include "launcher/root.h"
#include "launcher/variables.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROGRAM_FDS 4 /* input, outputs, the worker pipe */

static void enter_root(struct sandbox *sandbox)
{
	const char *what = "unshare(CLONE_NEWNS)";
	int r;

	if (!sandbox_wants(sandbox, LAYER_ROOT))
		return;
	r = unshare(CLONE_NEWNS) < 0 ? -errno : root_enter(sandbox, &what);
	sandbox_step(sandbox, LAYER_ROOT, r, what);
}

/* The launcher does what it has to do to the process; its end is the worker's. */
static void wait_for_launcher(const struct sandbox *sandbox)
{
	char byte;

	report_send(sandbox->report_fd, REPORT_PLACED, LAYER_COUNT, 0, "");
	while (recv(sandbox->report_fd, &byte, 1, 0) != 1)
		if (errno != EINTR)
			_exit(EXIT_UNBORN);
}

static void drop_privileges(struct sandbox *sandbox)
{
	int r = 0;

	if (!sandbox_wants(sandbox, LAYER_PRIVILEGES))
		return;
	capabilities_bound(0);
	/* Who is in no user namespace is still root until here. */
	if (sandbox->becomes && !sandbox_wants(sandbox, LAYER_USER))
		r = become(sandbox->uid, sandbox->gid);
	if (r == 0)
		r = capabilities_keep(0);
	sandbox_step(sandbox, LAYER_PRIVILEGES, r, "giving up privileges");
}

static void confine(struct sandbox *sandbox)
{
	const char *what = "";
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		sandbox_fail(sandbox, LAYER_COUNT, -errno, "prctl");
	if (sandbox_wants(sandbox, LAYER_LANDLOCK)) {
		r = confine_files(sandbox, &what);
		sandbox_step(sandbox, LAYER_LANDLOCK, r, what);
	}
	if (sandbox_wants(sandbox, LAYER_SYSCALLS)) {
		r = confine_calls(sandbox, &what);
		sandbox_step(sandbox, LAYER_SYSCALLS, r, what);
	}
}

static _Noreturn void become_program(const struct sandbox *sandbox)
{
	const struct control_start *start = sandbox->start;
	const char *environment[VARIABLES_MAX + VARIABLES_USUAL_MAX + 1];
	int r = variables_join(start->environment, (const char *const *)environ, environment);

	if (r < 0)
		sandbox_fail(sandbox, LAYER_COUNT, r, "environment");
	execve(start->program, (char *const *)start->argv, (char *const *)environment);
	sandbox_fail(sandbox, LAYER_COUNT, -errno, start->program);
}

_Noreturn void runtime_run(struct sandbox *sandbox)
{
	int r;

	if (close_range(PROGRAM_FDS, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		sandbox_fail(sandbox, LAYER_COUNT, -errno, "close_range");
	if (setpgid(0, 0) < 0)
		sandbox_fail(sandbox, LAYER_COUNT, -errno, "setpgid");
	enter_root(sandbox);
	wait_for_launcher(sandbox);
	if (sandbox_wants(sandbox, LAYER_CGROUP))
		sandbox_step(sandbox, LAYER_CGROUP, unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0,
			"unshare(CLONE_NEWCGROUP)");
	drop_privileges(sandbox);
	confine(sandbox);
	/* Last, as they are the program's, not this one's. */
	r = rlimits_set(sandbox_wants(sandbox, LAYER_USER));
	if (r < 0)
		sandbox_fail(sandbox, LAYER_COUNT, r, "setrlimit");
	if (sandbox->probing)
		_exit(0);
	become_program(sandbox);
}
