/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_STATE_ENTRIES_H
#define NATIVE_STATE_ENTRIES_H

/*
 * What a state holds and how it is found: keys, names, and entries by both. For state.c, which changes it, takes
 * changes back and forgets.
 */

#include "state.h"
#include "undo.h"

struct key {
	struct map_node node;
	struct entry *entries;
	struct entry *recent; /* of them, the one that was used last */
	struct key *next_unused;
	uint64_t hash;  /* as the engine has it */
	uint32_t users; /* entries, those too that are gone and still to be told */
	bool is_unused; /* it is in the list of those */
	uint32_t count;
	uint64_t words[];
};

struct entry_list {
	struct entry **items;
	size_t count, capacity;
};

struct state {
	struct siphash_key secret;
	uint32_t fields;
	struct map keys, names, entries;
	struct entry_list all;     /* in any order */
	struct entry_list changed; /* in the order in which they first changed */
	size_t changed_before;     /* the event that runs */
	struct key *unused;        /* keys that have lost their last entry */
	struct undo_log undo;
	uint64_t event; /* number of the one that runs */
	double now;     /* the newest event time */
	uint32_t sweeps;
	size_t change_bytes, change_bytes_before;
	size_t entries_max;
	size_t hand; /* of the sweeper, in `all` */
	size_t made; /* entries since the last sweep */
	uint64_t forgotten;
	bool full; /* nothing may make it larger */
};

/* Of an undo log. */
struct entry_record {
	struct state *state;
	struct entry *entry;
};

bool entry_list_append(struct entry_list *list, struct entry *entry) _must_check_;

/* An entry that is not there yet, to be unmade if the event fails. 0, -EINVAL or -ENOMEM. */
int entry_add(struct state_view *view, const char *text, struct entry **ret_entry) _must_check_;
void entry_free(struct state *state, struct entry *entry);

/* Where it is found, and where it is not any more. */
void entry_link(struct state *state, struct entry *entry);
void entry_unlink(struct state *state, struct entry *entry);

/* Among all entries. False: no memory. */
bool entry_enlist(struct state *state, struct entry *entry) _must_check_;
void entry_strike(struct state *state, struct entry *entry);

/* Between events. */
void keys_free_unused(struct state *state);

#endif
