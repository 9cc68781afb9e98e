/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

/* The agent's statistics: collected in one place, written as Prometheus text or as a log line. */

#include "agent/counting.h"
#include "agent/spool.h"
#include "agent/uplink.h"

#include <stdio.h>

struct report {
	struct counting_stats counting;
	struct slots_stats slots;
	struct uplink_stats uplink;
	struct {
		uint64_t pushed;
		uint64_t shed;
		uint64_t waiting; /* in the spool, or in a datagram without an answer */
	} spool[SPOOL_CLASSES];
	struct interface_event totals; /* of all interfaces, also those gone */
};

void report_collect(const struct counting *counting, const struct spool *spool,
	const struct uplink *uplink, struct report *ret_report);

/* Prometheus text format, with each interface's own totals. */
void report_write(const struct report *report, const struct counting *counting, FILE *out);

/* The same into a file that is replaced as a whole. Returns 0 or a negative errno. */
int report_write_file(const struct report *report, const struct counting *counting,
	const char *path) _must_check_;

/* One line that says what became of everything. */
void report_log_summary(const struct report *report);

/* Warns of what was shed or lost since `before`. */
void report_log_losses(const struct report *report, const struct report *before);

#endif
