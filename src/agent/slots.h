/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_SLOTS_H
#define AGENT_SLOTS_H

/*
 * Which interface is counted in which of the collector's slots. Each name that was asked for has a
 * slot of its own; interfaces that match a pattern share the others. An interface that is removed
 * leaves its slot, and one that comes (back) gets one and is attached. All programs were loaded
 * before, so following costs no privilege.
 *
 * The collecting thread changes the slots; reading them is safe from any.
 */

#include "agent/attach.h"
#include "agent/collect.h"

struct leftovers;
struct pins;
struct slots;

struct slots_options {
	const char *const *wanted; /* names and fnmatch(3) patterns; borrowed */
	unsigned int wanted_count;
	unsigned int follow_max; /* interfaces at a time that match patterns */
	bool wait;               /* a name that is not there may come later */
	struct attach_options attach;
	/* Links outlive the agent, and are gone on with if they are there. NULL: they do not. Borrowed. */
	struct pins *pins;
	const struct leftovers *left; /* with `pins`: maps that the collector does not go on with */
	/* On the thread that follows: what a slot counted, as its interface is gone. */
	void (*last_totals)(void *user, const struct interface_event *totals);
	void *user;
};

struct slot_info {
	char name[IF_NAMESIZE];
	enum attach_mode mode; /* in force, or last in force */
	bool attached;
};

/* Has a character that is special in a pattern; no interface's name should. */
bool is_pattern(const char *wanted);

/* How many slots the collector must have. */
unsigned int slots_needed(const struct slots_options *options);

/* Which slot is whose: maps can be gone on with only by one who says the same. */
uint64_t slots_fingerprint(const struct slots_options *options);

/* Before anything is loaded: are the names there, and each once? As slots_new(). */
int slots_check(const struct slots_options *options, char **ret_error) _must_check_;

/*
 * Attaches to what is there. Returns 0 or a negative errno with a message for the operator in
 * `ret_error` (to be freed; start with NULL); nothing stays attached then but what was gone on with.
 * The collector is borrowed.
 */
int slots_new(const struct slots_options *options, struct collector *collector,
	struct slots **ret_slots, char **ret_error) _must_check_;
/* Detaches, if that is still to be done, but for links that are to be left. */
void slots_free(struct slots *slots);
DEFINE_CLEANUP(struct slots, slots_free)

/* Readable when slots_follow() is due, until slots_drain(). */
int slots_fd(const struct slots *slots);
void slots_drain(struct slots *slots);
/*
 * Attaches and detaches according to what is there now. Also to be called now and then, since not
 * all that lets an attempt succeed is announced.
 */
void slots_follow(struct slots *slots, uint64_t now_ns);
/*
 * With all attached, and before there is another thread or any privilege is given up: makes sure that
 * it can be detached without. Returns 0 or a negative errno.
 */
int slots_keep(struct slots *slots) _must_check_;
/* Detaches all; when it returns, no program counts any more, and all last totals were told. */
void slots_detach(struct slots *slots);

/* From now on slots_free() leaves the links that are pinned. */
void slots_leave(struct slots *slots);

/* Some program was displaced, and is to be put back. */
bool slots_have_displaced(const struct slots *slots);

/* Slots are numbered from 0; false: this one was never used. */
unsigned int slots_count(const struct slots *slots);
bool slots_get(struct slots *slots, unsigned int slot, struct slot_info *ret_info);
/* -ENOENT: it was never used. The totals of a slot whose interface is gone are its last. */
int slots_read(
	struct slots *slots, unsigned int slot, struct interface_event *ret_totals) _must_check_;
/* The same for frames that have no key. */
int slots_read_unparsed(
	struct slots *slots, unsigned int slot, struct unparsed *ret_unparsed) _must_check_;
/* Of those that were in slots which others have now. */
void slots_read_past(struct slots *slots, struct interface_event *ret_totals);

/* Attached, and of these in generic mode; asked for and not attached (patterns: refused). */
struct slots_stats {
	unsigned int attached;
	unsigned int generic;
	unsigned int missing;
	unsigned int pinned;
	unsigned int resumed; /* gone on with from an earlier agent, at start */
	uint64_t changes;     /* attached or lost since the start */
};
void slots_get_stats(struct slots *slots, struct slots_stats *ret_stats);

#endif
