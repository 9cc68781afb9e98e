/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

/*
 * A generator of packets at the rate of the machine: frames that the kernel makes for
 * BPF_PROG_TEST_RUN (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18), filled in and counted by a BPF
 * program, and sent into a veth, whose peer receives them in its driver as from a wire. A peer
 * without an XDP program, and with GRO off, would drop them all.
 *
 * Its count of what it sent is the truth that others are measured by: each packet follows from its
 * number (traffic_plan.h), so what was sent of each flow can be worked out again afterwards.
 *
 * One thread a CPU, pinned. It always ends by itself. Owned and called by one thread.
 */

#include "base/attr.h"
#include "bench/traffic_plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAFFIC_CPUS_MAX 64

struct traffic;

struct traffic_options {
	const char *interface; /* a veth in this namespace: it comes out of its peer */
	enum traffic_kind kind;
	enum traffic_spread spread;
	uint32_t flows;
	uint32_t family; /* 4 or 6 */
	uint32_t tags;
	/* Of frames with data, without FCS; raised to hold the headers and a byte. None: 60. */
	uint32_t sizes[TRAFFIC_SIZES_MAX];
	uint32_t size_count;
	uint64_t seed;
	unsigned int cpus; /* this many of those that the process may use, the first ones */
};

/* How much of it: whatever ends first. At least one of the first two is not 0. */
struct traffic_bounds {
	uint64_t packets; /* 0: any number */
	uint64_t duration_ns;
	uint64_t rate; /* packets/s of all CPUs together; 0: as fast as they can */
};

struct traffic_result {
	struct {
		uint64_t packets;
		uint64_t bytes;
	} sent[TRAFFIC_CLASSES];
	uint64_t packets, bytes; /* of all classes */
	double seconds;          /* from the first thread's start to the last one's end */
	/*
	 * CPU time of the sending threads, altogether: the frames' receiver is in there, for it
	 * runs in their softirqs.
	 */
	double cpu_ns;
};

/* What the options come to; but for `ifindex`. */
void traffic_settings_init(
	struct traffic_settings *ret_settings, const struct traffic_options *options);

/*
 * Returns 0, -EINVAL (options out of range), -ENODEV (no such interface), or what the kernel says.
 */
int traffic_new(const struct traffic_options *options, struct traffic **ret_traffic) _must_check_;
/* Waits for its end. */
void traffic_free(struct traffic *traffic);
DEFINE_CLEANUP(struct traffic, traffic_free)

/* Starts sending and returns. The streams go on where the last run ended. */
int traffic_start(struct traffic *traffic, const struct traffic_bounds *bounds) _must_check_;
/*
 * Waits for the end; says what this run sent. On failure (a negative errno) it also ended, but what
 * was sent is not known.
 */
int traffic_join(struct traffic *traffic, struct traffic_result *ret_result) _must_check_;
bool traffic_is_running(const struct traffic *traffic);
/* Both. */
int traffic_run(struct traffic *traffic, const struct traffic_bounds *bounds,
	struct traffic_result *ret_result) _must_check_;

const struct traffic_settings *traffic_settings(const struct traffic *traffic);
/* How many packets a stream has sent, 0 to traffic_settings()->streams - 1, in all runs. */
uint64_t traffic_stream_packets(const struct traffic *traffic, uint32_t stream);

const char *traffic_class_name(enum traffic_class class);

#endif
