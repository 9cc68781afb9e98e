/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FLOWS_H
#define AGENT_FLOWS_H

/*
 * The agent's memory of flows: folds increments into records that are cumulative since `first`. An
 * incarnation ends when its flow was idle for long enough, when the table is full and another flow
 * needs the place, or with the agent; its last record has `ended` set.
 *
 * What is told is bounded by a rate (docs/data-plane.md, "What is told of flows"): if more flows change
 * than may be told, those that grew most come first, and if more end, the smaller ones are shed. So
 * each packet that is folded is in exactly one last record or counted as shed, and in at most one of
 * the two.
 *
 * Increments are taken in turn, but worked on a few calls later, when what they need has come into
 * the cache. Pure: time is a parameter, records go out through callbacks. One thread. Nothing is
 * allocated after flows_new().
 */

#include "base/attr.h"
#include "netlambda/event.h"

#include <stddef.h>
#include <stdint.h>

struct flows;

/* Of one flow: nobody who does not know them can choose flows that collide. */
#define FLOWS_SEEDS 11

typedef void (*flow_fn)(void *user, const struct flow_event *record);

struct flows_options {
	uint32_t max; /* flows, 1 to 2^25 */
	uint64_t
		idle_ns; /* without a packet, then the incarnation ends; looked at 16 times as often */
	/*
	 * Updates a second, and last records a second, of which the final ones of flows_end() are none.
	 * 0: no bound.
	 */
	uint32_t events_per_s;
	uint64_t seeds[FLOWS_SEEDS]; /* random */
	flow_fn update;              /* an incarnation's record so far */
	flow_fn end;                 /* its last record */
	/*
	 * Packets that are in no last record: an increment, or the record of a flow that had to go, with
	 * `ended` set. The latter's were handed on as growth.
	 */
	flow_fn shed;
	flow_fn grown; /* what a flow grew by; for flows_hand_on_growth(). NULL: of no interest */
	void *user;
};

/* Returns 0, -EINVAL or -ENOMEM. */
int flows_new(const struct flows_options *options, struct flows **ret_flows) _must_check_;
void flows_free(struct flows *flows);
DEFINE_CLEANUP(struct flows, flows_free)

/*
 * Adds an increment that was collected at `now_ns` (monotonic; never goes back). May end or shed
 * flows, if the table is full.
 */
void flows_fold(struct flows *flows, const struct flow_event *increment, uint64_t now_ns);

/* Reports flows that have changed since they were last reported: all, if the rate allows it. */
void flows_update(struct flows *flows, uint64_t now_ns);

/*
 * Hands on what each flow grew by since the last call: in `count` and `size`. Each packet that is folded
 * is in one growth or was shed as an increment. To be called once in a second or so.
 */
void flows_hand_on_growth(struct flows *flows);

/* Ends flows that are idle at `now_ns`, as far as the rate allows it; others later. */
void flows_expire(struct flows *flows, uint64_t now_ns);

/* Ends all. */
void flows_end(struct flows *flows);

/* Packets that were folded and are in no report yet. After any of the last three, exact. */
uint64_t flows_untold(const struct flows *flows);
/* Likewise. */
size_t flows_count(const struct flows *flows);

#endif
