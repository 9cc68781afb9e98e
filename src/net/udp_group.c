// SPDX-License-Identifier: BSD-2-Clause
#include "net/udp_group.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/filter.h>

/* Where the protocol's versions have what names the agent (docs/protocol.md 2, protocol-2.md 3). */
#define V1_FIRST_OCTET  1
#define V1_SWITCH_ID    1 /* 4 octets */
#define V2_FIXED_MASK   0xc0
#define V2_FIXED_BITS   0x80
#define V2_SESSION_LAST 7          /* 1 octet */
#define NO_WORKER       UINT32_MAX /* beyond the group: the kernel takes the addresses' hash */

/* A load beyond the datagram's end ends the program with 0: worker 0 refuses what is that short. */
static int choose_by_content(int fd, uint32_t workers)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, V1_FIRST_OCTET, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, V1_SWITCH_ID),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, V2_FIXED_MASK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, V2_FIXED_BITS, 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, V2_SESSION_LAST),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_RET | BPF_K, NO_WORKER),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

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

int udp_group_open(const struct endpoint *local, unsigned int count, int *ret_fds)
{
	struct endpoint address = *local;
	int fds[UDP_GROUP_MAX], r;

	if (count == 0 || count > UDP_GROUP_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < count; i++)
		fds[i] = -1;
	/* Another group of the same user would be joined: two servers with half of the agents each. */
	r = claim(local);
	if (r == 0)
		r = open_all(&address, count, fds);
	if (r == 0)
		r = choose_by_content(fds[0], count);
	for (unsigned int i = 0; i < count && r < 0; i++)
		fd_closep(&fds[i]);
	for (unsigned int i = 0; i < count && r == 0; i++)
		ret_fds[i] = fds[i];
	return r;
}
