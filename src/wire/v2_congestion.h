/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_CONGESTION_H
#define WIRE_V2_CONGESTION_H

/*
 * How much may fly, and when: round-trip times, a window in bytes, and pacing. It responds to delay
 * first: a queue that grows is congestion, while loss below V2_LOSS_TOLERATED in a hundred is taken
 * for a bad link, since a window that halves at each loss gets 305 Mb/s out of a LAN that loses 5 %
 * (Mathis). Both classes of events are in the window. docs/protocol-2.md 8 has the reasons.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define V2_GRANULARITY_NS  1000000ULL /* of timers; RFC 9002 6.1.2 */
#define V2_RTT_INITIAL_NS  100000000ULL
#define V2_WINDOW_INITIAL  16 /* datagrams, each of the floor's size */
#define V2_WINDOW_MIN      4
#define V2_BURST           16  /* datagrams that may leave back to back, at least */
#define V2_LOSS_TOLERATED  12  /* in a hundred ... */
#define V2_LOSS_SAMPLE     128 /* ... of so many datagrams, of the floor's size */
#define V2_MIN_RTT_LIFE_NS 10000000000ULL

struct v2_congestion {
	uint64_t window, window_max; /* bytes */
	uint64_t flying;             /* bytes sent, neither acknowledged nor lost */
	bool slow_start;
	bool limited; /* in this round the window was what held the sender back */
	bool sampled;
	uint64_t rtt_ns, rtt_variation_ns; /* smoothed */
	uint64_t latest_ns;
	uint64_t min_ns, min_at_ns; /* the path's own time, without queues */
	uint64_t round_end;         /* the packet whose acknowledgement ends this round trip */
	uint64_t round_min_ns;
	uint64_t acked, lost; /* bytes, since the loss was last judged */
	uint64_t pace_at_ns;  /* the next datagram may leave then */
	uint64_t byte_time;   /* ns << 20 a byte: what pacing adds */
	uint64_t queue_backoffs, loss_backoffs, collapses; /* counters */
};

void v2_congestion_init(struct v2_congestion *cc, uint64_t window_max);
void v2_congestion_sent(struct v2_congestion *cc, uint32_t bytes, uint64_t now_ns);
/* A round-trip time, without what the receiver waited. */
void v2_congestion_sample(struct v2_congestion *cc, uint64_t rtt_ns, uint64_t now_ns);
void v2_congestion_acked(struct v2_congestion *cc, uint32_t bytes);
/* `counts` is false for probes of the MTU, whose loss says nothing of a queue. */
void v2_congestion_lost(struct v2_congestion *cc, uint32_t bytes, bool counts);
/* After each acknowledgement: ends the round if `largest` does; `next` is the next packet. */
void v2_congestion_round(struct v2_congestion *cc, uint64_t largest, uint64_t next);
/* Nothing came back for several probe timeouts. */
void v2_congestion_collapse(struct v2_congestion *cc);

/* True if a datagram of `bytes` fits the window. Pacing is v2_congestion.pace_at_ns. */
bool v2_congestion_fits(struct v2_congestion *cc, uint32_t bytes);
/* How long after the latest acknowledged packet one sent before counts as lost. */
uint64_t v2_congestion_loss_delay(const struct v2_congestion *cc);
/* The probe timeout, not backed off. */
uint64_t v2_congestion_probe_timeout(const struct v2_congestion *cc);

#endif
