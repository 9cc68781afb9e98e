// SPDX-License-Identifier: BSD-2-Clause
#include "agent/id_index.h"

#include <assert.h>

#define LOAD 6 /* ids a bucket: when all are in use, both of an id are full once in 500,000 times */

static uint32_t bits_for(uint32_t values)
{
	return values > 1 ? 32 - (uint32_t)__builtin_clz(values - 1) : 0;
}

static uint32_t bucket_count(uint32_t max)
{
	const uint32_t count = (max + LOAD - 1) / LOAD;

	return count > 1 ? count : 2; /* the two choices are two */
}

size_t id_index_bytes(uint32_t max)
{
	return sizeof(struct id_index_bucket) * bucket_count(max);
}

void id_index_init(struct id_index *index, uint32_t max, void *memory)
{
	*index = (struct id_index){
		.buckets = memory,
		.bucket_count = bucket_count(max),
		.id_bits = bits_for(max + 1),
	};
}

static bool put(struct id_index_bucket *bucket, uint32_t entry)
{
	for (uint32_t way = 0; way < ID_INDEX_WAYS; way++) {
		if (bucket->entries[way] == 0) {
			bucket->entries[way] = entry;
			return true;
		}
	}
	return false;
}

static bool take(struct id_index_bucket *bucket, uint32_t entry)
{
	for (uint32_t way = 0; way < ID_INDEX_WAYS; way++) {
		if (bucket->entries[way] == entry) {
			bucket->entries[way] = 0;
			return true;
		}
	}
	return false;
}

static bool has_free(const struct id_index_bucket *bucket)
{
	for (uint32_t way = 0; way < ID_INDEX_WAYS; way++)
		if (bucket->entries[way] == 0)
			return true;
	return false;
}

bool id_index_has_room(const struct id_index *index, uint64_t hash)
{
	return has_free(id_index_first(index, hash)) || has_free(id_index_second(index, hash));
}

bool id_index_insert(struct id_index *index, uint64_t hash, uint32_t id)
{
	const uint32_t entry = id_index_tag(index, hash) | (id + 1);
	struct id_index_bucket *first = id_index_first(index, hash);

	if (put(first, entry))
		return true;
	if (!put(id_index_second(index, hash), entry))
		return false;
	first->elsewhere++;
	return true;
}

uint32_t id_index_neighbour(const struct id_index *index, uint64_t hash)
{
	const uint32_t entry = id_index_first(index, hash)->entries[0];

	assert(entry != 0);
	return (entry & ((1U << index->id_bits) - 1)) - 1;
}

void id_index_remove(struct id_index *index, uint64_t hash, uint32_t id)
{
	const uint32_t entry = id_index_tag(index, hash) | (id + 1);
	struct id_index_bucket *first = id_index_first(index, hash);
	bool found = take(first, entry);

	if (!found) {
		found = take(id_index_second(index, hash), entry);
		first->elsewhere--;
	}
	assert(found);
}
