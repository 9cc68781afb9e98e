// SPDX-License-Identifier: BSD-2-Clause
#include "bench/link/judge.h"

#include <math.h>
#include <stdio.h>

#define RESEND_S    0.05 /* V1_RESEND_NS */
#define V1_EVENTS   38   /* of 37 bytes fill a datagram */
#define FALL_FACTOR 2.0  /* how far a ratio of version 1's may be from the thesis's */
#define MODEL_SHARE 0.7  /* losses are random, and few in so short a time */

static const struct {
	const char *name, *unit, *raw_unit;
} metrics[LINK_METRICS] = {
	[RATE] = {"rate", "events/s", "datagrams/s"},
	[MEGABYTES] = {"throughput", "MB/s", "MB/s"},
	[LOST] = {"lost", "%", "%"},
	[RESENDS] = {"resends", "1/s", "1/s"},
	[SENDER_CPU] = {"sender cpu", "ns/event", "ns/datagram"},
	[RECEIVER_CPU] = {"receiver cpu", "ns/event", "ns/datagram"},
	[LATENCY_P50] = {"latency p50", "us", "us"},
	[LATENCY_P99] = {"latency p99", "us", "us"},
	[LATENCY_P999] = {"latency p999", "us", "us"},
};

/* Table 6.1 of the thesis: events in 2 s, from the fastest on. */
static const struct {
	enum link_case_id v1, v2;
	double events, loss;
} table_61[] = {
	{V1_NO_ACK, AES_NO_ACK, 900000, 0},
	{V1_ACK_1, AES_ACK_1, 170000, 0.01},
	{V1_ACK_3, AES_ACK_3, 70000, 0.03},
	{V1_ACK_5, AES_ACK_5, 35000, 0.05},
};

void link_values_add(struct link_values *values, enum link_case_id which, unsigned int run,
	const struct link_result *result)
{
	double events = (double)result->delivered;
	double of[LINK_METRICS] = {
		[RATE] = events / result->seconds,
		[MEGABYTES] = (double)result->bytes / result->seconds / 1e6,
		[LOST] = 100 * (1 - events / (double)result->sent),
		[RESENDS] = (double)result->resends / result->seconds,
		[SENDER_CPU] = result->sender_cpu_ns / (double)result->sent,
		[RECEIVER_CPU] = result->receiver_cpu_ns / events,
		[LATENCY_P50] = result->latency_us[0],
		[LATENCY_P99] = result->latency_us[1],
		[LATENCY_P999] = result->latency_us[2],
	};

	values->measured[which] = true;
	for (int i = 0; i < LINK_METRICS; i++)
		values->of[which][i][run] = of[i];
}

static double median(const struct link_values *values, enum link_case_id which, enum link_metric m)
{
	return report_median(values->of[which][m], values->runs);
}

static bool is_calm(enum link_case_id which)
{
	return link_cases[which].options.burst > 0;
}

static bool has_metric(enum link_case_id which, enum link_metric metric)
{
	const struct link_options *options = &link_cases[which].options;

	if (metric >= LATENCY_P50)
		return is_calm(which);
	if (metric == RESENDS)
		return options->acknowledged;
	return metric != LOST || (!options->acknowledged && options->protocol != LINK_TLS);
}

static struct report_row row_of(
	const struct link_values *values, enum link_case_id which, enum link_metric metric)
{
	bool raw = link_cases[which].options.protocol == LINK_RAW;

	return (struct report_row){
		.name = link_cases[which].name,
		.metric = metrics[metric].name,
		.unit = raw ? metrics[metric].raw_unit : metrics[metric].unit,
		.values = values->of[which][metric],
		.runs = values->runs,
	};
}

/*
 * What stop-and-wait can do: a round trip for each transaction, and the timer for each loss, of which
 * there are p / (1 - p) a transaction.
 */
static double stop_and_wait(const struct link_values *values, double p)
{
	return V1_EVENTS / (V1_EVENTS / median(values, V1_ACK_0, RATE) + RESEND_S * p / (1 - p));
}

static void add_rate(
	const struct link_values *values, enum link_case_id which, struct report *report)
{
	const struct link_case *c = &link_cases[which];
	struct report_row row = row_of(values, which, RATE);
	bool modelled = which >= V1_ACK_1 && which <= V1_ACK_5 && values->measured[V1_ACK_0];
	char goal[96];

	if (c->rate_goal > 0) {
		snprintf(goal, sizeof(goal), "at least %g M events/s", c->rate_goal / 1e6);
		row.goal = goal;
		row.met = median(values, which, RATE) >= c->rate_goal;
	} else if (modelled) {
		double model = stop_and_wait(values, c->options.loss);

		snprintf(goal, sizeof(goal), "at least %.1f of %.0f, what stop-and-wait can do",
			MODEL_SHARE, model);
		row.goal = goal;
		row.met = median(values, which, RATE) >= MODEL_SHARE * model;
		row.beside = link_cases[V1_ACK_0].name;
	}
	report_add(report, &row);
}

/* Of each run by itself. */
static double ratio_of(const struct link_values *values, const struct link_ratio *ratio,
	double ratios[static LINK_RUNS_MAX])
{
	for (unsigned int i = 0; i < values->runs; i++)
		ratios[i] = values->of[ratio->which][ratio->metric][i] /
			    values->of[ratio->beside][ratio->metric][i];
	return report_median(ratios, values->runs);
}

static void add_ratio(
	const struct link_values *values, const struct link_ratio *ratio, struct report *report)
{
	struct report_row row = row_of(values, ratio->which, ratio->metric);
	double ratios[LINK_RUNS_MAX], value = ratio_of(values, ratio, ratios);
	char goal[96];

	row.metric = ratio->name;
	row.unit = "x";
	row.values = ratios;
	row.beside = link_cases[ratio->beside].name;
	if (ratio->goal > 0) {
		snprintf(goal, sizeof(goal), "at least %.3g", ratio->goal);
		row.goal = goal;
		row.met = value >= ratio->goal;
	}
	report_add(report, &row);
}

/* True if version 1's fall from one row of the table to the next is about the thesis's. */
static bool falls_alike(const struct link_values *values, unsigned int row, double *ret_fall)
{
	double theirs = table_61[row - 1].events / table_61[row].events;

	*ret_fall =
		median(values, table_61[row - 1].v1, RATE) / median(values, table_61[row].v1, RATE);
	return *ret_fall<theirs * FALL_FACTOR && * ret_fall> theirs / FALL_FACTOR;
}

static void add_fall(const struct link_values *values, unsigned int i, struct report *report)
{
	struct link_ratio fall = {table_61[i - 1].v1, table_61[i].v1, RATE, "times that", 0};
	struct report_row row = row_of(values, fall.which, RATE);
	double ratios[LINK_RUNS_MAX], ignored;
	char goal[96];

	(void)ratio_of(values, &fall, ratios);
	snprintf(goal, sizeof(goal), "within %.0fx of the thesis's %.2f", FALL_FACTOR,
		table_61[i - 1].events / table_61[i].events);
	row.metric = "fall with loss";
	row.unit = "x";
	row.values = ratios;
	row.beside = link_cases[fall.beside].name;
	row.goal = goal;
	row.met = falls_alike(values, i, &ignored);
	report_add(report, &row);
}

void link_report(const struct link_values *values, struct report *report)
{
	for (enum link_case_id which = 0; which < LINK_CASES; which++) {
		if (!values->measured[which])
			continue;
		add_rate(values, which, report);
		for (enum link_metric i = RATE + 1; i < LINK_METRICS; i++) {
			struct report_row row = row_of(values, which, i);

			if (has_metric(which, i))
				report_add(report, &row);
		}
	}
	for (unsigned int i = 0; i < link_ratio_count; i++)
		if (values->measured[link_ratios[i].which] &&
			values->measured[link_ratios[i].beside])
			add_ratio(values, &link_ratios[i], report);
	for (unsigned int i = 2; i < ARRAY_SIZE(table_61); i++)
		if (values->measured[table_61[i].v1] && values->measured[table_61[i - 1].v1])
			add_fall(values, i, report);
}

/* ---- for people ---- */

static void print_latency(const struct link_values *values, enum link_case_id which)
{
	if (is_calm(which))
		printf(" %9.0f %9.0f %9.0f", median(values, which, LATENCY_P50),
			median(values, which, LATENCY_P99), median(values, which, LATENCY_P999));
	printf("\n");
}

void link_print_summary(const struct link_values *values)
{
	printf("\n%-62s %12s %8s %8s %8s %9s %9s %9s\n%-62s %12s %8s %8s %8s %9s %9s %9s\n", "",
		"events/s", "MB/s", "sender", "receiver", "p50", "p99", "p999",
		"medians (raw: datagrams)", "", "", "ns", "ns", "us", "us", "us");
	for (enum link_case_id which = 0; which < LINK_CASES; which++) {
		if (!values->measured[which])
			continue;
		printf("%-30s %-31s %12.0f %8.1f %8.1f %8.1f", link_cases[which].name,
			link_cases[which].what, median(values, which, RATE),
			median(values, which, MEGABYTES), median(values, which, SENDER_CPU),
			median(values, which, RECEIVER_CPU));
		print_latency(values, which);
	}
}

static void print_row_61(const struct link_values *values, unsigned int i)
{
	double v1 = 2 * median(values, table_61[i].v1, RATE), fall;
	double v2 = 2 * median(values, table_61[i].v2, RATE);

	printf("%-30s %12.0f %12.0f %12.2f %14.0f %10.0f", link_cases[table_61[i].v1].name,
		table_61[i].events, v1, v1 / table_61[i].events, v2, v2 / v1);
	if (i > 1) {
		(void)falls_alike(values, i, &fall);
		printf(" %13.2f %12.2f", table_61[i - 1].events / table_61[i].events, fall);
	}
	printf("\n");
}

void link_print_table_61(const struct link_values *values)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(table_61); i++)
		if (!values->measured[table_61[i].v1] || !values->measured[table_61[i].v2])
			return;
	printf("\nTable 6.1 of the thesis: events in 2 s\n"
	       "%-30s %12s %12s %12s %14s %10s %13s %12s\n",
		"policy", "thesis", "version 1", "of thesis's", "v2, AES-GCM", "of v1",
		"fall: thesis", "fall: v1");
	for (unsigned int i = 0; i < ARRAY_SIZE(table_61); i++)
		print_row_61(values, i);
	printf("\nThe thesis gives 900,000 in its table and 950,000 in its text for no "
	       "acknowledgement. Stop-and-wait\nwith a timer of 50 ms and this machine's round "
	       "trip can do");
	for (unsigned int i = 1; i < ARRAY_SIZE(table_61); i++)
		printf("%s %.0f at %.0f %%", i > 1 ? "," : "",
			2 * stop_and_wait(values, table_61[i].loss), 100 * table_61[i].loss);
	printf(".\n");
}
