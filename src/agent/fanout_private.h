/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FANOUT_PRIVATE_H
#define AGENT_FANOUT_PRIVATE_H

/* What agent/fanout.c shares with agent/fanout_window.c. */

#include "agent/fanout.h"
#include "agent/volumes.h"

#include <bpf/libbpf.h>
#include <pthread.h>

#define FANOUT_BATCH   64 /* entries a system call */
#define FANOUT_NONE    UINT64_MAX
#define FANOUT_REACHED 256 /* addresses that reached a volume, between two calls */

struct fanout {
	struct fanout_options options;
	struct fanout_maps maps;
	bool driven;
	int cpu_count;
	struct ring_buffer *ring;
	struct volumes *volumes;
	struct volume *volumes_memory; /* a map's */
	size_t volumes_bytes;
	struct {
		enum fanout_kind kind;
		ip_addr address;
	} reached[FANOUT_REACHED];
	unsigned int reached_count;
	uint64_t reached_late; /* for want of room there: told at the window's end only */
	/* Unless they are to outlive us. */
	uint64_t window_ends_ns;
	struct drain_state end;
	struct fanout_taking taking;
	bool limits_wait;        /* for the end of a window that another one began to end */
	uint64_t *ring_position; /* where its consumer is; mapped */
	uint64_t
		taken_position; /* a record that was handed on by one that was killed; NONE: there is none */
	uint64_t *ended; /* bits, by volume: while a window is ended, those that were handed on */
	pthread_mutex_t lock;
	struct fanout_limits limits[FANOUT_KINDS]; /* under the lock */
	/* While records are handed on. */
	uint64_t skip; /* so many were, by one that was killed */
	uint64_t handed_on;
	const struct fanout_sink *sink;
	struct fanout_clock clock;
	ip_addr keys[FANOUT_BATCH];
	struct fanout_entry entries[FANOUT_BATCH];
};

/*
 * Hands on what is known of an address: by the kernel's record, whose times are the program's, and by
 * its volume. Either may be NULL.
 */
void fanout_hand_on(struct fanout *fanout, const struct fanout_record *record,
	const struct volume *volume, bool ended);

/* What moves on by one with each record that is handed on. */
uint64_t fanout_sequence(const struct fanout *fanout);

struct fanout_limits fanout_limits_of(struct fanout *fanout, enum fanout_kind kind);

struct fanout_record fanout_record_of(
	uint32_t kind, const ip_addr *address, const struct fanout_entry *entry);

#endif
