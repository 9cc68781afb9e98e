// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	/* Whom the launcher may not trace, it may not put a folder into the namespace of. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? -errno : 0;
}

void report_send(int fd, enum report_kind kind, enum layer layer, int error, const char *what)
{
	struct report report = {.kind = kind, .layer = layer, .error = error};

	snprintf(report.what, sizeof(report.what), "%s", what);
	/* Nobody reads it: the launcher is gone, and with it this process soon. */
	(void)send(fd, &report, sizeof(report), MSG_NOSIGNAL);
}

int report_receive(int fd, struct report *ret_report)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct report report;
	struct iovec iov = {.iov_base = &report, .iov_len = sizeof(report)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	struct ucred sender;

	if (n <= 0)
		return n < 0 && errno != ECONNRESET ? -errno : 0;
	if (n != sizeof(report) || !header || header->cmsg_type != SCM_CREDENTIALS)
		return -EBADMSG;
	memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	report.pid = sender.pid;
	report.what[sizeof(report.what) - 1] = '\0';
	*ret_report = report;
	return 1;
}

_Noreturn void sandbox_fail(
	const struct sandbox *sandbox, enum layer layer, int error, const char *what)
{
	report_send(sandbox->report_fd, REPORT_FAILED, layer, -error, what);
	_exit(EXIT_UNBORN);
}

bool sandbox_step(struct sandbox *sandbox, enum layer layer, int error, const char *what)
{
	if (error == 0)
		return true;
	if (!sandbox->probing)
		sandbox_fail(sandbox, layer, error, what);
	report_send(sandbox->report_fd, REPORT_LACKS, layer, -error, what);
	sandbox->layers &= ~LAYER_BIT(layer);
	return false;
}
