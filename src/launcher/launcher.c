// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/launcher.h"

#include "base/capabilities.h"
#include "base/fd.h"
#include "launcher/hand.h"
#include "launcher/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OVERFLOW_ID 65534 /* nobody's, if there is no user of that name */

enum phase {
	BEGINNING, /* until the runtime is in its namespaces */
	PLACED,    /* until it is the program */
	RUNNING,
};

struct launcher {
	struct sandbox sandbox;
	int control_fd; /* -1 when probing */
	int init_fd, runtime_fd;
	int init_pidfd, runtime_pidfd;
	pid_t init, runtime;
	enum phase phase;
	bool specialised;
	const char *dir; /* the function's folder, once it is told */

	struct report failure; /* the first; `what` is empty if there was none */
	bool ended;            /* the runtime has, with `status` */
	int status;
	struct report lacks[LAYER_COUNT]; /* when probing; `error` 0: nothing is lacking */

	char start_message[CONTROL_BYTES_MAX], function_message[CONTROL_BYTES_MAX];
	struct control_start start;
};

/* ---- to the engine ---- */

static void tell(const struct launcher *launcher, const struct control_report *report)
{
	char message[CONTROL_BYTES_MAX];
	int size = control_put_report(report, message);

	if (launcher->control_fd >= 0 && size > 0)
		(void)send(launcher->control_fd, message, (size_t)size, MSG_NOSIGNAL);
}

static void describe_failure(const struct report *failure, char *text, size_t size)
{
	const char *hint = failure->layer < LAYER_COUNT ? layer_hint(failure->layer) : NULL;

	snprintf(text, size, "%s%s%s: %s%s%s%s",
		failure->layer < LAYER_COUNT ? layer_name(failure->layer) : "",
		failure->layer < LAYER_COUNT ? ": " : "", failure->what, strerror(failure->error),
		hint ? " (" : "", hint ? hint : "", hint ? ")" : "");
}

/* ---- the end ---- */

/*
 * The runtime: if it is about to end by itself, how it did will still be seen. Init follows it, and the
 * rest follows init. Where there is no process namespace, the runtime's group is all that one can find.
 */
static void launcher_kill(const struct launcher *launcher)
{
	if (launcher->runtime_pidfd < 0) {
		if (launcher->init > 0)
			kill(launcher->init, SIGKILL);
		return;
	}
	pidfd_send_signal(launcher->runtime_pidfd, SIGKILL, NULL, 0);
	if (!sandbox_wants(&launcher->sandbox, LAYER_PID))
		kill(-launcher->runtime, SIGKILL);
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

static void fail(struct launcher *launcher, enum layer layer, int error, const char *what)
{
	if (launcher->failure.what[0])
		return;
	launcher->failure = (struct report){.layer = layer, .error = -error};
	snprintf(launcher->failure.what, sizeof(launcher->failure.what), "%s", what);
	launcher_kill(launcher);
}

/* ---- beginning ---- */

static void find_privileges(struct sandbox *sandbox)
{
	const struct passwd *nobody;
	uint64_t has = 0;

	sandbox->uid = geteuid();
	sandbox->gid = getegid();
	if (capabilities_get(&has) < 0)
		return;
	sandbox->may_mount = has & 1ULL << CAP_SYS_ADMIN;
	sandbox->becomes = geteuid() == 0 && has & 1ULL << CAP_SETUID && has & 1ULL << CAP_SETGID;
	if (!sandbox->becomes)
		return;
	nobody = getpwnam("nobody");
	sandbox->uid = nobody ? nobody->pw_uid : OVERFLOW_ID;
	sandbox->gid = nobody ? nobody->pw_gid : OVERFLOW_ID;
}

/* A pair of which our end tells who sent a message. */
static int open_pair(int *ret_ours, int *ret_theirs)
{
	int fds[2], on = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	if (setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

static int write_text(pid_t pid, const char *name, const char *text)
{
	_cleanup_fd_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

static int write_maps(const struct sandbox *sandbox, pid_t init)
{
	char text[64];
	int r = 0;

	/* Who is not privileged must forgo setgroups(), which could take a denial away. */
	if (!sandbox->becomes)
		r = write_text(init, "setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", SANDBOX_UID, sandbox->gid);
	if (r == 0)
		r = write_text(init, "gid_map", text);
	snprintf(text, sizeof(text), "%u %u 1", SANDBOX_UID, sandbox->uid);
	return r < 0 ? r : write_text(init, "uid_map", text);
}

static int clone_init(struct sandbox *sandbox)
{
	int flags = SIGCHLD;

	if (sandbox_wants(sandbox, LAYER_USER))
		flags |= CLONE_NEWUSER;
	if (sandbox_wants(sandbox, LAYER_PID))
		flags |= CLONE_NEWPID;
	/* To copy the host's mounts where it may; the runtime's own comes later. */
	if (sandbox_wants(sandbox, LAYER_ROOT) && !sandbox->may_mount)
		flags |= CLONE_NEWNS;
	return (int)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

/* When probing, without what makes it fail. The process, 0 in it, or a negative errno. */
static int clone_what_can_be(struct launcher *launcher)
{
	static const enum layer needed[] = {LAYER_USER, LAYER_PID, LAYER_ROOT};
	struct sandbox *sandbox = &launcher->sandbox;
	int pid = clone_init(sandbox);

	for (size_t i = 0; i < ARRAY_SIZE(needed) && pid < 0; i++) {
		int error = errno;

		if (!sandbox_wants(sandbox, needed[i]))
			continue;
		if (!sandbox->probing) {
			fail(launcher, needed[i], -error, "clone");
			return -error;
		}
		launcher->lacks[needed[i]] = (struct report){.error = error, .what = "clone"};
		sandbox->layers &= ~LAYER_BIT(needed[i]);
		pid = clone_init(sandbox);
	}
	return pid < 0 ? -errno : pid;
}

static int open_trees(struct sandbox *sandbox, const char **ret_what)
{
	bool mounted = sandbox_wants(sandbox, LAYER_ROOT);

	if (mounted && !sandbox->may_mount)
		return 0; /* init does it, where it may */
	return trees_open(&sandbox->trees, sandbox->start->paths, mounted, ret_what);
}

/* Without a word to the engine; a failure is kept for the end. */
static void launcher_begin(struct launcher *launcher)
{
	struct sandbox *sandbox = &launcher->sandbox;
	struct init_sockets theirs = {-1, -1};
	const char *what = "socketpair";
	int r = open_pair(&launcher->init_fd, &theirs.init_fd);

	if (r == 0)
		r = open_pair(&launcher->runtime_fd, &theirs.runtime_fd);
	if (r == 0)
		r = open_trees(sandbox, &what);
	if (r < 0) {
		fail(launcher, LAYER_ROOT, r, what);
		return;
	}
	r = clone_what_can_be(launcher);
	if (r == 0) {
		close(launcher->init_fd);
		close(launcher->runtime_fd);
		init_run(sandbox, &theirs);
	}
	close(theirs.init_fd);
	close(theirs.runtime_fd);
	if (r < 0) {
		fail(launcher, LAYER_COUNT, r, "clone");
		return;
	}
	launcher->init = r;
	launcher->init_pidfd = pidfd_open(r, 0);
	if (launcher->init_pidfd < 0)
		fail(launcher, LAYER_COUNT, -errno, "pidfd_open");
	r = sandbox_wants(sandbox, LAYER_USER) ? write_maps(sandbox, launcher->init) : 0;
	if (r < 0)
		fail(launcher, LAYER_USER, r, "uid_map");
	else if (send(launcher->init_fd, "", 1, MSG_NOSIGNAL) < 0)
		fail(launcher, LAYER_COUNT, -errno, "send");
}

/* ---- what the inner two report ---- */

static void specialise(struct launcher *launcher)
{
	const struct hand hand = {
		.sandbox = &launcher->sandbox,
		.init_pidfd = launcher->init_pidfd,
		.runtime_pidfd = launcher->runtime_pidfd,
	};
	int r = 0;

	if (sandbox_wants(&launcher->sandbox, LAYER_ROOT))
		r = hand_place_function(&hand, launcher->dir);
	if (r < 0) {
		fail(launcher, LAYER_COUNT, r, launcher->dir);
		return;
	}
	launcher->specialised = true;
	tell(launcher, &(struct control_report){.type = CONTROL_SPECIALISED});
}

static void on_placed(struct launcher *launcher, pid_t runtime)
{
	launcher->runtime = runtime;
	launcher->runtime_pidfd = pidfd_open(runtime, 0);
	if (launcher->runtime_pidfd < 0) {
		fail(launcher, LAYER_COUNT, -errno, "pidfd_open");
		return;
	}
	launcher->phase = PLACED;
	if (launcher->dir)
		specialise(launcher);
	if (send(launcher->runtime_fd, "", 1, MSG_NOSIGNAL) < 0)
		fail(launcher, LAYER_COUNT, -errno, "send");
}

/* The runtime's end of its socket closed: with its program's start, or with its own end. */
static void on_runtime_silent(struct launcher *launcher)
{
	close(launcher->runtime_fd);
	launcher->runtime_fd = -1;
	if (launcher->phase != PLACED || launcher->failure.what[0])
		return;
	launcher->phase = RUNNING;
	tell(launcher, &(struct control_report){
			       .type = CONTROL_STARTED,
			       .pid = (uint32_t)launcher->runtime,
		       });
}

static void on_report(struct launcher *launcher, const struct report *report)
{
	switch (report->kind) {
	case REPORT_LACKS:
		if (report->layer < LAYER_COUNT) {
			launcher->lacks[report->layer] = *report;
			launcher->sandbox.layers &= ~LAYER_BIT(report->layer);
		}
		break;
	case REPORT_FAILED:
		fail(launcher, report->layer, -report->error, report->what);
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

/* All that is there. False: the other side is gone. */
static bool take_reports(struct launcher *launcher, int fd)
{
	struct report report;
	int r;

	while ((r = report_receive(fd, &report)) > 0)
		on_report(launcher, &report);
	return r == -EAGAIN;
}

static _Noreturn void finish(struct launcher *launcher)
{
	struct control_report report = {.type = CONTROL_FAILED};
	int status = EXIT_UNBORN << 8;

	if (launcher->init > 0)
		while (waitpid(launcher->init, &status, 0) < 0 && errno == EINTR)
			;
	if (launcher->failure.what[0]) {
		describe_failure(&launcher->failure, report.text, sizeof(report.text));
		tell(launcher, &report);
		_exit(EXIT_UNBORN);
	}
	end_like(launcher->ended ? launcher->status : status);
}

/* ---- what the engine orders ---- */

/* False: the order is to end. */
static bool take_order(struct launcher *launcher)
{
	struct control_specialise order;
	ssize_t n = recv(launcher->control_fd, launcher->function_message,
		sizeof(launcher->function_message), 0);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	if (launcher->dir ||
		control_get_specialise(launcher->function_message, (size_t)n, &order) < 0) {
		fail(launcher, LAYER_COUNT, -EBADMSG, "an order that makes no sense");
		return true;
	}
	launcher->dir = order.dir;
	if (launcher->phase != BEGINNING)
		specialise(launcher);
	return true;
}

static void wait_for_news(struct launcher *launcher)
{
	enum { CONTROL, INIT, RUNTIME, END, COUNT };
	struct pollfd fds[COUNT] = {
		[CONTROL] = {.fd = launcher->control_fd, .events = POLLIN},
		[INIT] = {.fd = launcher->init_fd, .events = POLLIN},
		[RUNTIME] = {.fd = launcher->runtime_fd, .events = POLLIN},
		[END] = {.fd = launcher->init_pidfd, .events = POLLIN},
	};

	if (poll(fds, COUNT, -1) < 0)
		return;
	/* Before what follows from it. */
	if (fds[CONTROL].revents && !take_order(launcher)) {
		launcher_kill(launcher);
		close(launcher->control_fd);
		launcher->control_fd = -1;
	}
	if (fds[RUNTIME].revents && !take_reports(launcher, launcher->runtime_fd))
		on_runtime_silent(launcher);
	if (fds[INIT].revents && !take_reports(launcher, launcher->init_fd)) {
		close(launcher->init_fd);
		launcher->init_fd = -1;
	}
	if (fds[END].revents && launcher->init_fd < 0)
		finish(launcher);
}

static int read_start(struct launcher *launcher)
{
	ssize_t n = recv(
		launcher->control_fd, launcher->start_message, sizeof(launcher->start_message), 0);

	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	return control_get_start(launcher->start_message, (size_t)n, &launcher->start);
}

static void launcher_init(struct launcher *launcher)
{
	*launcher = (struct launcher){
		.sandbox.start = &launcher->start,
		.control_fd = -1,
		.init_fd = -1,
		.runtime_fd = -1,
		.init_pidfd = -1,
		.runtime_pidfd = -1,
	};
	find_privileges(&launcher->sandbox);
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
	/* Where there is no root of its own, Landlock must know the folder from the start. */
	if (!sandbox_wants(&launcher.sandbox, LAYER_ROOT) && !take_order(&launcher))
		_exit(EXIT_UNBORN);
	launcher.sandbox.dir = launcher.dir;
	if (!launcher.failure.what[0])
		launcher_begin(&launcher);
	if (launcher.init <= 0)
		finish(&launcher);
	close_what_is_the_workers();
	for (;;)
		wait_for_news(&launcher);
}

/* ---- probing ---- */

static void print_layers(const struct launcher *launcher)
{
	for (enum layer layer = 0; layer < LAYER_COUNT; layer++) {
		const struct report *lack = &launcher->lacks[layer];
		const char *hint = layer_hint(layer);

		if (lack->error == 0)
			printf("%s yes\n", layer_name(layer));
		else
			printf("%s no %s: %s%s%s%s\n", layer_name(layer), lack->what,
				strerror(lack->error), hint ? " (" : "", hint ? hint : "",
				hint ? ")" : "");
	}
}

int launcher_probe(void)
{
	static struct launcher launcher;
	char text[CONTROL_TEXT_MAX];

	launcher_init(&launcher);
	launcher.sandbox.probing = true;
	launcher.sandbox.layers = LAYERS_ALL;
	launcher.dir = "/";
	launcher_begin(&launcher);
	while (!launcher.failure.what[0] && (launcher.init_fd >= 0 || launcher.runtime_fd >= 0)) {
		struct pollfd fds[] = {
			{.fd = launcher.init_fd, .events = POLLIN},
			{.fd = launcher.runtime_fd, .events = POLLIN},
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents && !take_reports(&launcher, launcher.runtime_fd))
			on_runtime_silent(&launcher);
		if (fds[0].revents && !take_reports(&launcher, launcher.init_fd)) {
			close(launcher.init_fd);
			launcher.init_fd = -1;
		}
	}
	if (launcher.failure.what[0]) {
		describe_failure(&launcher.failure, text, sizeof(text));
		fprintf(stderr, "netlambda-worker: %s\n", text);
		return -launcher.failure.error;
	}
	print_layers(&launcher);
	return 0;
}
