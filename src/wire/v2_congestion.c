// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_congestion.h"

#include "wire/v2.h"

#define QUEUE_TARGET_NS 2000000ULL /* of delay that a queue may add before the window shrinks */
#define PACE_SHIFT      20
#define PACE_RTT_MAX_NS (1ULL << 40) /* so that what is shifted fits; 18 minutes */

void v2_congestion_init(struct v2_congestion *cc, uint64_t window_max)
{
	*cc = (struct v2_congestion){
		.window = V2_WINDOW_INITIAL * V2_MTU_FLOOR,
		.window_max = MAX(window_max, V2_WINDOW_INITIAL * V2_MTU_FLOOR),
		.slow_start = true,
		.rtt_ns = V2_RTT_INITIAL_NS,
		.rtt_variation_ns = V2_RTT_INITIAL_NS / 2,
		.round_min_ns = UINT64_MAX,
	};
}

/*
 * Faster than the window's own rate, so that pacing is not what limits it. Divided once for all the
 * datagrams of a round trip.
 */
static void set_pace(struct v2_congestion *cc)
{
	uint64_t factor = cc->slow_start ? 8 : 5; /* quarters */
	uint64_t rtt_ns = MIN(cc->rtt_ns, PACE_RTT_MAX_NS);

	cc->byte_time = cc->sampled ? (rtt_ns << PACE_SHIFT) * 4 / factor / cc->window : 0;
}

static uint64_t pace_ns(const struct v2_congestion *cc, uint64_t bytes)
{
	return bytes * cc->byte_time >> PACE_SHIFT;
}

void v2_congestion_sent(struct v2_congestion *cc, uint32_t bytes, uint64_t now_ns)
{
	/* A train or two at a high rate: the more of them, the more a timer and a call cost. */
	uint64_t bytes_at_once = MAX((uint64_t)V2_BURST * V2_MTU_FLOOR, cc->window / 8);
	uint64_t burst = pace_ns(cc, bytes_at_once);

	cc->flying += bytes;
	cc->pace_at_ns = MAX(cc->pace_at_ns, now_ns - MIN(now_ns, burst)) + pace_ns(cc, bytes);
}

static void sample_min(struct v2_congestion *cc, uint64_t rtt_ns, uint64_t now_ns)
{
	bool expired = now_ns > cc->min_at_ns + V2_MIN_RTT_LIFE_NS;

	if (cc->sampled && rtt_ns > cc->min_ns && !expired)
		return;
	/* If it was our own queue that was measured, make room to see the path below it. */
	if (cc->sampled && expired)
		cc->window = MAX(cc->window * 3 / 4, (uint64_t)V2_WINDOW_MIN * V2_MTU_FLOOR);
	cc->min_ns = rtt_ns;
	cc->min_at_ns = now_ns;
}

/* RFC 9002 5.3. */
void v2_congestion_sample(struct v2_congestion *cc, uint64_t rtt_ns, uint64_t now_ns)
{
	uint64_t error;

	sample_min(cc, rtt_ns, now_ns);
	cc->latest_ns = rtt_ns;
	cc->round_min_ns = MIN(cc->round_min_ns, rtt_ns);
	if (!cc->sampled) {
		cc->sampled = true;
		cc->rtt_ns = rtt_ns;
		cc->rtt_variation_ns = rtt_ns / 2;
		set_pace(cc);
		return;
	}
	error = cc->rtt_ns > rtt_ns ? cc->rtt_ns - rtt_ns : rtt_ns - cc->rtt_ns;
	cc->rtt_variation_ns = (3 * cc->rtt_variation_ns + error) / 4;
	cc->rtt_ns = (7 * cc->rtt_ns + rtt_ns) / 8;
	set_pace(cc);
}

void v2_congestion_acked(struct v2_congestion *cc, uint32_t bytes)
{
	cc->flying -= MIN(cc->flying, bytes);
	cc->acked += bytes;
}

void v2_congestion_lost(struct v2_congestion *cc, uint32_t bytes, bool counts)
{
	cc->flying -= MIN(cc->flying, bytes);
	if (counts)
		cc->lost += bytes;
}

static void shrink(struct v2_congestion *cc, uint64_t numerator, uint64_t denominator)
{
	cc->slow_start = false;
	cc->window =
		MAX(cc->window / denominator * numerator, (uint64_t)V2_WINDOW_MIN * V2_MTU_FLOOR);
}

static void grow(struct v2_congestion *cc)
{
	uint64_t step = MAX((uint64_t)V2_MTU_FLOOR, cc->window / 16);

	cc->window = MIN(cc->window + (cc->slow_start ? cc->window : step), cc->window_max);
}

/*
 * Too few datagrams say nothing about a rate: of 16 on a link that loses 5 %, three are lost one time
 * in twenty. So the count goes on over several round trips where they are short.
 */
static bool heavy_loss(struct v2_congestion *cc)
{
	uint64_t all = cc->acked + cc->lost;
	bool heavy = cc->lost * 100 > all * V2_LOSS_TOLERATED;

	if (all < (uint64_t)V2_LOSS_SAMPLE * V2_MTU_FLOOR)
		return false;
	cc->acked = cc->lost = 0;
	return heavy;
}

void v2_congestion_round(struct v2_congestion *cc, uint64_t largest, uint64_t next)
{
	uint64_t queue;

	if (largest < cc->round_end)
		return;
	queue = cc->round_min_ns == UINT64_MAX ? 0 : cc->round_min_ns - cc->min_ns;
	if (queue > MAX(QUEUE_TARGET_NS, cc->min_ns / 4)) {
		shrink(cc, 7, 8);
		cc->queue_backoffs++;
	} else if (heavy_loss(cc)) {
		shrink(cc, 3, 4);
		cc->loss_backoffs++;
	} else if (cc->limited) {
		grow(cc);
	}
	set_pace(cc);
	cc->limited = false;
	cc->round_end = next;
	cc->round_min_ns = UINT64_MAX;
}

void v2_congestion_collapse(struct v2_congestion *cc)
{
	cc->window = (uint64_t)V2_WINDOW_MIN * V2_MTU_FLOOR;
	cc->slow_start = true;
	cc->collapses++;
	set_pace(cc);
}

bool v2_congestion_fits(struct v2_congestion *cc, uint32_t bytes)
{
	if (cc->flying + bytes <= cc->window)
		return true;
	cc->limited = true;
	/* A datagram larger than the window may leave alone. */
	return cc->flying == 0;
}

uint64_t v2_congestion_loss_delay(const struct v2_congestion *cc)
{
	uint64_t rtt = MAX(cc->rtt_ns, cc->latest_ns);

	return MAX(rtt + rtt / 8, V2_GRANULARITY_NS);
}

uint64_t v2_congestion_probe_timeout(const struct v2_congestion *cc)
{
	return cc->rtt_ns + MAX(4 * cc->rtt_variation_ns, V2_GRANULARITY_NS) + V2_ACK_DELAY_NS;
}
