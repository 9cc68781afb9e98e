/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_INTERFACES_H
#define AGENT_INTERFACES_H

/*
 * The network interfaces that there are, and word when that changes (rtnetlink). The word is only a
 * hint to list them again: so one that got lost, or that was overtaken by the next, does no harm.
 * One thread. Works without capabilities.
 */

#include "base/attr.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interface {
	int ifindex;
	char name[IF_NAMESIZE];
};

/* Cleared: empty. */
struct interface_list {
	struct interface *items;
	size_t count;
	size_t room;
};

void interface_list_done(struct interface_list *list);

/* NULL: not there. */
const struct interface *interface_list_find(const struct interface_list *list, const char *name);
const struct interface *interface_list_find_index(const struct interface_list *list, int ifindex);

/* Asks the kernel now; false also if that cannot be told. */
bool interface_is_gone(int ifindex);

/* Which network namespace this process is in: no other since the machine's start has the same number. */
uint64_t interfaces_namespace(void);

struct interfaces;

/* Subscribes, so that nothing is missed between a list and the word of the next change. */
int interfaces_open(struct interfaces **ret_interfaces) _must_check_;
void interfaces_close(struct interfaces *interfaces);
DEFINE_CLEANUP(struct interfaces, interfaces_close)

/* Readable when something may have changed. */
int interfaces_fd(const struct interfaces *interfaces);
/* Makes it unreadable again. To be called before interfaces_list(), lest a change goes unseen. */
void interfaces_drain(struct interfaces *interfaces);

/* What is there now. Replaces what is in `list`, which on failure is as it was. */
int interfaces_list(struct interfaces *interfaces, struct interface_list *list) _must_check_;

#endif
