// SPDX-License-Identifier: BSD-2-Clause
#include "net/udp_group.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>

/* Where the protocol's versions have what says whose they are (docs/protocol-1.md 2, protocol-2.md 3). */
#define V1_FIRST_OCTET  1
#define V2_SESSION_LAST 7 /* 1 octet */

/*
 * A load beyond the datagram's end ends the program with 0: worker 0 refuses what is that short. What
 * is neither of the two versions goes where its eighth octet says.
 */
static int choose_by_content(int fd, uint32_t workers, bool version1)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, version1 ? V1_FIRST_OCTET : UINT32_MAX, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, workers),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, V2_SESSION_LAST),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program;

	memset(&program, 0, sizeof(program)); /* and what lies between its members */
	program.len = ARRAY_SIZE(code);
	program.filter = code;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0
		       ? -errno
		       : 0;
}

/* The others share the first one's address; its port, if the kernel chose it. */
static int open_all(struct endpoint *local, unsigned int count, int *fds)
{
	for (unsigned int i = 0; i < count; i++) {
		fds[i] = udp_listen_shared(local);
		if (fds[i] < 0)
			return fds[i];
		local->len = sizeof(local->address);
		if (i == 0 &&
			getsockname(fds[0], (struct sockaddr *)&local->address, &local->len) < 0)
			return -errno;
	}
	return 0;
}

static int claim(const struct endpoint *local)
{
	_cleanup_fd_ int fd = udp_listen(local);

	return MIN(fd, 0);
}

int udp_group_open(const struct endpoint *local, unsigned int workers, bool version1, int *ret_fds)
{
	struct endpoint address = *local;
	int fds[UDP_GROUP_MAX + 1], r;
	unsigned int count;

	if (workers == 0 || workers > UDP_GROUP_MAX)
		return -EINVAL;
	count = version1 ? workers + 1 : workers;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = -1;
	/* Another group of the same user would be joined: two servers with half of the agents each. */
	r = claim(local);
	if (r == 0)
		r = open_all(&address, count, fds);
	if (r == 0)
		r = choose_by_content(fds[0], workers, version1);
	for (unsigned int i = 0; i < count && r < 0; i++)
		fd_closep(&fds[i]);
	for (unsigned int i = 0; i < count && r == 0; i++)
		ret_fds[i] = fds[i];
	return r;
}
