/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_FLOW_TABLE_BPF_H
#define BPF_FLOW_TABLE_BPF_H

/*
 * The kernel's side of the flow table: flow_account() adds a packet to its flow's slot. Each CPU has
 * a table of its own, so no packet waits for another CPU or pays for an atomic. A flow lies in one
 * bucket of four slots, mostly in the first cache line that is looked at. If the bucket is full,
 * the slot with the fewest packets is given up: its counters become a record in the CPU's ring, and
 * so slots + records + shed = packets, always. If the ring is full too, the new packet is shed:
 * counted for its target, but in no flow; the slots stay as they are.
 *
 * User space reads all this while packets are being counted. What holds it together is the order of
 * stores: a slot is written before its bit in the touched map, a record before the ring's head, and
 * a slot that changes its flow is empty in between (docs/data-plane.md, "Reading").
 */

#include "flow_slots.h"
#include "parse_types.bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

const volatile struct flow_settings flow_settings; /* filled before loading */

/*
 * The numbers of entries are set before loading, a CPU's times the CPUs. Memory that can be mapped
 * begins at a page, so that buckets are aligned to cache lines.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_bucket4);
} flow_table4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_bucket6);
} flow_table6 SEC(".maps"), flow_table_shed SEC(".maps");

/* A bit a slot: written since user space last took the bit. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} flow_touched4 SEC(".maps"), flow_touched6 SEC(".maps"), flow_touched_shed SEC(".maps");

/* Programs look at the last one only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_seen);
} flow_seen4 SEC(".maps"), flow_seen6 SEC(".maps"), flow_seen_shed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_slot6);
} flow_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_cpu);
} flow_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_tail);
} flow_tails SEC(".maps");

/* ---- order ---- */

#define flow_read(word)         (*(const volatile __typeof__(word) *)&(word))
#define flow_write(word, value) (*(volatile __typeof__(word) *)&(word) = (value))

/* flow_publish(): what was stored before is seen before it, what is stored after, after it. */
#ifdef __TARGET_ARCH_x86
/* Stores are seen in the order of the program; only the compiler has to be told. */
static __always_inline void flow_publish(__u64 *word, __u64 value)
{
	asm volatile("" ::: "memory");
	flow_write(*word, value);
	asm volatile("" ::: "memory");
}

/*
 * Not atomic, and need not be: this CPU alone sets bits. If user space takes the word in the middle,
 * bits that it took are set again, and it reads those slots once more, for nothing.
 */
static __always_inline void flow_set_bit(__u64 *word, __u64 bit)
{
	flow_publish(word, flow_read(*word) | bit);
}
#else
/* Atomics that give back the old value are full barriers. */
static __always_inline void flow_publish(__u64 *word, __u64 value)
{
	__u64 old = __sync_lock_test_and_set(word, value);

	asm volatile("" ::"r"(old) : "memory");
}

static __always_inline void flow_set_bit(__u64 *word, __u64 bit)
{
	__u64 old = __sync_fetch_and_or(word, bit);

	asm volatile("" ::"r"(old) : "memory");
}
#endif

/* ---- packets and slots ---- */

/*
 * A packet as the table sees it. A slot is a key of `words` words (1 for IPv4, 4 for IPv6, always a
 * constant) and a struct flow_tally.
 */
struct flow_packet {
	__u64 key[4];
	__u64 tick;
	__u32 ports;
	__u32 bytes;
	__u32 cpu;
	__u32 bucket; /* its number among all CPUs' */
	__u32 home;   /* the slot in its bucket where it is looked for first */
	__u8 protocol;
	__u8 flags;
	__u16 pad;
};

static __always_inline struct flow_tally *flow_tally_at(__u64 *slot, __u32 words)
{
	return (struct flow_tally *)(slot + words);
}

/*
 * `way` is below FLOW_WAYS, which the verifier must see: the compiler, which sees it too, must not leave
 * the mask out (Linux 6.1 does not follow the arithmetic that it came from).
 */
static __always_inline __u64 *flow_slot_at(__u64 *bucket, __u32 words, __u32 way)
{
	asm volatile("" : "+r"(way));
	return bucket + (way & (FLOW_WAYS - 1)) * (words == 1 ? 4 : 8);
}

/*
 * Multilinear hashing (Carter and Wegman 1979; Lemire and Kaser 2014): the upper bits of a sum of
 * 32-bit words, each times a random 64-bit number, are strongly universal. So for flows chosen
 * without knowing the seeds, each two share a bucket as rarely as if by chance.
 */
static __always_inline __u64 flow_hash(const struct flow_packet *p, __u32 words)
{
	const volatile __u64 *seeds = flow_settings.seeds;
	__u64 sum = seeds[0] + seeds[1] * p->ports + seeds[2] * p->protocol;

#pragma unroll
	for (__u32 i = 0; i < words; i++)
		sum += seeds[3 + 2 * i] * (__u32)p->key[i] + seeds[4 + 2 * i] * (p->key[i] >> 32);
	return sum;
}

static __always_inline void flow_locate(struct flow_packet *p, __u32 words, __u32 bucket_bits)
{
	const __u64 hash = flow_hash(p, words);

	p->bucket = (p->cpu << bucket_bits) + (hash >> (64 - bucket_bits));
	p->home = hash >> (62 - bucket_bits) & (FLOW_WAYS - 1);
}

static __always_inline bool flow_is(__u64 *slot, __u32 words, const struct flow_packet *p)
{
	const struct flow_tally *tally = flow_tally_at(slot, words);
	__u64 differs = slot[0] ^ p->key[0];

	if (words == 4)
		differs |= (slot[1] ^ p->key[1]) | (slot[2] ^ p->key[2]) | (slot[3] ^ p->key[3]);
	return !differs && tally->ports == p->ports && (__u8)tally->size == p->protocol &&
	       tally->times;
}

/*
 * 0 if the IPv4 slot is the packet's, otherwise 1, without a branch: which of two neighbours it is
 * cannot be predicted, and a misprediction here costs as much as the memory takes.
 */
static __always_inline __u32 flow_differs4(__u64 *slot, const struct flow_packet *p)
{
	const struct flow_tally *tally = flow_tally_at(slot, 1);
	__u64 differs = (slot[0] ^ p->key[0]) | (tally->ports ^ p->ports) |
			(__u8)((__u8)tally->size ^ p->protocol);
	__u64 negative = -differs;

	asm volatile("" : "+r"(negative)); /* or the compiler makes a branch of it */
	return (differs | negative) >> 63;
}

/* Where the flow is, FLOW_WAYS if nowhere. Begins with its home line. */
static __always_inline __u32 flow_find(__u64 *bucket, __u32 words, const struct flow_packet *p)
{
#pragma unroll
	for (__u32 i = 0; i < FLOW_WAYS; i += words == 1 ? 2 : 1) {
		__u32 way = p->home ^ i;

		if (words == 1) {
			way &= 2;
			way += flow_differs4(flow_slot_at(bucket, words, way), p);
		}
		if (flow_is(flow_slot_at(bucket, words, way), words, p))
			return way;
	}
	return FLOW_WAYS;
}

/* False if the incarnation has all the packets that it can hold. */
static __always_inline bool flow_add(__u64 *slot, __u32 words, const struct flow_packet *p)
{
	struct flow_tally *tally = flow_tally_at(slot, words);

	if (tally->packets >= FLOW_PACKETS_MAX)
		return false;
	tally->packets++;
	tally->size = (tally->size | (__u32)p->flags << 8) + ((__u64)p->bytes << 16);
	tally->times = (tally->times & ~(__u64)FLOW_TICK_MASK) | (p->tick & FLOW_TICK_MASK);
	return true;
}

/* ---- a flow that is not in the table ---- */

/* What is lost by giving up the slot: nothing if it is empty, little if it is stale. */
static __always_inline __u32 flow_worth(const struct flow_tally *tally, const struct flow_packet *p)
{
	const __u32 idle = (p->tick - tally->times) & FLOW_TICK_MASK;

	if (!tally->times)
		return 0;
	return idle > flow_settings.stale_ticks ? 1 : tally->packets + 1;
}

static __always_inline __u32 flow_victim(__u64 *bucket, __u32 words, const struct flow_packet *p)
{
	__u32 victim = p->home;
	__u32 least = flow_worth(flow_tally_at(flow_slot_at(bucket, words, victim), words), p);

#pragma unroll
	for (__u32 i = 1; i < FLOW_WAYS; i++) {
		__u64 *slot = flow_slot_at(bucket, words, p->home ^ i);
		const __u32 worth = flow_worth(flow_tally_at(slot, words), p);

		if (worth < least) {
			least = worth;
			victim = p->home ^ i;
		}
	}
	return victim;
}

/* Looks at user space's line only when the ring seems full. */
static __always_inline bool flow_ring_has_room(struct flow_cpu *cpu, const struct flow_packet *p)
{
	const __u64 size = 1ULL << flow_settings.ring_bits;
	const __u32 number = p->cpu; /* a key must be on the stack, before Linux 6.2 */
	const struct flow_tail *tail;

	if (cpu->ring_head - cpu->ring_tail < size)
		return true;
	tail = bpf_map_lookup_elem(&flow_tails, &number);
	if (!tail)
		return false;
	cpu->ring_tail = flow_read(tail->ring_tail);
	return cpu->ring_head - cpu->ring_tail < size;
}

static __always_inline void flow_copy_addresses(__u64 *to, const __u64 *slot, __u32 words)
{
	const __u64 mapped = 0xffff0000ULL; /* ::ffff:0:0/96, its third word in memory */

	to[0] = words == 1 ? 0 : slot[0];
	to[1] = words == 1 ? slot[0] << 32 | mapped : slot[1];
	to[2] = words == 1 ? 0 : slot[2];
	to[3] = words == 1 ? (slot[0] & ~0xffffffffULL) | mapped : slot[3];
}

/* Makes a record of the slot, and empties it. False, and nothing is changed, if the ring is full. */
static __always_inline bool flow_give_up(
	__u64 *slot, __u32 words, __u32 way, struct flow_cpu *cpu, const struct flow_packet *p)
{
	struct flow_tally *tally = flow_tally_at(slot, words);
	const __u64 times = tally->times;
	const __u32 at = (p->cpu << flow_settings.ring_bits) +
			 ((__u32)cpu->ring_head & ((1U << flow_settings.ring_bits) - 1));
	struct flow_slot6 *record;

	if (!flow_ring_has_room(cpu, p))
		return false;
	record = bpf_map_lookup_elem(&flow_ring, &at);
	if (!record)
		return false;
	flow_publish(&tally->times, 0);
	flow_copy_addresses((__u64 *)record, slot, words);
	record->tally.ports = tally->ports;
	record->tally.packets = tally->packets;
	record->tally.size = tally->size;
	record->tally.times = times;
	record->origin = ((__u64)p->bucket * FLOW_WAYS + way) << 1 | (words == 4);
	flow_publish(&cpu->ring_head, cpu->ring_head + 1);
	return true;
}

/*
 * Puts the packet's flow into an empty slot. Its birth is later than all, and the tick's at least. What
 * is kept of it is never 0, or the slot would seem empty at a tick whose lower bits are 0.
 */
static __always_inline void flow_start(
	__u64 *slot, __u32 words, struct flow_cpu *cpu, const struct flow_packet *p)
{
	struct flow_tally *tally = flow_tally_at(slot, words);
	const __u64 earliest = p->tick << FLOW_BIRTH_BITS | 1;

	cpu->births = cpu->births < earliest ? earliest : cpu->births + 1;
	slot[0] = p->key[0];
	if (words == 4) {
		slot[1] = p->key[1];
		slot[2] = p->key[2];
		slot[3] = p->key[3];
	}
	tally->ports = p->ports;
	tally->packets = 1;
	tally->size = (__u64)p->bytes << 16 | (__u32)p->flags << 8 | p->protocol;
	flow_publish(&tally->times,
		(cpu->births & FLOW_BIRTH_MASK) << FLOW_TICK_BITS | (p->tick & FLOW_TICK_MASK));
}

/* ---- a packet that is shed ---- */

/* All that is in the slot was handed on, or it is empty: it may be another target's. */
static __always_inline bool flow_is_settled(
	const struct flow_tally *tally, const volatile struct flow_seen *seen)
{
	return !tally->times ||
	       (seen->birth == tally->times >> FLOW_TICK_BITS && seen->bytes == tally->size >> 16);
}

/* A slot in the bucket for another target; FLOW_WAYS: there is none. */
static __always_inline __u32 flow_find_settled(__u64 *bucket, const struct flow_packet *p)
{
#pragma unroll
	for (__u32 i = 0; i < FLOW_WAYS; i++) {
		const __u32 way = p->home ^ i, at = p->bucket * FLOW_WAYS + way;
		const struct flow_seen *seen = bpf_map_lookup_elem(&flow_seen_shed, &at);

		if (seen && flow_is_settled(flow_tally_at(flow_slot_at(bucket, 4, way), 4), seen))
			return way;
	}
	return FLOW_WAYS;
}

/* Gives the slot that the packet was added to; FLOW_WAYS: none. */
static __always_inline __u32 flow_add_to_target(
	__u64 *bucket, struct flow_cpu *cpu, const struct flow_packet *p)
{
	__u32 way = flow_find(bucket, 4, p);
	__u64 *slot;

	if (way < FLOW_WAYS && flow_add(flow_slot_at(bucket, 4, way), 4, p))
		return way;
	way = flow_find_settled(bucket, p);
	if (way == FLOW_WAYS)
		return way;
	slot = flow_slot_at(bucket, 4, way);
	flow_publish(&flow_tally_at(slot, 4)->times, 0);
	flow_start(slot, 4, cpu, p);
	return way;
}

/* Counts a packet for its target alone, whose address is the second half of the key. */
static __noinline int flow_shed(struct flow_packet *p)
{
	struct flow_cpu *cpu = bpf_map_lookup_elem(&flow_cpus, &p->cpu);
	__u32 way = FLOW_WAYS, word_at;
	__u64 *bucket, *word;

	if (!cpu)
		return 0;
	cpu->shed_packets++;
	cpu->shed_bytes += p->bytes;
	flow_locate(p, 4, flow_settings.bucket_shed_bits);
	word_at = p->bucket / (64 / FLOW_WAYS);
	bucket = bpf_map_lookup_elem(&flow_table_shed, &p->bucket);
	word = bpf_map_lookup_elem(&flow_touched_shed, &word_at);
	if (bucket && word)
		way = flow_add_to_target(bucket, cpu, p);
	if (way < FLOW_WAYS) {
		flow_set_bit(word, 1ULL << (p->bucket * FLOW_WAYS + way) % 64);
	} else {
		cpu->unplaced_packets++;
		cpu->unplaced_bytes += p->bytes;
	}
	return 0;
}

static __always_inline void flow_shed_packet(const struct flow_packet *p, __u32 words)
{
	struct flow_packet shed = {.tick = p->tick, .bytes = p->bytes, .cpu = p->cpu};

	shed.key[2] = words == 1 ? 0 : p->key[2];
	shed.key[3] = words == 1 ? (p->key[0] & ~0xffffffffULL) | 0xffff0000ULL : p->key[3];
	flow_shed(&shed);
}

/* ---- a packet of a flow that is not in the table ---- */

/*
 * Begins an incarnation for the packet, in the slot `way`, or in the one whose loss is the smallest
 * if that is FLOW_WAYS. Gives the slot, or FLOW_WAYS: the packet was shed.
 */
static __always_inline __u32 flow_begin(
	__u64 *bucket, __u32 words, __u32 way, const struct flow_packet *p)
{
	const __u32 number = p->cpu;
	struct flow_cpu *cpu = bpf_map_lookup_elem(&flow_cpus, &number);
	__u64 *slot;

	if (!cpu)
		return FLOW_WAYS;
	if (way == FLOW_WAYS)
		way = flow_victim(bucket, words, p);
	slot = flow_slot_at(bucket, words, way);
	if (flow_tally_at(slot, words)->times && !flow_give_up(slot, words, way, cpu, p)) {
		flow_shed_packet(p, words);
		return FLOW_WAYS;
	}
	flow_start(slot, words, cpu, p);
	return way;
}

/* Not inlined, to keep what is rare out of the way of what is frequent. */
__noinline __u32 flow_begin4(struct flow_bucket4 *bucket, __u32 way, const struct flow_packet *p)
{
	return bucket && p ? flow_begin((__u64 *)bucket, 1, way, p) : FLOW_WAYS;
}

__noinline __u32 flow_begin6(struct flow_bucket6 *bucket, __u32 way, const struct flow_packet *p)
{
	return bucket && p ? flow_begin((__u64 *)bucket, 4, way, p) : FLOW_WAYS;
}

/* ---- the stage ---- */

/* Whose part of the table it is. */
static __always_inline __u32 flow_cpu_id(void)
{
	return flow_settings.one_cpu ? 0 : bpf_get_smp_processor_id();
}

/* Gives the slot that the packet was added to, or FLOW_WAYS: it was shed. */
static __always_inline __u32 flow_count_in(
	__u64 *bucket, __u32 words, const struct flow_packet *p, tcp_flags *ret_before)
{
	__u32 way = flow_find(bucket, words, p);
	struct flow_packet copy;

	*ret_before = 0;
	if (way < FLOW_WAYS) {
		__u64 *slot = flow_slot_at(bucket, words, way);

		*ret_before = flow_tally_at(slot, words)->size >> 8;
		if (flow_add(slot, words, p))
			return way;
	}
	copy = *p; /* so that `p` itself stays in registers */
	return words == 1 ? flow_begin4((void *)bucket, way, &copy)
			  : flow_begin6((void *)bucket, way, &copy);
}

static __always_inline bool flow_count(
	void *table, void *touched, __u32 words, const struct flow_packet *p, tcp_flags *ret_before)
{
	const __u32 word_at = p->bucket / (64 / FLOW_WAYS);
	__u64 *bucket = bpf_map_lookup_elem(table, &p->bucket);
	__u64 *word = bpf_map_lookup_elem(touched, &word_at);
	__u32 way;

	*ret_before = 0;
	if (!bucket || !word)
		return false;
	way = flow_count_in(bucket, words, p, ret_before);
	if (way >= FLOW_WAYS)
		return false;
	flow_set_bit(word, 1ULL << (p->bucket * FLOW_WAYS + way) % 64);
	return true;
}

/*
 * Adds the packet to its flow. False: it was shed, which is counted here by CPU, and is the caller's
 * to count by interface. `tick` never goes back on a CPU. `ret_before`: the TCP flags of the flow's
 * earlier packets, as far as this CPU has them in the table; 0 if it has none.
 */
static __always_inline bool flow_account(
	const struct packet *pkt, __u32 bytes, __u64 tick, tcp_flags *ret_before)
{
	const __u64 *src = (const void *)&pkt->srcip, *dst = (const void *)&pkt->dstip;
	struct flow_packet p = {
		.tick = tick,
		.ports = (__u32)pkt->srcport << 16 | pkt->dstport,
		.bytes = bytes,
		.cpu = flow_cpu_id(),
		.protocol = pkt->protocol,
		.flags = pkt->flags,
	};

	/* The parser gives no mapped address but to IPv4. */
	if (!src[0] && !dst[0] && (__u32)src[1] == 0xffff0000U && (__u32)dst[1] == 0xffff0000U) {
		p.key[0] = src[1] >> 32 | (dst[1] & ~0xffffffffULL);
		flow_locate(&p, 1, flow_settings.bucket4_bits);
		return flow_count(&flow_table4, &flow_touched4, 1, &p, ret_before);
	}
	p.key[0] = src[0];
	p.key[1] = src[1];
	p.key[2] = dst[0];
	p.key[3] = dst[1];
	flow_locate(&p, 4, flow_settings.bucket6_bits);
	return flow_count(&flow_table6, &flow_touched6, 4, &p, ret_before);
}

#endif
