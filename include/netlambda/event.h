/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NETLAMBDA_EVENT_H
#define NETLAMBDA_EVENT_H

/*
 * The records of the built-in events: what an XDP program writes, what travels to the server, and
 * what a function reads. A record's BTF is its schema: member names are the field names that
 * functions see, nested structs are flattened, and the typedefs below say how a value is shown.
 * Adding a counter is adding a member. Integers are in the machine's own byte order.
 *
 * Compiles for the kernel side (clang -target bpf) and in user space, C and C++.
 */

#include <linux/types.h>

/* An IPv6 address in network order; IPv4 as v4-mapped (RFC 4291 2.5.5.2). Shown as text. */
typedef struct {
	__u8 bytes[16];
} ip_addr;

typedef __u16 port_num;   /* a TCP, UDP, SCTP or DCCP port, host order */
typedef __u8 ip_proto;    /* an IP protocol number (IANA) */
typedef __u8 tcp_flags;   /* TCP flag bits, as in the header's byte 13 (RFC 9293 3.1) */
typedef __u64 time_ns;    /* nanoseconds since the UNIX epoch; 0 = unknown. Shown as RFC 3339 */
typedef __u64 size_bytes; /* bytes on the wire from the Ethernet header on, without FCS */

enum event_id {
	EVENT_PORT = 1,
	EVENT_FLOW = 2,
	EVENT_SOURCE = 3,
	EVENT_TARGET = 4,
	EVENT_INTERFACE = 5,
	EVENT_TIMER = 6,     /* of the server: no switch sends it */
	EVENT_HTTP = 7,      /* likewise */
	EVENT_USER_MIN = 16, /* this and above: records of users' own BPF programs */
};

/*
 * Id 1, port: what one source sent to one service within one collecting period. Acknowledged. Each
 * record is a complete incarnation, so a function may add the counters up.
 */
struct port_event {
	ip_addr srcip;
	ip_addr dstip;
	port_num dstport;
	ip_proto protocol;
	__u8 pad[5];
	time_ns first; /* when the period's first such packet came */
	time_ns last;
	__u32 udp;       /* empty UDP datagrams */
	__u32 syn;       /* TCP segments with SYN and without ACK */
	__u32 rst;       /* TCP segments with RST */
	__u32 completed; /* handshakes that the source completed (third segment) */
	__u32 refused;   /* segments that the service's host answered with RST: nobody listens */
	__u32 pad2;
};

/*
 * Id 2, flow: packets and bytes of a 5-tuple since `first`: cumulative, so a lost update costs
 * freshness, not accuracy. Updates are not acknowledged; the last record of an incarnation is, and
 * has `ended` set.
 */
struct flow_event {
	ip_addr srcip;
	ip_addr dstip;
	port_num srcport;
	port_num dstport;
	ip_proto protocol;
	tcp_flags flags; /* seen in any segment */
	__u8 ended;
	__u8 pad;
	time_ns first;
	time_ns last;
	__u64 count; /* packets */
	size_bytes size;
};

/*
 * Id 3, source: what one host sent within a window of some seconds, and what of that began something:
 * SYN segments, empty UDP datagrams, handshakes completed. Sent at once if a threshold is crossed, then
 * as it grows, and at the window's end with `ended` set; then also of those that sent a thousandth of
 * all. A last record with srcip :: has the sums of all others, so that `packets` and `size` of the last
 * records add up to all that was received. Acknowledged. Cumulative since `first`. `hosts` and `ports`
 * are estimates (docs/data-plane.md, "Sources and targets").
 */
struct source_event {
	ip_addr srcip;
	time_ns first;
	time_ns last;
	__u64 packets;
	size_bytes size;
	__u64 shed; /* of `packets`, those that are in no flow's last record */
	__u32 syn;
	__u32 udp; /* empty UDP datagrams */
	__u32 completed;
	__u32 hosts; /* distinct destinations */
	__u32 ports; /* distinct destination ports */
	__u8 ended;
	__u8 pad[3];
};

/* Id 4, target: the same of what one host was sent. */
struct target_event {
	ip_addr dstip;
	time_ns first;
	time_ns last;
	__u64 packets;
	size_bytes size;
	__u64 shed;
	__u32 syn;
	__u32 udp;
	__u32 completed;
	__u32 sources; /* distinct */
	__u32 ports;   /* distinct destination ports */
	__u8 ended;
	__u8 pad[3];
};

/*
 * Id 5, interface: all that one interface received since the agent attached, exact whatever was
 * shed. Cumulative; not acknowledged.
 */
struct interface_event {
	__u32 ifindex;
	__u32 pad;
	time_ns first;
	__u64 packets;
	size_bytes size;
	__u64 not_ip;    /* packets that are neither IPv4 nor IPv6 (ARP, LLDP ...) */
	__u64 malformed; /* packets whose headers do not hold together */
	__u64 flow_shed; /* packets counted here but in no flow record: there was no place for it */
	__u64 port_shed; /* port counts that were given up, likewise; a refusal counts in two */
};

/* Id 6, timer: a function's schedule says that it is time. Made by the server. */
struct timer_event {
	time_ns scheduled; /* when it was due */
	__u32 timer;       /* which of the function's timers, from 0 on */
	__u32 missed;      /* how many times it was due before, and not told */
};

/*
 * Id 7, http: a request that the server took for a function. What it says is text of any size and
 * stands beside the record: a function sees it as `event.data`.
 */
struct http_event {
	__u32 size; /* bytes of the body */
	__u32 pad;
};

#ifndef __cplusplus
_Static_assert(sizeof(struct port_event) == 80, "a record has no hidden padding");
_Static_assert(sizeof(struct flow_event) == 72, "a record has no hidden padding");
_Static_assert(sizeof(struct source_event) == 80, "a record has no hidden padding");
_Static_assert(sizeof(struct target_event) == 80, "a record has no hidden padding");
_Static_assert(sizeof(struct interface_event) == 64, "a record has no hidden padding");
_Static_assert(sizeof(struct timer_event) == 16, "a record has no hidden padding");
_Static_assert(sizeof(struct http_event) == 8, "a record has no hidden padding");
#endif

/* No built-in record is larger; nor may a user's be. */
#define EVENT_RECORD_MAX 256

#endif
