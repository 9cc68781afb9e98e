// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker's sandbox against a program that wants out. Each attempt is made with all layers; then with
 * each of the layers alone that are said to stop it, so that no layer is only there in name; and then with
 * all of the others, where it must succeed, or the test would prove nothing.
 */
#include "base/fd.h"
#include "engine/isolation.h"
#include "engine/spawn.h"
#include "launcher/cgroup.h"
#include "tests/unit/engine/escape.h"
#include "tests/unit/engine/sandboxed.h"
#include "tests/unit/engine/targets.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct targets target;
static struct isolation_level here; /* what this system has */
static int landlock;                /* its version, 0 if there is none */

/* ---- one worker ---- */

static struct spawned start(uint32_t layers)
{
	return sandbox_start(&(struct sandbox_options){.layers = layers});
}

static void specialise(const struct spawned *spawned)
{
	sandbox_specialise(spawned, target.function, &(struct control_specialise){0});
}

/* A worker that runs and has its function; its runtime's process, too. */
static struct spawned start_limited(
	uint32_t layers, const struct control_specialise *limits, pid_t *ret_runtime)
{
	struct spawned spawned = start(layers);

	sandbox_specialise(&spawned, target.function, limits);
	sandbox_await(&spawned, ret_runtime);
	return spawned;
}

static struct spawned start_worker(uint32_t layers, pid_t *ret_runtime)
{
	return start_limited(layers, &(struct control_specialise){0}, ret_runtime);
}

static int64_t try_with(uint32_t layers, const char *attempt, const char *argument)
{
	struct spawned spawned = start_worker(layers, NULL);
	int64_t answer = try(&spawned, attempt, argument);

	finish(&spawned);
	return answer;
}

static bool is_root(void)
{
	return geteuid() == 0;
}

/* ---- the attempts ---- */

#define BIT(name) LAYER_BIT(LAYER_##name)

struct attempt {
	const char *name;
	const char *argument; /* as a worker with a root of its own says it */
	const char *outside;  /* as one without says it; NULL: the same */
	uint32_t stoppers;    /* layers, each of which is enough */
	uint32_t for_root;    /* and these, if the server is root */
	int landlock;         /* the version that it takes to stop this */
	/* Without these layers it is not possible everywhere either. */
	enum { OPEN, MAY_BE_CLOSED, CLOSED } without;
};

#define FILES (BIT(ROOT) | BIT(LANDLOCK))
#define USERS (BIT(USER) | BIT(PRIVILEGES)) /* whichever is there makes it another user than root */

static const struct attempt attempts[] = {
	/* other's files */
	{"read", target.secret, NULL, FILES, 0, 1, OPEN},
	{"read", target.database, NULL, FILES, USERS, 1, OPEN},
	{"read", "/etc/hostname", NULL, FILES, 0, 1, MAY_BE_CLOSED},
	{"read", "/etc/shadow", NULL, FILES, USERS, 1, CLOSED},
	{"read", target.environ, NULL, FILES | BIT(USER), USERS, 1, OPEN},
	{"read", target.command_line, NULL, FILES, 0, 1, OPEN},
	{"read", "/proc/kallsyms", NULL, FILES, 0, 1, OPEN},
	{"read", "/dev/mem", NULL, FILES, USERS, 1, CLOSED},
	{"write", "/function/code", target.code, FILES, 0, 1, OPEN},
	{"remove", "/function/code", target.code, FILES, 0, 1, OPEN},
	{"create", "/function/more", target.playground, FILES, 0, 1, CLOSED},
	{"create", target.playground, NULL, FILES, 0, 1, OPEN},
	{"create", "/more", NULL, FILES, USERS, 1, CLOSED},
	{"create", "/dev/more", NULL, FILES, USERS, 1, CLOSED},
	{"create", "/proc/self/more", NULL, FILES, USERS, 1, CLOSED},
	{"create", "/etc/more", NULL, FILES, USERS, 1, CLOSED},
	{"write", "/proc/sys/kernel/hostname", NULL, FILES, USERS, 1, CLOSED},
	{"write", "/proc/self/oom_score_adj", NULL, FILES, 0, 1, OPEN},
	{"device", "/tmp/null", NULL, BIT(PRIVILEGES) | BIT(SYSCALLS), 0, 1, CLOSED},
	{"run-written", "/tmp", NULL, FILES, 0, 1, OPEN},
	/* other processes */
	{"signal", target.server, NULL, BIT(PID) | BIT(LANDLOCK), USERS, 6, OPEN},
	{"trace", target.server, NULL, BIT(PID) | BIT(SYSCALLS) | BIT(LANDLOCK) | BIT(USER), USERS,
		1, OPEN},
	{"trace-child", NULL, NULL, BIT(SYSCALLS), 0, 1, OPEN},
	{"memory-of-child", NULL, NULL, BIT(SYSCALLS), 0, 1, OPEN},
	{"descriptor-of-child", NULL, NULL, BIT(SYSCALLS), 0, 1, OPEN},
	{"shared-memory", target.segment, NULL, BIT(IPC) | BIT(SYSCALLS), 0, 1, OPEN},
	/* sockets */
	{"tcp", target.tcp_port, NULL, BIT(NETWORK) | BIT(LANDLOCK) | BIT(SYSCALLS), 0, 4, OPEN},
	{"udp", target.udp_port, NULL, BIT(NETWORK) | BIT(SYSCALLS), 0, 1, OPEN},
	{"unix", target.socket_path, NULL, BIT(ROOT), 0, 1, OPEN},
	{"abstract", target.socket_name, NULL, BIT(NETWORK) | BIT(LANDLOCK), 0, 6, OPEN},
	{"raw-socket", NULL, NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"packet-socket", NULL, NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"netlink-socket", NULL, NULL, BIT(SYSCALLS), 0, 1, OPEN},
	{"vsock-socket", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
	{"crypto-socket", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
	/* more privilege, or more of the kernel */
	{"user-namespace", NULL, NULL, BIT(SYSCALLS), 0, 1, OPEN},
	{"clone-user-namespace", NULL, NULL, BIT(SYSCALLS), 0, 1, OPEN},
	{"clone3-user-namespace", NULL, NULL, BIT(SYSCALLS), 0, 1, OPEN},
	{"enter-namespace", "/proc/self/ns/uts", NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1,
		CLOSED},
	{"mount", "/tmp", NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"bind", "/tmp", NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"chroot", "/tmp", NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"root", NULL, NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"host-name", "escaped", NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"clock", NULL, NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"module", NULL, NULL, BIT(SYSCALLS) | BIT(PRIVILEGES), 0, 1, CLOSED},
	{"io_uring", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
	{"bpf", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
	{"perf", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
	{"keyring", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
	{"userfaultfd", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
	{"kernel-log", NULL, NULL, BIT(SYSCALLS), 0, 1, MAY_BE_CLOSED},
};

static const char *argument_of(const struct attempt *attempt, uint32_t layers)
{
	return attempt->outside && !(layers & BIT(ROOT)) ? attempt->outside : attempt->argument;
}

static void assert_stopped(const struct attempt *attempt, uint32_t layers)
{
	const char *argument = argument_of(attempt, layers);
	int64_t answer = try_with(layers, attempt->name, argument);
	char lacking[256];

	isolation_render_lacking(layers, lacking, sizeof(lacking));
	if (answer >= 0)
		fail_msg("%s %s succeeded without %s", attempt->name, argument ? argument : "",
			lacking[0] ? lacking : "lack of any layer");
}

static bool is_dependable(const struct attempt *attempt, enum layer layer)
{
	return layer != LAYER_LANDLOCK || landlock >= attempt->landlock;
}

static uint32_t stoppers_of(const struct attempt *attempt)
{
	uint32_t stoppers = attempt->stoppers | (is_root() ? attempt->for_root : 0);

	/* Who is not root has no other namespace without it. */
	return is_root() ? stoppers : stoppers & ~BIT(USER);
}

static void assert_open(const struct attempt *attempt, uint32_t layers)
{
	const char *argument = argument_of(attempt, layers);
	int64_t answer;

	if (attempt->without == CLOSED || (!is_root() && attempt->stoppers & BIT(USER)))
		return;
	answer = try_with(layers, attempt->name, argument);
	targets_restore(&target);
	if (answer >= 0)
		return;
	if (attempt->without == OPEN)
		fail_msg("%s %s: expected that it works without what should stop it, got %s",
			attempt->name, argument ? argument : "", strerror((int)-answer));
	print_message("not shown that it would work otherwise: %s: %s\n", attempt->name,
		strerror((int)-answer));
}

static void no_attempt_succeeds_and_each_layer_alone_stops_it(void **state _unused_)
{
	uint32_t all = here.layers;

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *attempt = &attempts[i];
		uint32_t stoppers = stoppers_of(attempt);

		assert_stopped(attempt, all);
		for (enum layer layer = 0; layer < LAYER_COUNT; layer++)
			if (stoppers & all & LAYER_BIT(layer) && is_dependable(attempt, layer))
				assert_stopped(attempt, (all & ~stoppers) | LAYER_BIT(layer));
		assert_open(attempt, all & ~stoppers);
	}
}

/* ---- what is limited, or its own ---- */

static void temporary_files_are_its_own_and_limited(void **state _unused_)
{
	struct spawned one = start_worker(here.layers, NULL);
	struct spawned two = start_worker(here.layers, NULL);

	assert_int_equal(try(&one, "create", "/tmp/mine"), 0);
	assert_int_equal(try(&one, "fill", "/tmp"), 64);
	assert_true(try(&one, "fill-with-names", "/tmp") < 5000);
	assert_int_equal(try(&two, "read", "/tmp/mine"), -ENOENT);
	finish(&one);
	finish(&two);
	assert_int_equal(access("/tmp/mine", F_OK), -1);
}

#define GROUPS (BIT(MEMORY) | BIT(CPU) | BIT(PROCESSES))

static void need_groups(void)
{
	if ((here.layers & GROUPS) == GROUPS)
		return;
	print_message("skipped: %s\n",
		here.lacks[LAYER_MEMORY] ? here.lacks[LAYER_MEMORY] : "not all controllers");
	skip();
}

static int64_t fork_with(uint32_t layers, uint32_t processes)
{
	const struct control_specialise limits = {.processes = processes};
	struct spawned spawned = start_limited(layers, &limits, NULL);
	int64_t answer = try(&spawned, "fork", NULL);

	finish(&spawned);
	return answer;
}

static void forks_end_soon(void **state _unused_)
{
	assert_in_range(fork_with(here.layers & ~GROUPS, 20), 100, 127);
	/* Without a user of its own its processes are not counted by themselves. */
	if (is_root())
		assert_int_equal(fork_with(here.layers & ~(GROUPS | BIT(USER)), 20), 300);
	need_groups();
	assert_in_range(fork_with(here.layers, 20), 10, 19);
	if (is_root())
		assert_in_range(fork_with(here.layers & ~BIT(USER), 20), 10, 19);
}

static void assert_runs_out(uint32_t layers, const char *attempt, const char *argument)
{
	const struct control_specialise limits = {.memory = 48 << 20};
	struct spawned spawned = start_limited(layers, &limits, NULL);
	struct escape_order order = {0};
	int status;

	snprintf(order.attempt, sizeof(order.attempt), "%s", attempt);
	snprintf(order.argument, sizeof(order.argument), "%s", argument);
	assert_int_equal(write(spawned.pipe_fd, &order, sizeof(order)), sizeof(order));
	wait_readable(spawned.pid_fd, "the worker's end");
	assert_string_equal(next_report(&spawned).text, "out of memory: its limit is 48 MiB");
	status = finish(&spawned);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void who_eats_memory_is_killed_and_it_is_said_why(void **state _unused_)
{
	const struct control_specialise limits = {.memory = 48 << 20};
	struct spawned spawned;

	need_groups();
	assert_runs_out(here.layers, "eat", "90");
	/* What is in /tmp is memory. */
	assert_runs_out(here.layers, "fill", "/tmp");
	spawned = start_limited(here.layers & ~BIT(MEMORY), &limits, NULL);
	assert_int_equal(try(&spawned, "eat", "90"), 90);
	/* Of its own data alone there is twice as much. */
	assert_int_equal(try(&spawned, "eat", "90"), -ENOMEM);
	finish(&spawned);
}

/* Of a process, as seen from outside: how often it had to wait for the limit. */
static unsigned long count_throttled(pid_t pid)
{
	char command[512], text[32] = "";
	FILE *output;

	snprintf(command, sizeof(command),
		"p=$(grep -E ':(.*,)?cpu(,.*)?:' /proc/%1$d/cgroup | cut -d: -f3); "
		"d=/sys/fs/cgroup/cpu; "
		"[ -n \"$p\" ] || { p=$(grep ^0:: /proc/%1$d/cgroup | cut -d: -f3); "
		"d=/sys/fs/cgroup; }; "
		"sed -n 's/^nr_throttled //p' \"$d$p/cpu.stat\"",
		pid);
	output = popen(command, "r");
	assert_non_null(output);
	assert_non_null(fgets(text, sizeof(text), output));
	pclose(output);
	return strtoul(text, NULL, 10);
}

static void use_of_processors_is_limited(void **state _unused_)
{
	const struct control_specialise limits = {.cpu = 2};
	struct spawned spawned;
	pid_t runtime;

	need_groups();
	spawned = start_limited(here.layers, &limits, &runtime);
	assert_int_equal(try(&spawned, "spin", "30"), 0);
	assert_true(count_throttled(runtime) > 0);
	finish(&spawned);
	spawned = start_worker(here.layers, &runtime);
	assert_int_equal(try(&spawned, "spin", "100"), 0);
	assert_int_equal(count_throttled(runtime), 0);
	finish(&spawned);
}

/* Also those of workers whose launcher was killed, when the next engine begins. */
static void groups_go_with_their_workers(void **state _unused_)
{
	struct cgroup again;
	struct spawned spawned;
	const char *what;
	pid_t launcher;

	need_groups();
	spawned = start_worker(here.layers, NULL);
	launcher = spawned.pid;
	assert_int_equal(cgroup_make(CGROUP_MEMORY, launcher, &again, &what), 0);
	finish(&spawned);
	assert_int_equal(access(again.dir, F_OK), -1);
	spawned = start_worker(here.layers, NULL);
	assert_int_equal(cgroup_make(CGROUP_MEMORY, spawned.pid, &again, &what), 0);
	assert_int_equal(kill(spawned.pid, SIGKILL), 0);
	finish(&spawned);
	for (int i = 0; i < 6000 && access(again.dir, F_OK) == 0; i++) {
		cgroup_prepare();
		usleep(10000); /* until the last of it has gone */
	}
	assert_int_equal(access(again.dir, F_OK), -1);
}

/* There this process has another pid, or none. */
static void prepare_in_another_namespace(void)
{
	if (unshare(CLONE_NEWPID) < 0 || fork() == 0) {
		cgroup_prepare();
		_exit(0);
	}
	wait(NULL);
	_exit(0);
}

/* One that is made is empty for a moment. */
static void groups_of_another_pid_namespace_are_left_alone(void **state _unused_)
{
	struct cgroup group;
	const char *what;
	pid_t child;

	need_groups();
	assert_int_equal(cgroup_make(CGROUP_MEMORY, getpid(), &group, &what), 0);
	child = fork();
	if (child == 0)
		prepare_in_another_namespace();
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(access(group.dir, F_OK), 0);
	cgroup_remove(&group);
}

static void descriptors_and_environment_are_its_own(void **state _unused_)
{
	/* Deliberately without O_CLOEXEC. */
	int leak = open("/etc/passwd", O_RDONLY);

	assert_int_equal(setenv("NETLAMBDA_SECRET", "s3cret", 1), 0);
	assert_int_equal(try_with(here.layers, "descriptors", NULL), 4);
	assert_int_equal(try_with(here.layers, "environment", NULL), 3);
	assert_int_equal(try_with(here.layers, "processes", NULL), 0);
	assert_int_equal(try_with(0, "descriptors", NULL), 4);
	assert_int_equal(try_with(0, "environment", NULL), 3);
	assert_true(try_with(0, "processes", NULL) > 1);
	assert_int_equal(unsetenv("NETLAMBDA_SECRET"), 0);
	close(leak);
}

static void read_status(pid_t pid, char text[static 4096])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	text[fread(text, 1, 4095, file)] = '\0';
	fclose(file);
}

static bool shares_namespace(pid_t pid, const char *name)
{
	char path[64], theirs[64] = "", ours[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	assert_true(readlink(path, theirs, sizeof(theirs) - 1) > 0);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	assert_true(readlink(path, ours, sizeof(ours) - 1) > 0);
	return strcmp(ours, theirs) == 0;
}

/* Not what it says of itself: what the kernel says of it. */
static void kernel_confirms_the_layers(void **state _unused_)
{
	static const char *const lines[] = {"CapInh:\t0000000000000000\n",
		"CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n",
		"CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n",
		"Seccomp:\t2\n"};
	static const char *const namespaces[] = {
		"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	char text[4096];
	pid_t runtime;
	struct spawned spawned = start_worker(here.layers, &runtime);

	read_status(runtime, text);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("expected \"%s\" in %s", lines[i], text);
	assert_null(strstr(text, "Uid:\t0"));
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (shares_namespace(runtime, namespaces[i]))
			fail_msg("it shares our %s namespace", namespaces[i]);
	finish(&spawned);
}

/* ---- the two steps ---- */

static void function_comes_to_a_program_that_runs(void **state _unused_)
{
	struct spawned spawned = start(here.layers);

	expect_report(&spawned, CONTROL_STARTED);
	assert_int_equal(try(&spawned, "read", "/function/code"), -ENOENT);
	assert_int_equal(try(&spawned, "create", "/function/more"), -EROFS);
	specialise(&spawned);
	expect_report(&spawned, CONTROL_SPECIALISED);
	assert_int_equal(try(&spawned, "read", "/function/code"), 1);
	assert_int_equal(try(&spawned, "write", "/function/code"), -EROFS);
	finish(&spawned);
}

/* Landlock must know the folder before the program runs. */
static void without_a_root_the_program_waits_for_its_function(void **state _unused_)
{
	struct spawned spawned = start(here.layers & ~BIT(ROOT));
	struct pollfd poll_fd = {.fd = spawned.control_fd, .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, 100), 0);
	specialise(&spawned);
	expect_report(&spawned, CONTROL_SPECIALISED);
	expect_report(&spawned, CONTROL_STARTED);
	assert_int_equal(try(&spawned, "read", target.code), 1);
	assert_int_equal(try(&spawned, "read", target.secret), -EACCES);
	finish(&spawned);
}

/* ---- what fails ---- */

static void assert_fails(struct spawned *spawned, const char *words)
{
	struct control_report report = next_report(spawned);

	while (report.type == CONTROL_SPECIALISED || report.type == CONTROL_STARTED)
		report = next_report(spawned);
	assert_int_equal(report.type, CONTROL_FAILED);
	if (!strstr(report.text, words))
		fail_msg("expected \"%s\" in \"%s\"", words, report.text);
	assert_int_equal(WEXITSTATUS(finish(spawned)), 127);
}

static void layer_that_cannot_be_had_stops_the_start_and_is_named(void **state _unused_)
{
	struct spawned spawned;

	if (is_root())
		skip(); /* nothing is refused to root here */
	spawned = start(here.layers & ~BIT(USER));
	assert_fails(&spawned, "pid-namespace: clone: Operation not permitted");
	spawned = start(BIT(NETWORK));
	specialise(&spawned);
	assert_fails(&spawned, "network-namespace: unshare(CLONE_NEWNET): Operation not permitted");
}

static void folder_that_is_not_there_or_not_readable_is_said(void **state _unused_)
{
	const struct control_specialise missing = {.dir = "/nonexistent/function"};
	struct spawned spawned = start(here.layers);

	assert_int_equal(spawn_specialise(&spawned, &missing), 0);
	assert_fails(&spawned, "/nonexistent/function: No such file or directory");
	assert_int_equal(chmod(target.function, 0), 0);
	spawned = start(here.layers);
	specialise(&spawned);
	assert_fails(&spawned, "Permission denied");
	assert_int_equal(chmod(target.function, 0777), 0);
}

static void launcher_without_an_engine_says_so(void **state _unused_)
{
	char command[PATH_MAX];
	FILE *output;
	char line[128] = "";

	snprintf(command, sizeof(command), "%s 4</dev/null 2>&1", getenv("NETLAMBDA_WORKER"));
	output = popen(command, "r");
	assert_non_null(output);
	assert_non_null(fgets(line, sizeof(line), output));
	assert_string_equal(line, "netlambda-worker: the server runs it, or --probe\n");
	assert_int_equal(WEXITSTATUS(pclose(output)), 2);
}

/* ---- the end ---- */

/* The pipe's other end is held by whatever of the worker still lives. */
static bool pipe_ends(int pipe_fd, int within_ms)
{
	struct pollfd poll_fd = {.fd = pipe_fd, .events = POLLIN};
	char byte;

	return poll(&poll_fd, 1, within_ms) == 1 && read(pipe_fd, &byte, 1) == 0;
}

/* For so long, at least. */
static bool outlived_by_a_daemon(uint32_t layers, int for_ms)
{
	struct spawned spawned = start_worker(layers, NULL);
	int pipe_fd = fcntl(spawned.pipe_fd, F_DUPFD_CLOEXEC, 0);
	bool outlived;

	assert_true(pipe_fd >= 0);
	assert_int_equal(try(&spawned, "daemon", NULL), 0);
	finish(&spawned);
	outlived = !pipe_ends(pipe_fd, for_ms);
	close(pipe_fd); /* lets it go */
	return outlived;
}

static void nothing_outlives_the_worker(void **state _unused_)
{
	assert_false(outlived_by_a_daemon(here.layers, 60000));
	assert_true(outlived_by_a_daemon(here.layers & ~(BIT(PID) | GROUPS), 300));
	need_groups();
	assert_false(outlived_by_a_daemon(here.layers & ~BIT(PID), 60000));
}

static void killed_launcher_takes_the_worker_with_it(void **state _unused_)
{
	pid_t runtime;
	struct spawned spawned = start_worker(here.layers, &runtime);
	_cleanup_fd_ int runtime_fd = pidfd_open(runtime, 0);

	assert_true(runtime_fd >= 0);
	assert_int_equal(kill(spawned.pid, SIGKILL), 0);
	wait_readable(runtime_fd, "the runtime's end");
	assert_int_equal(WTERMSIG(finish(&spawned)), SIGKILL);
}

/* A server that is killed cannot clean up. */
static void killed_server_takes_the_worker_with_it(void **state _unused_)
{
	pid_t pids[2], server;
	int fds[2], pid_fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	server = fork();
	if (server == 0) {
		struct spawned spawned = start_worker(here.layers, &pids[1]);

		pids[0] = spawned.pid;
		_exit(write(fds[1], pids, sizeof(pids)) == sizeof(pids) && pause() == 0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], pids, sizeof(pids)), sizeof(pids));
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pid_fds[i] = pidfd_open(pids[i], 0);
		assert_true(pid_fds[i] >= 0);
	}
	assert_int_equal(kill(server, SIGKILL), 0);
	assert_int_equal(waitpid(server, NULL, 0), server);
	wait_readable(pid_fds[0], "the launcher's end");
	wait_readable(pid_fds[1], "the runtime's end");
	close(pid_fds[0]);
	close(pid_fds[1]);
	close(fds[0]);
}

static void end_of_the_program_is_the_launchers(void **state _unused_)
{
	pid_t runtime;
	struct spawned spawned = start_worker(here.layers, &runtime);
	int status;

	assert_int_equal(kill(runtime, SIGSEGV), 0);
	wait_readable(spawned.pid_fd, "the worker's end");
	status = finish(&spawned);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	spawned = start_worker(here.layers, NULL);
	assert_int_equal(shutdown(spawned.pipe_fd, SHUT_WR), 0);
	wait_readable(spawned.pid_fd, "the worker's end");
	status = finish(&spawned);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the choice ---- */

static void strict_refuses_what_lacks_a_promised_layer(void **state _unused_)
{
	struct isolation_level level = {.layers = LAYERS_ALL & ~BIT(NETWORK)};
	_cleanup_free_ char *error = NULL;
	uint32_t layers = 77;

	level.lacks[LAYER_NETWORK] = (char *)"unshare(CLONE_NEWNET): Operation not permitted";
	assert_int_equal(
		isolation_choose(&level, ISOLATION_STRICT, ISOLATION_PROMISED, &layers, &error),
		-EPERM);
	assert_int_equal(layers, 77);
	assert_string_equal(error,
		"isolation: no network-namespace here: unshare(CLONE_NEWNET): Operation not "
		"permitted; \"isolation\": \"best-effort\" runs it without");
	assert_int_equal(
		isolation_choose(&level, ISOLATION_BEST_EFFORT, ISOLATION_PROMISED, &layers, NULL),
		0);
	assert_int_equal(layers, LAYERS_ALL & ~BIT(NETWORK));
	assert_int_equal(
		isolation_choose(&level, ISOLATION_NONE, ISOLATION_PROMISED, &layers, NULL), 0);
	assert_int_equal(layers, 0);
}

static void strict_does_without_what_is_not_promised(void **state _unused_)
{
	struct isolation_level level = {.layers = ISOLATION_PROMISED};
	uint32_t layers;
	char lacking[256];

	assert_int_equal(
		isolation_choose(&level, ISOLATION_STRICT, ISOLATION_PROMISED, &layers, NULL), 0);
	assert_int_equal(layers, ISOLATION_PROMISED);
	isolation_render_lacking(layers, lacking, sizeof(lacking));
	assert_string_equal(lacking,
		"uts-namespace,cgroup-namespace,landlock,memory-limit,cpu-limit,process-limit");
}

static void probe_of_what_is_no_launcher_is_an_error(void **state _unused_)
{
	struct isolation_level level;
	char *error = NULL;

	assert_int_equal(isolation_probe("/nonexistent", &level, &error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent"));
	free(error);
	error = NULL;
	assert_int_equal(isolation_probe("/bin/echo", &level, &error), -EBADMSG);
	assert_non_null(strstr(error, "--probe"));
	free(error);
}

static int setup(void **state _unused_)
{
	char *error = NULL;
	int r = targets_make(&target);

	if (r == 0 && isolation_probe(getenv("NETLAMBDA_WORKER"), &here, &error) < 0)
		fail_msg("%s", error);
	landlock =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return r;
}

static int teardown(void **state _unused_)
{
	isolation_level_done(&here);
	cgroup_prepare(); /* sweeps what killed launchers left */
	return targets_remove(&target);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_attempt_succeeds_and_each_layer_alone_stops_it),
		cmocka_unit_test(temporary_files_are_its_own_and_limited),
		cmocka_unit_test(forks_end_soon),
		cmocka_unit_test(who_eats_memory_is_killed_and_it_is_said_why),
		cmocka_unit_test(use_of_processors_is_limited),
		cmocka_unit_test(groups_go_with_their_workers),
		cmocka_unit_test(groups_of_another_pid_namespace_are_left_alone),
		cmocka_unit_test(descriptors_and_environment_are_its_own),
		cmocka_unit_test(kernel_confirms_the_layers),
		cmocka_unit_test(function_comes_to_a_program_that_runs),
		cmocka_unit_test(without_a_root_the_program_waits_for_its_function),
		cmocka_unit_test(layer_that_cannot_be_had_stops_the_start_and_is_named),
		cmocka_unit_test(folder_that_is_not_there_or_not_readable_is_said),
		cmocka_unit_test(launcher_without_an_engine_says_so),
		cmocka_unit_test(nothing_outlives_the_worker),
		cmocka_unit_test(killed_launcher_takes_the_worker_with_it),
		cmocka_unit_test(killed_server_takes_the_worker_with_it),
		cmocka_unit_test(end_of_the_program_is_the_launchers),
		cmocka_unit_test(strict_refuses_what_lacks_a_promised_layer),
		cmocka_unit_test(strict_does_without_what_is_not_promised),
		cmocka_unit_test(probe_of_what_is_no_launcher_is_an_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

int main(void)
{
	return targets_run(run);
}
