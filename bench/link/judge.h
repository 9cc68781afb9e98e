/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_LINK_JUDGE_H
#define BENCH_LINK_JUDGE_H

/*
 * What the runs of bench/link came to: rows of the report with their goals, one line a case for
 * people, and the thesis's Table 6.1 with ours beside it.
 */

#include "bench/link/cases.h"
#include "bench/report.h"

#define LINK_RUNS_MAX 100

struct link_values {
	unsigned int runs;
	bool measured[LINK_CASES]; /* the others were not asked for */
	double of[LINK_CASES][LINK_METRICS][LINK_RUNS_MAX];
};

void link_values_add(struct link_values *values, enum link_case_id which, unsigned int run,
	const struct link_result *result);
void link_report(const struct link_values *values, struct report *report);
void link_print_summary(const struct link_values *values);
void link_print_table_61(const struct link_values *values);

#endif
