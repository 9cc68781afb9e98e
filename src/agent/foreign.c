// SPDX-License-Identifier: BSD-2-Clause
#include "agent/foreign.h"

#include "base/fd.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void find_name(struct foreign *foreign)
{
	_cleanup_fd_ int fd = bpf_prog_get_fd_by_id(foreign->program_id);
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	snprintf(foreign->name, sizeof(foreign->name), "?");
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.name[0])
		memcpy(foreign->name, info.name, sizeof(foreign->name));
}

int foreign_find(int ifindex, struct foreign *ret_foreign)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int r = bpf_xdp_query(ifindex, 0, &query);
	struct foreign foreign = {0};

	if (r < 0)
		return r;
	if (query.drv_prog_id) {
		foreign.program_id = query.drv_prog_id;
		foreign.flags = XDP_FLAGS_DRV_MODE;
	} else if (query.skb_prog_id) {
		foreign.program_id = query.skb_prog_id;
		foreign.flags = XDP_FLAGS_SKB_MODE;
	} else if (query.hw_prog_id) {
		foreign.program_id = query.hw_prog_id;
		foreign.flags = XDP_FLAGS_HW_MODE;
	} else {
		return -ENOENT;
	}
	find_name(&foreign);
	*ret_foreign = foreign;
	return 0;
}

static bool link_is_of(int fd, int ifindex, uint32_t program_id)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == BPF_LINK_TYPE_XDP &&
	       (int)info.xdp.ifindex == ifindex && info.prog_id == program_id;
}

/*
 * The link that holds the program there. An interface's index is only unique in its network
 * namespace, and a link does not say which that is: where two links fit, -EBUSY.
 */
static int find_link(int ifindex, uint32_t program_id, int *ret_fd)
{
	_cleanup_fd_ int found = -1;
	uint32_t id = 0;

	while (bpf_link_get_next_id(id, &id) == 0) {
		_cleanup_fd_ int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0 || !link_is_of(fd, ifindex, program_id))
			continue;
		if (found >= 0)
			return -EBUSY;
		found = TAKE_FD(fd);
	}
	if (found < 0)
		return -ENOENT;
	*ret_fd = TAKE_FD(found);
	return 0;
}

static int detach_link(int ifindex, uint32_t program_id)
{
	_cleanup_fd_ int fd = -1;
	int r = find_link(ifindex, program_id, &fd);

	if (r < 0)
		return r;
	return bpf_link_detach(fd) < 0 ? -errno : 0;
}

int foreign_detach(int ifindex, const struct foreign *foreign, int *ret_fd)
{
	_cleanup_fd_ int program_fd = bpf_prog_get_fd_by_id(foreign->program_id);
	/* Only this very program, should it have been replaced in the meantime. */
	LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = program_fd);
	int r;

	if (program_fd < 0)
		return -errno;
	r = detach_link(ifindex, foreign->program_id);
	if (r == 0) {
		*ret_fd = -1;
		return 0;
	}
	if (r != -ENOENT)
		return r;
	r = bpf_xdp_detach(ifindex, foreign->flags, &options);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(program_fd);
	return 0;
}
