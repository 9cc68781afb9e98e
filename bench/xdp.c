// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a packet costs in the XDP program, beside what it costs in others: see docs/data-plane.md,
 * "How it is measured". All programs take turns, so that what disturbs the machine disturbs all of
 * them. Needs root.
 */
#include "base/attr.h"
#include "base/fd.h"
#include "bench/bare.skel.h"
#include "bench/baseline/tuple.h"
#include "bench/flow_subject.h"
#include "bench/hash.skel.h"
#include "bench/parse_only.skel.h"
#include "bench/report.h"
#include "bench/thesis.skel.h"
#include "bench/traffic_counted.h"
#include "bench/xdp_ruler.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX      101
#define SLOTS_PER_CPU 32768 /* 1 MiB: see docs/data-plane.md */
#define THESIS_SLOTS  200000

enum subject_id {
	EMPTY, /* the floor: first */
	PARSE_ONLY,
	THESIS,
	HASH,
	PERCPU_LRU,
	FLOW_TABLE,
	AGENT, /* the whole program that the agent attaches, sources and targets included */
	SUBJECTS,
};

struct subject {
	const char *name;
	int prog_fd;
	struct shuffled *shuffled;
	uint64_t sent;              /* packets, in this case */
	double cost[RUNS_MAX];      /* ns a packet over the floor of the same run */
	double to_thesis[RUNS_MAX]; /* the same, as a multiple of the thesis's */
};

struct bench {
	struct bare *bare;
	struct parse_only *parse_only;
	struct thesis *thesis;
	struct hash *hash;
	struct flow_subject *flow;
	struct counted *counted;
	struct ruler *ruler;
	struct report *report;
	struct subject subjects[SUBJECTS];
	unsigned int runs;
	uint32_t packets;
};

struct flows_case {
	enum ruler_flows flows;
	const char *name;
	const char *cost_goal; /* NULL: none */
	double cost_most;      /* ns */
	const char *ratio_goal;
	double ratio_most;
};

static const struct flows_case cases[] = {
	{RULER_ONE, "one-flow", "at most 25 ns", 25, "at most 0.4 (2.5x cheaper)", 0.4},
	{RULER_UNIFORM, "128k-uniform", NULL, 0, "at most 0.6", 0.6},
	{RULER_ZIPF, "1M-zipf", NULL, 0, "at most 0.5", 0.5},
};

static void bench_done(struct bench *b)
{
	report_free(b->report);
	ruler_free(b->ruler);
	bare__destroy(b->bare);
	parse_only__destroy(b->parse_only);
	thesis__destroy(b->thesis);
	hash__destroy(b->hash);
	flow_subject_close(b->flow);
	counted_free(b->counted);
}

static int subject_init(struct bench *b, enum subject_id id, const char *name, int prog_fd)
{
	struct subject *s = &b->subjects[id];

	s->name = name;
	s->prog_fd = prog_fd;
	return ruler_add(b->ruler, prog_fd, id == AGENT, &s->shuffled);
}

/* ---- the agent's program, and nobody who looks at what it counts ---- */

static void ignore_flow(void *user _unused_, const struct flow_event *increment _unused_)
{
}

static void ignore_port(void *user _unused_, const struct port_event *event _unused_)
{
}

static void ignore_source(void *user _unused_, const struct source_event *event _unused_)
{
}

static void ignore_target(void *user _unused_, const struct target_event *event _unused_)
{
}

static int start_agent(struct bench *b)
{
	static const struct collect_sink sink = {.flow = ignore_flow,
		.port = ignore_port,
		.source = ignore_source,
		.target = ignore_target};
	int r = counted_new(&sink, &b->counted);

	return r < 0 ? r : counted_attach(b->counted, NULL);
}

/* ---- all of them ---- */

static int bench_load(struct bench *b)
{
	b->bare = bare__open_and_load();
	b->parse_only = parse_only__open_and_load();
	b->thesis = thesis__open_and_load();
	b->hash = hash__open_and_load();
	return b->bare && b->parse_only && b->thesis && b->hash ? 0 : -errno;
}

static int bench_init(struct bench *b)
{
	int r = bench_load(b);

	if (r == 0)
		r = ruler_new(&b->ruler);
	if (r == 0)
		r = flow_subject_open(SLOTS_PER_CPU, &b->flow);
	if (r == 0)
		r = start_agent(b);
	if (r < 0)
		return r;
	const struct {
		enum subject_id id;
		const char *name;
		int prog_fd;
	} subjects[] = {
		{EMPTY, "empty", bpf_program__fd(b->bare->progs.bare_pass)},
		{PARSE_ONLY, "parse-only", bpf_program__fd(b->parse_only->progs.parse_only)},
		{THESIS, "thesis", bpf_program__fd(b->thesis->progs.thesis)},
		{HASH, "hash", bpf_program__fd(b->hash->progs.hash)},
		{PERCPU_LRU, "percpu-lru", bpf_program__fd(b->hash->progs.percpu_lru)},
		{FLOW_TABLE, "flow-table", flow_subject_program_fd(b->flow)},
		{AGENT, "agent", counted_program_fd(b->counted)},
	};
	for (size_t i = 0; i < ARRAY_SIZE(subjects) && r == 0; i++)
		r = subject_init(b, subjects[i].id, subjects[i].name, subjects[i].prog_fd);
	b->report = report_new("xdp");
	return r;
}

/* One turn of all programs. Each runs a while unmeasured first, to have its tables in the caches.
 */
static int turn(struct bench *b, double ret_cost[SUBJECTS])
{
	double warm_up;
	int r = 0;

	for (int i = 0; i < SUBJECTS && r == 0; i++) {
		struct subject *s = &b->subjects[i];

		r = ruler_run(b->ruler, s->shuffled, b->packets / 2, &warm_up);
		if (r == 0)
			r = ruler_run(b->ruler, s->shuffled, b->packets, &ret_cost[i]);
		s->sent += b->packets / 2 + b->packets;
	}
	return r;
}

static void report_costs(struct bench *b, const struct flows_case *c)
{
	char metric[64];

	for (int i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &b->subjects[i];
		const char *goal = i >= FLOW_TABLE ? c->cost_goal : NULL;

		snprintf(metric, sizeof(metric), "%s: cost", s->name);
		report_add(b->report,
			&(struct report_row){
				.name = c->name,
				.metric = metric,
				.unit = "ns/packet",
				.values = s->cost,
				.runs = b->runs,
				.goal = goal,
				.met = goal && report_median(s->cost, b->runs) <= c->cost_most,
				.beside = i == EMPTY ? NULL : "empty",
			});
	}
}

static void report_ratio(struct bench *b, const struct flows_case *c, enum subject_id id)
{
	const double *ratios = b->subjects[id].to_thesis;
	char metric[64];

	snprintf(metric, sizeof(metric), "%s: cost by thesis's", b->subjects[id].name);
	report_add(b->report, &(struct report_row){
				      .name = c->name,
				      .metric = metric,
				      .unit = "",
				      .values = ratios,
				      .runs = b->runs,
				      .goal = c->ratio_goal,
				      .met = report_median(ratios, b->runs) <= c->ratio_most,
				      .beside = "thesis",
			      });
}

static void report_value(
	struct bench *b, const char *name, const char *metric, const char *unit, double value)
{
	report_add(b->report,
		&(struct report_row){
			.name = name, .metric = metric, .unit = unit, .values = &value, .runs = 1});
}

/* Sent, less what is in a record or declared to be in none. Ours must be 0. */
static void report_exactness(struct bench *b, const struct flows_case *c)
{
	const struct flow_subject_totals ours = flow_subject_take(b->flow);
	const double sent = (double)b->subjects[FLOW_TABLE].sent;
	const double missing = sent - (double)ours.packets - (double)ours.shed;

	report_add(b->report, &(struct report_row){
				      .name = c->name,
				      .metric = "flow-table: packets missing",
				      .unit = "",
				      .values = &missing,
				      .runs = 1,
				      .goal = "none",
				      .met = missing == 0,
				      .beside = "thesis",
			      });
	report_value(b, c->name, "flow-table: packets shed", "%", 100 * (double)ours.shed / sent);
	report_value(b, c->name, "flow-table: records made room", "%",
		100 * (double)ours.records / sent);
}

/* What the thesis's table holds of what was sent since it was last emptied; empties it. */
static int report_thesis_loss(struct bench *b, const struct flows_case *c)
{
	const int fd = bpf_map__fd(b->thesis->maps.flow_map);
	const double sent = (double)b->subjects[THESIS].sent;
	const struct flow_meta none = {0};
	double counted = 0;
	int r = 0;

	for (uint32_t i = 0; i < THESIS_SLOTS && r == 0; i++) {
		struct flow_meta flow;

		r = bpf_map_lookup_elem(fd, &i, &flow);
		if (r == 0)
			r = bpf_map_update_elem(fd, &i, &none, BPF_ANY);
		counted += (double)flow.count;
	}
	if (r == 0)
		report_value(b, c->name, "thesis: packets forgotten", "%",
			100 * (sent - counted) / sent);
	return r;
}

static void keep_costs(struct bench *b, unsigned int run, const double cost[SUBJECTS])
{
	for (int i = 0; i < SUBJECTS; i++) {
		struct subject *s = &b->subjects[i];
		const double over = cost[i] - cost[EMPTY];

		s->cost[run] = i == EMPTY ? cost[i] : over;
		s->to_thesis[run] = over / (cost[THESIS] - cost[EMPTY]);
	}
}

static int measure(struct bench *b, const struct flows_case *c)
{
	double cost[SUBJECTS];
	int r;

	for (int i = 0; i < SUBJECTS; i++)
		b->subjects[i].sent = 0;
	ruler_set_flows(b->ruler, c->flows);
	r = turn(b, cost);
	for (unsigned int run = 0; run < b->runs && r == 0; run++) {
		r = turn(b, cost);
		keep_costs(b, run, cost);
	}
	if (r < 0)
		return r;
	report_costs(b, c);
	report_ratio(b, c, FLOW_TABLE);
	report_ratio(b, c, AGENT);
	report_exactness(b, c);
	return report_thesis_loss(b, c);
}

static int report_sizes(struct bench *b)
{
	for (int i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &b->subjects[i];
		struct program_size size;
		int r = program_size(s->prog_fd, &size);

		if (r < 0)
			return r;
		report_value(b, s->name, "instructions", "", size.instructions);
		report_value(b, s->name, "instructions verified", "", size.verified);
		report_value(b, s->name, "machine code", "bytes", size.jited_bytes);
	}
	return 0;
}

static int parse_options(struct bench *b, int argc, char **argv)
{
	int opt;

	b->runs = 7;
	b->packets = 1000000;
	while ((opt = getopt(argc, argv, "r:p:")) != -1) {
		if (opt == 'r')
			b->runs = (unsigned int)atoi(optarg);
		else if (opt == 'p')
			b->packets = (uint32_t)atoi(optarg);
		else
			return -EINVAL;
	}
	return b->runs >= 1 && b->runs <= RUNS_MAX && b->packets >= 2 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	_cleanup_(bench_done) struct bench b = {0};
	int r = parse_options(&b, argc, argv);

	if (r < 0) {
		fprintf(stderr, "usage: %s [-r RUNS (1 to %d)] [-p PACKETS]\n", argv[0], RUNS_MAX);
		return EXIT_FAILURE;
	}
	r = bench_init(&b);
	for (size_t i = 0; i < ARRAY_SIZE(cases) && r == 0; i++)
		r = measure(&b, &cases[i]);
	if (r == 0)
		r = report_sizes(&b);
	if (r < 0) {
		fprintf(stderr, "xdp: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	return report_write(b.report, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
