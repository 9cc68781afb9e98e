// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/hand.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static int enter(int pidfd, int namespaces)
{
	return namespaces != 0 && setns(pidfd, namespaces) < 0 ? -errno : 0;
}

static int place_function(const struct hand *hand, const char *dir)
{
	const struct sandbox *sandbox = hand->sandbox;
	int user = sandbox_wants(sandbox, LAYER_USER) ? CLONE_NEWUSER : 0;
	_cleanup_fd_ int fd = -1;
	int r;

	/* Root copies the mount from the host; who is not, from init's namespace, where he may. */
	if (sandbox->may_mount) {
		fd = tree_clone(dir, false);
		r = enter(hand->runtime_pidfd, user | CLONE_NEWNS);
	} else {
		r = enter(hand->init_pidfd, user | CLONE_NEWNS);
		if (r < 0)
			return r;
		fd = tree_clone(dir, false);
		r = enter(hand->runtime_pidfd, CLONE_NEWNS);
	}
	if (fd < 0)
		return fd;
	if (r == 0 &&
		move_mount(fd, "", AT_FDCWD, CONTROL_FUNCTION_DIR, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	return r;
}

/* Whether the worker's user can read it, who may be another than the launcher's. */
static int check_function(const struct sandbox *sandbox)
{
	bool inside = sandbox_wants(sandbox, LAYER_USER);
	int r = 0;

	if (sandbox->becomes)
		r = inside ? become(SANDBOX_UID, SANDBOX_UID) : become(sandbox->uid, sandbox->gid);
	if (r == 0 && access(CONTROL_FUNCTION_DIR, R_OK | X_OK) < 0)
		r = -errno;
	return r;
}

int hand_place_function(const struct hand *hand, const char *dir)
{
	pid_t pid = fork();
	int r, status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		r = place_function(hand, dir);
		if (r == 0)
			r = check_function(hand->sandbox);
		_exit(-r);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}
