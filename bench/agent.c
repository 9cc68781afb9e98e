// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the agent costs beside its XDP program: CPU time and memory of a real netlambda-agent process
 * with its defaults, at rest and while a million packets a second cross its interface, sending to a
 * server that answers at once. Packets are counted in the generator's softirqs, so none of that is in
 * the agent's time. docs/data-plane.md, "The agent's cost". Needs root.
 */
#include "base/clock.h"
#include "bench/agent_process.h"
#include "bench/agent_sink.h"
#include "bench/report.h"
#include "bench/traffic.h"
#include "bench/traffic_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SENDER       "gen0"
#define RECEIVER     "sw0"
#define RUNS_MAX     101
#define SECONDS_MAX  60
#define RATE         1000000
#define RATE_REACHED 0.95 /* of it: the rest is other processes' */
#define SETTLE_NS    NS_PER_SEC
#define GOAL_REST    0.5 /* % of a core */
#define GOAL_LOAD    5.0
#define GOAL_MB      20.0
#define EXIT_USAGE   2
#define EXIT_SKIPPED 77

static const struct {
	const char *name;
	enum traffic_spread spread;
	uint32_t flows; /* 0: no packets at all */
} cases[] = {
	{"at rest", TRAFFIC_UNIFORM, 0},
	{"1 Mpps, 1 flow", TRAFFIC_UNIFORM, 1},
	{"1 Mpps, 10 k zipf", TRAFFIC_ZIPF, 10000},
	{"1 Mpps, 100 k uniform", TRAFFIC_UNIFORM, 100000},
	{"1 Mpps, spoofed flood", TRAFFIC_SPOOFED, 1},
};

enum { REACHED, CPU, MEMORY, MAPS, EVENTS, DATAGRAMS, METRICS };

static const struct {
	const char *name, *unit;
} metrics[METRICS] = {
	[REACHED] = {"packets received", "Mpps"},
	[CPU] = {"cpu", "% of a core"},
	[MEMORY] = {"memory beside the maps", "MB"},
	[MAPS] = {"maps", "MB"},
	[EVENTS] = {"events sent", "1/s"},
	[DATAGRAMS] = {"datagrams sent", "1/s"},
};

struct bench {
	struct report *report;
	struct sink *sink;
	unsigned int runs;
	uint64_t duration_ns;
};

/* Of a moment. */
struct reading {
	uint64_t at_ns, cpu_ns;
	struct interface_counts interface;
	struct sink_counts sink;
};

static int take_reading(const struct bench *b, pid_t pid, struct reading *ret_reading)
{
	int r = agent_cpu_ns(pid, &ret_reading->cpu_ns);

	ret_reading->at_ns = clock_monotonic_ns();
	sink_read(b->sink, &ret_reading->sink);
	return r < 0 ? r : traffic_net_read(RECEIVER, &ret_reading->interface);
}

static void pass_time(uint64_t ns)
{
	struct timespec left = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	while (nanosleep(&left, &left) < 0)
		;
}

/* From when the first period and the first packets are over, to before the last. */
static int observe(const struct bench *b, pid_t pid, double ret_found[METRICS])
{
	struct agent_memory memory = {0};
	struct reading before = {0}, after = {0};
	double seconds;
	int r;

	pass_time(SETTLE_NS);
	r = take_reading(b, pid, &before);
	pass_time(b->duration_ns);
	if (r == 0)
		r = take_reading(b, pid, &after);
	if (r == 0)
		r = agent_memory(pid, &memory);
	if (r < 0)
		return r;
	seconds = (double)(after.at_ns - before.at_ns) / 1e9;
	ret_found[REACHED] =
		(double)(after.interface.packets - before.interface.packets) / seconds / 1e6;
	ret_found[CPU] = (double)(after.cpu_ns - before.cpu_ns) / seconds / 1e7;
	ret_found[MEMORY] = (double)memory.process_bytes / 1e6;
	ret_found[MAPS] = (double)memory.maps_bytes / 1e6;
	ret_found[EVENTS] = (double)(after.sink.events - before.sink.events) / seconds;
	ret_found[DATAGRAMS] = (double)(after.sink.datagrams - before.sink.datagrams) / seconds;
	return 0;
}

static int observe_under_load(const struct bench *b, size_t which, pid_t pid, double *ret_found)
{
	const struct traffic_options options = {
		.interface = SENDER,
		.kind = TRAFFIC_UDP,
		.spread = cases[which].spread,
		.flows = cases[which].flows,
		.family = 4,
		.seed = which,
		.cpus = 1,
	};
	const struct traffic_bounds bounds = {
		.duration_ns = 2 * SETTLE_NS + b->duration_ns,
		.rate = RATE,
	};
	_cleanup_(traffic_freep) struct traffic *traffic = NULL;
	struct traffic_result sent;
	int r = traffic_new(&options, &traffic), joined;

	if (r == 0)
		r = traffic_start(traffic, &bounds);
	if (r < 0)
		return r;
	r = observe(b, pid, ret_found);
	joined = traffic_join(traffic, &sent);
	return r < 0 ? r : joined;
}

/* A fresh agent each time, so that its memory is this case's. */
static int measure_once(const struct bench *b, size_t which, double *ret_found)
{
	pid_t pid = agent_start(RECEIVER, sink_address(b->sink));
	int r, stopped;

	if (pid < 0)
		return pid;
	r = cases[which].flows == 0 ? observe(b, pid, ret_found)
				    : observe_under_load(b, which, pid, ret_found);
	stopped = agent_stop(pid);
	return r < 0 ? r : stopped;
}

static void report_cpu(struct bench *b, size_t which, const struct report_row *cpu, double mpps)
{
	const bool loaded = cases[which].flows > 0;
	const bool reached = !loaded || mpps >= RATE_REACHED * RATE / 1e6;
	struct report_row row = *cpu;
	char goal[64] = "at most 0.5";

	if (loaded)
		snprintf(goal, sizeof(goal), "at most 5 at 1 Mpps; here at %.2f", mpps);
	row.goal = goal;
	/* At a lower rate nothing is shown. */
	row.met =
		reached && report_median(row.values, row.runs) <= (loaded ? GOAL_LOAD : GOAL_REST);
	report_add(b->report, &row);
}

static void report_metric(
	struct bench *b, size_t which, int metric, double values[METRICS][RUNS_MAX])
{
	struct report_row row = {
		.name = cases[which].name,
		.metric = metrics[metric].name,
		.unit = metrics[metric].unit,
		.values = values[metric],
		.runs = b->runs,
	};

	if (metric == CPU) {
		report_cpu(b, which, &row, report_median(values[REACHED], b->runs));
		return;
	}
	if (metric == MEMORY) {
		row.goal = "at most 20";
		row.met = report_median(row.values, row.runs) <= GOAL_MB;
	}
	report_add(b->report, &row);
}

static int measure_case(struct bench *b, size_t which)
{
	static double values[METRICS][RUNS_MAX];

	for (unsigned int run = 0; run < b->runs; run++) {
		double found[METRICS];
		int r = measure_once(b, which, found);

		if (r < 0)
			return r;
		for (int i = 0; i < METRICS; i++)
			values[i][run] = found[i];
	}
	for (int i = 0; i < METRICS; i++)
		report_metric(b, which, i, values);
	return 0;
}

static int parse_options(struct bench *b, int argc, char **argv)
{
	double seconds = 3;
	int opt;

	b->runs = 3;
	while ((opt = getopt(argc, argv, "r:t:")) != -1) {
		if (opt == 'r')
			b->runs = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 't')
			seconds = strtod(optarg, NULL);
		else
			return -EINVAL;
	}
	if (b->runs < 1 || b->runs > RUNS_MAX || !(seconds > 0 && seconds <= SECONDS_MAX) ||
		optind < argc)
		return -EINVAL;
	b->duration_ns = (uint64_t)(seconds * NS_PER_SEC);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(report_freep) struct report *report = NULL;
	_cleanup_(sink_freep) struct sink *sink = NULL;
	struct bench b = {0};
	int r = parse_options(&b, argc, argv);

	if (r < 0) {
		fprintf(stderr, "usage: %s [-r RUNS (1 to %d)] [-t SECONDS (up to %d)]\n", argv[0],
			RUNS_MAX, SECONDS_MAX);
		return EXIT_USAGE;
	}
	b.report = report = report_new("agent");
	r = traffic_net_enter();
	if (r == 0)
		r = traffic_net_pair(SENDER, RECEIVER);
	if (r == 0)
		r = sink_new(&sink);
	b.sink = sink;
	for (size_t i = 0; i < ARRAY_SIZE(cases) && r == 0; i++)
		r = measure_case(&b, i);
	if (r < 0) {
		fprintf(stderr, "agent: %s%s\n", strerror(-r), r == -EPERM ? " (needs root)" : "");
		return r == -EPERM ? EXIT_SKIPPED : EXIT_FAILURE;
	}
	return report_write(report, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
