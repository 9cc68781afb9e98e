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

void report_send_doors(int fd, const int *fds, size_t count)
{
	struct report report = {.kind = REPORT_DOORS, .layer = LAYER_NETWORK};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(DOORS_MAX * sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS,
			     .cmsg_len = CMSG_LEN(count * sizeof(int))}};
	struct iovec iov = {.iov_base = &report, .iov_len = sizeof(report)};
	const struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};

	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	(void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void take_ancillary(struct msghdr *message, struct report *report)
{
	struct ucred sender;

	report->pid = 0;
	report->fd_count = 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
		header = CMSG_NXTHDR(message, header)) {
		size_t size = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&sender, CMSG_DATA(header), sizeof(sender));
			report->pid = sender.pid;
		} else if (header->cmsg_type == SCM_RIGHTS && size <= sizeof(report->fds)) {
			memcpy(report->fds, CMSG_DATA(header), size);
			report->fd_count = size / sizeof(int);
		}
	}
}

int report_receive(int fd, struct report *ret_report)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DOORS_MAX * sizeof(int))];
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

	if (n <= 0)
		return n < 0 && errno != ECONNRESET ? -errno : 0;
	take_ancillary(&message, &report);
	if (n != sizeof(report) || report.pid == 0)
		return -EBADMSG;
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
