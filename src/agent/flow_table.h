/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FLOW_TABLE_H
#define AGENT_FLOW_TABLE_H

/*
 * User space's side of the flow table (bpf/flow_table.bpf.h; docs/data-plane.md is the tour): maps
 * it, and reads what changed while the kernel goes on counting, without a system call and without
 * either waiting for the other.
 *
 * What it hands on are increments, each packet in exactly one, of a flow, or of a target if there was no
 * room for the flow: increments + what is still to be read = packets, always. Where the same flow was in the table more than once, on several CPUs
 * or one after the other, it has more than one increment; adding them up is the caller's.
 *
 * No clock, no log. One thread a table. The bpf_object must outlive it; mappings are its own.
 */

#include "base/attr.h"
#include "netlambda/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_object;
struct flow_settings;
struct flow_table;

/* The present: what the kernel counts as ticks, and the UNIX time of it (agent/flow_clock.h). */
struct flow_time {
	uint64_t tick;
	uint64_t unix_ns;
};

/* Sizes are those of all CPUs together, and rounded down to powers of two a CPU. */
struct flow_table_options {
	uint32_t cpu_count;    /* possible CPUs: each has its part of the table */
	uint32_t slots4;       /* flows of IPv4 that are kept apart; 48 bytes each */
	uint32_t slots6;       /* of IPv6; 80 bytes each */
	uint32_t ring_records; /* that wait for user space; 64 bytes each */
	uint32_t slots_shed;   /* targets that are kept apart if a ring is full; 80 bytes each */
	uint64_t stale_ns;     /* flows that pause for longer are the first to leave a full table */
	uint64_t tick_ns;      /* how long a tick is */
	/*
	 * For a replay: the same packets give the same increments in the same order, on whatever CPU.
	 * Then cpu_count is 1, and no two programs run at once.
	 */
	bool repeatable;
};

/* Increments have UNIX times and `ended` 0; flags are all that the flow had so far. */
struct flow_sink {
	void (*flow)(void *user, const struct flow_event *increment); /* borrows it */
	/*
	 * Packets to `dstip` that are in no flow's increment, a ring having been full; all else of the key
	 * is 0. So is `dstip` of packets for which there was not even a target's slot. Only called by
	 * flow_table_collect(). NULL: of no interest.
	 */
	void (*shed)(void *user, const struct flow_event *increment);
	void *user;
};

struct flow_table_counters {
	uint64_t shed_packets; /* in no flow's increment: the table and a ring were full */
	uint64_t shed_bytes;
	uint64_t records; /* slots that the kernel gave up for other flows */
};

/*
 * Before loading: sets the sizes of the object's maps and fills the program's flow_settings. Returns
 * 0, -EINVAL (sizes too small or large), -ENOENT (the object has no flow table) or libbpf's error.
 */
int flow_table_prepare(const struct flow_table_options *options, struct bpf_object *object,
	struct flow_settings *ret_settings) _must_check_;

/* After loading. Returns 0, -ENOENT, -ENOMEM, or mmap's error. */
int flow_table_open(const struct flow_table_options *options, const struct flow_settings *settings,
	const struct bpf_object *object, struct flow_table **ret_table) _must_check_;
/*
 * The maps are those that another reader had before, and collected at `collected_tick` at last. It may
 * have been stopped at any moment, so the next flow_table_collect() looks at all slots, whether they
 * are marked as touched or not.
 */
void flow_table_resume(struct flow_table *table, uint64_t collected_tick);
void flow_table_close(struct flow_table *table);
DEFINE_CLEANUP(struct flow_table, flow_table_close)

/*
 * Another program of the same object, before it is loaded: it shall count in the table of `owner`,
 * which is loaded. Its flow_settings are to be the owner's. Returns 0, -ENOENT or libbpf's error.
 */
int flow_table_share(struct bpf_object *object, const struct bpf_object *owner) _must_check_;

/*
 * Hands on what was counted since the last call. Returns the number of increments. Costs by what
 * changed, beside a look at 1/256 of the table's memory.
 */
size_t flow_table_collect(
	struct flow_table *table, const struct flow_time *now, const struct flow_sink *sink);

/*
 * Hands on records from the rings alone, at most `max` of each CPU. To be called in between, when
 * flows come so fast that a ring would be full before the next flow_table_collect(). Returns how
 * many there were.
 */
size_t flow_table_drain(struct flow_table *table, const struct flow_time *now, size_t max,
	const struct flow_sink *sink);

/* The number of records in the fullest ring, and what a ring holds. */
size_t flow_table_backlog(const struct flow_table *table, size_t *ret_capacity);

void flow_table_read_counters(
	const struct flow_table *table, struct flow_table_counters *ret_counters);

#endif
