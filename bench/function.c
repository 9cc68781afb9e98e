// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events a second through the engine with a real worker and a real, synced database: a counter a
 * source, and a function without state. Beside them, in the same run, one HTTP POST an event to a warm
 * Node.js server. Then latency under half of what each can do, cold start beside `node -e 0`, and
 * memory. What the counters sum up to must be the events that were sent, or the benchmark fails.
 */
#include "base/clock.h"
#include "base/log.h"
#include "bench/function_http.h"
#include "bench/function_rig.h"
#include "bench/report.h"
#include "event/schema.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS_MAX   100
#define WARM_UP    50000    /* events, so that the function is compiled */
#define STEADY     100000.0 /* events/s, at which the goal for latency is given */
#define P99_GOAL   5e3      /* us */
#define HTTP       "http-post"
#define START_GOAL 30 /* ms above the runtime's own start */

static const struct function_case {
	const char *name;
	struct rig_options options;
	bool has_state;
	double goal; /* events/s a core; 0: none */
} cases[] = {
	{"node-counter", {"nodejs", "counter.count", 256, 1}, true, 500e3},
	{"node-counter, 2 workers", {"nodejs", "counter.count", 256, 2}, true, 0},
	{"node-stateless", {"nodejs", "counter.look", 256, 1}, false, 0},
	{"python-counter", {"python", "counter.count", 256, 1}, true, 0},
	{"python-counter, 2 workers", {"python", "counter.count", 256, 2}, true, 0},
	{"python-stateless", {"python", "counter.look", 256, 1}, false, 0},
	{"python-async", {"python", "counter.count_async", 256, 1}, true, 0},
	{"native-counter", {"native", "counter.count", 256, 1}, true, 5e6},
	{"native-counter, 2 workers", {"native", "counter.count", 256, 2}, true, 0},
	{"native-stateless", {"native", "counter.look", 256, 1}, false, 0},
};
#define CASES ARRAY_SIZE(cases)

/* The first case, telling when it was called. */
static const struct rig_options late_options = {"nodejs", "counter.late", 256, 1};

enum {
	RATE,
	CORE_RATE,
	WORKER_CPU,
	SERVER_CPU,
	ENGINE_CPU,
	COMMIT_EVENTS,
	COMMIT_TIME,
	START,
	BARE_START,
	SPARE_START,
	MEMORY,
	METRICS
};
static const struct {
	const char *name, *unit;
} metrics[METRICS] = {
	[RATE] = {"rate", "events/s"},
	[CORE_RATE] = {"rate a core", "events/s"},
	[WORKER_CPU] = {"worker cpu", "ns/event"},
	[SERVER_CPU] = {"server cpu", "ns/event"},
	[ENGINE_CPU] = {"of that the engine's", "ns/event"},
	[COMMIT_EVENTS] = {"events a commit", "events"},
	[COMMIT_TIME] = {"a commit", "ms"},
	[START] = {"cold start", "ms"},
	[BARE_START] = {"cold start, no isolation", "ms"},
	[SPARE_START] = {"start, spare worker", "ms"},
	[MEMORY] = {"memory a worker", "MB"},
};

/* The latencies of the first case and of HTTP. */
enum { HALF_CALLED, HALF_COMMITTED, STEADY_CALLED, STEADY_COMMITTED, HTTP_HALF, LATENCIES };
static const struct {
	const char *name, *metric;
} latencies[LATENCIES] = {
	[HALF_CALLED] = {"node-counter", "half load, called"},
	[HALF_COMMITTED] = {"node-counter", "half load, committed"},
	[STEADY_CALLED] = {"node-counter", "100 k/s, called"},
	[STEADY_COMMITTED] = {"node-counter", "100 k/s, committed"},
	[HTTP_HALF] = {HTTP, "half load, answered"},
};
enum { P50, P99, P999, PERCENTILES };
static const char *const percentiles[PERCENTILES] = {"p50", "p99", "p999"};

struct bench {
	unsigned int runs;
	double seconds;
	const char *json;
	const char *only; /* a pattern of cases; NULL: all */
	bool progress;
	double values[CASES][METRICS][RUNS_MAX];
	double latency[LATENCIES][PERCENTILES][RUNS_MAX];
	double http_rate[RUNS_MAX];
	double node_start[RUNS_MAX];
};

static void usage(FILE *to)
{
	fprintf(to, "usage: function [--runs N] [--seconds S] [--only PATTERN] [--json FILE]\n"
		    "  --runs N        medians of so many runs (3)\n"
		    "  --seconds S     of each load (2)\n"
		    "  --only PATTERN  cases by name, as 'python*', without latency and HTTP\n"
		    "  --json FILE     instead of function.json beside the executable\n");
}

static bool parse_number(const char *text, double min, double max, double *ret_number)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number >= min && number <= max)) {
		fprintf(stderr, "function: \"%s\": expected a number from %g to %g\n", text, min,
			max);
		return false;
	}
	*ret_number = number;
	return true;
}

/* 0: go on; else the exit code plus 1. */
static int parse_options(int argc, char **argv, struct bench *bench)
{
	static const struct option options[] = {
		{"runs", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 's'},
		{"only", required_argument, NULL, 'o'},
		{"json", required_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	double number;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_SUCCESS + 1;
		} else if (option == 'j') {
			bench->json = optarg;
		} else if (option == 'o') {
			bench->only = optarg;
		} else if (option == 'r' && parse_number(optarg, 1, RUNS_MAX, &number)) {
			bench->runs = (unsigned int)number;
		} else if (option != 's' || !parse_number(optarg, 0.05, 60, &bench->seconds)) {
			usage(stderr);
			return EXIT_FAILURE + 1;
		}
	}
	if (optind == argc)
		return 0;
	usage(stderr);
	return EXIT_FAILURE + 1;
}

static bool is_wanted(const struct bench *bench, size_t which)
{
	return !bench->only || fnmatch(bench->only, cases[which].name, 0) == 0;
}

static void show(const struct bench *bench, unsigned int run, const char *what)
{
	if (bench->progress)
		fprintf(stderr, "\r\033[Krun %u of %u: %s", run + 1, bench->runs, what);
}

/* ---- measuring ---- */

static void keep_load(double (*values)[RUNS_MAX], unsigned int run, const struct load *load)
{
	values[RATE][run] = (double)load->events / load->seconds;
	values[CORE_RATE][run] = 1e9 / (load->worker_cpu_ns + load->server_cpu_ns);
	values[WORKER_CPU][run] = load->worker_cpu_ns;
	values[SERVER_CPU][run] = load->server_cpu_ns;
	values[ENGINE_CPU][run] = load->engine_cpu_ns;
	values[COMMIT_EVENTS][run] = (double)load->events / (double)MAX(load->commits, 1U);
	values[COMMIT_TIME][run] = load->commit_ms;
	values[MEMORY][run] = load->worker_mb;
}

static void keep_latency(
	struct bench *bench, int which, unsigned int run, const struct latency *latency)
{
	bench->latency[which][P50][run] = latency->p50_us;
	bench->latency[which][P99][run] = latency->p99_us;
	bench->latency[which][P999][run] = latency->p999_us;
}

static int check_sum(struct rig *rig, const char *name, uint64_t expected)
{
	uint64_t sum;

	if (rig_sum(rig, &sum) < 0)
		return -1;
	if (sum == expected)
		return 0;
	fprintf(stderr, "function: %s: %llu events were sent, the state says %llu\n", name,
		(unsigned long long)expected, (unsigned long long)sum);
	return -1;
}

/* As fast as it goes. A short load first: it says how many events fill the time. */
static int load_fully(struct rig *rig, double seconds, uint64_t *ret_sent, struct load *ret_load)
{
	uint64_t events = WARM_UP, sent = 1; /* rig_new() sent one */

	for (int i = 0; i < 3; i++) {
		if (rig_load(rig, events, 0, ret_load) < 0)
			return -1;
		sent += events;
		events = 1 + (uint64_t)((double)events / ret_load->seconds * seconds *
					(i == 0 ? 0.25 : 1));
	}
	*ret_sent = sent;
	return 0;
}

static int measure_start(struct bench *bench, size_t which, unsigned int run, int metric)
{
	_cleanup_(rig_freep) struct rig *rig = NULL;
	struct rig_options options = cases[which].options;
	uint64_t start_ns;

	/* From the first event to its result, when a spare worker is there for it. */
	options.spare = metric == SPARE_START;
	options.isolation = metric == BARE_START ? ISOLATION_NONE : ISOLATION_STRICT;
	if (rig_new(&options, &rig, &start_ns) < 0)
		return -1;
	bench->values[which][metric][run] = (double)start_ns / NS_PER_MS;
	return 0;
}

static int measure_case(struct bench *bench, size_t which, unsigned int run)
{
	_cleanup_(rig_freep) struct rig *rig = NULL;
	uint64_t start_ns, sent;
	struct load load;

	show(bench, run, cases[which].name);
	if (rig_new(&cases[which].options, &rig, &start_ns) < 0)
		return -1;
	bench->values[which][START][run] = (double)start_ns / NS_PER_MS;
	if (cases[which].has_state && cases[which].options.workers == 1 &&
		(measure_start(bench, which, run, BARE_START) < 0 ||
			measure_start(bench, which, run, SPARE_START) < 0))
		return -1;
	if (load_fully(rig, bench->seconds, &sent, &load) < 0)
		return -1;
	keep_load(bench->values[which], run, &load);
	return cases[which].has_state ? check_sum(rig, cases[which].name, sent) : 0;
}

static int measure_latency(struct bench *bench, unsigned int run)
{
	_cleanup_(rig_freep) struct rig *rig = NULL;
	double rates[2] = {0, STEADY};
	uint64_t start_ns, sent;
	struct load load;

	show(bench, run, "latency");
	if (rig_new(&late_options, &rig, &start_ns) < 0 ||
		load_fully(rig, bench->seconds / 2, &sent, &load) < 0)
		return -1;
	rates[0] = (double)load.events / load.seconds / 2;
	for (int i = 0; i < 2; i++) {
		uint64_t events = (uint64_t)(rates[i] * bench->seconds) + 1;

		if (rig_load(rig, events, rates[i], &load) < 0)
			return -1;
		sent += events;
		keep_latency(bench, HALF_CALLED + 2 * i, run, &load.called);
		keep_latency(bench, HALF_COMMITTED + 2 * i, run, &load.committed);
	}
	return check_sum(rig, "latency", sent);
}

static int load_http(struct bench *bench, unsigned int run, const struct http_server *server)
{
	struct http_load load;

	if (http_load(server, bench->seconds / 4, 0, &load) < 0 ||
		http_load(server, bench->seconds, 0, &load) < 0)
		return -1;
	bench->http_rate[run] = (double)load.events / load.seconds;
	if (http_load(server, bench->seconds, bench->http_rate[run] / 2, &load) < 0)
		return -1;
	bench->latency[HTTP_HALF][P50][run] = load.p50_us;
	bench->latency[HTTP_HALF][P99][run] = load.p99_us;
	bench->latency[HTTP_HALF][P999][run] = load.p999_us;
	return 0;
}

static int measure_http(struct bench *bench, unsigned int run)
{
	struct http_server server;
	uint64_t node_ns;
	int r;

	show(bench, run, HTTP);
	if (http_node_start(&node_ns) < 0 || http_server_start("counter.look", &server) < 0) {
		fprintf(stderr, "function: node does not start\n");
		return -1;
	}
	bench->node_start[run] = (double)node_ns / NS_PER_MS;
	r = load_http(bench, run, &server);
	http_server_stop(&server);
	if (r < 0)
		fprintf(stderr, "function: the HTTP server does not answer\n");
	return r;
}

/* The cases of one run follow each other, so that what slows the machine slows all of them. */
static int measure_all(struct bench *bench)
{
	for (unsigned int run = 0; run < bench->runs; run++) {
		for (size_t which = 0; which < CASES; which++)
			if (is_wanted(bench, which) && measure_case(bench, which, run) < 0)
				return -1;
		if (bench->only)
			continue;
		if (measure_latency(bench, run) < 0 || measure_http(bench, run) < 0)
			return -1;
	}
	if (bench->progress)
		fprintf(stderr, "\r\033[K");
	return 0;
}

/* ---- judging ---- */

static struct report_row row_of(
	const struct bench *bench, size_t which, int metric, const double *values)
{
	return (struct report_row){
		.name = cases[which].name,
		.metric = metrics[metric].name,
		.unit = metrics[metric].unit,
		.values = values,
		.runs = bench->runs,
	};
}

static void add_start(struct report *report, const struct bench *bench, size_t which)
{
	const double *values = bench->values[which][START];
	struct report_row row = row_of(bench, which, START, values);
	char goal[64];

	if (strcmp(cases[which].options.runtime, "nodejs") == 0) {
		snprintf(goal, sizeof(goal), "at most node -e 0 + %d ms", START_GOAL);
		row.goal = goal;
		row.met = report_median(values, bench->runs) <=
			  report_median(bench->node_start, bench->runs) + START_GOAL;
		row.beside = "node -e 0";
	}
	report_add(report, &row);
	for (int metric = BARE_START; metric <= SPARE_START; metric++) {
		if (bench->values[which][metric][0] == 0)
			continue;
		row = row_of(bench, which, metric, bench->values[which][metric]);
		row.beside = cases[which].name;
		report_add(report, &row);
	}
}

static void add_case(struct report *report, const struct bench *bench, size_t which)
{
	const double(*values)[RUNS_MAX] = bench->values[which];
	double ratios[RUNS_MAX];
	struct report_row row;
	char goal[64];

	for (int metric = 0; metric < METRICS; metric++) {
		row = row_of(bench, which, metric, values[metric]);
		if (metric >= START && metric <= SPARE_START)
			continue;
		if (metric == CORE_RATE && cases[which].goal > 0) {
			snprintf(goal, sizeof(goal), "at least %.0f k events/s a core",
				cases[which].goal / 1e3);
			row.goal = goal;
			row.met = report_median(values[metric], bench->runs) >= cases[which].goal;
			row.beside = HTTP;
		}
		report_add(report, &row);
	}
	add_start(report, bench, which);
	if (bench->only)
		return;
	for (unsigned int i = 0; i < bench->runs; i++)
		ratios[i] = values[RATE][i] / bench->http_rate[i];
	row = row_of(bench, which, RATE, ratios);
	row.metric = "rate, of one POST an event";
	row.unit = "x";
	row.beside = HTTP;
	report_add(report, &row);
}

static void add_latencies(struct report *report, const struct bench *bench)
{
	for (int which = 0; which < LATENCIES; which++)
		for (int i = 0; i < PERCENTILES; i++) {
			const double *values = bench->latency[which][i];
			struct report_row row = {.name = latencies[which].name,
				.unit = "us",
				.values = values,
				.runs = bench->runs};
			char metric[64];

			snprintf(metric, sizeof(metric), "%s %s", latencies[which].metric,
				percentiles[i]);
			row.metric = metric;
			if (which == STEADY_CALLED && i == P99) {
				row.goal = "at most 5 ms";
				row.met = report_median(values, bench->runs) <= P99_GOAL;
			}
			report_add(report, &row);
		}
}

static void add_baselines(struct report *report, const struct bench *bench)
{
	struct report_row row = row_of(bench, 0, RATE, bench->http_rate);

	row.name = HTTP;
	report_add(report, &row);
	row = row_of(bench, 0, START, bench->node_start);
	row.name = "node -e 0";
	report_add(report, &row);
}

int main(int argc, char **argv)
{
	static struct bench bench = {.runs = 3, .seconds = 2};
	_cleanup_(report_freep) struct report *report = NULL;
	int r = parse_options(argc, argv, &bench);

	if (r != 0)
		return r - 1;
	bench.progress = isatty(STDERR_FILENO);
	log_set_level(LOG_LEVEL_ERROR);
	if (schema_init() < 0 || measure_all(&bench) < 0)
		return EXIT_FAILURE;
	report = report_new("function");
	for (size_t which = 0; which < CASES; which++)
		if (is_wanted(&bench, which))
			add_case(report, &bench, which);
	if (!bench.only) {
		add_latencies(report, &bench);
		add_baselines(report, &bench);
	}
	printf("%u runs of %g s; a core: of all time that worker, engine and committer were "
	       "computing\n",
		bench.runs, bench.seconds);
	return report_write(report, bench.json) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
