/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_STATISTICS_H
#define AGENT_STATISTICS_H

/* The agent's statistics: collected in one place, written as Prometheus text or as a log line. */

#include "agent/counting.h"
#include "agent/spool.h"
#include "agent/uplink.h"

#include <stdio.h>

struct statistics {
	struct counting_stats counting;
	struct slots_stats slots;
	struct uplink_stats uplink;
	struct {
		uint64_t pushed;
		uint64_t shed;
		uint64_t waiting; /* not sent, or not answered */
		/* Of the agent before: gone on with; given up, these at most. */
		uint64_t resumed, predecessor_lost;
	} spool[SPOOL_CLASSES];
	uint64_t alarm_reloads, alarm_errors; /* of --alarm-file, by SIGHUP */
	struct interface_event totals;        /* of all interfaces, also those gone */
};

void statistics_collect(const struct counting *counting, const struct spool *spool,
	const struct uplink *uplink, struct statistics *ret_statistics);

/* Prometheus text format, with each interface's own totals. */
void statistics_write(
	const struct statistics *statistics, const struct counting *counting, FILE *out);

/* The same into a file that is replaced as a whole. Returns 0 or a negative errno. */
int statistics_write_file(const struct statistics *statistics, const struct counting *counting,
	const char *path) _must_check_;

/* One line that says what became of everything. */
void statistics_log_summary(const struct statistics *statistics);

/* Warns of what was shed or lost since `before`. */
void statistics_log_losses(const struct statistics *statistics, const struct statistics *before);

#endif
