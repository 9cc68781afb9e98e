/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_COUNTING_H
#define AGENT_COUNTING_H

/*
 * The collecting thread: owns the XDP programs and their attachments, collects each period, folds
 * the flows, and pushes events into the spool. Functions are called on the controller's thread; the
 * only thing that comes back from the collecting thread is `notify`.
 */

#include "agent/collect.h"
#include "agent/slots.h"
#include "agent/spool.h"

#include <stdbool.h>

struct counting;
struct pins;

struct counting_options {
	struct slots_options slots; /* but for pins, `last_totals` and `user` */
	uint64_t period_ns;
	uint64_t flow_idle_ns;
	uint32_t flow_max;          /* flows kept apart in a period; twice as many are remembered */
	uint32_t flow_events_per_s; /* as struct flows_options has them */
	uint32_t port_max;
	uint32_t inside; /* tunnels to look into */
	struct fanout_options fanout;
	/* Where maps and links are pinned, to be gone on with by the next agent; NULL: nowhere. Borrowed. */
	struct pins *pins;
	struct spool *spool; /* borrowed; the collecting thread is its producer */
	void (*notify)(
		void *user); /* on the collecting thread: the spool got more, or it finished */
	void *user;
};

struct counting_stats {
	uint64_t periods;
	uint64_t late;   /* periods that began late by more than a whole one */
	uint64_t errors; /* collections that the kernel refused */
	uint64_t flows;  /* now remembered */
	/*
	 * What the agent before took from the maps and may not have sent, being killed: at most so many
	 * packets in flows, and records of event 1, these beside what its journal had.
	 */
	uint64_t lost_packets, lost_ports;
	/* In no last record, more flows having ended than may be told of. */
	uint64_t shed_flows, shed_packets, shed_bytes;
};

/*
 * Loads and attaches, or goes on with what is pinned; what is left in maps of another layout is
 * collected first. Returns 0 or a negative errno with a message for the operator in `ret_error` (to be
 * freed); nothing stays attached then but what was gone on with.
 */
int counting_new(const struct counting_options *options, struct counting **ret_counting,
	char **ret_error) _must_check_;
/* Detaches, ends the thread. */
void counting_free(struct counting *counting);
DEFINE_CLEANUP(struct counting, counting_free)

/* Begins to collect. Returns 0 or a negative errno. */
int counting_start(struct counting *counting) _must_check_;

/*
 * Detaches, collects for the last time, ends all flows; then counting_is_finished(). If `leave`, what
 * is pinned goes on counting, for the next agent. Where the spool is full it waits for room, until
 * counting_abandon(), which makes it shed.
 */
void counting_stop(struct counting *counting, bool leave);
/* Packets of what was pushed into the spool so far; and that it was sent, or answered if it is to be. */
uint64_t counting_get_mark(const struct counting *counting);
void counting_note_sent(struct counting *counting, uint64_t mark);
void counting_abandon(struct counting *counting);
/* Waits for the thread to end, after counting_stop() or without: it is stopped and abandoned then.
 */
void counting_join(struct counting *counting);
bool counting_is_finished(const struct counting *counting);

void counting_get_stats(const struct counting *counting, struct counting_stats *ret_stats);

/* Any use of the bpf() system call on what is open: 0 or its negative errno. For sandboxing. */
int counting_try_bpf(void *counting) _must_check_;

/* NULL: nothing is pinned. */
const struct pins *counting_pins(const struct counting *counting);

/* The interfaces, from any thread; also after the end. */
struct slots *counting_slots(const struct counting *counting);

/*
 * Other thresholds for sources and targets, with the next packet. From any thread. Returns 0; -ENOENT:
 * these are not counted; or another negative errno. On failure all is as it was.
 */
int counting_set_thresholds(struct counting *counting, const struct fanout_thresholds *source,
	const struct fanout_thresholds *target) _must_check_;

/* False: sources and targets are not counted, or cannot be read. Safe from any thread. */
bool counting_read_fanout(const struct counting *counting, struct fanout_counters *ret_counters);

#endif
