/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_AGENT_SINK_H
#define BENCH_AGENT_SINK_H

/*
 * A server for the agent to send to, on the loopback interface: takes every transaction of version 1,
 * answers those that want it at once, and counts. A thread of its own.
 */

#include "base/attr.h"
#include "net/endpoint.h"

#include <stdint.h>

struct sink;

struct sink_counts {
	uint64_t datagrams, bytes, events;
	uint64_t refused; /* datagrams that are none of version 1 */
};

int sink_new(struct sink **ret_sink) _must_check_;
void sink_free(struct sink *sink);
DEFINE_CLEANUP(struct sink, sink_free)

/* "127.0.0.1:PORT" */
const char *sink_address(const struct sink *sink);

/* So far; from any thread. */
void sink_read(const struct sink *sink, struct sink_counts *ret_counts);

#endif
