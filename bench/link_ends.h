/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_LINK_ENDS_H
#define BENCH_LINK_ENDS_H

/*
 * The two ends of the link that bench/link measures, each a thread with a real socket: one sends
 * numbered events, the other checks each of them against its number.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

enum link_class {
	LINK_RAW,    /* datagrams of 1435 bytes that mean nothing: what UDP itself can do */
	LINK_NO_ACK, /* version 1, unacknowledged class */
	LINK_ACK,    /* version 1, acknowledged class */
};

struct link_options {
	enum link_class class;
	double drop_rate; /* 0 to 1, of the transactions that reach the receiver (thesis 6.2.2) */
	uint64_t seed;    /* which ones */
	uint64_t duration_ns;
};

#define LINK_PERCENTILES 3 /* 50, 99, 99.9 */

struct link_result {
	uint64_t sent,
		delivered; /* events; datagrams of LINK_RAW. Each delivered one was checked */
	uint64_t bytes;    /* of the datagrams that came, resends included */
	uint64_t resends, duplicates, dropped;
	double seconds;                        /* from the first to the last delivery */
	double sender_cpu_ns, receiver_cpu_ns; /* of the thread, altogether */
	double ack_latency_us[LINK_PERCENTILES];
	char wrong[160]; /* what was received wrong; "" = all that came was right */
};

/*
 * Runs both ends until the duration is over and the network is empty. Returns 0, or the negative
 * errno of a socket or thread. What is received wrong is no error but said in `ret_result->wrong`:
 * an event out of order or with other content; of the acknowledged class also one that is missing or
 * comes twice.
 */
int link_run(const struct link_options *options, struct link_result *ret_result) _must_check_;

#endif
