// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/cgroup.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define OWN_NAME    "main"              /* of the server's own group, version 2 */
#define WORKER_NAME "netlambda-worker-" /* and the launcher's PID namespace and pid */
#define NAME_BYTES  64
#define PERIOD_US   100000
#define LINE_BYTES  (2 * PATH_MAX + 256)
#define KILL_ROUNDS 100

static const char *const names[] = {
	[CGROUP_MEMORY] = "memory",
	[CGROUP_CPU] = "cpu",
	[CGROUP_PROCESSES] = "pids",
};

/* ---- files ---- */

/* All of a small file, as text. */
static int read_file(const char *dir, const char *name, char *text, size_t size)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

static int write_file(const char *dir, const char *name, const char *text)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* Whether a word is among those of a text, which `separator` divides. */
static bool has_word(const char *text, const char *word, char separator)
{
	size_t len = strlen(word);

	for (const char *at = text; at; at = strchr(at, separator)) {
		at += *at == separator;
		if (strncmp(at, word, len) == 0 &&
			(at[len] == separator || at[len] == '\0' || at[len] == '\n'))
			return true;
	}
	return false;
}

/* ---- where groups are ---- */

/* A hierarchy as this process sees it. */
struct hierarchy {
	bool unified;
	char mount[PATH_MAX]; /* where it is mounted */
	char root[PATH_MAX];  /* what of it is mounted there */
};

/* A line of mountinfo, proc(5). */
static bool take_mount(char *line, enum cgroup_controller controller, struct hierarchy *hierarchy)
{
	char root[PATH_MAX], mount[PATH_MAX], type[32], options[1024];
	char *separator = strstr(line, " - ");

	if (!separator || sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) != 2 ||
		sscanf(separator, " - %31s %*s %1023s", type, options) != 2)
		return false;
	if (strcmp(type, "cgroup2") != 0 &&
		(strcmp(type, "cgroup") != 0 || !has_word(options, names[controller], ',')))
		return false;
	hierarchy->unified = strcmp(type, "cgroup2") == 0;
	strcpy(hierarchy->mount, mount);
	strcpy(hierarchy->root, root);
	return true;
}

/* A controller that version 1 has is not one of version 2's. */
static int find_hierarchy(enum cgroup_controller controller, struct hierarchy *ret_hierarchy)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct hierarchy hierarchy;
	char line[LINE_BYTES];
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (!take_mount(line, controller, &hierarchy))
			continue;
		if (r == -ENOENT || !hierarchy.unified)
			*ret_hierarchy = hierarchy;
		r = 0;
	}
	fclose(file);
	return r;
}

/* The group of this process in a hierarchy, as /proc/self/cgroup has it: "4:cpu,cpuacct:/a/b". */
static int find_own_path(
	enum cgroup_controller controller, bool unified, char path[static PATH_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[LINE_BYTES];
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r == -ENOENT && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':'), *own;

		own = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!own)
			continue;
		*own++ = '\0';
		own[strcspn(own, "\n")] = '\0';
		if (unified ? strcmp(line, "0:") != 0
			    : !has_word(controllers + 1, names[controller], ','))
			continue;
		r = snprintf(path, PATH_MAX, "%s", own) < PATH_MAX ? 0 : -ENAMETOOLONG;
	}
	fclose(file);
	return r;
}

/* The directory of the group that this process is in. */
static int find_own(enum cgroup_controller controller, bool *ret_unified, char dir[static PATH_MAX])
{
	struct hierarchy hierarchy = {0};
	char own[PATH_MAX];
	size_t skip;
	int r = find_hierarchy(controller, &hierarchy);

	if (r == 0)
		r = find_own_path(controller, hierarchy.unified, own);
	if (r < 0)
		return r;
	/* In a container a part of the tree is mounted. */
	skip = strcmp(hierarchy.root, "/") != 0 ? strlen(hierarchy.root) : 0;
	if (strncmp(own, hierarchy.root, skip) != 0)
		skip = 0;
	if (snprintf(dir, PATH_MAX, "%s%s", hierarchy.mount,
		    strcmp(own + skip, "/") == 0 ? "" : own + skip) >= PATH_MAX)
		return -ENAMETOOLONG;
	*ret_unified = hierarchy.unified;
	return 0;
}

/* Where workers' groups are made: 0, or -EPERM: this part of the tree is not ours. */
static int find_base(
	enum cgroup_controller controller, bool *ret_unified, char dir[static PATH_MAX])
{
	int r = find_own(controller, ret_unified, dir);
	char *slash;

	if (r < 0 || !*ret_unified)
		return r;
	slash = strrchr(dir, '/');
	if (!slash || strcmp(slash + 1, OWN_NAME) != 0)
		return -EPERM;
	*slash = '\0';
	return 0;
}

/* ---- preparing ---- */

/* Whether this group is ours: what systemd did not delegate, it may change at any time. */
static bool is_delegated(const char *dir)
{
	char value[2] = "";

	if (access("/run/systemd/system", F_OK) < 0)
		return true;
	return getxattr(dir, "user.delegate", value, 1) == 1 && value[0] == '1';
}

static void take_place(void)
{
	char dir[PATH_MAX], own[PATH_MAX], text[32];
	bool unified = false;

	/* Any controller that version 1 does not have will do. */
	for (int i = 0; i < CGROUP_CONTROLLERS && !unified; i++)
		if (find_own((enum cgroup_controller)i, &unified, dir) < 0)
			unified = false;
	if (!unified || strcmp(strrchr(dir, '/') + 1, OWN_NAME) == 0 || !is_delegated(dir))
		return;
	if (snprintf(own, sizeof(own), "%s/" OWN_NAME, dir) >= (int)sizeof(own) ||
		(mkdir(own, 0755) < 0 && errno != EEXIST))
		return;
	snprintf(text, sizeof(text), "%d", getpid());
	if (write_file(own, "cgroup.procs", text) < 0)
		(void)rmdir(own);
}

static void enable(enum cgroup_controller controller)
{
	char dir[PATH_MAX], text[32];
	bool unified;

	if (find_base(controller, &unified, dir) < 0 || !unified)
		return;
	snprintf(text, sizeof(text), "+%s", names[controller]);
	(void)write_file(dir, "cgroup.subtree_control", text);
}

/* Of the groups that are this PID namespace's, up to the pid. Another's pids say nothing here. */
static void begin_name(char name[static NAME_BYTES])
{
	struct stat namespace = {0};

	(void)stat("/proc/self/ns/pid", &namespace);
	snprintf(name, NAME_BYTES, WORKER_NAME "%llu-", (unsigned long long)namespace.st_ino);
}

static void sweep(enum cgroup_controller controller)
{
	char dir[PATH_MAX], name[NAME_BYTES];
	struct dirent *entry;
	bool unified;
	DIR *files;

	if (find_base(controller, &unified, dir) < 0)
		return;
	begin_name(name);
	files = opendir(dir);
	while (files && (entry = readdir(files)) != NULL) {
		pid_t pid;

		if (strncmp(entry->d_name, name, strlen(name)) != 0)
			continue;
		pid = atoi(entry->d_name + strlen(name));
		if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
			(void)unlinkat(dirfd(files), entry->d_name, AT_REMOVEDIR);
	}
	if (files)
		closedir(files);
}

void cgroup_prepare(void)
{
	take_place();
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		enable((enum cgroup_controller)i);
		sweep((enum cgroup_controller)i);
	}
}

/* ---- one group ---- */

static int check_enabled(enum cgroup_controller controller, const char *base)
{
	char text[1024] = "";
	int r = read_file(base, "cgroup.subtree_control", text, sizeof(text));

	if (r < 0)
		return r;
	return has_word(text, names[controller], ' ') ? 0 : -EOPNOTSUPP;
}

int cgroup_make(enum cgroup_controller controller, pid_t pid, struct cgroup *ret_cgroup,
	const char **ret_what)
{
	struct cgroup cgroup = {.controller = controller};
	char base[PATH_MAX], name[NAME_BYTES];
	int r;

	*ret_what = "finding a cgroup that is ours";
	r = find_base(controller, &cgroup.unified, base);
	if (r == 0 && cgroup.unified) {
		*ret_what = "cgroup.subtree_control";
		r = check_enabled(controller, base);
	}
	if (r < 0)
		return r;
	*ret_what = "making a cgroup";
	begin_name(name);
	if (snprintf(cgroup.dir, sizeof(cgroup.dir), "%s/%s%d", base, name, pid) >=
		(int)sizeof(cgroup.dir))
		return -ENAMETOOLONG;
	if (mkdir(cgroup.dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	*ret_cgroup = cgroup;
	return 0;
}

int cgroup_add(const struct cgroup *cgroup, pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", pid);
	return write_file(cgroup->dir, "cgroup.procs", text);
}

static int limit_memory(const struct cgroup *cgroup, uint64_t bytes)
{
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	r = write_file(cgroup->dir, cgroup->unified ? "memory.max" : "memory.limit_in_bytes", text);
	if (r < 0)
		return r;
	/* Nor may it move to swap, where that is counted. All of it goes if one must. */
	(void)write_file(cgroup->dir,
		cgroup->unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes",
		cgroup->unified ? "0" : text);
	if (cgroup->unified)
		(void)write_file(cgroup->dir, "memory.oom.group", "1");
	return 0;
}

static int limit_cpu(const struct cgroup *cgroup, uint64_t hundredths)
{
	char text[64];
	int r;

	if (cgroup->unified) {
		snprintf(text, sizeof(text), "%llu %d",
			(unsigned long long)hundredths * (PERIOD_US / 100), PERIOD_US);
		return write_file(cgroup->dir, "cpu.max", text);
	}
	snprintf(text, sizeof(text), "%d", PERIOD_US);
	r = write_file(cgroup->dir, "cpu.cfs_period_us", text);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)hundredths * (PERIOD_US / 100));
	return r < 0 ? r : write_file(cgroup->dir, "cpu.cfs_quota_us", text);
}

int cgroup_limit(const struct cgroup *cgroup, uint64_t limit)
{
	char text[32];

	if (limit == 0)
		return 0;
	switch (cgroup->controller) {
	case CGROUP_MEMORY:
		return limit_memory(cgroup, limit);
	case CGROUP_CPU:
		return limit_cpu(cgroup, limit);
	default:
		snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
		return write_file(cgroup->dir, "pids.max", text);
	}
}

uint64_t cgroup_count_killed(const struct cgroup *cgroup)
{
	unsigned long long count = 0;
	char text[1024];
	const char *line;

	if (read_file(cgroup->dir, cgroup->unified ? "memory.events" : "memory.oom_control", text,
		    sizeof(text)) < 0)
		return 0;
	line = strstr(text, "oom_kill ");
	return line && sscanf(line, "oom_kill %llu", &count) == 1 ? count : 0;
}

/* Of version 1, and of version 2 before Linux 5.14, one by one, until none is left to fork. */
static void kill_each(const struct cgroup *cgroup)
{
	char text[8192] = "x", *position, *end;

	for (int round = 0; round < KILL_ROUNDS && text[0]; round++) {
		if (read_file(cgroup->dir, "cgroup.procs", text, sizeof(text)) < 0)
			return;
		/* What was cut in the middle is another's number; the rest is read in the next round. */
		end = strrchr(text, '\n');
		*(end ? end : text) = '\0';
		for (char *line = strtok_r(text, "\n", &position); line;
			line = strtok_r(NULL, "\n", &position))
			if (atoi(line) > 0)
				kill(atoi(line), SIGKILL);
	}
}

void cgroup_kill(const struct cgroup *cgroup)
{
	if (!cgroup->unified || write_file(cgroup->dir, "cgroup.kill", "1") < 0)
		kill_each(cgroup);
}

void cgroup_remove(struct cgroup *cgroup)
{
	if (cgroup->dir[0])
		(void)rmdir(cgroup->dir);
	cgroup->dir[0] = '\0';
}
