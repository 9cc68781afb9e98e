// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim [--seeds N] [--first SEED]    run N seeds; the first SEED, by default of the clock
 * sim --seed SEED                   replay one, and tell what happens in it
 */
#include "base/clock.h"
#include "tests/sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_world world;

struct totals {
	uint64_t sums[sizeof(world.stats) / sizeof(uint64_t)];
	uint64_t steps;
};

static void add(struct totals *totals)
{
	const uint64_t *stats = (const uint64_t *)&world.stats;

	for (size_t i = 0; i < ARRAY_SIZE(totals->sums); i++)
		totals->sums[i] += stats[i];
	totals->steps += world.steps;
}

static void print_totals(const struct totals *totals, uint64_t seeds, double seconds)
{
	__typeof__(world.stats) s;

	memcpy(&s, totals->sums, sizeof(s));
	printf("%" PRIu64 " events: %" PRIu64 " processed, %" PRIu64 " shed, %" PRIu64
	       " declared lost; the rest went with a killed agent\n",
		s.events, s.processed, s.shed, s.lost);
	printf("%" PRIu64 " agents and %" PRIu64 " servers killed, %" PRIu64 " moves, %" PRIu64
	       " clock jumps, %" PRIu64 " path changes, %" PRIu64 " spoofed datagrams\n",
		s.agent_kills, s.server_kills, s.moves, s.jumps, s.path_changes, s.spoofed);
	printf("%" PRIu64 " datagrams, %" PRIu64 " commits, %" PRIu64
	       " refused by the fence, %" PRIu64 " stale incarnations, %" PRIu64 " black holes\n",
		s.packets, s.commits, s.refused_commits, s.stale, s.black_holes);
	printf("%" PRIu64 " transactions refused, %" PRIu64 " stores put back, %" PRIu64
	       " agents begun anew for it, %" PRIu64 " answers to an earlier incarnation\n",
		s.failed_commits, s.put_back, s.rolled_back, s.overlooked);
	printf("%" PRIu64 " sessions forgotten, %" PRIu64 " datagrams gone astray, %" PRIu64
	       " too long for their interface, %" PRIu64 " trains held up by a full socket\n",
		s.forgotten, s.stray, s.too_long, s.blocked);
	printf("%" PRIu64 " connections, %" PRIu64 " of them cut, %" PRIu64 " found dead, %" PRIu64
	       " renewed; %" PRIu64 " events processed without one, %" PRIu64
	       " sessions over their time\n",
		s.connections, s.cuts, s.deaths, s.renewals, s.alone, s.leases_over);
	printf("%" PRIu64 " lives went on with their incarnation, %" PRIu64
	       " found a journal of no use, %" PRIu64 " had none; %" PRIu64
	       " events were processed before they came again\n",
		s.resumed, s.spoilt, s.without, s.passed);
	printf("%" PRIu64 " descriptions sent, %" PRIu64 " settings answered\n", s.descriptions,
		s.sets);
	printf("%" PRIu64 " seeds in %.1f s: %.0f seeds a minute, %.0f steps a seed\n", seeds,
		seconds, (double)seeds * 60 / seconds, (double)totals->steps / (double)seeds);
}

static int run_many(uint64_t first, uint64_t seeds)
{
	struct totals totals = {0};
	uint64_t begin = clock_monotonic_ns();

	printf("seeds %" PRIu64 " to %" PRIu64 "\n", first, first + seeds - 1);
	for (uint64_t i = 0; i < seeds; i++) {
		if (!sim_run(&world, first + i, false)) {
			printf("seed %" PRIu64 ": %s\nreplay it with --seed %" PRIu64 "\n",
				first + i, world.failure, first + i);
			return EXIT_FAILURE;
		}
		add(&totals);
	}
	print_totals(&totals, seeds, (double)(clock_monotonic_ns() - begin + 1) / NS_PER_SEC);
	return EXIT_SUCCESS;
}

static int usage(void)
{
	fprintf(stderr, "usage: sim [--seeds N] [--first SEED] | --seed SEED\n");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seeds", required_argument, NULL, 'n'},
		{"first", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 's'},
		{0},
	};
	uint64_t seeds = 1000, first = clock_realtime_ns() / NS_PER_SEC * 1000000;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		uint64_t value = optarg ? strtoull(optarg, NULL, 10) : 0;

		if (option == 's')
			return sim_run(&world, value, true) ? EXIT_SUCCESS : EXIT_FAILURE;
		if (option == 'n')
			seeds = value;
		else if (option == 'f')
			first = value;
		else
			return usage();
	}
	return optind < argc || seeds == 0 ? usage() : run_many(first, seeds);
}
