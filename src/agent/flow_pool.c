// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flow_pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE (2UL << 20)

/* ---- keys ---- */

_Static_assert(offsetof(struct flow, protocol) == 36, "a key is 32 octets, a word, and an octet");
_Static_assert(offsetof(struct flow_event, protocol) == 36, "as in struct flow");

static inline uint32_t load32(const uint8_t *from)
{
	uint32_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

static inline uint64_t load64(const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

/*
 * Multilinear hashing, as in the kernel's flow table (bpf/flow_table.bpf.h): the upper half of the
 * sum is strongly universal. Its lower half is not, and is mixed from all of it.
 */
uint64_t flow_pool_hash(const struct flow_pool *pool, const void *key)
{
	const uint64_t *seeds = pool->seeds;
	const uint8_t *bytes = key;
	uint64_t sum = seeds[0] + seeds[1] * bytes[36], mixed;

	for (size_t i = 0; i < 9; i++)
		sum += seeds[2 + i] * load32(bytes + 4 * i);
	mixed = (sum ^ sum >> 32) * 0xd6e8feb86659fd93ULL;
	return (sum >> 32 << 32) | mixed >> 32;
}

static inline bool key_equal(const void *a, const void *b)
{
	const uint8_t *left = a, *right = b;
	uint64_t differs = load32(left + 32) ^ load32(right + 32);

	for (size_t i = 0; i < 32; i += 8)
		differs |= load64(left + i) ^ load64(right + i);
	return (differs | (uint64_t)(left[36] ^ right[36])) == 0;
}

/* ---- memory ---- */

/*
 * In large pages, if they are to be had: nearly each access would miss the address cache as well. But
 * not what would leave a part of one unused.
 */
static void *memory_new(size_t bytes)
{
	const size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	void *memory = aligned_alloc(HUGE_PAGE, whole);

	if (memory)
		(void)madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
	return memory;
}

int flow_pool_init(
	struct flow_pool *pool, uint32_t max, const uint64_t seeds[static FLOW_POOL_SEEDS])
{
	const size_t words = (max + FLOW_BITS_WORD - 1) / FLOW_BITS_WORD;
	const size_t index_bytes = id_index_bytes(max), flows_bytes = max * sizeof(struct flow);
	uint64_t *bits = calloc(4 * words, sizeof(uint64_t));
	uint8_t *memory = memory_new(flows_bytes + index_bytes + max * sizeof(struct flow_history));

	if (!bits || !memory) {
		free(bits);
		free(memory);
		return -ENOMEM;
	}
	*pool = (struct flow_pool){
		.flows = (struct flow *)memory,
		.histories = (struct flow_history *)(memory + flows_bytes + index_bytes),
		.in_use = {bits},
		.changed = {bits + words},
		.untold = {bits + 2 * words},
		.grown = {bits + 3 * words},
		.memory = memory,
		.max = max,
	};
	memcpy(pool->seeds, seeds, sizeof(pool->seeds));
	/* Of flows and histories, what is used is written first. */
	memset(memory + flows_bytes, 0, index_bytes);
	id_index_init(&pool->index, max, memory + flows_bytes);
	return 0;
}

void flow_pool_done(struct flow_pool *pool)
{
	free(pool->in_use.words); /* and with them the others */
	free(pool->memory);
	*pool = (struct flow_pool){0};
}

/* ---- entries ---- */

struct flow *flow_pool_likely(const struct flow_pool *pool, uint64_t hash)
{
	struct id_index_walk walk = id_index_walk(&pool->index, hash);
	uint32_t id;

	return id_index_next(&walk, &id) ? &pool->flows[id] : NULL;
}

struct flow *flow_pool_find(
	const struct flow_pool *pool, uint64_t hash, const void *key, struct flow *likely)
{
	struct id_index_walk walk;
	uint32_t id;

	if (likely && likely->in_use && key_equal(likely, key))
		return likely;
	walk = id_index_walk(&pool->index, hash);
	while (id_index_next(&walk, &id))
		if (key_equal(&pool->flows[id], key))
			return &pool->flows[id];
	return NULL;
}

struct flow *flow_pool_add(struct flow_pool *pool, uint64_t hash, const void *key)
{
	const uint32_t id = pool->free > 0 ? pool->free - 1 : pool->used;
	struct flow *flow = &pool->flows[id];

	if (!id_index_insert(&pool->index, hash, id))
		return NULL;
	if (pool->free > 0)
		pool->free = (uint32_t)flow->count;
	else
		pool->used++;
	*flow = (struct flow){.in_use = true};
	memcpy(flow, key, offsetof(struct flow, flags));
	pool->histories[id] = (struct flow_history){0};
	flow_bits_set(&pool->in_use, id);
	pool->count++;
	return flow;
}

struct flow *flow_pool_neighbour(const struct flow_pool *pool, uint64_t hash)
{
	return &pool->flows[id_index_neighbour(&pool->index, hash)];
}

void flow_pool_release(struct flow_pool *pool, struct flow *flow)
{
	const uint32_t id = flow_pool_id(pool, flow);

	id_index_remove(&pool->index, flow_pool_hash(pool, flow), id);
	flow_bits_clear(&pool->in_use, id);
	flow_bits_clear(&pool->changed, id);
	flow_bits_clear(&pool->untold, id);
	flow_bits_clear(&pool->grown, id);
	flow->in_use = false;
	flow->count = pool->free;
	pool->free = id + 1;
	pool->count--;
}
