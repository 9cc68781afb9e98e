/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FLOWS_H
#define AGENT_FLOWS_H

/*
 * The agent's memory of flows: folds each period's increments into records that are cumulative
 * since `first`. An incarnation ends when its flow was idle for long enough, when the table is full
 * and it is the one idle longest, or with the agent; its last record has `ended` set. Pure: time is
 * a parameter, records go out through callbacks. One thread. Nothing is allocated after
 * flows_new().
 */

#include "base/attr.h"
#include "base/siphash.h"
#include "netlambda/event.h"

#include <stddef.h>
#include <stdint.h>

struct flows;

typedef void (*flow_fn)(void *user, const struct flow_event *record);

struct flows_options {
	size_t max;       /* flows, at least 1 */
	uint64_t idle_ns; /* without a packet, then the incarnation ends */
	struct siphash_key secret;
	flow_fn update; /* an incarnation's record so far */
	flow_fn end;    /* its last record */
	void *user;
};

/* Returns 0 or -ENOMEM. */
int flows_new(const struct flows_options *options, struct flows **ret_flows) _must_check_;
void flows_free(struct flows *flows);
DEFINE_CLEANUP(struct flows, flows_free)

/*
 * Adds an increment that was collected at `now_ns` (monotonic; never goes back). May end the flow
 * that is idle longest, if the table is full.
 */
void flows_fold(struct flows *flows, const struct flow_event *increment, uint64_t now_ns);

/* Reports each flow that has changed since the last call, once. */
void flows_update(struct flows *flows);

/* Ends the flows that are idle at `now_ns`. */
void flows_expire(struct flows *flows, uint64_t now_ns);

/* Ends all. */
void flows_end(struct flows *flows);

size_t flows_count(const struct flows *flows);

#endif
