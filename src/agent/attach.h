/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_ATTACH_H
#define AGENT_ATTACH_H

/*
 * Attaching an XDP program to an interface through a BPF link, which the kernel takes away when the
 * agent ends, in whatever way. Somebody else's program is left alone unless told otherwise. One
 * thread. Logs the mode that is in force.
 */

#include "agent/interfaces.h"
#include "base/attr.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

enum attach_mode {
	ATTACH_AUTO,    /* native, or generic if the driver refuses that */
	ATTACH_NATIVE,  /* in the driver */
	ATTACH_GENERIC, /* behind it: on any interface, but slower */
};

/* "auto", "native", "generic". */
const char *attach_mode_name(enum attach_mode mode);
/* 0 or -EINVAL. */
int attach_mode_parse(const char *name, enum attach_mode *ret_mode) _must_check_;

struct attach_options {
	enum attach_mode mode;
	bool force; /* take away somebody else's program */
	/* Beside other programs, by way of agent/chain.h, the lowest priority first. */
	bool chain;
	unsigned int priority;
};

struct attachment {
	char name[IF_NAMESIZE];
	int ifindex;
	enum attach_mode mode; /* in force: native or generic */
	int link_fd;
	bool is_chained; /* without a link of its own */
	/* A program that was there before, to be put back: only one without a link can be. */
	int displaced_fd;
	uint32_t displaced_flags;
};

/*
 * Looks an interface up. Returns its index, or -ENODEV with a message in `ret_error` (to be freed)
 * that names the interface meant, if one is near.
 */
int interface_find(const char *name, char **ret_error) _must_check_;

/*
 * Attaches. Returns 0 or a negative errno with a message for the operator in `ret_error` (to be
 * freed; start with NULL): -EBUSY: somebody else's program is there; -EOPNOTSUPP and others: what the driver said.
 * `ret_attachment` is untouched on failure, and so is the interface.
 */
int attachment_open(const char *name, int program_fd, const struct attach_options *options,
	struct attachment *ret_attachment, char **ret_error) _must_check_;

/* The same, for one whose index is known already. */
int attachment_open_index(const char *name, int ifindex, int program_fd,
	const struct attach_options *options, struct attachment *ret_attachment,
	char **ret_error) _must_check_;

/*
 * Goes on with a link that is there, which gets this program in the place of the one that it has: no
 * packet is missed by both. Takes `link_fd`, unless it fails with a negative errno: -ENOTSUP: it is not
 * in the mode that is asked for.
 */
int attachment_resume(const struct interface *interface, int program_fd,
	const struct attach_options *options, int link_fd,
	struct attachment *ret_attachment) _must_check_;
/* Gives up the link without detaching it: somebody else has it as well, or it is pinned. */
void attachment_leave(struct attachment *attachment);

/* The index of the interface that an XDP link is attached to; 0: to none any more. */
int attach_link_index(int link_fd);
/* Takes a link from its interface. Returns 0 or a negative errno. */
int attach_detach_link(int link_fd);

/* Detaches, and puts back what --force displaced. */
void attachment_close(struct attachment *attachment);

/*
 * The first half of it: the kernel begins to do without the program. After attach_wait_unused(),
 * which is for any number of them, no CPU runs it any more, and its counters are final.
 */
void attachment_disable(struct attachment *attachment);
void attach_wait_unused(void);

/* There is something to be closed. */
bool attachment_is_open(const struct attachment *attachment);

/* False when the interface is gone from under it, or somebody detached it. */
bool attachment_is_alive(const struct attachment *attachment);

#endif
