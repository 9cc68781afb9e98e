/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_TRAFFIC_NET_H
#define BENCH_TRAFFIC_NET_H

/*
 * The network that the traffic generator sends into: veth pairs in a namespace of the benchmark's
 * own, on which nothing else is ever sent. Made with ip(8), which says on standard error what is
 * wrong.
 */

#include "base/attr.h"

#include <stdint.h>

/*
 * Enters a private namespace (bench/netns.h) in which no interface says anything of itself. Call it
 * before there are threads.
 */
int traffic_net_enter(void) _must_check_;

/*
 * A pair that is up: what is sent into `a` is received by `b`. With a queue for each CPU, so that
 * CPUs do not wait for each other. Returns 0 or -EIO.
 */
int traffic_net_pair(const char *a, const char *b) _must_check_;

/* A bridge that is up, with two ports: what `a` receives goes out of `b`. No netfilter there. */
int traffic_net_bridge(const char *bridge, const char *a, const char *b) _must_check_;

struct interface_counts {
	uint64_t packets, bytes; /* received */
	uint64_t dropped; /* before its XDP program, for want of room, or behind it, unwanted */
};

/* The interface's own counters. */
int traffic_net_read(const char *interface, struct interface_counts *ret_counts) _must_check_;

#endif
