// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/launcher.h"

#include "base/fd.h"
#include "launcher/hand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- to the engine ---- */

static void tell(const struct launcher *launcher, const struct control_report *report)
{
	char message[CONTROL_BYTES_MAX];
	int size = control_put_report(report, message);

	if (launcher->control_fd >= 0 && size > 0)
		(void)send(launcher->control_fd, message, (size_t)size, MSG_NOSIGNAL);
}

void launcher_describe(const struct report *report, char *text, size_t size)
{
	bool is_layer = report->layer < LAYER_COUNT;
	const char *hint = is_layer ? layer_hint(report->layer) : NULL;

	snprintf(text, size, "%s%s%s: %s%s%s%s", is_layer ? layer_name(report->layer) : "",
		is_layer ? ": " : "", report->what, strerror(report->error), hint ? " (" : "",
		hint ? hint : "", hint ? ")" : "");
}

/* ---- the end ---- */

/*
 * The runtime: if it is about to end by itself, how it did will still be seen. Init follows it, and the
 * rest follows init. Where there is no process namespace, the runtime's group is killed, and what is
 * left in its control group when it has gone.
 */
static void launcher_kill(const struct launcher *launcher)
{
	if (launcher->runtime_pidfd < 0) {
		if (launcher->birth.init > 0)
			kill(launcher->birth.init, SIGKILL);
		return;
	}
	pidfd_send_signal(launcher->runtime_pidfd, SIGKILL, NULL, 0);
	if (!sandbox_wants(&launcher->sandbox, LAYER_PID))
		kill(-launcher->runtime, SIGKILL);
}

static void fail(struct launcher *launcher, enum layer layer, int error, const char *what)
{
	if (launcher->failure.what[0])
		return;
	launcher->failure = (struct report){.layer = layer, .error = -error};
	snprintf(launcher->failure.what, sizeof(launcher->failure.what), "%s", what);
	launcher_kill(launcher);
}

/* As the runtime ended, so that whoever waits for the launcher sees that. */
static _Noreturn void end_like(int status)
{
	const struct rlimit none = {0};

	if (WIFSIGNALED(status) && setrlimit(RLIMIT_CORE, &none) == 0) {
		signal(WTERMSIG(status), SIG_DFL);
		kill(getpid(), WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_UNBORN);
}

static void tell_if_out_of_memory(const struct launcher *launcher, int status)
{
	struct control_report report = {.type = CONTROL_ENDED};

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL ||
		!groups_ran_out_of_memory(&launcher->groups))
		return;
	snprintf(report.text, sizeof(report.text), "out of memory: its limit is %llu MiB",
		(unsigned long long)launcher->function.memory >> 20);
	tell(launcher, &report);
}

static _Noreturn void finish(struct launcher *launcher)
{
	struct control_report report = {.type = CONTROL_FAILED};
	int status = EXIT_UNBORN << 8;

	if (launcher->birth.init > 0)
		while (waitpid(launcher->birth.init, &status, 0) < 0 && errno == EINTR)
			;
	if (launcher->ended)
		status = launcher->status;
	relays_end(&launcher->relays);
	if (!sandbox_wants(&launcher->sandbox, LAYER_PID))
		groups_kill(&launcher->groups);
	tell_if_out_of_memory(launcher, status);
	groups_remove(&launcher->groups);
	if (launcher->failure.what[0]) {
		launcher_describe(&launcher->failure, report.text, sizeof(report.text));
		tell(launcher, &report);
		_exit(EXIT_UNBORN);
	}
	end_like(status);
}

/* ---- beginning ---- */

static void on_lack(void *user, const struct report *report)
{
	struct launcher *launcher = user;

	launcher->lacks[report->layer] = *report;
	launcher->sandbox.layers &= ~LAYER_BIT(report->layer);
}

/* What init, which may be nobody in particular, could not open. */
static int open_trees(struct sandbox *sandbox, const char **ret_what)
{
	bool mounted = sandbox_wants(sandbox, LAYER_ROOT);

	if (mounted && !sandbox->may_mount)
		return 0; /* init may, in its own namespace */
	return trees_open(&sandbox->trees, sandbox->start->paths, mounted, ret_what);
}

void launcher_begin(struct launcher *launcher)
{
	struct report failure;
	const char *what = "";
	int r = open_trees(&launcher->sandbox, &what);

	if (r < 0)
		fail(launcher, LAYER_ROOT, r, what);
	else if (birth_begin(&launcher->sandbox, on_lack, launcher, &launcher->birth, &failure) < 0)
		fail(launcher, failure.layer, -failure.error, failure.what);
}

/* A step towards a layer that is the launcher's to take. */
static void on_step(struct launcher *launcher, enum layer layer, int error, const char *what)
{
	struct report report = {.layer = layer, .error = -error};

	if (error == 0)
		return;
	if (!launcher->sandbox.probing) {
		fail(launcher, layer, error, what);
		return;
	}
	snprintf(report.what, sizeof(report.what), "%s", what);
	on_lack(launcher, &report);
}

/* ---- what the inner two report ---- */

/*
 * What is in no control group yet, addresses: a limit that allocations run into, before the kernel has to
 * kill. Not before the program runs, as it counts what the process has, whatever it is.
 */
static void limit_data(const struct launcher *launcher)
{
	const rlim_t most = 2 * launcher->function.memory;
	const struct rlimit limit = {most, most};

	if (launcher->phase == LAUNCHER_RUNS && most > 0)
		(void)prlimit(launcher->runtime, RLIMIT_DATA, &limit, NULL);
}

static void specialise(struct launcher *launcher)
{
	const struct hand hand = {
		.sandbox = &launcher->sandbox,
		.init_pidfd = launcher->birth.init_pidfd,
		.runtime_pidfd = launcher->runtime_pidfd,
	};
	enum layer layer;
	int r = groups_limit(&launcher->groups, &launcher->function, &layer);

	if (r < 0) {
		on_step(launcher, layer, r, "setting a cgroup's limit");
		return;
	}
	if (sandbox_wants(&launcher->sandbox, LAYER_ROOT))
		r = hand_place_function(&hand, launcher->function.dir);
	if (r < 0) {
		fail(launcher, LAYER_COUNT, r, launcher->function.dir);
		return;
	}
	limit_data(launcher);
	tell(launcher, &(struct control_report){.type = CONTROL_SPECIALISED});
}

static void join_groups(struct launcher *launcher)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		enum cgroup_controller controller = (enum cgroup_controller)i;
		const char *what = "";
		int r;

		if (!sandbox_wants(&launcher->sandbox, groups_layer(controller)))
			continue;
		r = groups_make(&launcher->groups, controller, launcher->runtime, &what);
		on_step(launcher, groups_layer(controller), r, what);
	}
}

static void on_placed(struct launcher *launcher, pid_t runtime)
{
	launcher->runtime = runtime;
	launcher->runtime_pidfd = pidfd_open(runtime, 0);
	if (launcher->runtime_pidfd < 0) {
		fail(launcher, LAYER_COUNT, -errno, "pidfd_open");
		return;
	}
	launcher->phase = LAUNCHER_PLACED;
	join_groups(launcher);
	if (launcher->has_function && !launcher->failure.what[0])
		specialise(launcher);
	if (send(launcher->birth.runtime_fd, "", 1, MSG_NOSIGNAL) < 0)
		fail(launcher, LAYER_COUNT, -errno, "send");
}

/* The runtime's end of its socket closed: with its program's start, or with its own end. */
static void on_runtime_silent(struct launcher *launcher)
{
	if (launcher->phase != LAUNCHER_PLACED || launcher->failure.what[0])
		return;
	launcher->phase = LAUNCHER_RUNS;
	limit_data(launcher);
	tell(launcher, &(struct control_report){
			       .type = CONTROL_STARTED,
			       .pid = (uint32_t)launcher->runtime,
		       });
}

static void on_doors(struct launcher *launcher, const struct report *report)
{
	struct relays *relays = &launcher->relays;

	if (report->fd_count != launcher->sandbox.door_count) {
		fail(launcher, LAYER_NETWORK, -EBADMSG, "doors");
		return;
	}
	memcpy(relays->doors, launcher->sandbox.doors, sizeof(relays->doors));
	memcpy(relays->door_fds, report->fds, report->fd_count * sizeof(int));
	relays->door_count = report->fd_count;
}

static void on_report(struct launcher *launcher, const struct report *report)
{
	switch (report->kind) {
	case REPORT_LACKS:
		if (report->layer < LAYER_COUNT)
			on_lack(launcher, report);
		break;
	case REPORT_FAILED:
		fail(launcher, report->layer, -report->error, report->what);
		break;
	case REPORT_DOORS:
		on_doors(launcher, report);
		break;
	case REPORT_PLACED:
		on_placed(launcher, report->pid);
		break;
	case REPORT_ENDED:
		launcher->ended = true;
		launcher->status = report->error;
		break;
	}
}

/* All that is there. True, and the socket is closed: the other side is gone. */
static bool take_reports_of(struct launcher *launcher, int *fd)
{
	struct report report;
	int r;

	if (*fd < 0)
		return false;
	while ((r = report_receive(*fd, &report)) > 0)
		on_report(launcher, &report);
	if (r == -EAGAIN || r == -EINTR)
		return false;
	close(*fd);
	*fd = -1;
	return true;
}

bool launcher_take_reports(struct launcher *launcher)
{
	if (take_reports_of(launcher, &launcher->birth.runtime_fd))
		on_runtime_silent(launcher);
	(void)take_reports_of(launcher, &launcher->birth.init_fd);
	return launcher->birth.runtime_fd < 0 && launcher->birth.init_fd < 0;
}

/* ---- what the engine orders ---- */

/* False: the order is to end. */
static bool take_order(struct launcher *launcher)
{
	ssize_t n = recv(launcher->control_fd, launcher->function_message,
		sizeof(launcher->function_message), 0);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	if (launcher->has_function || control_get_specialise(launcher->function_message, (size_t)n,
					      &launcher->function) < 0) {
		fail(launcher, LAYER_COUNT, -EBADMSG, "an order that makes no sense");
		return true;
	}
	launcher->has_function = true;
	if (launcher->phase != LAUNCHER_BEGINS)
		specialise(launcher);
	return true;
}

static void tend_relays(struct launcher *launcher)
{
	const struct relay_owner owner = {
		.groups = &launcher->groups,
		.uid = launcher->sandbox.uid,
		.gid = launcher->sandbox.gid,
		.becomes = launcher->sandbox.becomes,
		.filtered = sandbox_wants(&launcher->sandbox, LAYER_SYSCALLS),
	};

	relays_tend(&launcher->relays, &owner);
}

static void wait_for_news(struct launcher *launcher)
{
	enum { CONTROL, INIT, RUNTIME, END, COUNT };
	struct pollfd fds[COUNT + DOORS_MAX + RELAYS_MAX] = {
		[CONTROL] = {.fd = launcher->ordered_to_end ? -1 : launcher->control_fd,
			.events = POLLIN},
		[INIT] = {.fd = launcher->birth.init_fd, .events = POLLIN},
		[RUNTIME] = {.fd = launcher->birth.runtime_fd, .events = POLLIN},
		[END] = {.fd = launcher->birth.init_pidfd, .events = POLLIN},
	};
	size_t count = COUNT + relays_poll(&launcher->relays, &fds[COUNT]);
	bool silent;

	if (poll(fds, count, -1) < 0)
		return;
	if (fds[CONTROL].revents && !take_order(launcher)) {
		launcher_kill(launcher);
		launcher->ordered_to_end = true; /* who gave the orders may still listen */
	}
	silent = launcher_take_reports(launcher);
	if (fds[END].revents && silent)
		finish(launcher);
	tend_relays(launcher);
}

static int read_start(struct launcher *launcher)
{
	ssize_t n = recv(
		launcher->control_fd, launcher->start_message, sizeof(launcher->start_message), 0);

	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	return control_get_start(launcher->start_message, (size_t)n, &launcher->start);
}

void launcher_init(struct launcher *launcher)
{
	*launcher = (struct launcher){
		.sandbox.start = &launcher->start,
		.birth = {.init_fd = -1, .runtime_fd = -1, .init_pidfd = -1},
		.control_fd = -1,
		.runtime_pidfd = -1,
	};
	birth_find_privileges(&launcher->sandbox);
}

/* What the worker has, the launcher need not; its output it keeps, to be able to say something. */
static void close_what_is_the_workers(void)
{
	close(0);
	close(1);
	close(3);
}

_Noreturn void launcher_run(void)
{
	static struct launcher launcher;
	int r;

	launcher_init(&launcher);
	launcher.control_fd = CONTROL_FD;
	r = fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0 ? -errno : read_start(&launcher);
	if (r < 0) {
		fprintf(stderr, "netlambda-worker: no order from the engine: %s\n", strerror(-r));
		_exit(EXIT_UNBORN);
	}
	launcher.sandbox.layers = launcher.start.layers & LAYERS_ALL;
	r = doors_plan(launcher.start.network, launcher.sandbox.doors);
	if (r < 0)
		fail(&launcher, LAYER_COUNT, r, "network");
	else
		launcher.sandbox.door_count = (size_t)r;
	/* Where there is no root of its own, Landlock must know the folder from the start. */
	if (!sandbox_wants(&launcher.sandbox, LAYER_ROOT) && !take_order(&launcher))
		_exit(EXIT_UNBORN);
	launcher.sandbox.dir = launcher.function.dir;
	if (!launcher.failure.what[0])
		launcher_begin(&launcher);
	if (launcher.birth.init <= 0)
		finish(&launcher);
	close_what_is_the_workers();
	for (;;)
		wait_for_news(&launcher);
}
