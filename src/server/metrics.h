/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

/*
 * A writer of the Prometheus text exposition format, version 0.0.4. Open a family once, then write
 * all of its samples:
 *
 *	metrics_family(m, "netlambda_events_total", METRIC_COUNTER, "Events received.");
 *	metrics_sample(m, (const struct metric_label[]){{"event", "port"}, {0}}, 12);
 *
 * Running out of memory is sticky and shows in metrics_finish(). Label values come from bounded
 *sets only (event names, error names, functions, switches), never from packets.
 */

#include "base/attr.h"
#include "base/histogram.h"

#include <stdint.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics;

enum metric_type {
	METRIC_COUNTER, /* the name ends in _total */
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
};

struct metric_label {
	const char *name;  /* [a-zA-Z_][a-zA-Z0-9_]*; NULL ends a list */
	const char *value; /* any text: it is escaped */
};

int metrics_new(struct metrics **ret_metrics) _must_check_;
void metrics_free(struct metrics *metrics);
DEFINE_CLEANUP(struct metrics, metrics_free)

/* Starts a family. Each name once a document, or Prometheus refuses all of it. */
void metrics_family(
	struct metrics *metrics, const char *name, enum metric_type type, const char *help);

/* A sample of the family opened last; `labels` may be NULL. */
void metrics_sample(struct metrics *metrics, const struct metric_label *labels, uint64_t value);

/* The same for a duration, which Prometheus wants in seconds. */
void metrics_sample_seconds(
	struct metrics *metrics, const struct metric_label *labels, uint64_t ns);

/*
 * A histogram of durations, in ticks, which are a power of two of nanoseconds: buckets from 131 us to 34 s,
 * their sum and number. `labels`: at most 3.
 */
void metrics_durations(struct metrics *metrics, const struct metric_label *labels,
	const struct histogram *histogram, uint64_t tick_ns);

/* A family of a single sample without labels. */
void metrics_single(struct metrics *metrics, const char *name, enum metric_type type,
	const char *help, uint64_t value);

/* The document, to be freed by the caller. 0 or -ENOMEM. */
int metrics_finish(struct metrics *metrics, char **ret_text, size_t *ret_len) _must_check_;

#endif
