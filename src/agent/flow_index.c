// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flow_index.h"

#include <assert.h>

#define LOAD 4 /* ids a bucket, on average: both of an id are full once in 10^9 times */

static uint32_t bits_for(uint32_t values)
{
	return values > 1 ? 32 - (uint32_t)__builtin_clz(values - 1) : 0;
}

static uint32_t bucket_bits(uint32_t max)
{
	const uint32_t bits = bits_for((max + LOAD - 1) / LOAD);

	return bits > 0 ? bits : 1; /* the two choices are two */
}

size_t flow_index_bytes(uint32_t max)
{
	return sizeof(struct flow_index_bucket) << bucket_bits(max);
}

void flow_index_init(struct flow_index *index, uint32_t max, void *memory)
{
	*index = (struct flow_index){
		.buckets = memory,
		.bucket_bits = bucket_bits(max),
		.id_bits = bits_for(max + 1),
	};
}

static bool put(struct flow_index_bucket *bucket, uint32_t entry)
{
	for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++) {
		if (bucket->entries[way] == 0) {
			bucket->entries[way] = entry;
			return true;
		}
	}
	return false;
}

static bool take(struct flow_index_bucket *bucket, uint32_t entry)
{
	for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++) {
		if (bucket->entries[way] == entry) {
			bucket->entries[way] = 0;
			return true;
		}
	}
	return false;
}

bool flow_index_insert(struct flow_index *index, uint64_t hash, uint32_t id)
{
	const uint32_t entry = flow_index_tag(index, hash) | (id + 1);
	struct flow_index_bucket *first = flow_index_first(index, hash);

	if (put(first, entry))
		return true;
	if (!put(flow_index_second(index, hash), entry))
		return false;
	first->elsewhere++;
	return true;
}

uint32_t flow_index_neighbour(const struct flow_index *index, uint64_t hash)
{
	const uint32_t entry = flow_index_first(index, hash)->entries[0];

	assert(entry != 0);
	return (entry & ((1U << index->id_bits) - 1)) - 1;
}

void flow_index_remove(struct flow_index *index, uint64_t hash, uint32_t id)
{
	const uint32_t entry = flow_index_tag(index, hash) | (id + 1);
	struct flow_index_bucket *first = flow_index_first(index, hash);
	bool found = take(first, entry);

	if (!found) {
		found = take(flow_index_second(index, hash), entry);
		first->elsewhere--;
	}
	assert(found);
}
