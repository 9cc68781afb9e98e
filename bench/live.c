// SPDX-License-Identifier: BSD-2-Clause
/*
 * What counting does to the rate at which a machine passes frames on: live frames through a bridge,
 * with an XDP program on its first port that does nothing, with the thesis's, with a hash map's, with
 * the flow table alone, and with the agent's own; the last two with their readers beside them. All
 * take turns. The rate is that of a core: packets by the CPU time of the sending thread, which
 * includes all softirqs that carry a frame to its end, so that other processes on the machine do not
 * count. docs/data-plane.md, "Live frames". Needs root.
 */
#include "bench/bare.skel.h"
#include "bench/flow_subject.h"
#include "bench/hash.skel.h"
#include "bench/live_exit.skel.h"
#include "bench/report.h"
#include "bench/thesis.skel.h"
#include "bench/traffic.h"
#include "bench/traffic_counted.h"
#include "bench/traffic_net.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SENDER        "gen0"
#define PORT_IN       "sw0"
#define PORT_OUT      "sw1"
#define BEHIND        "out0"
#define SLOTS_PER_CPU 65536 /* as bench/xdp.c */
#define RUNS_MAX      101
#define PACKETS_MIN   1000
#define PACKETS_MAX   100000000
#define GOAL_SHARE    0.9
#define EXIT_USAGE    2
#define EXIT_SKIPPED  77

enum subject_id {
	EMPTY, /* the baseline of all that pass: first */
	THESIS,
	HASH,
	FLOW_TABLE,
	AGENT,
	BARE_DROP,
	SUBJECTS,
};

struct subject {
	const char *name;
	int prog_fd;               /* of no meaning for the agent, which attaches itself */
	double rate[RUNS_MAX];     /* Mpps of a core */
	double to_empty[RUNS_MAX]; /* in the same turn */
	double wall[RUNS_MAX];     /* Mpps by the clock */
};

static const struct {
	const char *name;
	enum traffic_spread spread;
	uint32_t flows;
} cases[] = {
	{"one-flow", TRAFFIC_UNIFORM, 1},
	{"128k-uniform", TRAFFIC_UNIFORM, 131072},
	{"1M-zipf", TRAFFIC_ZIPF, 1048576},
	{"spoofed-flood", TRAFFIC_SPOOFED, 1},
};

struct bench {
	struct bare *bare;
	struct thesis *thesis;
	struct hash *hash;
	struct live_exit *exit;
	struct flow_subject *flow_table;
	struct counted *counted;
	struct report *report;
	struct subject subjects[SUBJECTS];
	unsigned int runs;
	uint64_t packets;
};

static void bench_done(struct bench *b)
{
	report_free(b->report);
	counted_free(b->counted);
	flow_subject_close(b->flow_table);
	bare__destroy(b->bare);
	thesis__destroy(b->thesis);
	hash__destroy(b->hash);
	live_exit__destroy(b->exit);
}

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

static void subject_init(struct bench *b, enum subject_id id, const char *name, int prog_fd)
{
	b->subjects[id].name = name;
	b->subjects[id].prog_fd = prog_fd;
}

static int bench_load(struct bench *b)
{
	const struct collect_sink sink = {.flow = ignore_flow,
		.port = ignore_port,
		.source = ignore_source,
		.target = ignore_target};
	int r = flow_subject_open(SLOTS_PER_CPU, &b->flow_table);

	if (r < 0)
		return r;
	b->bare = bare__open_and_load();
	b->thesis = thesis__open_and_load();
	b->hash = hash__open_and_load();
	b->exit = live_exit__open_and_load();
	if (!b->bare || !b->thesis || !b->hash || !b->exit)
		return -errno;
	subject_init(b, EMPTY, "empty", bpf_program__fd(b->bare->progs.bare_pass));
	subject_init(b, THESIS, "thesis", bpf_program__fd(b->thesis->progs.thesis));
	subject_init(b, HASH, "hash", bpf_program__fd(b->hash->progs.hash));
	subject_init(b, FLOW_TABLE, "flow-table", flow_subject_program_fd(b->flow_table));
	subject_init(b, AGENT, "agent", -1);
	subject_init(b, BARE_DROP, "bare drop", bpf_program__fd(b->bare->progs.bare_drop));
	return counted_new(&sink, &b->counted);
}

static int open_network(void)
{
	int r = traffic_net_enter();

	if (r == 0)
		r = traffic_net_pair(SENDER, PORT_IN);
	if (r == 0)
		r = traffic_net_pair(PORT_OUT, BEHIND);
	return r < 0 ? r : traffic_net_bridge("br0", PORT_IN, PORT_OUT);
}

/* The namespace takes it away with the interface. */
static int open_exit(const struct bench *b)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(PORT_OUT),
		.attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(b->exit->progs.live_exit));
	int r = bpf_tc_hook_create(&hook);

	return r < 0 ? r : bpf_tc_attach(&hook, &options);
}

static int attach(struct bench *b, enum subject_id id)
{
	if (id == AGENT)
		return counted_attach(b->counted, PORT_IN);
	return bpf_xdp_attach(
		(int)if_nametoindex(PORT_IN), b->subjects[id].prog_fd, XDP_FLAGS_DRV_MODE, NULL);
}

static int detach(struct bench *b, enum subject_id id)
{
	if (id == AGENT)
		return counted_detach(b->counted);
	return bpf_xdp_detach((int)if_nametoindex(PORT_IN), XDP_FLAGS_DRV_MODE, NULL);
}

/* What was passed must have come out of the other port, or the rate is of something else. */
static int check_way(enum subject_id id, uint64_t came_out, const struct traffic_result *sent)
{
	const uint64_t expected = id == BARE_DROP ? 0 : sent->packets;

	if (came_out == expected)
		return 0;
	fprintf(stderr, "live: %llu packets sent, %llu should have passed the bridge, %llu did\n",
		(unsigned long long)sent->packets, (unsigned long long)expected,
		(unsigned long long)came_out);
	return -EIO;
}

/* Half as many packets go unmeasured first, to have the tables in the caches. */
static int run_subject(struct bench *b, enum subject_id id, struct traffic *traffic,
	struct traffic_result *ret_result)
{
	const struct traffic_bounds warm_up = {.packets = b->packets / 2},
				    measured = {.packets = b->packets};
	const __u64 *left = &b->exit->bss->left;
	uint64_t before;
	int r = attach(b, id), detached;

	if (r < 0)
		return r;
	r = traffic_run(traffic, &warm_up, ret_result);
	before = *left;
	if (r == 0)
		r = traffic_run(traffic, &measured, ret_result);
	if (r == 0)
		r = check_way(id, *left - before, ret_result);
	detached = detach(b, id);
	return r < 0 ? r : detached;
}

static int turn(struct bench *b, struct traffic *traffic, unsigned int run)
{
	for (int id = 0; id < SUBJECTS; id++) {
		struct subject *s = &b->subjects[id];
		struct traffic_result result;
		int r = run_subject(b, (enum subject_id)id, traffic, &result);

		if (r < 0)
			return r;
		s->rate[run] = (double)result.packets / result.cpu_ns * 1e3;
		s->wall[run] = (double)result.packets / result.seconds / 1e6;
		s->to_empty[run] = s->rate[run] / b->subjects[EMPTY].rate[run];
	}
	return 0;
}

static void report_rates(struct bench *b, const char *name, const struct subject *s)
{
	char metric[64];

	snprintf(metric, sizeof(metric), "%s: rate of a core", s->name);
	report_add(b->report, &(struct report_row){
				      .name = name,
				      .metric = metric,
				      .unit = "Mpps",
				      .values = s->rate,
				      .runs = b->runs,
			      });
	snprintf(metric, sizeof(metric), "%s: by the clock", s->name);
	report_add(b->report, &(struct report_row){
				      .name = name,
				      .metric = metric,
				      .unit = "Mpps",
				      .values = s->wall,
				      .runs = b->runs,
			      });
}

static void report_share(struct bench *b, const char *name, enum subject_id id)
{
	const struct subject *s = &b->subjects[id];
	char metric[64];

	snprintf(metric, sizeof(metric), "%s / empty", s->name);
	report_add(b->report, &(struct report_row){
				      .name = name,
				      .metric = metric,
				      .unit = "x",
				      .values = s->to_empty,
				      .runs = b->runs,
				      .goal = id == AGENT ? "at least 0.9" : NULL,
				      .met = report_median(s->to_empty, b->runs) >= GOAL_SHARE,
				      .beside = b->subjects[EMPTY].name,
			      });
}

static int measure_case(struct bench *b, size_t which)
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
	_cleanup_(traffic_freep) struct traffic *traffic = NULL;
	int r = traffic_new(&options, &traffic);

	for (unsigned int run = 0; run < b->runs && r == 0; run++)
		r = turn(b, traffic, run);
	if (r < 0)
		return r;
	for (int id = 0; id < SUBJECTS; id++)
		report_rates(b, cases[which].name, &b->subjects[id]);
	for (int id = THESIS; id <= AGENT; id++)
		report_share(b, cases[which].name, (enum subject_id)id);
	return 0;
}

static int parse_options(struct bench *b, int argc, char **argv)
{
	int opt;

	b->runs = 5;
	b->packets = 400000;
	while ((opt = getopt(argc, argv, "r:p:")) != -1) {
		if (opt == 'r')
			b->runs = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 'p')
			b->packets = strtoull(optarg, NULL, 10);
		else
			return -EINVAL;
	}
	if (b->runs < 1 || b->runs > RUNS_MAX || b->packets < PACKETS_MIN ||
		b->packets > PACKETS_MAX || optind < argc)
		return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(bench_done) struct bench b = {0};
	int r = parse_options(&b, argc, argv);

	if (r < 0) {
		fprintf(stderr, "usage: %s [-r RUNS (1 to %d)] [-p PACKETS]\n", argv[0], RUNS_MAX);
		return EXIT_USAGE;
	}
	b.report = report_new("live");
	r = open_network();
	if (r == 0)
		r = bench_load(&b);
	if (r == 0)
		r = open_exit(&b);
	for (size_t i = 0; i < ARRAY_SIZE(cases) && r == 0; i++)
		r = measure_case(&b, i);
	if (r < 0) {
		fprintf(stderr, "live: %s%s\n", strerror(-r), r == -EPERM ? " (needs root)" : "");
		return r == -EPERM ? EXIT_SKIPPED : EXIT_FAILURE;
	}
	return report_write(b.report, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
