/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_HANDSHAKE_BPF_H
#define BPF_HANDSHAKE_BPF_H

/*
 * Which TCP handshakes are under way: a SYN leaves its connection's tag in a slot, the client's
 * answer to the server's SYN takes it out again, and that is a handshake completed, counted once. All
 * CPUs and interfaces share the slots: SYN and ACK may come in on different ones.
 *
 * A slot holds one tag; a later SYN whose tag falls there overwrites it, so memory is bounded, and
 * under a flood some handshakes go uncounted: `completed` is never more than there were. Two
 * connections have the same tag once in 2^32.
 *
 * Only segments that may complete one look here: tcp_may_complete(), which needs the flags that the
 * flow had before. So an established connection's packets touch no slot, as long as it is in the flow table;
 * where flows displace one another, each packet would. For those there are eight bits of each slot's tag in a
 * place of its own, an eighth as large: all but one in 128 need not look at the slot, and at a line of memory
 * that hardly is in a cache.
 */

#include "account.h"
#include "parse_types.bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

const volatile struct handshake_settings handshake_settings; /* filled before loading */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before loading */
	__type(key, __u32);
	__type(value, __u64);
} handshakes SEC(".maps");

/* A byte a slot, eight an entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before loading */
	__type(key, __u32);
	__type(value, __u64);
} handshakes_seen SEC(".maps");

/* Multilinear hashing, as in the flow table. Never 0, which is an empty slot. */
static __always_inline __u64 handshake_tag(const struct packet *pkt)
{
	const volatile __u64 *seeds = handshake_settings.seeds;
	const addr_u32 *src = (const addr_u32 *)&pkt->srcip, *dst = (const addr_u32 *)&pkt->dstip;
	__u64 sum = seeds[0] + seeds[1] * ((__u32)pkt->srcport << 16 | pkt->dstport);

#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += seeds[2 + 2 * i] * src[i] + seeds[3 + 2 * i] * dst[i];
	return sum | 1;
}

static __always_inline __u32 handshake_slot(__u64 tag)
{
	return tag >> (64 - handshake_settings.slot_bits);
}

/* Where the slot's byte is. */
static __always_inline volatile __u8 *handshake_seen(__u32 slot)
{
	const __u32 at = slot / 8;
	void *bytes = bpf_map_lookup_elem(&handshakes_seen, &at);

	return bytes ? bytes + slot % 8 : NULL;
}

/* Bits that the slot does not depend on. Never 0, which is an empty slot. */
static __always_inline __u8 handshake_byte(__u64 tag)
{
	return tag >> 8 | 1;
}

/* The packet asks for a connection. */
static __always_inline void handshake_begin(const struct packet *pkt)
{
	const __u64 tag = handshake_tag(pkt);
	const __u32 slot = handshake_slot(tag);
	volatile __u64 *kept = bpf_map_lookup_elem(&handshakes, &slot);
	volatile __u8 *seen = handshake_seen(slot);

	if (!kept || !seen)
		return;
	*kept = tag;
	*seen = handshake_byte(tag);
}

/*
 * The packet may complete a handshake: does it? True once for each that was begun. Not inlined, to
 * keep what is rare out of the way of what is frequent.
 */
__noinline bool handshake_complete(const struct packet *pkt)
{
	volatile __u8 *seen;
	__u64 *kept, tag;
	__u32 slot;

	if (!pkt)
		return false;
	tag = handshake_tag(pkt);
	slot = handshake_slot(tag);
	seen = handshake_seen(slot);
	if (!seen || *seen != handshake_byte(tag))
		return false;
	kept = bpf_map_lookup_elem(&handshakes, &slot);
	return kept && *(volatile __u64 *)kept == tag &&
	       __sync_val_compare_and_swap(kept, tag, 0) == tag;
}

#endif
