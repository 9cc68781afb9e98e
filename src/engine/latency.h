/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_LATENCY_H
#define ENGINE_LATENCY_H

/*
 * How long events take from their arrival to their commit: of all since the start, and lately, which is
 * the last half to whole minute.
 */

#include "base/histogram.h"
#include "engine/engine.h"

struct latency {
	struct histogram total;
	struct histogram recent[2]; /* this half, and the one before */
	uint64_t turned_ns;         /* when this half began, monotonic */
};

/* A time in ticks of LATENCY_TICK_NS, modulo 2^32: that is some hours. */
static inline uint32_t latency_tick(uint64_t now_ns)
{
	return (uint32_t)(now_ns / LATENCY_TICK_NS);
}

/* To be called before events of that time are added. */
void latency_turn(struct latency *latency, uint64_t now_ns);

static inline void latency_add(struct latency *latency, uint32_t ticks)
{
	histogram_add(&latency->recent[0], ticks);
}

void latency_look(
	const struct latency *latency, uint64_t now_ns, struct latency_summary *ret_summary);

#endif
