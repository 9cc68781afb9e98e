// SPDX-License-Identifier: BSD-2-Clause
/*
 * What reading the flow table costs: by what changed, not by its size. Beside it, one system call an
 * entry, as the thesis's polling thread does (5.1.3). CPU time of this thread. Needs root.
 */
#include "agent/flow_table.h"
#include "base/clock.h"
#include "bench/report.h"
#include "bench/xdp_ruler.h"
#include "flow_slots.h"

#include "bench/thesis.skel.h"
#include "bench/xdp_flow.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/baseline/tuple.h"

#define RUNS         15
#define SLOTS        (1U << 21) /* of each CPU: the one that this runs on has all flows */
#define RING_RECORDS (1U << 17)
#define THESIS_SLOTS 200000
#define WARM_UP      2 /* runs that are not counted: pages are touched for the first time */

struct poll_case {
	const char *name;
	uint32_t present; /* flows in the table */
	uint32_t changed; /* of these, flows that had a packet since the last collection */
	const char *goal;
	double most_ms;
};

static const struct poll_case cases[] = {
	{"200k-changed", 200000, 200000, "at most 20 ms", 20},
	{"1k-changed-of-1M", 1000000, 1000, "at most 0.2 ms", 0.2},
	{"none-changed-of-1M", 1000000, 0, NULL, 0},
};

struct bench {
	struct xdp_flow *program;
	struct flow_table *table;
	struct thesis *thesis;
	struct ruler *ruler;
	struct shuffled *shuffled;
	struct report *report;
};

static void bench_done(struct bench *b)
{
	report_free(b->report);
	ruler_free(b->ruler);
	flow_table_close(b->table);
	xdp_flow__destroy(b->program);
	thesis__destroy(b->thesis);
}

static int bench_init(struct bench *b)
{
	const int cpus = libbpf_num_possible_cpus();
	const struct flow_table_options options = {
		.cpu_count = (uint32_t)cpus,
		.slots4 = (uint32_t)cpus * SLOTS,
		.slots6 = (uint32_t)cpus * 512,
		.slots_shed = (uint32_t)cpus * 512,
		.ring_records = (uint32_t)cpus * RING_RECORDS,
		.stale_ns = NS_PER_SEC,
		.tick_ns = 4 * NS_PER_MS,
	};
	cpu_set_t here;
	int r;

	if (cpus < 0)
		return cpus;
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here) < 0)
		return -EINVAL;
	b->report = report_new("poll");
	b->thesis = thesis__open_and_load();
	b->program = xdp_flow__open();
	if (!b->report || !b->thesis || !b->program)
		return -EIO; /* libbpf has said why */
	r = flow_table_prepare(&options, b->program->obj, &b->program->rodata->flow_settings);
	if (r == 0)
		r = xdp_flow__load(b->program);
	if (r == 0)
		r = flow_table_open(
			&options, &b->program->rodata->flow_settings, b->program->obj, &b->table);
	if (r == 0)
		r = ruler_new(&b->ruler);
	if (r == 0)
		r = ruler_add(
			b->ruler, bpf_program__fd(b->program->progs.flow), false, &b->shuffled);
	return r;
}

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* As little as a sink can do: what is measured is the reading. */
static void on_flow(void *user, const struct flow_event *increment)
{
	*(uint64_t *)user += increment->count;
}

static int sweep(struct bench *b, uint32_t flows)
{
	double unused;

	ruler_set_sweep(b->ruler, flows);
	return flows > 0 ? ruler_run(b->ruler, b->shuffled, flows, &unused) : 0;
}

static int measure(struct bench *b, const struct poll_case *c)
{
	uint64_t packets = 0;
	const struct flow_sink sink = {.flow = on_flow, .user = &packets};
	const struct flow_time now = {0}; /* nobody asks when */
	double ms[RUNS], entries[RUNS];
	int r = sweep(b, c->present);

	flow_table_collect(b->table, &now, &sink);
	for (int run = -WARM_UP; run < RUNS && r == 0; run++) {
		double start;
		size_t count;

		r = sweep(b, c->changed);
		packets = 0;
		start = cpu_ms();
		count = flow_table_collect(b->table, &now, &sink);
		if (run >= 0) {
			ms[run] = cpu_ms() - start;
			entries[run] = (double)count;
		}
		if (packets != c->changed)
			r = -EBADMSG;
	}
	if (r < 0)
		return r;
	report_add(b->report, &(struct report_row){
				      .name = c->name,
				      .metric = "CPU time",
				      .unit = "ms",
				      .values = ms,
				      .runs = RUNS,
				      .goal = c->goal,
				      .met = c->goal && report_median(ms, RUNS) <= c->most_ms,
				      .beside = "200k-lookups",
			      });
	report_add(b->report, &(struct report_row){.name = c->name,
				      .metric = "increments",
				      .unit = "",
				      .values = entries,
				      .runs = RUNS});
	return 0;
}

static int measure_lookups(struct bench *b)
{
	const int fd = bpf_map__fd(b->thesis->maps.flow_map);
	double ms[RUNS];

	for (int run = 0; run < RUNS; run++) {
		const double start = cpu_ms();

		for (uint32_t i = 0; i < THESIS_SLOTS; i++) {
			struct flow_meta flow;

			if (bpf_map_lookup_elem(fd, &i, &flow) < 0)
				return -errno;
		}
		ms[run] = cpu_ms() - start;
	}
	report_add(b->report, &(struct report_row){.name = "200k-lookups",
				      .metric = "CPU time",
				      .unit = "ms",
				      .values = ms,
				      .runs = RUNS});
	return 0;
}

int main(void)
{
	_cleanup_(bench_done) struct bench b = {0};
	int r = bench_init(&b);

	if (r == 0)
		r = measure_lookups(&b);
	for (size_t i = 0; i < ARRAY_SIZE(cases) && r == 0; i++)
		r = measure(&b, &cases[i]);
	if (r < 0) {
		fprintf(stderr, "poll: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	return report_write(b.report, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
