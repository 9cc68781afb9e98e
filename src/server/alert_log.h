/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_ALERT_LOG_H
#define SERVER_ALERT_LOG_H

/*
 * The alert file: one JSON object a line, with the field names of Suricata's EVE format, so that
 * what reads eve.json reads this. The database is the record of what was alerted; this file is a
 * copy for other tools. A write that fails is counted and logged at a bounded rate, nothing waits
 * for it. One thread uses it.
 */

#include "base/attr.h"
#include "event/outcome.h"

#include <stdint.h>

struct alert_log;

/* Opens for appending, creates with mode 0640. 0, or the negative errno of open(2). */
int alert_log_open(const char *path, struct alert_log **ret_log) _must_check_;
void alert_log_close(struct alert_log *log);
DEFINE_CLEANUP(struct alert_log, alert_log_close)

/*
 * Opens the path again: after SIGHUP, when logrotate(8) has moved the file away. On failure the old
 * file stays in use; the failure is logged and returned.
 */
int alert_log_reopen(struct alert_log *log);

/* Appends one line with one write(2). */
void alert_log_write(struct alert_log *log, const char *function, const struct alert *alert);

struct alert_log_stats {
	uint64_t written;
	uint64_t failed; /* alerts that are in the database but not in this file */
};
void alert_log_get_stats(const struct alert_log *log, struct alert_log_stats *ret_stats);

/*
 * The object, as the file and the HTTP API show it. NULL when out of memory. The EVE severity is an
 * integer: 1 = critical or high, 2 = medium, 3 = low or info; the word is netlambda.severity.
 */
struct json_t;
struct json_t *alert_to_eve(const char *function, const struct alert *alert);

#endif
