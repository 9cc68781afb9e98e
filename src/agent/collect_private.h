/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_COLLECT_PRIVATE_H
#define AGENT_COLLECT_PRIVATE_H

/* What agent/collect.c shares with agent/collect_pinned.c. */

#include "account.h"
#include "agent/collect.h"
#include "agent/flow_clock.h"
#include "agent/flow_table.h"
#include "agent/pins.h"
#include "flow_slots.h"

#include "account.skel.h"

#define BATCH 1024 /* entries a system call */

/* A pair of tables, one of which is in the outer map and so in use. */
struct double_table {
	int outer_fd;
	int inner_fd[2];
	unsigned int active;
	struct drain_state *drain; /* of the quiet one; pinned, or `own` */
	struct drain_state own;
	uint64_t handed_on; /* where there is no journal */
};

struct collector {
	struct account **programs; /* one an interface; the first owns the maps */
	unsigned int interface_count;
	bool driven;
	int cpu_count;
	struct flow_table *flows;
	struct flow_clock clock; /* unless driven */
	uint64_t given_ns;       /* if driven */
	struct double_table ports;
	struct fanout *fanout;     /* NULL: not counted */
	struct account **unloaded; /* one an interface, or NULL */
	struct pin_set *set;       /* NULL: maps are not pinned */
	bool is_resumed;           /* the set was there before */
	bool is_left;              /* nobody counts there any more */
	/* The buffers of a batch. */
	struct port_key keys[BATCH];
	struct port_counters values[BATCH];
};

/* ---- agent/collect.c ---- */

/* Added to the programs' time it gives UNIX time. */
uint64_t collector_epoch_ns(const struct collector *collector);
/* Once the maps are there. */
int collector_open_fanout(
	struct collector *collector, const struct fanout_options *options) _must_check_;

/* ---- agent/collect_ports.c ---- */

/* Once the maps are there. */
void collector_open_ports(struct collector *collector);
int collector_collect_ports(
	struct collector *collector, const struct collect_sink *sink) _must_check_;
uint32_t collector_settle_ports(struct collector *collector, const struct collect_sink *sink);
/* Which of the two is in the place `key` of the map of maps. */
unsigned int collector_map_in_use(int outer_fd, uint32_t key, const int inner_fds[2]);

/* ---- agent/collect_pinned.c ---- */

/* Before the first program is loaded: which maps it shall have. */
int collector_choose_maps(struct collector *collector, const struct collector_options *options,
	struct account *program) _must_check_;
/* After it: new maps are pinned. */
int collector_pin_maps(struct collector *collector) _must_check_;

#endif
