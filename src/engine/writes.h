/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_WRITES_H
#define ENGINE_WRITES_H

/*
 * The state changes of one result, one for each (hash, key, name): a later one takes the place of an earlier
 * one, since only the last is worth a row in the database. Texts are borrowed.
 */

#include "base/attr.h"
#include "base/siphash.h"
#include "event/outcome.h"

struct write_slot {
	uint32_t hash;
	uint32_t place; /* in items, plus 1; 0: free */
};

struct write_set {
	struct state_row *items;
	size_t count;
	size_t capacity;
	struct write_slot *slots; /* twice as many as items, a power of two */
	struct siphash_key secret;
};

/* `secret` is random, so that nobody who chooses keys can choose collisions. */
void write_set_init(struct write_set *set, const struct siphash_key *secret);
void write_set_done(struct write_set *set);

/* Makes room for `more`. 0 or -ENOMEM. */
int write_set_reserve(struct write_set *set, size_t more) _must_check_;

/*
 * Puts one for which there is room. `identity`: `len` bytes that are the same for two writes if, and
 * only if, their key and name are.
 */
void write_set_put(
	struct write_set *set, const struct state_row *write, const void *identity, size_t len);

#endif
