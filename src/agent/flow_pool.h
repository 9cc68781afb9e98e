/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FLOW_POOL_H
#define AGENT_FLOW_POOL_H

/*
 * Where the agent's flows lie (agent/flows.h), made for speed: what an increment needs of a flow is one
 * cache line, an entry is found by way of one more (agent/id_index.h), and both can be fetched ahead.
 * All memory is had at the start, but untouched until it is used. One thread; no clock.
 */

#include "agent/id_index.h"
#include "base/attr.h"
#include "netlambda/event.h"

#include <stdbool.h>

#define FLOW_POOL_SEEDS 11

/* Begins as struct flow_event does. */
struct flow {
	ip_addr srcip, dstip;
	port_num srcport, dstport;
	ip_proto protocol;
	tcp_flags flags;
	bool in_use;
	uint8_t pad;
	uint64_t count; /* of a free one: the next free one's id, and 1 */
	uint64_t size;
	uint32_t last;   /* when its last packet came: flow_time() of UNIX time */
	uint32_t folded; /* when the last increment came: flow_time() of any clock */
};

/* What its reports need. */
struct flow_history {
	time_ns first;
	uint32_t told;                       /* of its size, in units of 64 bytes */
	uint32_t told_packets;               /* of its count, the lower bits */
	uint32_t grown_packets, grown_bytes; /* what growth was handed on of both, the lower bits */
};

_Static_assert(sizeof(struct flow) == 64, "one line is touched, not two");
_Static_assert(sizeof(struct flow_history) == 24, "no hidden padding");

/* A bit a flow. */
struct flow_bits {
	uint64_t *words;
};

#define FLOW_BITS_WORD 64

struct flow_pool {
	struct id_index index;
	struct flow *flows;
	struct flow_history *histories;
	struct flow_bits in_use;
	struct flow_bits changed; /* since the last look at what changed */
	struct flow_bits untold;  /* ... and not reported at that look */
	struct flow_bits grown;   /* since growth was handed on */
	uint64_t seeds[FLOW_POOL_SEEDS];
	void *memory; /* of the index, flows and histories */
	uint32_t max;
	uint32_t used; /* entries that were ever used */
	uint32_t free; /* the first free one of them, and 1 */
	uint32_t count;
};

/* `max` is 1 to ID_INDEX_MAX; who does not know the seeds can choose no collisions. 0 or -ENOMEM. */
int flow_pool_init(struct flow_pool *pool, uint32_t max,
	const uint64_t seeds[static FLOW_POOL_SEEDS]) _must_check_;
void flow_pool_done(struct flow_pool *pool);

/* `key`: what begins as struct flow_event does. */
uint64_t flow_pool_hash(const struct flow_pool *pool, const void *key);

/* An entry that may be the key's, by its hash; NULL: nobody has the key. */
struct flow *flow_pool_likely(const struct flow_pool *pool, uint64_t hash);
/* The key's entry, or NULL. `likely` is looked at first; NULL, or any entry of the pool. */
struct flow *flow_pool_find(
	const struct flow_pool *pool, uint64_t hash, const void *key, struct flow *likely);

/*
 * Puts in a key that is not there; all else of the entry is 0. The pool must not be full. NULL: as good
 * as never, flow_pool_neighbour() is in the way, and must be released first.
 */
struct flow *flow_pool_add(struct flow_pool *pool, uint64_t hash, const void *key);
struct flow *flow_pool_neighbour(const struct flow_pool *pool, uint64_t hash);
/* Forgets all of it, bits as well. */
void flow_pool_release(struct flow_pool *pool, struct flow *flow);

static inline bool flow_pool_is_full(const struct flow_pool *pool)
{
	return pool->count == pool->max;
}

static inline uint32_t flow_pool_id(const struct flow_pool *pool, const struct flow *flow)
{
	return (uint32_t)(flow - pool->flows);
}

static inline struct flow_history *flow_pool_history(
	const struct flow_pool *pool, const struct flow *flow)
{
	return &pool->histories[flow_pool_id(pool, flow)];
}

/* In units of 2^20 ns, 1.05 ms, and modulo 2^32 of them, 52 days. */
static inline uint32_t flow_time(uint64_t ns)
{
	return (uint32_t)(ns >> 20);
}

static inline uint64_t flow_time_to_ns(uint32_t difference)
{
	return (uint64_t)difference << 20;
}

/* ---- bits ---- */

static inline void flow_bits_set(struct flow_bits *bits, uint32_t id)
{
	bits->words[id / FLOW_BITS_WORD] |= 1ULL << id % FLOW_BITS_WORD;
}

static inline void flow_bits_clear(struct flow_bits *bits, uint32_t id)
{
	bits->words[id / FLOW_BITS_WORD] &= ~(1ULL << id % FLOW_BITS_WORD);
}

/* How many words have the bits of all entries that were ever used. */
static inline uint32_t flow_pool_words(const struct flow_pool *pool)
{
	return (pool->used + FLOW_BITS_WORD - 1) / FLOW_BITS_WORD;
}

/* Takes the lowest bit out of `bits`, a copy of a word: its flow. */
static inline struct flow *flow_pool_take(
	const struct flow_pool *pool, uint32_t word, uint64_t *bits)
{
	const uint32_t id = word * FLOW_BITS_WORD + (uint32_t)__builtin_ctzll(*bits);

	*bits &= *bits - 1;
	return &pool->flows[id];
}

#endif
