// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_READ (64U << 10) /* bytes: a file with a key is read without moving it in memory */

static int open_for_reading(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Makes room for more to come, at most `max` + 1 bytes: the last tells that there is more than that. */
static int grow(uint8_t **bytes, size_t *room, size_t max)
{
	size_t more = *room == 0 ? FIRST_READ : *room * 2;
	uint8_t *grown;

	more = MIN(more, max + 1);
	grown = realloc(*bytes, more);
	if (!grown)
		return -ENOMEM;
	*bytes = grown;
	*room = more;
	return 0;
}

int file_read(const char *path, size_t max, uint8_t **ret_bytes, size_t *ret_size)
{
	_cleanup_fd_ int fd = open_for_reading(path);
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t size = 0, room = 0;

	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t n;

		if (size == room && grow(&bytes, &room, max) < 0)
			return -ENOMEM;
		n = read(fd, bytes + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > max)
			return -EFBIG;
	}
	bytes[size] = '\0';
	*ret_bytes = TAKE_PTR(bytes);
	*ret_size = size;
	return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

/* A closed descriptor may tell of a write that failed late. */
static int close_checked(int *fd)
{
	return close(TAKE_FD(*fd)) < 0 ? -errno : 0;
}

/* As whom the file that is replaced belongs to, if there is one. */
static int keep_owner(int fd, const char *replaced)
{
	struct stat was, is;

	if (stat(replaced, &was) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &is) < 0)
		return -errno;
	if (was.st_uid == is.st_uid && was.st_gid == is.st_gid)
		return 0;
	return fchown(fd, was.st_uid, was.st_gid) < 0 ? -errno : 0;
}

static int write_beside(
	char *path, const void *bytes, size_t size, mode_t mode, const char *replaced)
{
	_cleanup_fd_ int fd = mkostemp(path, O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = replaced ? keep_owner(fd, replaced) : 0;
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0)
		r = write_all(fd, bytes, size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = close_checked(&fd);
	if (r < 0)
		unlink(path);
	return r;
}

static int move_into_place(const char *from, const char *to, bool replace)
{
	if (replace)
		return rename(from, to) < 0 ? -errno : 0;
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* Not every file system knows the flag; NFS does not. */
	if (link(from, to) < 0)
		return -errno;
	unlink(from);
	return 0;
}

int directory_flush(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* EINVAL: a file system that keeps no directories on a disk. */
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

static int flush_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	if (!slash)
		return directory_flush(".");
	if (slash == path)
		return directory_flush("/");
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return directory_flush(parent);
}

int file_write(const char *path, const void *bytes, size_t size, mode_t mode, bool replace)
{
	char beside[PATH_MAX];
	int r;

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	r = write_beside(beside, bytes, size, mode, replace ? path : NULL);
	if (r < 0)
		return r;
	r = move_into_place(beside, path, replace);
	if (r < 0) {
		unlink(beside);
		return r;
	}
	return flush_parent(path);
}
