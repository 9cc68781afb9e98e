/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_MAP_H
#define NATIVE_MAP_H

/*
 * A hash table over nodes that its user embeds. It grows; if there is no memory for that it stays as
 * it is, and gets slower. Its user makes hashes, with map_hash() so that nobody who chooses keys can choose
 * collisions, walks through what has one hash, and compares.
 */

#include "base/attr.h"
#include "base/siphash.h"

#include <stdint.h>
#include <string.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node **buckets;
	size_t mask; /* buckets - 1 */
	size_t count;
};

/* 0 or -ENOMEM. */
int map_init(struct map *map) _must_check_;
/* Forgets the nodes; they stay their user's. */
void map_done(struct map *map);

void map_insert(struct map *map, struct map_node *node);
/* It must be there. */
void map_remove(struct map *map, struct map_node *node);

static inline struct map_node **map_bucket(const struct map *map, uint64_t hash)
{
	return &map->buckets[hash & map->mask];
}

/* The first node with a hash, or the next one after a node; NULL: none. */
static inline struct map_node *map_next(struct map_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

static inline struct map_node *map_first(const struct map *map, uint64_t hash)
{
	return map_next(*map_bucket(map, hash), hash);
}

/* Both halves of the product of two words. */
static inline uint64_t map_fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of a random secret. Fast rather than strong: nobody outside learns a hash. */
static inline uint64_t map_hash(const struct siphash_key *secret, const void *bytes, size_t len)
{
	const uint8_t *at = (const uint8_t *)bytes;
	uint64_t hash = secret->k0 ^ len, word;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = map_fold(hash ^ word, secret->k1);
	}
	word = 0;
	memcpy(&word, at, len);
	return map_fold(hash ^ word, secret->k1);
}

#endif
