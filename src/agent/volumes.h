/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_VOLUMES_H
#define AGENT_VOLUMES_H

/*
 * Packets and bytes by source and by target within a window, exact in their sum: each packet is in one
 * record of its source's kind or in the kind's rest, and likewise of its target's. Records are bounded.
 * When all are in use, an address takes the place of the one with the fewest packets among eight with
 * a chance of one in 16 for each packet that it brings, so those that matter have one; what is displaced
 * or has no place goes to the rest (docs/data-plane.md, "Sources and targets").
 *
 * Pure: time is a parameter, memory of the records is the caller's. One thread.
 */

#include "base/attr.h"
#include "fanout_maps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct volumes;

#define VOLUMES_SEEDS 6

/* Within a second, at which an address is told of; 0: never by this. */
struct volume_limits {
	uint64_t packets;
	uint64_t bytes;
};

struct volumes_options {
	uint32_t max; /* records of a kind, 1 to ID_INDEX_MAX */
	/* FANOUT_KINDS * (max + 1) of them, zero, or as another struct volumes left them. */
	struct volume *memory;
	uint64_t seeds[VOLUMES_SEEDS]; /* random */
	struct volume_limits limits[FANOUT_KINDS];
	/* An address reached a limit: once a second at most. */
	void (*reached)(void *user, enum fanout_kind kind, const struct volume *volume);
	void *user;
};

/* Returns 0, -EINVAL or -ENOMEM. */
int volumes_new(const struct volumes_options *options, struct volumes **ret_volumes) _must_check_;
/* The memory has all that was counted. */
void volumes_free(struct volumes *volumes);
DEFINE_CLEANUP(struct volumes, volumes_free)

void volumes_set_limits(struct volumes *volumes, const struct volume_limits limits[FANOUT_KINDS]);

/*
 * Counts what a flow grew by, at `now_ns` (UNIX time). Takes effect some calls later, or with
 * volumes_flush().
 */
void volumes_count(struct volumes *volumes, const struct flow_event *growth, uint64_t now_ns);
/* The same of packets that are in no flow's last record; of their sources it is not known which. */
void volumes_count_shed(struct volumes *volumes, const struct flow_event *growth, uint64_t now_ns);
/* A flow has no last record, whose packets were counted. */
void volumes_note_shed(struct volumes *volumes, const struct flow_event *record);
void volumes_flush(struct volumes *volumes);

/* ---- after volumes_flush() ---- */

/* NULL: it has none. */
struct volume *volumes_find(
	const struct volumes *volumes, enum fanout_kind kind, const ip_addr *address);
struct volume *volumes_rest(const struct volumes *volumes, enum fanout_kind kind);
/* The sum over the kind, rest included. */
void volumes_sum(const struct volumes *volumes, enum fanout_kind kind, struct volume *ret_sum);
/* One after the other; start with 0. NULL: that was the last. The rest is none of them. */
struct volume *volumes_next(
	const struct volumes *volumes, enum fanout_kind kind, uint32_t *position);
/* Adds one to a sum. */
void volume_add(struct volume *sum, const struct volume *volume);
/* Which of a kind's records it is, from 0 on. */
uint32_t volumes_index(
	const struct volumes *volumes, enum fanout_kind kind, const struct volume *volume);
/* Adds it to the rest, and empties it. */
void volumes_give_up(struct volumes *volumes, enum fanout_kind kind, struct volume *volume);
bool volumes_are_empty(const struct volumes *volumes);
/* Forgets all, for another window. */
void volumes_clear(struct volumes *volumes);

/* The UNIX time of `first` or `last`, which is before `now_ns`. */
time_ns volume_time(uint32_t time, uint64_t now_ns);

#endif
