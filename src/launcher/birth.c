// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/birth.h"

#include "base/capabilities.h"
#include "base/fd.h"
#include "launcher/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define OVERFLOW_ID 65534 /* nobody's, if there is no user of that name */

void birth_find_privileges(struct sandbox *sandbox)
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
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
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

	if (!sandbox_wants(sandbox, LAYER_USER))
		return 0;
	/* Who is not privileged must forgo setgroups(), which could take a denial away. */
	if (!sandbox->becomes)
		r = write_text(init, "setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", SANDBOX_UID, sandbox->gid);
	if (r == 0)
		r = write_text(init, "gid_map", text);
	snprintf(text, sizeof(text), "%u %u 1", SANDBOX_UID, sandbox->uid);
	return r < 0 ? r : write_text(init, "uid_map", text);
}

static pid_t clone_init(const struct sandbox *sandbox)
{
	int flags = SIGCHLD;

	if (sandbox_wants(sandbox, LAYER_USER))
		flags |= CLONE_NEWUSER;
	if (sandbox_wants(sandbox, LAYER_PID))
		flags |= CLONE_NEWPID;
	/* To copy the host's mounts where it may; the runtime's own comes later. */
	if (sandbox_wants(sandbox, LAYER_ROOT) && !sandbox->may_mount)
		flags |= CLONE_NEWNS;
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

/* What is said of a clone that failed: the first layer that needed it to be more than a fork. */
static enum layer layer_to_blame(const struct sandbox *sandbox)
{
	static const enum layer needed[] = {LAYER_USER, LAYER_PID, LAYER_ROOT};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (sandbox_wants(sandbox, needed[i]))
			return needed[i];
	return LAYER_COUNT;
}

static int fail(struct report *ret_failure, enum layer layer, int error, const char *what)
{
	*ret_failure = (struct report){.kind = REPORT_FAILED, .layer = layer, .error = -error};
	snprintf(ret_failure->what, sizeof(ret_failure->what), "%s", what);
	return error;
}

int birth_begin(struct sandbox *sandbox, void (*lacks)(void *user, const struct report *report),
	void *user, struct birth *ret_birth, struct report *ret_failure)
{
	struct birth birth = {.init_pidfd = -1, .init_fd = -1, .runtime_fd = -1};
	struct init_sockets theirs = {-1, -1};
	int r = open_pair(&birth.init_fd, &theirs.init_fd);

	if (r == 0)
		r = open_pair(&birth.runtime_fd, &theirs.runtime_fd);
	if (r < 0)
		return fail(ret_failure, LAYER_COUNT, r, "socketpair");
	while ((birth.init = clone_init(sandbox)) < 0) {
		enum layer layer = layer_to_blame(sandbox);

		r = fail(ret_failure, layer, -errno, "clone");
		if (!sandbox->probing || layer == LAYER_COUNT)
			return r;
		lacks(user, ret_failure);
		sandbox->layers &= ~LAYER_BIT(layer);
	}
	if (birth.init == 0) {
		close(birth.init_fd);
		close(birth.runtime_fd);
		init_run(sandbox, &theirs);
	}
	close(theirs.init_fd);
	close(theirs.runtime_fd);
	birth.init_pidfd = pidfd_open(birth.init, 0);
	r = birth.init_pidfd < 0 ? -errno : 0;
	*ret_birth = birth;
	if (r < 0)
		return fail(ret_failure, LAYER_COUNT, r, "pidfd_open");
	r = write_maps(sandbox, birth.init);
	if (r < 0)
		return fail(ret_failure, LAYER_USER, r, "uid_map");
	return send(birth.init_fd, "", 1, MSG_NOSIGNAL) < 0
		       ? fail(ret_failure, LAYER_COUNT, -errno, "send")
		       : 0;
}
