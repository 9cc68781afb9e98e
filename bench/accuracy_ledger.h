/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_ACCURACY_LEDGER_H
#define BENCH_ACCURACY_LEDGER_H

/*
 * A ledger of flows: what the generator sent of each is put on one side (worked out again from its
 * settings, packet by packet), what the agent's collector handed on of each on the other. What is
 * left tells which flows lack packets or have too many. One thread at a time.
 */

#include "base/attr.h"
#include "bench/traffic.h"
#include "netlambda/event.h"

struct ledger;

/* What is left when both sides are in. */
struct ledger_balance {
	uint64_t flows;           /* that were sent */
	uint64_t packets_missing; /* sent, but in no flow that was handed on */
	uint64_t bytes_missing;
	uint64_t flows_missing;
	uint64_t packets_extra; /* in a flow that was handed on, but not sent */
	uint64_t bytes_extra;
	uint64_t strangers; /* records of flows that cannot have been sent */
};

/* For at most `packets` of the generator's. Returns 0 or -ENOMEM. */
int ledger_new(const struct traffic_settings *settings, uint64_t packets,
	struct ledger **ret_ledger) _must_check_;
void ledger_free(struct ledger *ledger);
DEFINE_CLEANUP(struct ledger, ledger_free)

/* Takes a record of packets that were not in any before. */
void ledger_count(struct ledger *ledger, const struct flow_event *record);

/* Puts in the first `packets` packets of a stream. */
void ledger_send(struct ledger *ledger, uint32_t stream, uint64_t packets);

void ledger_settle(const struct ledger *ledger, struct ledger_balance *ret_balance);

#endif
