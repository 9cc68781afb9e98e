/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_PROBE_H
#define REPLAY_PROBE_H

/*
 * The switch of a replay: the agent's XDP program, run frame by frame through BPF_PROG_TEST_RUN, the
 * agent's collector and its memory of flows, in the frames' own time. What a period led to comes out
 * in an order of its own (by key), whatever order the kernel's tables have. No clock; one thread.
 */

#include "agent/collect.h"
#include "base/attr.h"
#include "netlambda/event.h"
#include "replay/capture.h"

#include <stdbool.h>
#include <stdint.h>

struct probe;

struct probe_options {
	uint64_t flow_idle_ns;
	uint32_t flow_max; /* as collector_options; twice as many flows are remembered */
	uint32_t port_max;
	uint32_t inside; /* tunnels to look into: bits of enum tunnel_kind */
	struct fanout_options fanout;
	/* Takes an event that a switch would send now. Borrowed. 0, or a negative errno. */
	int (*event)(void *user, uint32_t event_id, const void *record, bool wants_ack);
	void *user;
};

struct probe_counters {
	struct unparsed unparsed; /* once the capture is over */
	uint64_t refused; /* frames that this kernel's BPF_PROG_TEST_RUN takes no more: too long */
};

/*
 * Returns 0, or a negative errno with a message for the operator in `ret_error` (to be freed):
 * -EPERM names the capabilities that are missing.
 */
int probe_new(const struct probe_options *options, struct probe **ret_probe,
	char **ret_error) _must_check_;
void probe_free(struct probe *probe);
DEFINE_CLEANUP(struct probe, probe_free)

/* One frame is received, at its time. 0, or a negative errno: the kernel cannot run the program. */
int probe_receive(struct probe *probe, const struct capture_frame *frame) _must_check_;

/*
 * A period ends at `now_ns` (UNIX epoch): its events are handed on. Returns 0, the kernel's negative
 * errno, or what `event` returned.
 */
int probe_end_period(struct probe *probe, uint64_t now_ns) _must_check_;

/* Time passes without a packet: ends what is over at `now_ns`. */
int probe_pass_time(struct probe *probe, uint64_t now_ns) _must_check_;

/* The capture is over: all flows end, and the window of sources and targets. */
int probe_finish(struct probe *probe) _must_check_;

/* No flow is remembered, and no source or target. */
bool probe_is_empty(const struct probe *probe);
const struct probe_counters *probe_counters(const struct probe *probe);
int probe_read_totals(const struct probe *probe, struct interface_event *ret_totals) _must_check_;

#endif
