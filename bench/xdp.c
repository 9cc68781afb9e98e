// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a packet costs in the XDP program, beside what it costs in others: see docs/data-plane.md,
 * "How it is measured". All programs take turns, so that what disturbs the machine disturbs all of
 * them. Needs root.
 */
#include "base/attr.h"
#include "base/fd.h"
#include "bench/bare.skel.h"
#include "bench/hash.skel.h"
#include "bench/parse_only.skel.h"
#include "bench/report.h"
#include "bench/thesis.skel.h"
#include "bench/xdp_ruler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 101

enum subject_id {
	EMPTY, /* the floor: first */
	PARSE_ONLY,
	THESIS,
	HASH,
	PERCPU_LRU,
	SUBJECTS,
};

struct subject {
	const char *name;
	int prog_fd;
	struct shuffled *shuffled;
	double cost[RUNS_MAX];      /* ns a packet over the floor of the same run */
	double to_thesis[RUNS_MAX]; /* the same, as a multiple of the thesis's */
};

struct bench {
	struct bare *bare;
	struct parse_only *parse_only;
	struct thesis *thesis;
	struct hash *hash;
	struct ruler *ruler;
	struct report *report;
	struct subject subjects[SUBJECTS];
	unsigned int runs;
	uint32_t packets;
};

struct flows_case {
	enum ruler_flows flows;
	const char *name;
};

static const struct flows_case cases[] = {
	{RULER_ONE, "one-flow"},
	{RULER_UNIFORM, "128k-uniform"},
	{RULER_ZIPF, "1M-zipf"},
};

static void bench_done(struct bench *b)
{
	report_free(b->report);
	ruler_free(b->ruler);
	bare__destroy(b->bare);
	parse_only__destroy(b->parse_only);
	thesis__destroy(b->thesis);
	hash__destroy(b->hash);
}

static int subject_init(
	struct bench *b, enum subject_id id, const char *name, const struct bpf_program *program)
{
	struct subject *s = &b->subjects[id];

	s->name = name;
	s->prog_fd = bpf_program__fd(program);
	return ruler_add(b->ruler, s->prog_fd, &s->shuffled);
}

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
		r = subject_init(b, EMPTY, "empty", b->bare->progs.bare_pass);
	if (r == 0)
		r = subject_init(b, PARSE_ONLY, "parse-only", b->parse_only->progs.parse_only);
	if (r == 0)
		r = subject_init(b, THESIS, "thesis", b->thesis->progs.thesis);
	if (r == 0)
		r = subject_init(b, HASH, "hash", b->hash->progs.hash);
	if (r == 0)
		r = subject_init(b, PERCPU_LRU, "percpu-lru", b->hash->progs.percpu_lru);
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
		r = ruler_run(b->ruler, b->subjects[i].shuffled, b->packets / 2, &warm_up);
		if (r == 0)
			r = ruler_run(b->ruler, b->subjects[i].shuffled, b->packets, &ret_cost[i]);
	}
	return r;
}

static void report_case(struct bench *b, const char *name)
{
	char metric[64];

	for (int i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &b->subjects[i];

		snprintf(metric, sizeof(metric), "%s: cost", s->name);
		report_add(b->report, &(struct report_row){
					      .name = name,
					      .metric = metric,
					      .unit = "ns/packet",
					      .values = s->cost,
					      .runs = b->runs,
					      .beside = i == EMPTY ? NULL : "empty",
				      });
	}
}

static int measure(struct bench *b, const struct flows_case *c)
{
	double cost[SUBJECTS];
	int r = 0;

	ruler_set_flows(b->ruler, c->flows);
	r = turn(b, cost);
	for (unsigned int run = 0; run < b->runs && r == 0; run++) {
		r = turn(b, cost);
		for (int i = 0; i < SUBJECTS; i++) {
			struct subject *s = &b->subjects[i];

			s->cost[run] = i == EMPTY ? cost[i] : cost[i] - cost[EMPTY];
			s->to_thesis[run] = (cost[i] - cost[EMPTY]) / (cost[THESIS] - cost[EMPTY]);
		}
	}
	if (r == 0)
		report_case(b, c->name);
	return r;
}

static void report_count(struct bench *b, const char *program, const char *metric, double value)
{
	report_add(b->report, &(struct report_row){
				      .name = program,
				      .metric = metric,
				      .unit = "",
				      .values = &value,
				      .runs = 1,
			      });
}

static int report_sizes(struct bench *b)
{
	for (int i = 0; i < SUBJECTS; i++) {
		struct program_size size;
		int r = program_size(b->subjects[i].prog_fd, &size);

		if (r < 0)
			return r;
		report_count(b, b->subjects[i].name, "instructions", size.instructions);
		report_count(b, b->subjects[i].name, "verified instructions", size.verified);
		report_count(b, b->subjects[i].name, "machine code bytes", size.jited_bytes);
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
