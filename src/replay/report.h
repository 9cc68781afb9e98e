/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

/*
 * What a replay led to, for people and as JSON. Nothing in it depends on when, how fast or on what
 * machine the replay ran.
 */

#include "replay/backend.h"
#include "replay/capture.h"
#include "replay/courier.h"
#include "replay/findings.h"
#include "replay/probe.h"

#include <stdio.h>

/* All borrowed. */
struct report {
	const char *file;
	const char *link_name;
	const char *damage; /* NULL: the capture was read to its end */
	const struct capture_counters *capture;
	const struct probe_counters *probe;
	const struct interface_event *totals;
	const struct courier *courier;
	const struct backend_row *rows;
	size_t row_count;
	struct findings alerts, dead_letters;
	const json_t *requests, *responses; /* in their order; NULL: there were none */
};

void report_print_tables(const struct report *report, FILE *out);
/* One object. 0 or -ENOMEM. */
int report_print_json(const struct report *report, FILE *out) _must_check_;

#endif
