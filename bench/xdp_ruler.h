/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_XDP_RULER_H
#define BENCH_XDP_RULER_H

/*
 * Measures what an XDP program costs a packet, by BPF_PROG_TEST_RUN. A ruler holds the packet and
 * the sequence of flows that it runs through; each program gets a shuffler of its own in front
 * (xdp_shuffle.bpf.c). Costs are the thread's own CPU time, so that other processes on the machine
 * disturb them only through the caches. One thread.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct ruler;
struct shuffled;

enum ruler_flows {
	RULER_ONE,     /* the same packet again and again; no shuffler */
	RULER_UNIFORM, /* 128 Ki flows, each packet of any of them */
	RULER_ZIPF,    /* 1 Mi flows, the n-th most frequent 1/n as often as the first */
	RULER_SWEEP,   /* ruler_set_sweep() */
};

/* What an XDP program is made of, as the kernel has it. */
struct program_size {
	uint32_t instructions; /* after the verifier's rewriting */
	uint32_t jited_bytes;
	uint32_t verified; /* instructions that the verifier walked; its limit is 1 M */
};

int ruler_new(struct ruler **ret_ruler) _must_check_;
void ruler_free(struct ruler *ruler);
DEFINE_CLEANUP(struct ruler, ruler_free)

/* The packet's length in bytes. */
uint32_t ruler_packet_bytes(void);

/* Chooses the sequence for the runs that follow, in all shufflers. */
void ruler_set_flows(struct ruler *ruler, enum ruler_flows flows);

/*
 * Chooses another sequence: the flows from 0 to `flows` - 1, each in one packet, beginning with the
 * next run.
 */
void ruler_set_sweep(struct ruler *ruler, uint32_t flows);

/*
 * Adds a program; the ruler owns the shuffler, the caller the program. `has_frags`: it is an
 * xdp.frags one, which the kernel lets be called by its like only.
 */
int ruler_add(struct ruler *ruler, int prog_fd, bool has_frags,
	struct shuffled **ret_shuffled) _must_check_;

/* Runs the program on `packets` packets; gives the nanoseconds of CPU a packet. */
int ruler_run(struct ruler *ruler, struct shuffled *shuffled, uint32_t packets,
	double *ret_ns) _must_check_;

int program_size(int prog_fd, struct program_size *ret_size) _must_check_;

#endif
