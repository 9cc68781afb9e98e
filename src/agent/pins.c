// SPDX-License-Identifier: BSD-2-Clause
#include "agent/pins.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define SETS_MAX   8 /* far more than there are, even if agents are killed in a row */
#define PATH_ROOM  512
#define STATE      "agent_state"
#define SLOTS      "agent_slots"
#define JOURNAL    "journal"
#define UNFINISHED "journal_new" /* until it takes the other's place */

/* Names of numbered files. */
#define LINK_PREFIX "link_"
#define SET_PREFIX  "maps_"

struct pin_set {
	char path[PATH_ROOM];
	unsigned int number;
	struct pin_state *state; /* mapped */
	struct pin_slot *slots;
	size_t slots_bytes;
};

struct pins {
	char *directory;
	int fd; /* holds the lock */
	struct pin_set *sets[SETS_MAX];
	unsigned int set_count;
	struct pin_link *links;
	unsigned int link_count;
};

/* ---- the directory ---- */

static int no_bpf_fs(const char *directory, const char *mount_point, char **ret_error)
{
	const bool usual = strncmp(directory, "/sys/fs/bpf/", 12) == 0;

	return error_set(ret_error, -ENODEV,
		"--pin %s: there is no BPF file system; mount one: mount -t bpf bpf %s", directory,
		usual ? "/sys/fs/bpf" : mount_point);
}

/* The directory, or the nearest above it that is there, is in a BPF file system. */
static int check_file_system(const char *directory, char **ret_error)
{
	_cleanup_free_ char *copy = strdup(directory);
	char *at = copy;
	struct statfs fs;

	if (!copy)
		return -ENOMEM;
	while (statfs(at, &fs) < 0) {
		if (errno != ENOENT)
			return error_set(
				ret_error, -errno, "--pin %s: %s", directory, strerror(errno));
		at = dirname(at);
	}
	return fs.f_type == BPF_FS_MAGIC ? 0 : no_bpf_fs(directory, at, ret_error);
}

static int make_directories(const char *directory)
{
	_cleanup_free_ char *copy = strdup(directory);

	if (!copy)
		return -ENOMEM;
	for (char *at = strchr(copy + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST && access(copy, F_OK) < 0)
			return -errno;
		*at = '/';
	}
	return mkdir(directory, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Who can write there could give us maps and links of his own. */
static int check_owner(const struct pins *pins, uid_t user, char **ret_error)
{
	struct stat st;

	if (fstat(pins->fd, &st) < 0)
		return -errno;
	if (user != PINS_ANYONE && st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != user)
		return error_set(ret_error, -EPERM,
			"--pin %s: it belongs to user %u, who is neither root nor the agent's",
			pins->directory, st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(ret_error, -EPERM,
			"--pin %s: others than its owner can write there (mode %03o): chmod 700",
			pins->directory, st.st_mode & 0777);
	return 0;
}

static int directory_open(struct pins *pins, uid_t user, char **ret_error)
{
	const char *directory = pins->directory;
	int r = check_file_system(directory, ret_error);

	if (r < 0)
		return r;
	r = make_directories(directory);
	if (r < 0)
		return error_set(ret_error, r, "--pin %s: cannot make it: %s%s", directory,
			strerror(-r),
			r == -EROFS ? " (in a systemd unit, ReadWritePaths= must have it)" : "");
	pins->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pins->fd < 0)
		return error_set(ret_error, -errno, "--pin %s: %s", directory, strerror(errno));
	return check_owner(pins, user, ret_error);
}

/* "link_7" -> 7; 0: it is none of them. */
static unsigned int numbered(const char *name, const char *prefix)
{
	const size_t length = strlen(prefix);
	char *end = NULL;
	unsigned long number;

	if (strncmp(name, prefix, length) != 0 || name[length] < '1' || name[length] > '9')
		return 0;
	number = strtoul(name + length, &end, 10);
	return *end || number > INT_MAX ? 0 : (unsigned int)number;
}

/* ---- objects ---- */

/* The kernel tells kinds of objects apart only by name: "anon_inode:bpf-map". */
static bool is_kind(int fd, const char *kind)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, kind);
}

static int set_path(const struct pin_set *set, const char *name, char path[PATH_ROOM])
{
	int n = snprintf(path, PATH_ROOM, "%s/%s", set->path, name);

	return n < PATH_ROOM ? 0 : -ENAMETOOLONG;
}

static int get_map(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return -errno;
	if (!is_kind(fd, "bpf-map")) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int pin_set_get(const struct pin_set *set, const char *name)
{
	char path[PATH_ROOM];
	int r = set_path(set, name, path);

	return r < 0 ? r : get_map(path);
}

int pin_set_put(struct pin_set *set, const char *name, int fd)
{
	char path[PATH_ROOM];
	int r = set_path(set, name, path);

	if (r < 0)
		return r;
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

/* ---- the notes ---- */

struct pin_state *pin_set_state(const struct pin_set *set)
{
	return set->state;
}

struct pin_slot *pin_set_slots(const struct pin_set *set)
{
	return set->slots;
}

/* NULL: errno says why. */
static void *map_memory(int fd, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Both, or errno says why not. */
static bool notes_map(struct pin_set *set, int state_fd, int slots_fd, uint32_t slot_count)
{
	set->slots_bytes = (size_t)slot_count * sizeof(struct pin_slot);
	set->state = map_memory(state_fd, sizeof(struct pin_state));
	set->slots = set->state ? map_memory(slots_fd, set->slots_bytes) : NULL;
	return set->state && set->slots;
}

/* Returns the number of values, if it is our map with values of this size; 0: it is of another version. */
static int check_notes(int fd, const char *name, size_t size, uint32_t *ret_count)
{
	struct bpf_map_info info = {0};
	uint32_t info_size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &info_size) < 0)
		return -errno;
	if (strncmp(info.name, name, sizeof(info.name)) != 0)
		return -EINVAL;
	*ret_count = info.value_size == size ? info.max_entries : 0;
	return 0;
}

/* Leaves set->state NULL if they are of another version, or not complete. */
static int notes_open(struct pin_set *set)
{
	_cleanup_fd_ int state_fd = pin_set_get(set, STATE);
	_cleanup_fd_ int slots_fd = pin_set_get(set, SLOTS);
	uint32_t states = 0, slots = 0;
	int r;

	if (state_fd == -ENOENT || slots_fd == -ENOENT)
		return 0;
	if (state_fd < 0 || slots_fd < 0)
		return state_fd < 0 ? state_fd : slots_fd;
	r = check_notes(state_fd, STATE, sizeof(struct pin_state), &states);
	if (r == 0)
		r = check_notes(slots_fd, SLOTS, sizeof(struct pin_slot), &slots);
	if (r < 0 || states == 0 || slots == 0)
		return r;
	if (!notes_map(set, state_fd, slots_fd, slots))
		return -errno;
	if (set->state->version != PIN_STATE_VERSION || !set->state->complete) {
		munmap(set->state, sizeof(*set->state));
		set->state = NULL;
	}
	return 0;
}

static int notes_create(struct pin_set *set, uint32_t slot_count)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	_cleanup_fd_ int state_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, STATE, 4, sizeof(struct pin_state), 1, &options);
	_cleanup_fd_ int slots_fd = bpf_map_create(
		BPF_MAP_TYPE_ARRAY, SLOTS, 4, sizeof(struct pin_slot), slot_count, &options);
	int r;

	if (state_fd < 0 || slots_fd < 0)
		return -errno;
	if (!notes_map(set, state_fd, slots_fd, slot_count))
		return -errno;
	set->state->version = PIN_STATE_VERSION;
	set->state->slot_count = slot_count;
	r = pin_set_put(set, STATE, state_fd);
	return r < 0 ? r : pin_set_put(set, SLOTS, slots_fd);
}

/* ---- sets ---- */

static void set_free(struct pin_set *set)
{
	if (!set)
		return;
	if (set->state)
		munmap(set->state, sizeof(*set->state));
	if (set->slots)
		munmap(set->slots, set->slots_bytes);
	free(set);
}

static int set_new(struct pins *pins, unsigned int number, struct pin_set **ret_set)
{
	struct pin_set *set;
	int n;

	if (pins->set_count == SETS_MAX)
		return -EMFILE;
	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	n = snprintf(set->path, sizeof(set->path), "%s/" SET_PREFIX "%u", pins->directory, number);
	if (n >= (int)sizeof(set->path)) {
		free(set);
		return -ENAMETOOLONG;
	}
	set->number = number;
	*ret_set = set;
	return 0;
}

static void set_insert(struct pins *pins, struct pin_set *set)
{
	unsigned int at = pins->set_count++;

	for (; at > 0 && pins->sets[at - 1]->number > set->number; at--)
		pins->sets[at] = pins->sets[at - 1];
	pins->sets[at] = set;
}

unsigned int pins_set_count(const struct pins *pins)
{
	return pins->set_count;
}

struct pin_set *pins_set(const struct pins *pins, unsigned int index)
{
	return pins->sets[index];
}

int pins_add_set(struct pins *pins, uint32_t slot_count, struct pin_set **ret_set)
{
	const unsigned int last = pins->set_count > 0 ? pins->sets[pins->set_count - 1]->number : 0;
	struct pin_set *set = NULL;
	int r = set_new(pins, last + 1, &set);

	if (r < 0)
		return r;
	if (mkdir(set->path, 0700) < 0)
		r = -errno;
	if (r == 0)
		r = notes_create(set, slot_count);
	if (r < 0) {
		set_free(set);
		return r;
	}
	set_insert(pins, set);
	*ret_set = set;
	return 0;
}

/* In a BPF file system unlink() takes a name away, and with it the object if nobody else has it. */
static void remove_files(const char *directory)
{
	struct dirent *entry;
	DIR *dir = opendir(directory);

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_type != DT_DIR)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

void pins_remove_set(struct pins *pins, struct pin_set *set)
{
	unsigned int at = 0;

	remove_files(set->path);
	if (rmdir(set->path) < 0)
		log_warning("cannot remove what is pinned no more directory=%s reason=\"%s\"",
			set->path, strerror(errno));
	while (at < pins->set_count && pins->sets[at] != set)
		at++;
	for (; at + 1 < pins->set_count; at++)
		pins->sets[at] = pins->sets[at + 1];
	pins->set_count--;
	set_free(set);
}

static int set_open(struct pins *pins, unsigned int number, char **ret_error)
{
	struct pin_set *set = NULL;
	int r = set_new(pins, number, &set);

	if (r == 0)
		r = notes_open(set);
	if (r == 0) {
		set_insert(pins, set);
		return 0;
	}
	if (set)
		error_set(ret_error, r,
			"--pin %s: " STATE " or " SLOTS " there is not what an agent left (%s): "
			"remove the directory, or choose another",
			set->path, strerror(-r));
	set_free(set);
	return r;
}

/* ---- the journal ---- */

static int journal_path(const struct pins *pins, const char *name, char path[PATH_ROOM])
{
	int n = snprintf(path, PATH_ROOM, "%s/%s", pins->directory, name);

	return n < PATH_ROOM ? 0 : -ENAMETOOLONG;
}

int pins_get_journal(const struct pins *pins)
{
	char path[PATH_ROOM];
	int r = journal_path(pins, JOURNAL, path);

	return r < 0 ? r : get_map(path);
}

int pins_put_journal(const struct pins *pins, int fd)
{
	char path[PATH_ROOM], unfinished[PATH_ROOM];
	int r = journal_path(pins, JOURNAL, path);

	if (r == 0)
		r = journal_path(pins, UNFINISHED, unfinished);
	if (r < 0)
		return r;
	(void)unlink(unfinished);
	if (bpf_obj_pin(fd, unfinished) < 0)
		return -errno;
	return rename(unfinished, path) < 0 ? -errno : 0;
}

void pins_remove_journal(const struct pins *pins)
{
	(void)unlinkat(pins->fd, JOURNAL, 0);
	(void)unlinkat(pins->fd, UNFINISHED, 0);
}

/* ---- links ---- */

unsigned int pins_link_count(const struct pins *pins)
{
	return pins->link_count;
}

struct pin_link *pins_link(const struct pins *pins, unsigned int index)
{
	return &pins->links[index];
}

static int link_path(const struct pins *pins, int ifindex, char path[PATH_ROOM])
{
	int n = snprintf(path, PATH_ROOM, "%s/" LINK_PREFIX "%d", pins->directory, ifindex);

	return n < PATH_ROOM ? 0 : -ENAMETOOLONG;
}

static int link_open(struct pins *pins, unsigned int ifindex, char **ret_error)
{
	struct pin_link *links =
		reallocarray(pins->links, pins->link_count + 1, sizeof(*pins->links));
	_cleanup_fd_ int fd = -1;
	char path[PATH_ROOM];
	int r;

	if (!links)
		return -ENOMEM;
	pins->links = links;
	r = link_path(pins, (int)ifindex, path);
	if (r < 0)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return error_set(
			ret_error, -errno, "--pin %s: cannot open it: %s", path, strerror(errno));
	if (!is_kind(fd, "bpf_link") && !is_kind(fd, "bpf-link"))
		return error_set(ret_error, -EINVAL,
			"--pin %s: it is not the link that an agent left: remove it, or choose "
			"another directory",
			path);
	pins->links[pins->link_count++] =
		(struct pin_link){.ifindex = (int)ifindex, .fd = TAKE_FD(fd)};
	return 0;
}

int pins_put_link(const struct pins *pins, int ifindex, int fd)
{
	char path[PATH_ROOM];
	int r = link_path(pins, ifindex, path);

	if (r < 0)
		return r;
	(void)unlink(path);
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

void pins_remove_link(const struct pins *pins, int ifindex)
{
	char path[PATH_ROOM];

	if (link_path(pins, ifindex, path) == 0)
		(void)unlink(path);
}

bool pins_have_no_link(const struct pins *pins)
{
	DIR *dir = opendir(pins->directory);
	struct dirent *entry;
	bool none = dir != NULL;

	while (none && (entry = readdir(dir)) != NULL)
		none = numbered(entry->d_name, LINK_PREFIX) == 0;
	if (dir)
		closedir(dir);
	return none;
}

/* ---- all of it ---- */

static bool is_journal(const char *name)
{
	return strcmp(name, JOURNAL) == 0 || strcmp(name, UNFINISHED) == 0;
}

static int read_directory(struct pins *pins, char **ret_error)
{
	struct dirent *entry;
	DIR *dir = opendir(pins->directory);
	int r = 0;

	if (!dir)
		return error_set(
			ret_error, -errno, "--pin %s: %s", pins->directory, strerror(errno));
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		const unsigned int set = numbered(entry->d_name, SET_PREFIX);
		const unsigned int link = numbered(entry->d_name, LINK_PREFIX);

		if (set > 0)
			r = set_open(pins, set, ret_error);
		else if (link > 0)
			r = link_open(pins, link, ret_error);
		else if (entry->d_name[0] != '.' && !is_journal(entry->d_name))
			log_warning("left alone, as no agent pins such a thing path=%s/%s",
				pins->directory, entry->d_name);
	}
	closedir(dir);
	return r;
}

static uint32_t last_pid(const struct pins *pins)
{
	uint32_t pid = 0;

	for (unsigned int i = 0; i < pins->set_count; i++)
		if (pins->sets[i]->state)
			pid = pins->sets[i]->state->pid;
	return pid;
}

/* Of another agent nothing is touched; its number is in its notes. */
static int refuse_second(struct pins *pins, char **ret_error)
{
	uint32_t pid;

	(void)read_directory(pins, ret_error);
	free(TAKE_PTR(*ret_error));
	pid = last_pid(pins);
	if (pid == 0)
		return error_set(
			ret_error, -EBUSY, "--pin %s: another agent has it", pins->directory);
	return error_set(ret_error, -EBUSY, "--pin %s: another agent has it (process %u)",
		pins->directory, pid);
}

int pins_open(const char *directory, uid_t user, struct pins **ret_pins, char **ret_error)
{
	_cleanup_(pins_closep) struct pins *pins = calloc(1, sizeof(*pins));
	int r;

	if (!pins)
		return -ENOMEM;
	pins->fd = -1;
	pins->directory = strdup(directory);
	if (!pins->directory)
		return -ENOMEM;
	r = directory_open(pins, user, ret_error);
	if (r < 0)
		return r;
	if (flock(pins->fd, LOCK_EX | LOCK_NB) < 0)
		return refuse_second(pins, ret_error);
	r = read_directory(pins, ret_error);
	if (r == 0)
		*ret_pins = TAKE_PTR(pins);
	return r;
}

void pins_close(struct pins *pins)
{
	for (unsigned int i = 0; i < pins->set_count; i++)
		set_free(pins->sets[i]);
	for (unsigned int i = 0; i < pins->link_count; i++)
		if (pins->links[i].fd >= 0)
			close(pins->links[i].fd);
	if (pins->fd >= 0)
		close(pins->fd);
	free(pins->links);
	free(pins->directory);
	free(pins);
}

const char *pins_directory(const struct pins *pins)
{
	return pins->directory;
}

int pins_give(const struct pins *pins, uid_t uid, gid_t gid)
{
	if (fchown(pins->fd, uid, gid) < 0)
		return -errno;
	for (unsigned int i = 0; i < pins->set_count; i++)
		if (chown(pins->sets[i]->path, uid, gid) < 0)
			return -errno;
	return 0;
}

unsigned int pins_detach(const struct pins *pins)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < pins->link_count; i++) {
		struct bpf_link_info info = {0};
		uint32_t size = sizeof(info);
		const int fd = pins->links[i].fd;

		count += bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.xdp.ifindex != 0;
		(void)bpf_link_detach(fd);
	}
	return count;
}

void pins_remove_all(struct pins *pins)
{
	for (unsigned int i = 0; i < pins->link_count; i++)
		pins_remove_link(pins, pins->links[i].ifindex);
	while (pins->set_count > 0)
		pins_remove_set(pins, pins->sets[0]);
	pins_remove_journal(pins);
	if (rmdir(pins->directory) < 0)
		log_warning("the directory stays directory=%s reason=\"%s\"", pins->directory,
			strerror(errno));
}
