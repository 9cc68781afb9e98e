/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_SLOTS_PRIVATE_H
#define AGENT_SLOTS_PRIVATE_H

/* What agent/slots.c, which follows interfaces, shares with agent/slots_pinned.c. */

#include "agent/chain.h"
#include "agent/interfaces.h"
#include "agent/slots.h"

#include <pthread.h>

#define REFUSALS_MAX 64 /* matching interfaces that are remembered not to be tried at each word */

struct slot {
	const char *wanted; /* NULL: for what matches a pattern */
	bool used;
	bool is_pinned;
	bool is_detached; /* somebody took the program away, if the interface is still there */
	bool missing;     /* `wanted` is not there, or cannot be attached to; logged */
	struct attachment attachment;
	uint64_t since_ns; /* UNIX epoch: attached */
	uint64_t gone_ns;  /* monotonic */
	/* The collector's counters when it was attached, and what it had counted when it was gone. */
	struct interface_event base, last;
	struct unparsed unparsed_base, unparsed_last;
};

/* An interface that cannot be attached to. */
struct refusal {
	int ifindex;
	int error;
	uint64_t retry_ns;
};

struct slots {
	struct slots_options options;
	struct collector *collector; /* borrowed */
	struct chain *chain;         /* NULL: links */
	struct interfaces *interfaces;
	struct interface_list list;
	struct refusal refusals[REFUSALS_MAX];
	bool is_full; /* logged */
	bool leaves;  /* pinned links stay when this ends */

	pthread_mutex_t lock; /* of what follows, for those who read it on other threads */
	unsigned int count;
	struct slot *slots;
	struct interface_event past;
	unsigned int refused; /* interfaces that match, now */
	uint64_t changes;
	unsigned int resumed; /* gone on with from an earlier agent */
};

/* Adds or subtracts counters; they may go below 0, and come back. */
void interface_totals_subtract(struct interface_event *totals, const struct interface_event *base);
void unparsed_subtract(struct unparsed *unparsed, const struct unparsed *base);

/* The one that is attached to the interface, or -1. */
int slot_of(const struct slots *slots, int ifindex);
/* The one that the interface should have: by its name, or because it matches; -1: none. */
int slot_wanting(const struct slots *slots, const struct interface *interface);

/* ---- agent/slots_pinned.c ---- */

/* What the next agent must know of it, before a packet is counted. Nothing without pins; so all of these. */
void slot_note(struct slots *slots, unsigned int index, const struct slot *slot);
/* Its link outlives the agent from now on. */
void slot_pin(struct slots *slots, unsigned int index);
/* Undoes both. */
void slot_unpin(struct slots *slots, unsigned int index);

/* Closes the links that outlive this. */
void slots_close_pinned(struct slots *slots);

/* Goes on with what an earlier agent left. Returns 0 or a negative errno. */
int slots_resume(struct slots *slots) _must_check_;

#endif
