/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_TALLY_H
#define AGENT_TALLY_H

/*
 * What becomes of the increments that a collector hands on: records of flows (agent/flows.h), and, if
 * they are counted, the totals of sources and targets (agent/fanout.h), which are told what flows grew
 * by. The agent and the replay have it in common. Time is a parameter; one thread; the collector must
 * outlive it.
 */

#include "agent/collect.h"
#include "agent/flows.h"

struct tally;

struct tally_options {
	struct collector *collector;
	uint32_t flow_max;     /* flows that are remembered */
	uint64_t flow_idle_ns; /* these as struct flows_options has them */
	uint32_t flow_events_per_s;
	flow_fn update, end;
	void *user;
};

struct tally_stats {
	uint64_t flows;  /* now remembered */
	uint64_t untold; /* their packets that are in no record yet */
	/* In no last record, more flows having ended than may be told of. */
	uint64_t shed_flows, shed_packets, shed_bytes;
};

/* Returns 0, -EINVAL, -ENOMEM or -EIO. */
int tally_new(const struct tally_options *options, struct tally **ret_tally) _must_check_;
void tally_free(struct tally *tally);
DEFINE_CLEANUP(struct tally, tally_free)

/* What a sink's `flow` and `shed` get. `now_ns` never goes back; `unix_ns` is the same as UNIX time. */
void tally_add(struct tally *tally, const struct flow_event *increment, uint64_t now_ns);
void tally_add_shed(struct tally *tally, const struct flow_event *increment, uint64_t unix_ns);

/*
 * After a collection: tells of flows, ends those that are idle, and the window of sources and targets
 * if it is over. Of `sink` it calls `source` and `target`. 0, or a negative errno: these could not be
 * read.
 */
int tally_round(struct tally *tally, uint64_t now_ns, uint64_t unix_ns,
	const struct collect_sink *sink) _must_check_;

/* Ends all flows; the window stays open. */
void tally_end_flows(struct tally *tally, uint64_t unix_ns);

/* There is nothing that time alone could end. */
bool tally_is_empty(const struct tally *tally);
/* After one of the first two. */
void tally_get_stats(const struct tally *tally, struct tally_stats *ret_stats);

#endif
