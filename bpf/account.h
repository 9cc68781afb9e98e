/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_ACCOUNT_H
#define BPF_ACCOUNT_H

/*
 * What bpf/account.bpf.c keeps in its maps, and src/agent/collect.c reads. Times are clock_now()'s,
 * by default the kernel's monotonic clock; they become UNIX time in user space. Keys have no byte that
 * is not set: they are hashed as they lie.
 */

#include "fanout_maps.h"
#include "parse_types.bpf.h"

struct flow_key {
	ip_addr srcip;
	ip_addr dstip;
	port_num srcport;
	port_num dstport;
	ip_proto protocol;
	__u8 pad[3];
};

/* A given time's ticks: 1.05 ms. */
#define CLOCK_TICK_SHIFT 20

struct port_key {
	ip_addr srcip;
	ip_addr dstip;
	port_num dstport;
	ip_proto protocol;
	__u8 pad;
};

struct port_counters {
	__u64 first; /* clock_now()'s */
	__u64 last;
	__u32 udp;
	__u32 syn;
	__u32 rst;
	__u32 completed;
	__u32 refused;
	__u32 pad;
};

/* Constant while a program is loaded. */
struct handshake_settings {
	__u64 seeds[10]; /* random, or else an attacker could choose which tags are overwritten */
	__u32 slot_bits; /* 1 to 31: the map has 2^slot_bits entries */
	__u32 pad;
};

/* One CPU's part of struct interface_event. */
struct interface_counters {
	__u64 packets;
	__u64 size;
	__u64 flow_shed;
	__u64 port_shed;
	/* Came in while another was being counted there: in none of the above, and in no flow. */
	__u64 crowded_packets;
	__u64 crowded_bytes;
	/* Frames without a key, by enum parse_verdict. */
	struct {
		__u64 packets;
		__u64 bytes;
	} unparsed[PARSE_VERDICTS];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct flow_key) == 40, "both sides agree");
_Static_assert(sizeof(struct port_key) == 36, "both sides agree");
_Static_assert(sizeof(struct port_counters) == 40, "both sides agree");
_Static_assert(sizeof(struct interface_counters) == 48 + 16 * PARSE_VERDICTS, "both sides agree");
#endif

#endif
