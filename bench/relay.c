// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a function's way to a host that it is allowed costs: a request of 200 bytes and an answer of as many, from
 * inside all layers of isolation by the launcher's relay, and from a worker without isolation, which is there directly. On
 * one connection, and on a new one for each request. Time as the function sees it; CPU of its worker, launcher and
 * relays, without the host's.
 */
#include "base/attr.h"
#include "base/fd.h"
#include "base/log.h"
#include "bench/function_rig.h"
#include "bench/report.h"
#include "event/schema.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define RUNS_MAX 100
#define LOADS                                                                                      \
	20 /* events, each of which asks so often, beyond a first one; the last one says how long that took */

static const struct relay_case {
	const char *name, *beside;
	bool keeps, relayed;
	unsigned int requests;
} cases[] = {
	{"direct", NULL, true, false, 1000},
	{"relay", "direct", true, true, 1000},
	{"direct, connection each", NULL, false, false, 50},
	{"relay, connection each", "direct, connection each", false, true, 50},
};
#define CASES ARRAY_SIZE(cases)

enum { P50, P99, CPU, METRICS };
static const char *const metrics[METRICS] = {
	[P50] = "a request, p50", [P99] = "a request, p99", [CPU] = "a request, cpu"};

struct bench {
	unsigned int runs;
	const char *json;
	uint16_t port;
	double values[CASES][METRICS][RUNS_MAX];
};

/* ---- the host ---- */

static void echo(int fd)
{
	const int on = 1;
	char bytes[4096];
	ssize_t n;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
			return;
}

static void *serve(void *arg)
{
	int *listener = arg, fd;

	while ((fd = accept4(*listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		echo(fd);
		close(fd);
	}
	return NULL;
}

static int host_begin(uint16_t *ret_port)
{
	static int listener;
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 ||
		listen(listener, 64) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	*ret_port = ntohs(address.sin_port);
	return -pthread_create(&thread, NULL, serve, &listener);
}

/* ---- measuring ---- */

/* Of all processes that have ended, and theirs. */
static double ended_cpu_us(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* A function that asks for each of `events` and one more. What the processes took altogether, or a negative errno. */
static int ask(const struct bench *bench, const struct relay_case *which, unsigned int events,
	struct latency *ret_called, double *ret_cpu_us)
{
	char config[128], host[32];
	const char *const network[] = {host, NULL};
	const struct rig_options options = {
		.runtime = "native",
		.handler = "asks.asks",
		.batch_max = 1,
		.workers = 1,
		.isolation = which->relayed ? ISOLATION_STRICT : ISOLATION_NONE,
		.config = config,
		.network = which->relayed ? network : NULL,
	};
	const double before = ended_cpu_us();
	struct load load = {0};
	struct rig *rig = NULL;
	uint64_t start_ns;
	int r;

	snprintf(host, sizeof(host), "127.0.0.1:%u", bench->port);
	snprintf(config, sizeof(config), "{\"port\":%u,\"requests\":%u,\"keeps\":%s}", bench->port,
		which->requests, which->keeps ? "true" : "false");
	r = rig_new(&options, &rig, &start_ns);
	if (r == 0 && events > 0)
		r = rig_load(rig, events, 0, &load);
	rig_free(rig);
	*ret_called = load.called;
	*ret_cpu_us = ended_cpu_us() - before;
	return r;
}

/* What starting and ending takes is in both, and so in neither. */
static int measure(struct bench *bench, size_t which, unsigned int run)
{
	double(*values)[RUNS_MAX] = bench->values[which];
	double once_us, more_us;
	struct latency called;

	if (ask(bench, &cases[which], 0, &called, &once_us) < 0 ||
		ask(bench, &cases[which], LOADS, &called, &more_us) < 0)
		return -1;
	if (called.p50_us <= 0) {
		fprintf(stderr, "relay: %s: the function got no answers\n", cases[which].name);
		return -1;
	}
	values[P50][run] = called.p50_us;
	values[P99][run] = called.p99_us;
	values[CPU][run] = (more_us - once_us) / (LOADS * cases[which].requests);
	return 0;
}

static int measure_all(struct bench *bench)
{
	for (unsigned int run = 0; run < bench->runs; run++)
		for (size_t which = 0; which < CASES; which++)
			if (measure(bench, which, run) < 0)
				return -1;
	return 0;
}

/* ---- */

static void add_rows(struct report *report, const struct bench *bench)
{
	for (size_t which = 0; which < CASES; which++)
		for (int metric = 0; metric < METRICS; metric++)
			report_add(report, &(struct report_row){
						   .name = cases[which].name,
						   .metric = metrics[metric],
						   .unit = "us",
						   .values = bench->values[which][metric],
						   .runs = bench->runs,
						   .beside = cases[which].beside,
					   });
}

static void usage(FILE *to)
{
	fprintf(to, "usage: relay [--runs N] [--json FILE]\n"
		    "  --runs N     medians of so many runs (5)\n"
		    "  --json FILE  instead of relay.json beside the executable\n");
}

/* 0: go on; else the exit code plus 1. */
static int parse_options(int argc, char **argv, struct bench *bench)
{
	static const struct option options[] = {
		{"runs", required_argument, NULL, 'r'},
		{"json", required_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_SUCCESS + 1;
		}
		if (option == 'j')
			bench->json = optarg;
		else if (option == 'r')
			bench->runs = (unsigned int)strtoul(optarg, NULL, 10);
		if (option == '?' || bench->runs < 1 || bench->runs > RUNS_MAX) {
			usage(stderr);
			return EXIT_FAILURE + 1;
		}
	}
	if (optind == argc)
		return 0;
	usage(stderr);
	return EXIT_FAILURE + 1;
}

int main(int argc, char **argv)
{
	static struct bench bench = {.runs = 5};
	_cleanup_(report_freep) struct report *report = NULL;
	int r = parse_options(argc, argv, &bench);

	if (r != 0)
		return r - 1;
	log_set_level(LOG_LEVEL_ERROR);
	r = host_begin(&bench.port);
	if (r == 0)
		r = schema_init();
	if (r < 0) {
		fprintf(stderr, "relay: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	if (measure_all(&bench) < 0)
		return EXIT_FAILURE;
	report = report_new("relay");
	add_rows(report, &bench);
	printf("%u runs; time as the function sees it, CPU of worker, launcher and relays\n",
		bench.runs);
	return report_write(report, bench.json) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
