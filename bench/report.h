/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

/*
 * What a benchmark found: a table for people on standard output, and the same as NAME.json beside
 * the executable (build/bench/), a list of
 *     {"case", "metric", "unit", "value", "min", "max", "runs", "goal", "met", "beside"}
 * where "value" is the median of the runs, "goal" the bound in words and "met" true or false (both
 * null in a row that is only a baseline), and "beside" names the baseline of the same run, or null.
 * Memory that runs out ends the benchmark.
 *
 *     struct report *report = report_new("link");
 *     report_add(report, &(struct report_row){.name = "no-ack", .metric = "rate", .unit =
 * "events/s", .values = rates, .runs = runs, .goal = "at least 10 M events/s", .met = ok, .beside =
 * "raw"}); return report_write(report, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
 */

#include "base/attr.h"

#include <stdbool.h>

struct report;

struct report_row {
	const char *name; /* the case */
	const char *metric;
	const char *unit;
	const double *values; /* one a run, any order; copied */
	unsigned int runs;    /* at least 1 */
	const char *goal;     /* NULL: a baseline, and `met` means nothing */
	bool met;
	const char *beside; /* NULL: none */
};

/* `name` is the benchmark's, and its file's. Strings here and in rows are copied. */
struct report *report_new(const char *name);
void report_free(struct report *report);
DEFINE_CLEANUP(struct report, report_free)

void report_add(struct report *report, const struct report_row *row);

/* True if no row misses its goal. */
bool report_all_met(const struct report *report);

/*
 * Prints the table and writes the JSON to `path`; NULL: NAME.json beside the executable. Returns 0,
 * or a negative errno of the file, which is then also said on standard error.
 */
int report_write(const struct report *report, const char *path) _must_check_;

/* The median of unsorted values; the mean of the middle two if their number is even. */
double report_median(const double *values, unsigned int n);

/* The value below which `fraction` (0 to 1) of the values lie, by nearest rank. Sorts `values`. */
double report_percentile(double *values, unsigned int n, double fraction);

#endif
