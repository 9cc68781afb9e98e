/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_FANOUT_MAPS_H
#define BPF_FANOUT_MAPS_H

/* What bpf/fanout.bpf.h keeps in its maps and writes to its ring, and src/agent/fanout.c reads. */

#include "netlambda/event.h"

enum fanout_kind {
	FANOUT_SOURCE,
	FANOUT_TARGET,
	FANOUT_KINDS,
};

/*
 * Linear counting (Whang, Vander-Zanden and Taylor 1990): each value sets one of the bits, by a
 * random hash. `ones` of them are set.
 */
#define SKETCH_BITS 1024

struct sketch {
	__u64 words[SKETCH_BITS / 64];
	__u32 ones;
	__u32 pad;
};

/* Times are clock_now()'s. */
struct fanout_totals {
	__u64 first;
	__u64 last;
	__u64 packets;
	__u64 size;
	__u32 syn;
	__u32 udp;
	__u32 completed;
	__u32 pad;
};

/* Of one address, in one window. */
struct fanout_entry {
	struct fanout_totals totals;
	__u64 told;          /* when it was last written to the ring; 0: never */
	struct sketch peers; /* the other end's addresses */
	struct sketch ports; /* destination ports */
};

/* A record in the ring. */
struct fanout_record {
	ip_addr address;
	struct fanout_totals totals;
	__u32 kind;
	__u32 peers_ones;
	__u32 ports_ones;
	__u32 pad;
};

/* What makes an entry news. 0: nothing does. May change while the program runs. */
struct fanout_limits {
	__u32 peers_ones;
	__u32 ports_ones;
	__u32 half_open; /* syn - completed */
	__u32 pad;
	__u64 repeat_ns;      /* an entry goes into the ring no more often */
	__u64 packets, bytes; /* of all kinds, within a second: which user space looks at */
};

struct fanout_settings {
	__u64 seeds[9]; /* random: who knows them can choose collisions */
	__u32 on;       /* 0: the verifier removes all of it */
	__u32 pad;
};

/*
 * All packets of one address in a window, not only those that begin something. User space keeps these
 * (agent/volumes.h) from what it is handed of flows; they lie in a map, at which no program looks, to
 * outlive the agent. `first` and `last` are the lower bits of UNIX time in units of 2^20 ns.
 */
struct volume {
	ip_addr address;
	__u64 packets; /* 0: free */
	__u64 size;
	__u64 shed; /* of `packets`, those that are in no flow's last record */
	__u64 second_size;
	__u32 second_packets; /* within the present second, ... */
	__u32 first, last;
	__u16 second;  /* ... which is this one, modulo 2^16 */
	__u8 told;     /* it reached a limit within the window */
	__u8 told_now; /* ... and within the present second */
};

/* Of one CPU. */
struct fanout_losses {
	__u64 table_full[FANOUT_KINDS]; /* packets without an entry */
	__u64 ring_full[FANOUT_KINDS];  /* records put off to the address's next packet */
};

#ifndef __cplusplus
_Static_assert(sizeof(struct fanout_totals) == 48, "both sides agree");
_Static_assert(sizeof(struct fanout_entry) == 56 + 2 * 136, "both sides agree");
_Static_assert(sizeof(struct fanout_record) == 80, "both sides agree");
_Static_assert(sizeof(struct fanout_limits) == 40, "both sides agree");
_Static_assert(sizeof(struct volume) == 64, "a cache line");
#endif

#endif
