// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/root.h"

#include "base/fd.h"
#include "launcher/doors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define BASE "/tmp" /* where it is made: a place that each system has */

static int make_file(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	size_t len = strlen(text);

	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	return write(fd, text, len) == (ssize_t)len ? 0 : -EIO;
}

/* Programs ask who they are. */
static int make_names(void)
{
	char text[128];
	int r;

	if (mkdir("etc", 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(text, sizeof(text), "function:x:%u:%u::/nonexistent:/nonexistent\n", getuid(),
		getgid());
	r = make_file("etc/passwd", text);
	snprintf(text, sizeof(text), "function:x:%u:\n", getgid());
	return r < 0 ? r : make_file("etc/group", text);
}

/*
 * Of /proc the process's own directory, which runtimes read of their memory; the host's, as a
 * procfs of one's own may only be mounted where the host's is not covered in part. Its path stays
 * this process's, through exec: a child that looks finds its parent's.
 */
static int place_proc(int self_fd)
{
	if (mkdir("proc", 0755) < 0 || mkdir("proc/self", 0755) < 0)
		return -errno;
	return move_mount(self_fd, "", AT_FDCWD, "proc/self", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
											   : 0;
}

static int make_base(void)
{
	char options[64];

	snprintf(options, sizeof(options), "mode=1777,size=%u,nr_inodes=4096", SANDBOX_TMP_BYTES);
	if (mount("netlambda", BASE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") < 0 ||
		chdir(BASE) < 0 || mkdir("tmp", 0755) < 0 || mkdir("dev", 0755) < 0 ||
		mkdir(&CONTROL_FUNCTION_DIR[1], 0755) < 0 ||
		mount("netlambda", "tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0 ||
		symlink("/tmp", "dev/shm") < 0 || symlink("/proc/self/fd", "dev/fd") < 0)
		return -errno;
	return 0;
}

static int leave_old_root(void)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};

	/* The old one ends up upon the new one, and is taken away from there. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
		chdir("/") < 0 || mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

int root_enter(const struct sandbox *sandbox, const char **ret_what)
{
	_cleanup_fd_ int self_fd = -1;
	int r;

	*ret_what = "making mounts private";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	*ret_what = "/proc/self";
	self_fd = tree_clone("/proc/self", false);
	if (self_fd < 0)
		return self_fd;
	*ret_what = "mounting a tmpfs";
	r = make_base();
	if (r == 0)
		r = trees_place(&sandbox->trees, ret_what);
	if (r < 0)
		return r;
	*ret_what = "filling the private root";
	r = place_proc(self_fd);
	if (r == 0)
		r = make_names();
	if (r == 0 && sandbox_has_doors(sandbox))
		r = doors_write_names(sandbox->doors, sandbox->door_count);
	if (r < 0)
		return r;
	*ret_what = "pivot_root";
	return leave_old_root();
}
