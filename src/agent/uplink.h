/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

/*
 * From the spool to the server, with version 1 of the protocol: what is acknowledged goes
 * stop-and-wait and is sent again until it is answered; what is not is sent once, in bounded
 * bursts. Belongs to its loop's thread, where it is the spool's consumer. An event leaves the spool
 * when it is put into a datagram; the one transaction that waits for its answer is kept here.
 */

#include "agent/spool.h"
#include "base/loop.h"
#include "net/endpoint.h"

#include <stdbool.h>

struct uplink;

struct uplink_options {
	struct endpoint server;
	uint32_t switch_id;
	uint64_t resend_ns;
};

struct uplink_stats {
	uint64_t
		sent[SPOOL_CLASSES]; /* events, each once; of acknowledged classes: answered ones */
	uint64_t lost[SPOOL_CLASSES]; /* events that could not be sent, and will not be again */
	uint64_t datagrams;           /* resends included */
	uint64_t resends;
	uint64_t stale_acks; /* answers to what was not asked */
	uint64_t strange;    /* datagrams that are no answer */
	uint64_t send_errors;
	uint64_t clamped; /* counters too large for their field */
	uint64_t rtt_ns; /* of the last transaction that was answered without a resend; 0 = none yet
			  */
};

/* `loop` and `spool` are borrowed. Returns 0 or a negative errno: -ENETUNREACH ... of connect(2).
 */
int uplink_new(struct loop *loop, struct spool *spool, const struct uplink_options *options,
	struct uplink **ret_uplink) _must_check_;
void uplink_free(struct uplink *uplink);
DEFINE_CLEANUP(struct uplink, uplink_free)

/* Sends what the spool holds, as far as may be sent now; goes on by itself. Call when it got more.
 */
void uplink_pump(struct uplink *uplink);

/* True when the spool is empty and nothing waits for an answer. */
bool uplink_is_done(const struct uplink *uplink);

/* Calls `fn` from the loop, each time that uplink_is_done() has become true. */
void uplink_on_done(struct uplink *uplink, void (*fn)(void *user), void *user);

/* Events of a class that were put into a datagram but not answered yet. */
uint64_t uplink_outstanding(const struct uplink *uplink, enum spool_class class);

void uplink_get_stats(const struct uplink *uplink, struct uplink_stats *ret_stats);

#endif
