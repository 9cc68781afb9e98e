/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_STATE_H
#define NATIVE_STATE_H

/*
 * A function's state: entries by (key, name), all in memory. An event's changes are taken back if the
 * event fails; the others go to the database when the engine collects them. What time has emptied is swept
 * away bit by bit, and there is a cap, above which the entry that was not used for longest (of a few looked
 * at) is forgotten.
 *
 * Between two events nothing is left to undo. In one, whoever changes an entry first calls state_save(), then
 * changes its value, then calls state_changed().
 */

#include "event/state.h"
#include "key_words.h"
#include "map.h"
#include "value.h"

#define STATE_ENTRIES_MAX 400000

struct state;

/* A name; entries of many keys share it. */
struct name {
	struct map_node node;
	uint32_t users;
	uint16_t len;
	char text[];
};

/* What a counter needs is in one line of the cache. */
struct entry {
	struct map_node node; /* by key and name */
	struct key *key;
	struct name *name;
	uint64_t saved; /* in which event */
	uint32_t used;  /* before which sweep */
	bool stored;    /* the database has a row of it */
	bool changed;   /* it is in the list of what changed */
	bool gone;
	struct value value;
	struct entry *before, *after; /* of its key */
	size_t place;                 /* among all entries */
};

/* The state of one key, as one event sees it. */
struct state_view {
	struct state *state;
	struct key *key;               /* NULL: it has no entry, or was not looked for yet */
	size_t looked;                 /* for the key, among so many less one; 0: not yet */
	uint64_t hash;                 /* of the key, as the engine has it: it says the partition */
	uint64_t place;                /* state_hash_key() of its words */
	const struct key_words *words; /* borrowed */
	double now;                    /* milliseconds */
};

/* `fields`: of a key. Returns 0 or -ENOMEM. */
int state_new(uint32_t fields, size_t entries_max, struct state **ret_state) _must_check_;
void state_free(struct state *state);
DEFINE_CLEANUP(struct state, state_free)

/*
 * A committed row. 0, -ENOMEM, or -EINVAL: it is none that this function could have written, or
 * of a key that no event of it can have; it is left where it is.
 */
int state_load(struct state *state, const struct state_row *row) _must_check_;

/* Forgets partitions (bit p), which another worker has now. */
void state_drop(struct state *state, uint32_t partitions);

/* Forgets keys by the engine's hashes, which ascend, little-endian: they are in the store, and come back. */
void state_evict(struct state *state, const uint64_t *hashes, size_t count);

uint64_t state_hash_key(const struct state *state, const struct key_words *key);
/* A key from its text. False: it is none of this function's. */
bool state_parse_key(const struct state *state, const char *text, struct key_words *ret_key);

/* Fetch memory ahead of use, one step after the other: where a key is looked for, the key, its entry. */
void state_prefetch_place(const struct state *state, uint64_t place);
void state_prefetch_key(const struct state *state, uint64_t place);
void state_prefetch_entry(const struct state *state, uint64_t place);

/* The key's text, without a NUL. */
void state_put_key(const struct state_view *view, struct pipe_buffer *to);

/* ---- an event ---- */

/* What follows is one event, or some that succeed or fail together. `now`: the newest of their times. */
void state_begin(struct state *state, double now);
void state_keep(struct state *state);
void state_rollback(struct state *state);

/* Nothing may make it larger: no entry is made. */
void state_set_full(struct state *state, bool full);
bool state_is_full(const struct state *state);

/* NULL: there is none. */
struct entry *state_find(struct state_view *view, const char *name);
/* The entry, made if there is none. 0; -EINVAL: that is no name; -EDQUOT: it is full; or -ENOMEM. */
int state_claim(struct state_view *view, const char *name, struct entry **ret_entry) _must_check_;

/* Notes what an entry's value is, so that it may be changed in place. 0 or -ENOMEM. */
int state_save(struct state *state, struct entry *entry) _must_check_;
/* Moves what an entry's value is out of the way; it is none then. 0 or -ENOMEM. */
int state_replace(struct state *state, struct entry *entry) _must_check_;
/* It differs from what is stored. 0 or -ENOMEM. */
int state_changed(struct state *state, struct entry *entry) _must_check_;
int state_delete(struct state *state, struct entry *entry) _must_check_;
struct undo_log *state_undo(struct state *state);

/* ---- what has changed ---- */

/* Rough: bytes of JSON that have changed since the last state_collect(). */
size_t state_change_bytes(const struct state *state);
/* What one event has changed of it. */
size_t state_event_bytes(const struct state *state);

/*
 * Appends what has changed to a RESULT: the count, and of each hash, key, name, and the value or
 * that it is deleted.
 */
void state_collect(struct state *state, struct pipe_buffer *to);

/*
 * Looks at some entries, to drop those that time has emptied, and keeps to the cap. Between events only. It
 * looks at more than were made, so it comes round. Returns how many it gave up for the cap since the start.
 */
uint64_t state_sweep(struct state *state, size_t least);

size_t state_size(const struct state *state);

#endif
