/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_PINS_H
#define AGENT_PINS_H

/*
 * The directory in a BPF file system where an agent with --pin leaves what must outlive it:
 *
 *	link_7          the link that holds the program on the interface with index 7
 *	maps_1/NAME     the maps, all of one layout: a "set"
 *	journal         events that are not processed yet (agent/journal_pinned.h)
 *
 * One agent has a directory at a time: it is locked. Mostly there is one set; while an agent replaces
 * it by one of another layout there are two, and more if it is killed at that. Objects that are not
 * an agent's are left alone.
 *
 * One thread, but for the memory behind pin_set_state() and pin_set_slots(). Works without
 * privileges once pins_give() made the directory the user's.
 */

#include "agent/pin_state.h"
#include "base/attr.h"

#include <stdbool.h>
#include <sys/types.h>

#define PINS_DIR    "/sys/fs/bpf/netlambda"
#define PINS_ANYONE ((uid_t)-1)

struct pins;
struct pin_set;

/*
 * Makes the directory if need be, locks it and opens what is there. It must be root's, ours or `user`'s,
 * who may be PINS_ANYONE.
 * Returns 0 or a negative errno with a message for the operator in `ret_error` (to be freed; start
 * with NULL): -EBUSY: another agent has it.
 */
int pins_open(
	const char *directory, uid_t user, struct pins **ret_pins, char **ret_error) _must_check_;
/* Unlocks. What is pinned stays. */
void pins_close(struct pins *pins);
DEFINE_CLEANUP(struct pins, pins_close)

const char *pins_directory(const struct pins *pins);
/* For a user without privileges to go on with. Returns 0 or a negative errno. */
int pins_give(const struct pins *pins, uid_t uid, gid_t gid) _must_check_;

/* ---- sets of maps ---- */

/* The oldest first. They stay valid until pins_remove_set(). */
unsigned int pins_set_count(const struct pins *pins);
struct pin_set *pins_set(const struct pins *pins, unsigned int index);

/* An empty one, not complete. Returns 0 or a negative errno. */
int pins_add_set(struct pins *pins, uint32_t slot_count, struct pin_set **ret_set) _must_check_;
/* Takes its files away; the maps stay as long as somebody has them. */
void pins_remove_set(struct pins *pins, struct pin_set *set);

/* Returns the map's descriptor, the caller's to close, or a negative errno. */
int pin_set_get(const struct pin_set *set, const char *name) _must_check_;
int pin_set_put(struct pin_set *set, const char *name, int fd) _must_check_;

/* NULL: it is of an agent whose notes this one cannot read, and so its maps neither. */
struct pin_state *pin_set_state(const struct pin_set *set);
/* As many as its slot_count. */
struct pin_slot *pin_set_slots(const struct pin_set *set);

/* ---- the journal ---- */

/* Returns the map's descriptor, the caller's to close, or a negative errno: -ENOENT: there is none. */
int pins_get_journal(const struct pins *pins) _must_check_;
/* In the place of the one that is there. Returns 0 or a negative errno. */
int pins_put_journal(const struct pins *pins, int fd) _must_check_;
void pins_remove_journal(const struct pins *pins);

/* ---- links ---- */

struct pin_link {
	int ifindex; /* in the name */
	int fd;
};

/* Those that were there when the directory was opened; descriptors are the caller's to take. */
unsigned int pins_link_count(const struct pins *pins);
struct pin_link *pins_link(const struct pins *pins, unsigned int index);

/* Returns 0 or a negative errno. One that is there already, of an interface that is gone, is replaced. */
int pins_put_link(const struct pins *pins, int ifindex, int fd) _must_check_;
void pins_remove_link(const struct pins *pins, int ifindex);
/* Now; false also if that cannot be told. */
bool pins_have_no_link(const struct pins *pins);

/* Takes all links from their interfaces. Returns how many interfaces were counted on till now. */
unsigned int pins_detach(const struct pins *pins);
/* Removes all files, and the directory if it is empty then. */
void pins_remove_all(struct pins *pins);

#endif
