// SPDX-License-Identifier: BSD-2-Clause
/*
 * Is what the agent counts what was sent? The traffic generator sends at the rate of the machine into
 * a veth on whose peer the agent's own program counts, with the agent's collector behind it. Compared
 * are the interface's totals, and every single flow: sent = handed on + declared as shed, in packets
 * and in bytes. Any difference fails the benchmark; the rate is only said. docs/data-plane.md,
 * "Accuracy at full rate". Needs root.
 */
#include "bench/accuracy_ledger.h"
#include "bench/report.h"
#include "bench/traffic.h"
#include "bench/traffic_counted.h"
#include "bench/traffic_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define SENDER        "gen0"
#define RECEIVER      "sw0"
#define RUNS_MAX      100
#define PACKETS       3000000
#define PACKETS_QUICK 300000
#define PACKETS_MAX   50000000
#define CPUS          2 /* at most */
#define EXIT_USAGE    2
#define EXIT_SKIPPED  77

#define IMIX                                                                                       \
	{                                                                                          \
		60, 60, 60, 60, 60, 60, 60, 590, 590, 590, 590, 1514                               \
	}
#define IMIX_COUNT 12

struct traffic_case {
	const char *name;
	bool in_quick;
	bool is_stopped; /* the reader, while packets are sent */
	struct traffic_options options;
};

static const struct traffic_case cases[] = {
	{"1 flow", true, false,
		{.kind = TRAFFIC_TCP,
			.flows = 1,
			.family = 4,
			.sizes = IMIX,
			.size_count = IMIX_COUNT}},
	{"100 k flows", true, false, {.kind = TRAFFIC_UDP, .flows = 100000, .family = 4}},
	{"1 M flows", true, false, {.kind = TRAFFIC_UDP, .flows = 1000000, .family = 4}},
	{"1 M zipf", false, false,
		{.kind = TRAFFIC_TCP,
			.spread = TRAFFIC_ZIPF,
			.flows = 1000000,
			.family = 4,
			.sizes = IMIX,
			.size_count = IMIX_COUNT}},
	{"100 k ipv6 qinq", true, false,
		{.kind = TRAFFIC_UDP,
			.flows = 100000,
			.family = 6,
			.tags = 2,
			.sizes = IMIX,
			.size_count = IMIX_COUNT}},
	{"connections", true, false,
		{.kind = TRAFFIC_HANDSHAKE,
			.spread = TRAFFIC_SPOOFED,
			.family = 4,
			.sizes = IMIX,
			.size_count = IMIX_COUNT}},
	{"spoofed flood", true, false,
		{.kind = TRAFFIC_SYN, .spread = TRAFFIC_SPOOFED, .family = 4}},
	{"flood, reader stopped", true, true,
		{.kind = TRAFFIC_SYN, .spread = TRAFFIC_SPOOFED, .family = 4}},
	{"1 M flows, stopped", true, true, {.kind = TRAFFIC_UDP, .flows = 1000000, .family = 4}},
};

/* What is found in a run. All with a goal must be 0. */
enum {
	RATE,
	CPU_RATE,
	FLOWS,
	SHED,
	NIC_PACKETS,
	NIC_BYTES,
	PACKETS_OFF,
	BYTES_OFF,
	FLOWS_OFF,
	SYN_OFF,
	TARGET_OFF,
	SOURCES_OFF,
	TARGETS_OFF,
	TARGET_SYN_OFF,
	METRICS
};

static const struct {
	const char *name, *unit, *goal;
} metrics[METRICS] = {
	[RATE] = {"sent and counted", "Mpps", NULL},
	[CPU_RATE] = {"the same a core's second", "Mpps", NULL},
	[FLOWS] = {"flows sent", "flows", NULL},
	[SHED] = {"detail shed, declared", "%", NULL},
	[NIC_PACKETS] = {"interface's own - sent", "packets", "0"},
	[NIC_BYTES] = {"interface's own - sent", "bytes", "0"},
	[PACKETS_OFF] = {"total - sent", "packets", "0"},
	[BYTES_OFF] = {"total - sent", "bytes", "0"},
	[FLOWS_OFF] = {"flow packets undeclared", "packets", "0"},
	[SYN_OFF] = {"syn undeclared", "segments", "0"},
	[TARGET_OFF] = {"target's total - sent", "packets and bytes", "0"},
	[SOURCES_OFF] = {"sum of sources - sent", "packets and bytes", "0"},
	[TARGETS_OFF] = {"sum of targets - sent", "packets and bytes", "0"},
	[TARGET_SYN_OFF] = {"target's syn - sent", "segments", "0"},
};

struct bench {
	struct report *report;
	const char *json;
	unsigned int runs;
	uint64_t packets;
	uint64_t seed;
	bool quick;
};

/* One run. */
struct run {
	struct traffic *traffic;
	struct counted *counted;
	struct ledger *ledger;
	struct traffic_result sent;
	struct interface_counts before, after;
	struct interface_event totals;
	uint64_t syn; /* in port records */
	/* In last records of the window. */
	struct volume_sum {
		uint64_t packets, bytes, syn;
	} sources, targets, target;
};

static void on_flow(void *user, const struct flow_event *increment)
{
	struct run *run = user;

	ledger_count(run->ledger, increment);
}

static void on_port(void *user, const struct port_event *event)
{
	struct run *run = user;

	run->syn += event->syn;
}

static void on_source(void *user, const struct source_event *event)
{
	struct run *run = user;

	if (!event->ended)
		return;
	run->sources.packets += event->packets;
	run->sources.bytes += event->size;
}

/* The generator has one target; in connections it answers, and each source is a target as well. */
static bool is_the_target(const ip_addr *address)
{
	const uint32_t expected = htonl(TRAFFIC_TARGET);

	return memcmp(address->bytes + 12, &expected, sizeof(expected)) == 0;
}

static void on_target(void *user, const struct target_event *event)
{
	struct run *run = user;

	if (!event->ended)
		return;
	run->targets.packets += event->packets;
	run->targets.bytes += event->size;
	if (!is_the_target(&event->dstip))
		return;
	run->target.packets += event->packets;
	run->target.bytes += event->size;
	run->target.syn += event->syn;
}

static void run_done(struct run *run)
{
	counted_free(run->counted);
	ledger_free(run->ledger);
	traffic_free(run->traffic);
}

static int carry_out(
	struct run *run, const struct traffic_options *options, uint64_t packets, bool is_stopped)
{
	const struct collect_sink sink = {.flow = on_flow,
		.port = on_port,
		.source = on_source,
		.target = on_target,
		.user = run};
	const struct traffic_bounds bounds = {.packets = packets};
	int r = traffic_new(options, &run->traffic);

	if (r == 0)
		r = ledger_new(traffic_settings(run->traffic), packets, &run->ledger);
	if (r == 0)
		r = counted_new(&sink, &run->counted);
	if (r == 0)
		counted_set_stopped(run->counted, is_stopped);
	if (r == 0)
		r = traffic_net_read(RECEIVER, &run->before);
	if (r == 0)
		r = counted_attach(run->counted, RECEIVER);
	if (r == 0)
		r = traffic_run(run->traffic, &bounds, &run->sent);
	if (r == 0)
		r = counted_detach(run->counted);
	if (r == 0)
		r = traffic_net_read(RECEIVER, &run->after);
	if (r == 0)
		r = counted_read(run->counted, &run->totals);
	for (uint32_t i = 0; r == 0 && i < options->cpus; i++)
		ledger_send(run->ledger, i, traffic_stream_packets(run->traffic, i));
	return r;
}

static double distance(uint64_t a, uint64_t b)
{
	return a > b ? (double)(a - b) : (double)(b - a);
}

static double sum_off(const struct volume_sum *sum, const struct traffic_result *sent)
{
	return distance(sum->packets, sent->packets) + distance(sum->bytes, sent->bytes);
}

static void find_sums(const struct run *run, double ret_found[METRICS])
{
	const struct traffic_result *sent = &run->sent;
	const bool has_replies = sent->sent[TRAFFIC_CLASS_SYN_ACK].packets > 0;

	ret_found[SOURCES_OFF] = sum_off(&run->sources, sent);
	ret_found[TARGETS_OFF] = sum_off(&run->targets, sent);
	ret_found[TARGET_OFF] = has_replies ? 0 : sum_off(&run->target, sent);
	ret_found[TARGET_SYN_OFF] =
		distance(run->target.syn, sent->sent[TRAFFIC_CLASS_SYN].packets);
}

static void find(const struct run *run, double ret_found[METRICS])
{
	const struct interface_event *totals = &run->totals;
	const struct traffic_result *sent = &run->sent;
	struct ledger_balance left;

	ledger_settle(run->ledger, &left);
	ret_found[RATE] = (double)sent->packets / sent->seconds / 1e6;
	ret_found[CPU_RATE] = (double)sent->packets / sent->cpu_ns * 1e3;
	ret_found[FLOWS] = (double)left.flows;
	ret_found[SHED] = 100.0 * (double)totals->flow_shed / (double)sent->packets;
	/* The interface's own counters must agree, or the generator's word is not the truth. */
	ret_found[NIC_PACKETS] = distance(run->after.packets - run->before.packets, sent->packets);
	ret_found[NIC_BYTES] = distance(run->after.bytes - run->before.bytes, sent->bytes);
	ret_found[PACKETS_OFF] = distance(totals->packets, sent->packets);
	ret_found[BYTES_OFF] = distance(totals->size, sent->bytes);
	ret_found[FLOWS_OFF] = distance(left.packets_missing, totals->flow_shed) +
			       (double)(left.packets_extra + left.strangers);
	/* Where no packet is missing, no byte may be. */
	if (left.packets_missing == 0)
		ret_found[FLOWS_OFF] += (double)left.bytes_missing;
	ret_found[FLOWS_OFF] += (double)left.bytes_extra;
	find_sums(run, ret_found);
	ret_found[SYN_OFF] =
		distance(run->syn + totals->port_shed, sent->sent[TRAFFIC_CLASS_SYN].packets);
}

static int measure_once(const struct bench *bench, const struct traffic_options *options,
	bool is_stopped, double ret_found[METRICS])
{
	_cleanup_(run_done) struct run run = {0};
	int r = carry_out(&run, options, bench->packets, is_stopped);

	if (r == 0)
		find(&run, ret_found);
	return r;
}

static void report_case(struct bench *bench, const char *name, double values[METRICS][RUNS_MAX])
{
	for (int i = 0; i < METRICS; i++) {
		bool met = true;

		for (unsigned int run = 0; run < bench->runs; run++)
			met = met && values[i][run] == 0;
		report_add(bench->report, &(struct report_row){
						  .name = name,
						  .metric = metrics[i].name,
						  .unit = metrics[i].unit,
						  .values = values[i],
						  .runs = bench->runs,
						  .goal = metrics[i].goal,
						  .met = met,
						  .beside = metrics[i].goal ? "generator" : NULL,
					  });
	}
}

static int measure_case(struct bench *bench, const struct traffic_case *c, unsigned int cpus)
{
	static double values[METRICS][RUNS_MAX];
	struct traffic_options options = c->options;
	char name[64];
	int r = 0;

	options.interface = SENDER;
	options.cpus = cpus;
	for (unsigned int run = 0; run < bench->runs && r == 0; run++) {
		double found[METRICS];

		options.seed = bench->seed + run;
		r = measure_once(bench, &options, c->is_stopped, found);
		for (int i = 0; i < METRICS && r == 0; i++)
			values[i][run] = found[i];
	}
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s, %u cpu%s", c->name, cpus, cpus > 1 ? "s" : "");
	report_case(bench, name, values);
	return 0;
}

static int measure_all(struct bench *bench)
{
	const unsigned int cpus = (unsigned int)MIN(get_nprocs(), CPUS);
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases) && r == 0; i++) {
		if (bench->quick && !cases[i].in_quick)
			continue;
		for (unsigned int n = bench->quick ? cpus : 1; n <= cpus && r == 0; n++)
			r = measure_case(bench, &cases[i], n);
	}
	return r;
}

static int usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"Usage: accuracy [--runs N] [--packets N] [--seed N] [--quick] [--json FILE]\n"
		"\n"
		"Sends packets at full rate and checks that the agent's program and collector\n"
		"counted each of them: per interface, and per flow.\n"
		"\n"
		"  --runs N      of each case; default 3\n"
		"  --packets N   of each run; default %d\n"
		"  --quick       few packets, one run, as a test\n"
		"  --json FILE   default: accuracy.json beside the program\n",
		PACKETS);
	return status;
}

static int parse_options(struct bench *bench, int argc, char **argv)
{
	static const struct option options[] = {
		{"runs", required_argument, NULL, 'r'},
		{"packets", required_argument, NULL, 'p'},
		{"seed", required_argument, NULL, 's'},
		{"json", required_argument, NULL, 'j'},
		{"quick", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option == 'r')
			bench->runs = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			bench->packets = strtoull(optarg, NULL, 10);
		else if (option == 's')
			bench->seed = strtoull(optarg, NULL, 10);
		else if (option == 'j')
			bench->json = optarg;
		else if (option == 'q')
			*bench = (struct bench){.runs = 1,
				.packets = PACKETS_QUICK,
				.quick = true,
				.seed = bench->seed,
				.json = bench->json};
		else
			return option == 'h' ? 1 : -EINVAL;
	}
	if (bench->runs < 1 || bench->runs > RUNS_MAX || bench->packets < 1 ||
		bench->packets > PACKETS_MAX || optind < argc)
		return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	struct bench bench = {.runs = 3, .packets = PACKETS, .seed = 1};
	_cleanup_(report_freep) struct report *report = NULL;
	bool met;
	int r = parse_options(&bench, argc, argv);

	if (r != 0)
		return usage(r > 0 ? EXIT_SUCCESS : EXIT_USAGE);
	report = bench.report = report_new("accuracy");
	r = traffic_net_enter();
	if (r == 0)
		r = traffic_net_pair(SENDER, RECEIVER);
	if (r == 0)
		r = measure_all(&bench);
	if (r == 0)
		r = report_write(report, bench.json);
	if (r < 0)
		fprintf(stderr, "accuracy: %s%s\n", strerror(-r),
			r == -EPERM ? " (needs root)" : "");
	if (r == -EPERM && !getenv("NETLAMBDA_REQUIRE_BPF"))
		return EXIT_SKIPPED;
	met = report_all_met(report);
	if (!met)
		fprintf(stderr, "accuracy: what was counted is not what was sent (seed %llu)\n",
			(unsigned long long)bench.seed);
	return r == 0 && met ? EXIT_SUCCESS : EXIT_FAILURE;
}
