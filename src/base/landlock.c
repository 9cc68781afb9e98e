// SPDX-License-Identifier: BSD-2-Clause
#include "base/landlock.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define RULE_NET_PORT 2

/* What makes sense for a file that is not a directory. */
#define OF_A_FILE                                                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_TRUNCATE | LANDLOCK_IOCTL_DEV)

/* The newest form of the kernel's struct; an older kernel is given what it knows of it. */
struct ruleset_attr {
	uint64_t files, tcp, scope;
};

struct port_attr {
	uint64_t access, port;
};

static uint64_t files_known(int version)
{
	uint64_t known = LANDLOCK_FILES_VERSION_1;

	if (version >= 2)
		known |= LANDLOCK_REFER;
	if (version >= 3)
		known |= LANDLOCK_TRUNCATE;
	if (version >= 5)
		known |= LANDLOCK_IOCTL_DEV;
	return known;
}

static size_t attr_size(int version)
{
	if (version >= 6)
		return sizeof(struct ruleset_attr);
	return version >= 4 ? offsetof(struct ruleset_attr, scope)
			    : offsetof(struct ruleset_attr, tcp);
}

int landlock_open(const struct landlock_denied *denied, struct landlock *ret_landlock)
{
	int version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr attr;
	int fd;

	if (version < 0)
		return -errno;
	attr = (struct ruleset_attr){
		.files = denied->files & files_known(version),
		.tcp = version >= 4 ? denied->tcp : 0,
		.scope = version >= 6 ? denied->scope : 0,
	};
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(version), 0);
	if (fd < 0)
		return -errno;
	*ret_landlock = (struct landlock){
		.fd = fd,
		.denied = {.files = attr.files, .tcp = attr.tcp, .scope = attr.scope},
	};
	return 0;
}

void landlock_close(struct landlock *landlock)
{
	fd_closep(&landlock->fd);
	landlock->fd = -1;
}

int landlock_allow(const struct landlock *landlock, const char *path, uint64_t files)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {
		.allowed_access = files & landlock->denied.files,
		.parent_fd = fd,
	};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_A_FILE;
	if (rule.allowed_access == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, landlock->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

int landlock_allow_port(const struct landlock *landlock, uint16_t port, uint64_t tcp)
{
	const struct port_attr rule = {.access = tcp & landlock->denied.tcp, .port = port};

	if (rule.access == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, landlock->fd, RULE_NET_PORT, &rule, 0) < 0)
		return -errno;
	return 0;
}

int landlock_enforce(const struct landlock *landlock)
{
	return syscall(SYS_landlock_restrict_self, landlock->fd, 0) < 0 ? -errno : 0;
}
