/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_FLOW_SUBJECT_H
#define BENCH_FLOW_SUBJECT_H

/*
 * The flow table as the agent uses it: the program, the table, and a thread that reads it all the
 * while and adds up what it is handed. So benchmarks measure beside a reader, and can tell afterwards
 * whether a packet is missing.
 */

#include "base/attr.h"

#include <stdint.h>

struct flow_subject;

struct flow_subject_totals {
	uint64_t packets; /* in increments */
	uint64_t shed;    /* declared to be in none */
	uint64_t records; /* slots that the kernel gave up to make room */
	uint64_t increments;
};

/* `slots_per_cpu` are IPv4's; rounded down to a power of two. */
int flow_subject_open(uint32_t slots_per_cpu, struct flow_subject **ret_subject) _must_check_;
void flow_subject_close(struct flow_subject *subject);
DEFINE_CLEANUP(struct flow_subject, flow_subject_close)

int flow_subject_program_fd(const struct flow_subject *subject);

/*
 * Gives what was counted since the last call. No program may be running. The reader waits meanwhile.
 */
struct flow_subject_totals flow_subject_take(struct flow_subject *subject);

#endif
