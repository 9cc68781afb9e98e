// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the link carries over loopback, in a network namespace of its own: both versions of the
 * protocol, the second one unsealed and sealed, at several rates of loss; beside raw UDP, and TCP over
 * TLS 1.3. The receiver checks every event; a wrong one fails the benchmark.
 */
#include "base/clock.h"
#include "bench/link/judge.h"
#include "bench/link/tcp_loss.h"
#include "bench/netns.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define ATTEMPTS     5
#define EXIT_SKIPPED 77 /* to meson: the test suite runs this for its checks, not its figures */

struct bench {
	double seconds;
	uint64_t seed;
	const char *json, *only;
	bool progress; /* is shown */
	struct link_values values;
};

static void usage(FILE *to)
{
	fprintf(to,
		"usage: link [--runs N] [--seconds S] [--only PATTERN] [--seed N] [--json FILE]\n"
		"  --runs N        medians of so many runs (3)\n"
		"  --seconds S     of sending, a run and case (1)\n"
		"  --only PATTERN  cases whose name matches, such as 'v2-*-loss-5'\n"
		"  --seed N        which datagrams are lost (random)\n"
		"  --json FILE     instead of link.json beside the executable\n");
}

static bool parse_number(const char *text, double min, double max, double *ret_number)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number >= min && number <= max)) {
		fprintf(stderr, "link: \"%s\": expected a number from %g to %g\n", text, min, max);
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
		{"seed", required_argument, NULL, 'S'},
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
		} else if (option == 'S') {
			bench->seed = strtoull(optarg, NULL, 0);
		} else if (option == 'r' && parse_number(optarg, 1, LINK_RUNS_MAX, &number)) {
			bench->values.runs = (unsigned int)number;
		} else if (option != 's' || !parse_number(optarg, 0.1, 60, &bench->seconds)) {
			usage(stderr);
			return EXIT_FAILURE + 1;
		}
	}
	if (optind == argc)
		return 0;
	usage(stderr);
	return EXIT_FAILURE + 1;
}

static int measure(struct bench *bench, enum link_case_id which, unsigned int run)
{
	const struct link_case *c = &link_cases[which];
	struct link_options options = c->options;
	struct link_result result = {0};
	int r = 0;

	if (bench->progress)
		fprintf(stderr, "\r\033[Krun %u of %u: %s", run + 1, bench->values.runs, c->name);
	options.seed = bench->seed + run;
	options.duration_ns = (uint64_t)(bench->seconds * 1e9);
	if (c->packets_of_1500)
		r = tcp_loss_set(options.loss, true);
	/* TCP that lost its first packets may not have begun yet on a busy machine. */
	for (int i = 0; i < ATTEMPTS && r == 0 && result.delivered == 0 && !result.wrong[0]; i++)
		r = link_run(&options, &result);
	if (r == 0 && c->packets_of_1500)
		r = tcp_loss_set(0, false);
	if (r == 0 && !result.wrong[0] && result.delivered > 0) {
		link_values_add(&bench->values, which, run, &result);
		return 0;
	}
	fprintf(stderr, "%slink: %s: %s\n", bench->progress ? "\n" : "", c->name,
		r < 0 ? strerror(-r) : (result.wrong[0] ? result.wrong : "nothing came"));
	return -1;
}

static bool is_wanted(const struct bench *bench, enum link_case_id which)
{
	return !bench->only || fnmatch(bench->only, link_cases[which].name, 0) == 0;
}

/* The cases of one run follow each other, so that what slows the machine slows all of them. */
static int measure_all(struct bench *bench)
{
	for (unsigned int run = 0; run < bench->values.runs; run++)
		for (enum link_case_id which = 0; which < LINK_CASES; which++)
			if (is_wanted(bench, which) && measure(bench, which, run) < 0)
				return -1;
	if (bench->progress)
		fprintf(stderr, "\r\033[K");
	return 0;
}

static int run(struct bench *bench)
{
	_cleanup_(report_freep) struct report *report = NULL;
	int r = netns_enter_private();

	if (r < 0) {
		fprintf(stderr, "link: cannot make a network namespace (%s): run it as root\n",
			strerror(-r));
		return getenv("NETLAMBDA_REQUIRE_BPF") ? EXIT_FAILURE : EXIT_SKIPPED;
	}
	if (measure_all(bench) < 0)
		return EXIT_FAILURE;
	report = report_new("link");
	link_report(&bench->values, report);
	printf("seed %llu, %u runs of %g s\n", (unsigned long long)bench->seed, bench->values.runs,
		bench->seconds);
	r = report_write(report, bench->json);
	link_print_summary(&bench->values);
	link_print_table_61(&bench->values);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct bench bench = {.values.runs = 3, .seconds = 1};
	int r;

	signal(SIGPIPE, SIG_IGN);
	if (getrandom(&bench.seed, 4, 0) < 0)
		bench.seed = clock_realtime_ns();
	r = parse_options(argc, argv, &bench);
	bench.progress = isatty(STDERR_FILENO);
	return r != 0 ? r - 1 : run(&bench);
}
