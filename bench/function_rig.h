/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_FUNCTION_RIG_H
#define BENCH_FUNCTION_RIG_H

/*
 * The server without its sockets: the engine with a real worker, and the committing thread with a real
 * database that is synced as the server's is. Events are made here, of 1000 sources in random order.
 */

#include "base/attr.h"
#include "engine/isolation.h"

#include <stdbool.h>
#include <stdint.h>

struct rig;

struct rig_options {
	const char *runtime;
	const char *handler; /* of a file in bench/function/ */
	unsigned int batch_max;
	unsigned int workers;
	bool spare; /* none, but a spare worker, until the first event comes */
	enum isolation isolation;
	const char *config;         /* NULL: none */
	const char *const *network; /* likewise */
};

struct latency {
	double p50_us, p99_us, p999_us;
};

/* What one load came to. Latencies are from when an event was due, at a rate that was asked for. */
struct load {
	uint64_t events;
	double seconds;
	double worker_cpu_ns, server_cpu_ns; /* an event; the server's with making the events */
	double engine_cpu_ns;                /* of the server's: all but the committer's */
	struct latency called;    /* until the function had it; only of the handler counter.late */
	struct latency committed; /* until its outcome was durable */
	uint64_t commits;         /* database transactions */
	double commit_ms;         /* each */
	double worker_mb;         /* memory that is one worker's alone, at the end */
};

/*
 * Starts the function. `ret_start_ns`: from that until it has run one event; with a spare worker, from
 * when the event came. 0, or a negative errno
 * after saying what is wrong.
 */
int rig_new(const struct rig_options *options, struct rig **ret_rig,
	uint64_t *ret_start_ns) _must_check_;
void rig_free(struct rig *rig);
DEFINE_CLEANUP(struct rig, rig_free)

/* Runs `events` events, `rate` a second, or as fast as they go (0). 0 or a negative errno. */
int rig_load(struct rig *rig, uint64_t events, double rate, struct load *ret_load) _must_check_;

/*
 * The sum of the state that is committed, over all keys: what events with state have counted. 0 or a
 * negative errno.
 */
int rig_sum(struct rig *rig, uint64_t *ret_sum) _must_check_;

#endif
