// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/tree.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/*
 * What a runtime needs of the system: the dynamic loader and libraries, and what those read. No shell
 * and no other program is among it.
 */
static const char *const system_paths[] = {
	"/lib",
	"/lib32",
	"/lib64",
	"/usr/lib",
	"/usr/lib32",
	"/usr/lib64",
	"/usr/local/lib",
	"/usr/share/nodejs", /* where Debian has modules of its node */
	"/usr/share/zoneinfo",
	"/etc/alternatives", /* by which Debian chooses among libraries */
	"/etc/ld.so.cache",
	"/etc/localtime",
	"/etc/pki/tls",
	"/etc/ssl/certs", /* of authorities, for who may reach somebody; they are no secret */
	"/etc/ssl/openssl.cnf",
	"/usr/local/share/ca-certificates",
	"/usr/share/ca-certificates",
	"/dev/full",
	"/dev/null",
	"/dev/random",
	"/dev/urandom",
	"/dev/zero",
};

int tree_clone(const char *path, bool device)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
			    (device ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV),
	};
	_cleanup_fd_ int fd = open_tree(
		AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned int)AT_RECURSIVE);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int trees_add(struct trees *trees, const struct tree *tree)
{
	if (trees->count == TREES_MAX)
		return -E2BIG;
	trees->trees[trees->count++] = *tree;
	return 0;
}

static int add_link(struct trees *trees, const char *path)
{
	struct tree tree = {.fd = -1, .path = strdup(path)};
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target));

	if (len < 0)
		return -errno;
	tree.link = strndup(target, (size_t)len);
	return tree.path && tree.link ? trees_add(trees, &tree) : -ENOMEM;
}

static int add_mount(struct trees *trees, const char *path, bool mounted)
{
	struct tree tree = {.fd = -1, .path = realpath(path, NULL)};
	struct stat st;

	if (!tree.path || stat(tree.path, &st) < 0)
		return -errno;
	tree.directory = S_ISDIR(st.st_mode);
	if (mounted)
		tree.fd = tree_clone(tree.path, S_ISCHR(st.st_mode));
	return mounted && tree.fd < 0 ? tree.fd : trees_add(trees, &tree);
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* /lib, say, which may be a symbolic link to another of them. */
static int add_system(struct trees *trees, const char *path, bool mounted)
{
	if (access(path, F_OK) < 0)
		return errno == ENOENT ? 0 : -errno;
	return is_link(path) ? add_link(trees, path) : add_mount(trees, path, mounted);
}

/* By its own name and that of what it points at. */
static int add_path(struct trees *trees, const char *path, bool mounted)
{
	int r = is_link(path) ? add_link(trees, path) : 0;

	return r < 0 ? r : add_mount(trees, path, mounted);
}

int trees_open(struct trees *trees, const char *const *paths, bool mounted, const char **ret_path)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(system_paths) && r == 0; i++) {
		*ret_path = system_paths[i];
		r = add_system(trees, system_paths[i], mounted);
	}
	for (size_t i = 0; paths[i] && r == 0; i++) {
		*ret_path = paths[i];
		r = add_path(trees, paths[i], mounted);
	}
	return r;
}

/* ---- into place ---- */

/* Makes the directories above a path, which is relative. */
static int make_parents(const char *path)
{
	char dir[PATH_MAX];

	if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	for (char *slash = strchr(dir, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

/* Something to mount upon. It may be there: below another tree, say. */
static int make_place(const struct tree *tree, const char *path)
{
	_cleanup_fd_ int fd = -1;

	if (tree->directory)
		return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
	if (access(path, F_OK) == 0)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	return fd < 0 ? -errno : 0;
}

static int tree_place(const struct tree *tree)
{
	const char *path = tree->path + 1;
	int r = make_parents(path);

	if (r < 0)
		return r;
	if (tree->link)
		return symlink(tree->link, path) < 0 && errno != EEXIST ? -errno : 0;
	r = make_place(tree, path);
	if (r == 0 && move_mount(tree->fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	return r;
}

int trees_place(const struct trees *trees, const char **ret_path)
{
	int r = 0;

	for (size_t i = 0; i < trees->count && r == 0; i++) {
		*ret_path = trees->trees[i].path;
		r = tree_place(&trees->trees[i]);
	}
	return r;
}
