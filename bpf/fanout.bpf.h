/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_FANOUT_BPF_H
#define BPF_FANOUT_BPF_H

/*
 * Sources and targets (events 3 and 4): what one address began, or was asked for, within a window of
 * some seconds, with the number of distinct other ends and of ports by a sketch. An entry that
 * crosses a limit is written to a ring at once, so that nobody has to wait for the period's end.
 *
 * Only packets that begin something come here (SYN, empty UDP, the third segment of a handshake):
 * see fanout_concerns(). Tables are swapped at a window's end as those of bpf/account.bpf.c are.
 * What finds no room, in a table or in the ring, is counted by CPU.
 */

#include "fanout_maps.h"
#include "full.bpf.h"
#include "port_news.bpf.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile struct fanout_settings fanout_settings; /* filled before loading */

/* Sizes are set before loading. */
struct fanout_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, ip_addr);
	__type(value, struct fanout_entry);
} sources_a SEC(".maps"), sources_b SEC(".maps"), targets_a SEC(".maps"), targets_b SEC(".maps");

/* By enum fanout_kind, the table of the present window. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FANOUT_KINDS);
	__type(key, __u32);
	__array(values, struct fanout_table);
} fanouts SEC(".maps") = {.values = {&sources_a, &targets_a}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FANOUT_KINDS);
	__type(key, __u32);
	__type(value, struct fanout_limits);
} fanout_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fanout_losses);
} fanout_losses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);
} fanout_ring SEC(".maps");

/* The size is set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct volume);
} volumes SEC(".maps");

/* A new entry, which is too large for the stack; no program changes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fanout_entry);
} fanout_blank SEC(".maps");

static __always_inline bool fanout_concerns(__u32 news)
{
	return fanout_settings.on && news & (NEWS_SYN | NEWS_UDP | NEWS_COMPLETED);
}

/* ---- sketches ---- */

/*
 * Multilinear hashing, as in the flow table, keeps the order of neighbouring addresses: they would
 * fill the bits more evenly than by chance, and seem more than they are. So its sum is mixed.
 */
static __always_inline __u32 sketch_mix(__u64 sum)
{
	sum ^= sum >> 32;
	sum *= 0xd6e8feb86659fd93ULL;
	sum ^= sum >> 32;
	sum *= 0xd6e8feb86659fd93ULL;
	return sum >> 54;
}

static __always_inline __u32 sketch_bit_of_address(const ip_addr *address)
{
	const volatile __u64 *seeds = fanout_settings.seeds;
	const addr_u32 *words = (const addr_u32 *)address;
	__u64 sum = seeds[0];

#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += seeds[1 + i] * words[i];
	return sketch_mix(sum);
}

static __always_inline __u32 sketch_bit_of_port(const struct packet *pkt)
{
	const volatile __u64 *seeds = fanout_settings.seeds;

	return sketch_mix(seeds[5] + seeds[6] * ((__u32)pkt->protocol << 16 | pkt->dstport));
}

/* Each bit is counted once, whichever CPUs set it at the same moment. */
static __always_inline void sketch_add(struct sketch *sketch, __u32 bit)
{
	__u64 *word = &sketch->words[bit / 64 % (SKETCH_BITS / 64)];
	const __u64 mask = 1ULL << bit % 64;

	if (*(volatile __u64 *)word & mask)
		return;
	if (!(__sync_fetch_and_or(word, mask) & mask))
		__sync_fetch_and_add(&sketch->ones, 1);
}

/* ---- entries ---- */

static __always_inline struct fanout_entry *fanout_get(
	__u32 kind, const ip_addr *address, __u64 now)
{
	const __u32 full_kind = kind == FANOUT_SOURCE ? FULL_SOURCES : FULL_TARGETS;
	const __u32 zero = 0;
	void *table = bpf_map_lookup_elem(&fanouts, &kind);
	struct fanout_entry *entry, *blank = bpf_map_lookup_elem(&fanout_blank, &zero);

	if (!table || !blank)
		return 0;
	entry = bpf_map_lookup_elem(table, address);
	if (entry || full_is_known(full_kind, table, now))
		return entry;
	/* Another CPU may make it at the same moment, then its is taken. */
	bpf_map_update_elem(table, address, blank, BPF_NOEXIST);
	entry = bpf_map_lookup_elem(table, address);
	if (!entry)
		full_note(full_kind, table, now);
	return entry;
}

static __always_inline bool fanout_reaches(__u32 value, __u32 limit)
{
	return limit && value >= limit;
}

static __always_inline bool fanout_is_news(
	const struct fanout_entry *entry, const struct fanout_limits *limits)
{
	const __u32 syn = entry->totals.syn, completed = entry->totals.completed;

	return fanout_reaches(entry->peers.ones, limits->peers_ones) ||
	       fanout_reaches(entry->ports.ones, limits->ports_ones) ||
	       (syn > completed && fanout_reaches(syn - completed, limits->half_open));
}

/* Who indexes it masks `kind`: the verifier has lost sight of it. */
static __always_inline struct fanout_losses *fanout_losses_get(void)
{
	const __u32 zero = 0;

	return bpf_map_lookup_elem(&fanout_losses, &zero);
}

/* Who gets the time into `told` writes the record. If the ring is full, the next packet tries. */
static __always_inline void fanout_tell(
	__u32 kind, const ip_addr *address, struct fanout_entry *entry, __u64 repeat_ns, __u64 now)
{
	const __u64 told = *(volatile __u64 *)&entry->told;
	struct fanout_record *record;
	struct fanout_losses *losses;

	if (told && (now < told || now - told < repeat_ns))
		return;
	if (__sync_val_compare_and_swap(&entry->told, told, now) != told)
		return;
	record = bpf_ringbuf_reserve(&fanout_ring, sizeof(*record), 0);
	if (!record) {
		*(volatile __u64 *)&entry->told = told;
		losses = fanout_losses_get();
		if (losses)
			losses->ring_full[kind & (FANOUT_KINDS - 1)]++;
		return;
	}
	record->address = *address;
	record->totals = entry->totals;
	record->kind = kind;
	record->peers_ones = entry->peers.ones;
	record->ports_ones = entry->ports.ones;
	record->pad = 0;
	bpf_ringbuf_submit(record, 0);
}

static __always_inline void fanout_add(
	struct fanout_totals *totals, __u32 news, __u64 bytes, __u64 now)
{
	if (!totals->first)
		__sync_val_compare_and_swap(&totals->first, 0, now);
	totals->last = now;
	__sync_fetch_and_add(&totals->packets, 1);
	__sync_fetch_and_add(&totals->size, bytes);
	if (news & NEWS_SYN)
		__sync_fetch_and_add(&totals->syn, 1);
	if (news & NEWS_UDP)
		__sync_fetch_and_add(&totals->udp, 1);
	if (news & NEWS_COMPLETED)
		__sync_fetch_and_add(&totals->completed, 1);
}

static __always_inline void fanout_count(
	const struct packet *pkt, __u32 kind, __u32 news, __u64 bytes, __u64 now)
{
	/* On the stack: a key must be there, before Linux 6.2. */
	const ip_addr address = kind == FANOUT_SOURCE ? pkt->srcip : pkt->dstip;
	const ip_addr *peer = kind == FANOUT_SOURCE ? &pkt->dstip : &pkt->srcip;
	const struct fanout_limits *limits = bpf_map_lookup_elem(&fanout_limits, &kind);
	struct fanout_entry *entry = fanout_get(kind, &address, now);
	struct fanout_losses *losses;

	if (!entry || !limits) {
		losses = fanout_losses_get();
		if (losses)
			losses->table_full[kind & (FANOUT_KINDS - 1)]++;
		return;
	}
	fanout_add(&entry->totals, news, bytes, now);
	if (news & (NEWS_SYN | NEWS_UDP)) {
		sketch_add(&entry->peers, sketch_bit_of_address(peer));
		sketch_add(&entry->ports, sketch_bit_of_port(pkt));
	}
	if (fanout_is_news(entry, limits))
		fanout_tell(kind, &address, entry, limits->repeat_ns, now);
}

/* The packet is of concern. Not inlined, as it is rare. */
__noinline int fanout_take(const struct packet *pkt, __u32 news, __u64 bytes, __u64 now)
{
	if (!pkt)
		return 0;
	fanout_count(pkt, FANOUT_SOURCE, news, bytes, now);
	fanout_count(pkt, FANOUT_TARGET, news, bytes, now);
	return 0;
}

#endif
