/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FOREIGN_H
#define AGENT_FOREIGN_H

/* Somebody else's XDP program on an interface: finding it, and taking it away. */

#include "base/attr.h"

#include <linux/bpf.h>
#include <stdint.h>

struct foreign {
	uint32_t program_id;
	char name[BPF_OBJ_NAME_LEN]; /* "?" where we may not ask for it */
	uint32_t flags;              /* XDP_FLAGS_*_MODE that it is attached in */
};

/* Returns 0; -ENOENT: there is none; or a negative errno. */
int foreign_find(int ifindex, struct foreign *ret_foreign) _must_check_;

/*
 * Detaches it. `*ret_fd` is the program, so that it can be attached again, or -1 where that would
 * not be what was there before: its owner had a BPF link, which is of no use to him any more.
 * Returns 0 or a negative errno.
 */
int foreign_detach(int ifindex, const struct foreign *foreign, int *ret_fd) _must_check_;

#endif
