// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/engine/targets.h"

#include "base/fd.h"
#include "engine/isolation.h"
#include "launcher/cgroup.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define UNPRIVILEGED 61234

static void path_in(const struct targets *targets, char path[static TARGET_PATH], const char *name)
{
	assert_true(snprintf(path, TARGET_PATH, "%s/%s", targets->dir, name) < TARGET_PATH);
}

static void make_file(
	const struct targets *targets, char path[static TARGET_PATH], const char *name, mode_t mode)
{
	int fd;

	path_in(targets, path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, "x\n", 2) == 2 && fchmod(fd, mode) == 0);
	close(fd);
}

static void make_dir(
	const struct targets *targets, char path[static TARGET_PATH], const char *name, mode_t mode)
{
	path_in(targets, path, name);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int listen_inet(int type, char port[static 16])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(port, 16, "%u", ntohs(address.sin_port));
	return fd;
}

static void listen_unix(const char *path, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path));

	snprintf(address.sun_path + abstract, sizeof(address.sun_path) - 1, "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 16), 0);
}

static void make_segment(struct targets *targets)
{
	key_t key = (key_t)(0x4e4c0000 + (getpid() & 0xffff));

	targets->segment_id = shmget(key, 4096, IPC_CREAT | 0666);
	assert_true(targets->segment_id >= 0);
	snprintf(targets->segment, sizeof(targets->segment), "%d", key);
}

static void fill_in(struct targets *targets)
{
	char other[TARGET_PATH];

	make_dir(targets, targets->function, "function", 0777);
	make_file(targets, targets->code, "function/code", 0666);
	make_dir(targets, other, "other", 0755);
	make_file(targets, targets->secret, "other/secret", 0644);
	make_file(targets, targets->database, "state.db", 0600);
	make_dir(targets, other, "playground", 0777);
	path_in(targets, targets->playground, "playground/file");
	path_in(targets, targets->socket_path, "api.sock");
	listen_unix(targets->socket_path, false);
	assert_int_equal(chmod(targets->socket_path, 0777), 0);
	snprintf(targets->socket_name, sizeof(targets->socket_name), "netlambda-test-%d", getpid());
	listen_unix(targets->socket_name, true);
	targets->tcp_fd = listen_inet(SOCK_STREAM, targets->tcp_port);
	listen_inet(SOCK_STREAM, targets->other_port);
	listen_inet(SOCK_DGRAM, targets->udp_port);
	make_segment(targets);
	snprintf(targets->server, sizeof(targets->server), "%d", getpid());
	snprintf(targets->environ, sizeof(targets->environ), "/proc/%d/environ", getpid());
	snprintf(
		targets->command_line, sizeof(targets->command_line), "/proc/%d/cmdline", getpid());
}

int targets_make(struct targets *targets)
{
	snprintf(targets->dir, sizeof(targets->dir), "/tmp/netlambda-isolation-XXXXXX");
	assert_non_null(mkdtemp(targets->dir));
	assert_int_equal(chmod(targets->dir, 0755), 0);
	fill_in(targets);
	return 0;
}

int targets_remove(struct targets *targets)
{
	char command[TARGET_PATH + 16];

	shmctl(targets->segment_id, IPC_RMID, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", targets->dir);
	return system(command);
}

void targets_restore(const struct targets *targets)
{
	_cleanup_fd_ int fd = open(targets->code, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	assert_true(fd >= 0 && write(fd, "x\n", 2) == 2 && fchmod(fd, 0666) == 0);
}

char *targets_as_json(const struct targets *targets)
{
	char *text;

	assert_true(asprintf(&text,
			    "{\"secret\": \"%s\", \"database\": \"%s\", \"playground\": \"%s\", "
			    "\"code\": \"%s\", \"unix\": \"%s\", \"abstract\": \"%s\", "
			    "\"tcp\": %s, \"other\": %s, \"udp\": %s, \"server\": %s}",
			    targets->secret, targets->database, targets->playground, targets->code,
			    targets->socket_path, targets->socket_name, targets->tcp_port,
			    targets->other_port, targets->udp_port, targets->server) > 0);
	return text;
}

/* Whether this system has what is promised of isolation. */
static bool can_isolate(void)
{
	struct isolation_level level = {0};
	bool can = true;
	char *error = NULL;

	cgroup_prepare();
	if (isolation_probe(getenv("NETLAMBDA_WORKER"), &level, &error) < 0) {
		printf("%s\n", error);
		exit(EXIT_FAILURE);
	}
	for (enum layer layer = 0; layer < LAYER_COUNT; layer++) {
		if (level.layers & LAYER_BIT(layer))
			continue;
		printf("skipped: no %s here: %s\n", layer_name(layer), level.lacks[layer]);
		can = can && !(ISOLATION_PROMISED & LAYER_BIT(layer));
	}
	isolation_level_done(&level);
	return can;
}

/* ---- as another user ---- */

static const char *const controllers[] = {"memory", "cpu", "pids"};

/* The directory of a control group of our own below the one that we are in; version 1. */
static int group_path(const char *controller, char path[static PATH_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX], wanted[32];
	int r = -1;

	assert_non_null(file);
	snprintf(wanted, sizeof(wanted), ":%s:", controller);
	while (r < 0 && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, wanted);

		line[strcspn(line, "\n")] = '\0';
		if (at)
			r = snprintf(path, PATH_MAX, "/sys/fs/cgroup/%s%s/netlambda-test-%d",
				controller, at + strlen(wanted), getpid());
	}
	fclose(file);
	return r < 0 ? -1 : 0;
}

/* Takes a group's directory over, and moves there. */
static bool join_group(const char *dir)
{
	char path[PATH_MAX];
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= (int)sizeof(path))
		return false;
	if (chown(dir, UNPRIVILEGED, UNPRIVILEGED) < 0 ||
		chown(path, UNPRIVILEGED, UNPRIVILEGED) < 0)
		return false;
	file = fopen(path, "we");
	return file && fputs("0", file) > 0 && fclose(file) == 0;
}

static _Noreturn void run_unprivileged(int (*run)(void), char (*groups)[PATH_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (groups[i][0] && !join_group(groups[i]))
			printf("no %s to be had for another user\n", groups[i]);
	if (setgroups(0, NULL) < 0 || setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) < 0 ||
		setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) < 0 ||
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0) {
		perror("cannot become another user");
		exit(EXIT_FAILURE);
	}
	exit(run());
}

static int run_as_other_user(int (*run)(void))
{
	char groups[ARRAY_SIZE(controllers)][PATH_MAX] = {""};
	int status = 0;
	pid_t child;

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (group_path(controllers[i], groups[i]) < 0 || mkdir(groups[i], 0755) < 0)
			groups[i][0] = '\0';
	fflush(stdout);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		run_unprivileged(run, groups);
	assert_int_equal(waitpid(child, &status, 0), child);
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (groups[i][0])
			(void)rmdir(groups[i]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static int run_here(int (*run)(void))
{
	if (can_isolate())
		return run();
	return getenv("NETLAMBDA_REQUIRE_BPF") ? EXIT_FAILURE : 77;
}

/*
 * Root can do everything. What succeeds against all expectation, and what is tried without isolation on
 * purpose, is not to happen to the host.
 */
static bool is_set_apart(void)
{
	if (geteuid() != 0)
		return true;
	return unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A directory of which others may only enter what this test is about, by way of `place`. */
static int open_directory(const char *dir, const char *inner, const char *place)
{
	if (mount(inner, place, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount("tmpfs", dir, "tmpfs", 0, "mode=755") < 0 || mkdir(inner, 0755) < 0 ||
		mount(place, inner, NULL, MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	return umount2(place, MNT_DETACH) < 0 ? -errno : 0;
}

/* The tree that this was built in, root's home perhaps, may be closed to others; here it is not. */
static int open_way_to(const char *path)
{
	char place[] = "/tmp/netlambda-way-XXXXXX", dir[PATH_MAX], inner[PATH_MAX];
	struct stat st;
	int r = 0;

	if (!mkdtemp(place))
		return -errno;
	for (size_t at = 1; r == 0; at++) {
		size_t end;

		at += strcspn(path + at, "/");
		end = at + (path[at] ? 1 + strcspn(path + at + 1, "/") : 0);
		if (!path[at] || !path[end])
			break;
		snprintf(dir, sizeof(dir), "%.*s", (int)at, path);
		snprintf(inner, sizeof(inner), "%.*s", (int)end, path);
		if (stat(dir, &st) < 0)
			r = -errno;
		else if (!(st.st_mode & S_IXOTH))
			r = open_directory(dir, inner, place);
	}
	(void)rmdir(place);
	return r;
}

static int (*to_run)(void);

static int run_chosen(void)
{
	return run_here(to_run);
}

int targets_run(int (*run)(void))
{
	if (!is_set_apart()) {
		printf("skipped: cannot be set apart from the host: %s\n", strerror(errno));
		return 77;
	}
	if (geteuid() == 0 && open_way_to(getenv("NETLAMBDA_ESCAPE")) < 0) {
		puts("failed: the way to the tree cannot be opened to others");
		return EXIT_FAILURE;
	}
	if (!getenv("TESTED_USER"))
		return run_here(run);
	if (geteuid() != 0) {
		puts("skipped: only root can become an unprivileged user");
		return 77;
	}
	to_run = run;
	return run_as_other_user(run_chosen);
}
