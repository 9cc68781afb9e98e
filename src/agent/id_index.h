/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_ID_INDEX_H
#define AGENT_ID_INDEX_H

/*
 * Which entries of a pool may have a key: from the key's hash to the entries' ids. A bucket is a
 * cache line, and an id lies in one of two buckets, nearly always in the first: so a look costs one
 * line, which can be fetched ahead, and an entry is touched only if 6 or more bits of its hash are
 * right. Ids are below the index's `max`. One thread; memory is the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_INDEX_WAYS 15
#define ID_INDEX_MAX  (1U << 25)

struct id_index_bucket {
	/* The hash's lowest bits, the last of them set, above the id, which counts from 1; 0: free. */
	uint32_t entries[ID_INDEX_WAYS];
	uint32_t
		elsewhere; /* ids of which this is the first bucket, and which lie in their second */
} __attribute__((aligned(64)));

struct id_index {
	struct id_index_bucket *buckets;
	uint32_t bucket_count;
	uint32_t id_bits;
};

/* What the index of a pool of `max` entries (1 to ID_INDEX_MAX) needs. */
size_t id_index_bytes(uint32_t max);
/* `memory` is as large, zero, and aligned to cache lines. */
void id_index_init(struct id_index *index, uint32_t max, void *memory);

/* Whether the next one will find its place. */
bool id_index_has_room(const struct id_index *index, uint64_t hash);
/* The id must not be there. False: both buckets are full; id_index_neighbour() is in the way. */
bool id_index_insert(struct id_index *index, uint64_t hash, uint32_t id);
uint32_t id_index_neighbour(const struct id_index *index, uint64_t hash);
/* The id must be there, with this hash. */
void id_index_remove(struct id_index *index, uint64_t hash, uint32_t id);

/* ---- looking, which is inlined ---- */

static inline struct id_index_bucket *id_index_first(const struct id_index *index, uint64_t hash)
{
	return &index->buckets[(hash >> 32) * index->bucket_count >> 32];
}

static inline struct id_index_bucket *id_index_second(const struct id_index *index, uint64_t hash)
{
	struct id_index_bucket *first = id_index_first(index, hash);
	struct id_index_bucket *second =
		&index->buckets[(hash & UINT32_MAX) * index->bucket_count >> 32];

	if (second != first)
		return second;
	return second == index->buckets ? second + 1 : second - 1;
}

static inline uint32_t id_index_tag(const struct id_index *index, uint64_t hash)
{
	return ((uint32_t)hash | 1) << index->id_bits;
}

/*
 * A bit for each way that has the tag. Four ways at a time, and without a branch: none could be
 * predicted. The last lane is no way, and has no bit.
 */
static inline uint32_t id_index_matches(
	const struct id_index *index, const struct id_index_bucket *bucket, uint64_t hash)
{
	typedef uint32_t lanes __attribute__((vector_size(16), may_alias));
	static const lanes bits[4] = {{1 << 0, 1 << 1, 1 << 2, 1 << 3},
		{1 << 4, 1 << 5, 1 << 6, 1 << 7}, {1 << 8, 1 << 9, 1 << 10, 1 << 11},
		{1 << 12, 1 << 13, 1 << 14, 0}};
	const uint32_t tag = id_index_tag(index, hash), ids = (1U << index->id_bits) - 1;
	const lanes *ways = (const lanes *)bucket;
	lanes matches = {0};

	for (int i = 0; i < 4; i++)
		matches |= (lanes)((ways[i] | ids) == (tag | ids)) & bits[i];
	return matches[0] | matches[1] | matches[2] | matches[3];
}

/* The ids that may have a hash, one after the other. */
struct id_index_walk {
	const struct id_index *index;
	uint64_t hash;
	const struct id_index_bucket *bucket;
	uint32_t left;
	bool is_second;
};

static inline struct id_index_walk id_index_walk(const struct id_index *index, uint64_t hash)
{
	const struct id_index_bucket *first = id_index_first(index, hash);

	return (struct id_index_walk){
		.index = index,
		.hash = hash,
		.bucket = first,
		.left = id_index_matches(index, first, hash),
	};
}

static inline bool id_index_next(struct id_index_walk *walk, uint32_t *ret_id)
{
	const struct id_index *index = walk->index;
	uint32_t way;

	if (!walk->left && !walk->is_second && walk->bucket->elsewhere) {
		walk->is_second = true;
		walk->bucket = id_index_second(index, walk->hash);
		walk->left = id_index_matches(index, walk->bucket, walk->hash);
	}
	if (!walk->left)
		return false;
	way = (uint32_t)__builtin_ctz(walk->left);
	walk->left &= walk->left - 1;
	*ret_id = (walk->bucket->entries[way] & ((1U << index->id_bits) - 1)) - 1;
	return true;
}

#endif
