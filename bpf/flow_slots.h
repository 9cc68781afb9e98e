/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_FLOW_SLOTS_H
#define BPF_FLOW_SLOTS_H

/*
 * The flow table's memory: written by the kernel's side (flow_table.bpf.h), mapped and read by user
 * space at the same time (agent/flow_table.h). docs/data-plane.md is its tour. Everything here
 * exists once a CPU and is written by that CPU only, but for struct flow_tail, which user space
 * writes.
 *
 * A tick is a jiffy, or, in a replay, what user space says.
 */

#include "netlambda/event.h"

#define FLOW_WAYS 4 /* slots in a bucket */

/*
 * What a slot counts. While one flow has the slot, which is an incarnation, the counters only grow.
 * 64-bit words are read and written whole.
 */
struct flow_tally {
	__u32 ports;   /* source port << 16 | destination port */
	__u32 packets; /* at most FLOW_PACKETS_MAX; then another incarnation begins */
	__u64 size;    /* bytes << 16 | TCP flags seen << 8 | protocol */
	/*
	 * birth << 24 | the tick of the last packet; 0 = the slot is empty. No other incarnation of
	 * this CPU has the same birth, so who finds it the same before and after reading a slot has
	 * read one incarnation.
	 */
	__u64 times;
};

#define FLOW_TICK_BITS   24
#define FLOW_TICK_MASK   ((1U << FLOW_TICK_BITS) - 1)
#define FLOW_BIRTH_BITS  16 /* of a birth, that count within its tick; its tick is above */
#define FLOW_BIRTH_MASK  ((1ULL << (FLOW_TICK_BITS + FLOW_BIRTH_BITS)) - 1)
#define FLOW_PACKETS_MAX (1U << 31)

/* Two a cache line, the four of a bucket in two neighbouring lines. */
struct flow_slot4 {
	__u32 srcip, dstip; /* network order */
	struct flow_tally tally;
};

/* One a cache line. Also a record in the ring, then with v4-mapped addresses for IPv4. */
struct flow_slot6 {
	ip_addr srcip, dstip;
	struct flow_tally tally;
	__u64 origin; /* in a record: the number of its slot among all CPUs' << 1 | is IPv6 */
};

/*
 * Packets that are shed are still counted by target, in slots like those of IPv6's flows: with no
 * source, ports and protocol. A target's slot may become another one's when all that is in it was handed
 * on; it never becomes a record.
 */

/*
 * What of a slot's incarnation was handed on already: user space's own notes, which lie beside the
 * table to live as long as it does. Bit fields, for four to share a cache line.
 */
struct flow_seen {
	__u64 birth : 40, packets_high : 24;
	__u64 bytes : 48, packets_low : 8, pad : 8;
};

struct flow_bucket4 {
	struct flow_slot4 slots[FLOW_WAYS];
};

struct flow_bucket6 {
	struct flow_slot6 slots[FLOW_WAYS];
};

/* Constant while the program is loaded. Sizes are one CPU's share, as powers of two. */
struct flow_settings {
	__u64 seeds[12]; /* random: who knows them can choose collisions */
	__u32 bucket4_bits;
	__u32 bucket6_bits;
	__u32 ring_bits;   /* records */
	__u32 stale_ticks; /* a slot that is idle for longer is given up before others */
	__u32 one_cpu;     /* all CPUs are taken for the first; never two at once */
	__u32 bucket_shed_bits;
};

struct flow_cpu {
	__u64 births;                   /* the last one, all its bits */
	__u64 ring_head;                /* records ever written to the ring */
	__u64 ring_tail;                /* a copy of struct flow_tail's, not always the latest */
	__u64 shed_packets, shed_bytes; /* in no flow's slot and no record, the ring being full */
	__u64 unplaced_packets, unplaced_bytes; /* of these, in no target's slot either */
	__u64 busy; /* a packet is being counted there: see alone.bpf.h */
};

/* A cache line of its own, since another CPU writes it. */
struct flow_tail {
	__u64 ring_tail; /* records that user space has read */
	__u64 pad;
	__u64 seen_packets, seen_bytes; /* what it has handed on of what is unplaced */
	__u64 pad2[4];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct flow_tally) == 24, "both sides agree");
_Static_assert(sizeof(struct flow_slot4) == 32, "two a cache line");
_Static_assert(sizeof(struct flow_slot6) == 64, "one a cache line");
_Static_assert(sizeof(struct flow_seen) == 16, "four a cache line");
_Static_assert(sizeof(struct flow_cpu) == 64, "a cache line");
_Static_assert(sizeof(struct flow_tail) == 64, "a cache line");
_Static_assert(__builtin_offsetof(struct flow_tail, seen_packets) == 16, "written at once");
#endif

#endif
