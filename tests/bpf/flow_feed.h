/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TESTS_BPF_FLOW_FEED_H
#define TESTS_BPF_FLOW_FEED_H

/*
 * A generator of packets inside the kernel: flow_feed.bpf.c makes them and gives them to the flow
 * table, test_flow_table.c knows from the same functions what each flow was sent.
 */

#include <linux/types.h>
#include <stdbool.h>

/* What one CPU is to send, and what it sent. Aligned: no two CPUs write the same cache line. */
struct feed {
	__u64 next;  /* the number of the next packet */
	__u64 flows; /* packets belong to flows below this, at random */
	__u64 first; /* is added to the flow's number */
	__u64 is_ip6;
	__u64 in_turn; /* flow = packet's number modulo flows, and not random */
	__u64 flags;   /* TCP flags */
	__u64 targets; /* a flow's is its number modulo this; 0: as 1 */
	__u64 first_target;
	__u64 sent_packets, sent_bytes;
	__u64 shed_packets, shed_bytes; /* flow_account() said so */
	__u64 pad[4];
};

_Static_assert(sizeof(struct feed) == 128, "two cache lines");

static inline __attribute__((always_inline)) __u64 feed_flow(const struct feed *feed, __u64 number)
{
	__u64 mixed = (number + 1) * 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ mixed >> 31) * 0xbf58476d1ce4e5b9ULL;
	mixed ^= mixed >> 29;
	return feed->first + (feed->in_turn ? number : mixed) % feed->flows;
}

static inline __attribute__((always_inline)) __u64 feed_target(const struct feed *feed, __u64 flow)
{
	return feed->first_target + (feed->targets > 1 ? flow % feed->targets : 0);
}

/* So that bytes cannot be right by chance. */
static inline __attribute__((always_inline)) __u32 feed_bytes(__u64 flow, __u64 number)
{
	return 60 + (flow * 7 + number) % 1400;
}

#endif
