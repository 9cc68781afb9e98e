// SPDX-License-Identifier: BSD-2-Clause
/*
 * The thesis's figures 6.2 to 6.5 again: so many events come to be every two seconds, and how many wait
 * is drawn over time, for version 1 of the protocol and, beside it, version 2 as it is used: sealed
 * with AES-256-GCM. Then its Table 6.1, with ours beside it. Gnuplot makes the pictures.
 */
#include "base/clock.h"
#include "bench/link/judge.h"
#include "bench/netns.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CYCLE_NS  (2 * NS_PER_SEC)
#define SAMPLE_NS (2 * NS_PER_MS)
#define PANELS    8 /* of each protocol */

/* One curve of version 1 and one of version 2. */
struct panel {
	const char *figure;
	uint64_t burst;
	bool acknowledged;
	double loss;
};

static const struct panel panels[PANELS] = {
	{"6.2", 200000, false, 0},
	{"6.3", 2000000, false, 0},
	{"6.4", 15000, true, 0.01},
	{"6.4", 15000, true, 0.03},
	{"6.4", 15000, true, 0.05},
	{"6.5", 80000, true, 0.01},
	{"6.5", 80000, true, 0.03},
	{"6.5", 80000, true, 0.05},
};

struct figures {
	unsigned int cycles;
	uint64_t seed;
	char directory[PATH_MAX];
	struct link_sample *samples;
	unsigned int samples_max;
};

static void usage(FILE *to)
{
	fprintf(to, "usage: figures [--cycles N] [--seed N] [--directory DIR]\n"
		    "  --cycles N        of two seconds, a curve (5)\n"
		    "  --seed N          which datagrams are lost (1)\n"
		    "  --directory DIR   for data and pictures (figures beside the executable)\n");
}

static struct link_options options_of(
	const struct figures *figures, const struct panel *panel, int version)
{
	struct link_options options = {
		.protocol = version == 1 ? LINK_V1 : LINK_V2,
		.acknowledged = panel->acknowledged,
		.cipher = V2_CIPHER_AES_256_GCM,
		.datagram = 1472,
		.loss = panel->loss,
		.seed = figures->seed,
		.duration_ns = figures->cycles * CYCLE_NS,
		.burst = panel->burst,
		.burst_every_ns = CYCLE_NS,
		.cut = true,
		.samples = figures->samples,
		.samples_max = figures->samples_max,
		.sample_every_ns = SAMPLE_NS,
	};

	return options;
}

static int write_samples(
	const struct figures *figures, int panel, int version, const struct link_result *result)
{
	char path[PATH_MAX + 32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/panel-%d-v%d.dat", figures->directory, panel, version);
	file = fopen(path, "w");
	if (!file)
		return -errno;
	fprintf(file, "# seconds, events that wait, events that were sent or processed\n");
	for (unsigned int i = 0; i < result->sample_count; i++)
		fprintf(file, "%.4f %.0f %.0f\n", figures->samples[i].seconds,
			figures->samples[i].waiting, figures->samples[i].settled);
	return fclose(file) == 0 ? 0 : -errno;
}

static int draw_curve(const struct figures *figures, int panel, int version)
{
	const struct link_options options = options_of(figures, &panels[panel], version);
	struct link_result result = {0};
	int r;

	fprintf(stderr, "figure %s, %llu events every 2 s, %.0f %% loss: version %d\n",
		panels[panel].figure, (unsigned long long)panels[panel].burst,
		100 * panels[panel].loss, version);
	r = link_run(&options, &result);
	if (r == 0 && result.wrong[0]) {
		fprintf(stderr, "figures: %s\n", result.wrong);
		return -EPROTO;
	}
	return r == 0 ? write_samples(figures, panel, version, &result) : r;
}

static int run_gnuplot(const struct figures *figures)
{
	char command[2 * PATH_MAX + 64];

	snprintf(command, sizeof(command), "cd '%s' && gnuplot -e 'last=%u' '%s'",
		figures->directory, 2 * figures->cycles, BENCH_FIGURES);
	if (system(command) != 0) { /* NOLINT(cert-env33-c): a command of ours */
		fprintf(stderr, "figures: gnuplot made no pictures (it is in gnuplot-nox)\n");
		return -EIO;
	}
	printf("%s/figure-6.2.png to figure-6.5.png\n", figures->directory);
	return 0;
}

/* The rates that Table 6.1 compares, each measured once. */
static int print_table(const struct figures *figures)
{
	static const enum link_case_id compared[] = {V1_NO_ACK, V1_ACK_0, V1_ACK_1, V1_ACK_3,
		V1_ACK_5, AES_NO_ACK, AES_ACK_1, AES_ACK_3, AES_ACK_5};
	static struct link_values values = {.runs = 1};

	for (size_t i = 0; i < ARRAY_SIZE(compared); i++) {
		struct link_options options = link_cases[compared[i]].options;
		struct link_result result = {0};
		int r;

		options.seed = figures->seed;
		options.duration_ns = CYCLE_NS;
		r = link_run(&options, &result);
		if (r < 0)
			return r;
		link_values_add(&values, compared[i], 0, &result);
	}
	link_print_table_61(&values);
	return 0;
}

static int draw_all(struct figures *figures)
{
	int r = 0;

	figures->samples_max = (unsigned int)(figures->cycles * CYCLE_NS / SAMPLE_NS) + 1;
	figures->samples = calloc(figures->samples_max, sizeof(*figures->samples));
	if (!figures->samples)
		return -ENOMEM;
	if (mkdir(figures->directory, 0777) < 0 && errno != EEXIST)
		return -errno;
	for (int panel = 0; panel < PANELS && r == 0; panel++)
		for (int version = 1; version <= 2 && r == 0; version++)
			r = draw_curve(figures, panel, version);
	free(figures->samples);
	if (r == 0)
		r = run_gnuplot(figures);
	return r == 0 ? print_table(figures) : r;
}

static void choose_directory(struct figures *figures)
{
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[MAX(n, 0)] = '\0';
	snprintf(figures->directory, sizeof(figures->directory), "%.*s/figures", PATH_MAX - 16,
		dirname(program));
}

/* 0: go on; else the exit code plus 1. */
static int parse_options(int argc, char **argv, struct figures *figures)
{
	static const struct option options[] = {
		{"cycles", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 'S'},
		{"directory", required_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_SUCCESS + 1;
		} else if (option == 'c') {
			figures->cycles = (unsigned int)strtoul(optarg, NULL, 10);
		} else if (option == 'S') {
			figures->seed = strtoull(optarg, NULL, 0);
		} else if (option == 'd') {
			snprintf(figures->directory, sizeof(figures->directory), "%s", optarg);
		} else {
			usage(stderr);
			return EXIT_FAILURE + 1;
		}
	}
	if (optind == argc && figures->cycles >= 1 && figures->cycles <= 100)
		return 0;
	usage(stderr);
	return EXIT_FAILURE + 1;
}

int main(int argc, char **argv)
{
	struct figures figures = {.cycles = 5, .seed = 1};
	int r;

	choose_directory(&figures);
	r = parse_options(argc, argv, &figures);
	if (r != 0)
		return r - 1;
	r = netns_enter_private();
	if (r == 0)
		r = draw_all(&figures);
	if (r < 0)
		fprintf(stderr, "figures: %s%s\n", strerror(-r),
			r == -EPERM ? ": a network namespace of its own needs root" : "");
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
