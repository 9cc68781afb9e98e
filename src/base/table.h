/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

/*
 * A hash table over entries that the caller owns: embed a struct table_entry and a fixed-size key.
 * Nothing is allocated after table_init(); the number of buckets is fixed, so the owner caps the
 * entries. Keys are compared as bytes, so their padding must be set. With a random secret nobody
 * who chooses keys can choose collisions.
 */

#include "base/attr.h"
#include "base/siphash.h"

#include <stddef.h>
#include <stdint.h>

struct table_entry {
	struct table_entry *next;
	uint64_t hash;
};

struct table {
	struct table_entry **buckets;
	size_t mask;
	size_t count;
	ptrdiff_t key_offset; /* bytes from an entry's struct table_entry to its key */
	size_t key_bytes;
	struct siphash_key secret;
};

/* Makes room for about `expected` entries. Returns 0 or -ENOMEM. */
int table_init(struct table *table, size_t expected, ptrdiff_t key_offset, size_t key_bytes,
	const struct siphash_key *secret) _must_check_;
/* Forgets the entries; they stay the caller's. */
void table_done(struct table *table);

/* NULL if there is none. */
struct table_entry *table_find(const struct table *table, const void *key);
/* The entry's key must be set and not be in the table. */
void table_insert(struct table *table, struct table_entry *entry);
/* The entry must be in the table. */
void table_remove(struct table *table, struct table_entry *entry);

#endif
