/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BENCH_TRAFFIC_PLAN_H
#define BENCH_TRAFFIC_PLAN_H

/*
 * What the traffic generator sends: every packet follows from the settings, the number of its
 * stream (one a CPU) and its own number in there. The BPF program (traffic.bpf.c) works it out to
 * send it, and user space works out the same again to know what was sent, flow by flow, without a
 * table in the generator that would disturb what is measured. So: integers only, no helper, no
 * clock, compiled for both sides.
 */

#include <linux/types.h>
#include <stdbool.h>

#define TRAFFIC_SIZES_MAX    16
#define TRAFFIC_FLOWS_MAX    (1U << 24)
#define TRAFFIC_FRAME_MIN    60   /* Ethernet's 64 without the frame's checksum */
#define TRAFFIC_FRAME_MAX    1514 /* MTU 1500 */
#define TRAFFIC_TAGS_MAX     2
#define TRAFFIC_POWERS       1024        /* steps from 2^0 to 2^1 */
#define TRAFFIC_INTERLEAVED  64          /* connections of a stream that are under way at a time */
#define TRAFFIC_SOURCE       0x0a000000U /* 10.0.0.0/8; in IPv6 the last 4 bytes of the address */
#define TRAFFIC_TARGET       0xc0a80001U /* 192.168.0.1 */
#define TRAFFIC_TARGET_PORT  443
#define TRAFFIC_SOURCE_PORTS 64512U /* from 1024 on */

enum traffic_kind {
	TRAFFIC_UDP,
	TRAFFIC_TCP,       /* segments with data */
	TRAFFIC_SYN,       /* SYN segments without data */
	TRAFFIC_HANDSHAKE, /* whole connections, both directions */
};

enum traffic_spread {
	TRAFFIC_UNIFORM, /* each packet of any of `flows` */
	/*
	 * The n-th flow in proportion to log(1 + 1/n): Zipf's law with exponent 1, which can be
	 * drawn without a table of its own; the first few flows come a little more evenly.
	 */
	TRAFFIC_ZIPF,
	TRAFFIC_SPOOFED, /* each packet (each connection, of handshakes) is a new flow */
};

/* What a packet is; the generator counts by it. */
enum traffic_class {
	TRAFFIC_CLASS_UDP,
	TRAFFIC_CLASS_SYN,
	TRAFFIC_CLASS_SYN_ACK,
	TRAFFIC_CLASS_ACK, /* without data */
	TRAFFIC_CLASS_DATA,
	TRAFFIC_CLASS_FIN,
	TRAFFIC_CLASSES,
};

struct traffic_settings {
	__u32 kind;    /* enum traffic_kind */
	__u32 spread;  /* enum traffic_spread */
	__u32 family;  /* 4 or 6 */
	__u32 tags;    /* 802.1Q; the outer of two is 802.1ad */
	__u32 flows;   /* 1 to TRAFFIC_FLOWS_MAX; of no meaning when spoofed */
	__u32 streams; /* one a CPU */
	__u32 size_count;
	__u32 sizes[TRAFFIC_SIZES_MAX]; /* of frames with data, without FCS; each as likely */
	__u32 size_min;                 /* of frames without */
	__u32 size_max;                 /* of all */
	__u64 seed;
	__u32 ifindex;                    /* a veth, in the namespace of the sender */
	__u32 log2_flows;                 /* log2(flows + 1), 26 bits behind the point */
	__u32 powers[TRAFFIC_POWERS + 1]; /* 2^(i / TRAFFIC_POWERS), 31 bits behind the point */
};

/* One packet. */
struct traffic_packet {
	__u64 flow; /* below 2^40 */
	__u32 size; /* of the frame, without FCS */
	__u8 class; /* enum traffic_class */
	__u8 tcp_flags;
	bool has_data;
	bool reply; /* from the target to the source */
};

/* A stream's place, and what it has sent. */
struct traffic_stream {
	__u64 next; /* the next packet's number */
	__u64 errors;
	__u32 index;
	__u32 pad;
	struct {
		__u64 packets;
		__u64 bytes;
	} sent[TRAFFIC_CLASSES];
};

/* What its source is, of 40 bits of flow number. */
struct traffic_source {
	__u32 address; /* host order */
	__u16 port;
};

/* splitmix64 (Steele, Lea and Flood, 2014): well mixed from any two numbers. */
static inline __u64 traffic_random(__u64 seed, __u64 number)
{
	__u64 z = seed + number * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/*
 * (flows + 1)^u - 1 for u in [0, 1), as 2^(u * log2(flows + 1)) - 1: the whole part of the exponent
 * is a shift, its fraction comes from the table, interpolated.
 */
static inline __u32 traffic_zipf(const volatile struct traffic_settings *s, __u32 u)
{
	const __u64 exponent = (__u64)u * s->log2_flows >> 32;
	const __u32 at = exponent >> 16 & (TRAFFIC_POWERS - 1);
	const __u64 low = s->powers[at], high = s->powers[at + 1];
	const __u64 power = low + ((high - low) * (exponent & 0xffff) >> 16);
	const __u32 n = (power << (exponent >> 26 & 31) >> 31) - 1;

	return n < s->flows ? n : s->flows - 1;
}

/* The flow of the `unit`-th packet or connection of a stream. */
static inline __u64 traffic_flow(
	const volatile struct traffic_settings *s, __u32 stream, __u64 unit, __u64 random)
{
	if (s->spread == TRAFFIC_SPOOFED)
		return unit * s->streams + stream;
	if (s->spread == TRAFFIC_ZIPF)
		return traffic_zipf(s, random >> 32);
	return (random >> 32) * s->flows >> 32;
}

static inline __u64 traffic_stream_seed(const volatile struct traffic_settings *s, __u32 stream)
{
	return s->seed + (__u64)stream * 0xd1342543de82ef95ULL;
}

enum {
	TRAFFIC_FIN_BIT = 0x01,
	TRAFFIC_SYN_BIT = 0x02,
	TRAFFIC_PSH_BIT = 0x08,
	TRAFFIC_ACK_BIT = 0x10
};

#define TRAFFIC_STEPS 8 /* of a connection */

/* Opening, a request, an answer, closing by both: RFC 9293 3.5, 3.6. */
static inline void traffic_step(__u32 step, struct traffic_packet *p)
{
	p->reply = step == 1 || step == 4 || step == 6;
	p->has_data = step == 3 || step == 4;
	p->tcp_flags = TRAFFIC_ACK_BIT;
	p->class = TRAFFIC_CLASS_ACK;
	if (step == 0) {
		p->tcp_flags = TRAFFIC_SYN_BIT;
		p->class = TRAFFIC_CLASS_SYN;
	} else if (step == 1) {
		p->tcp_flags = TRAFFIC_SYN_BIT | TRAFFIC_ACK_BIT;
		p->class = TRAFFIC_CLASS_SYN_ACK;
	} else if (p->has_data) {
		p->tcp_flags = TRAFFIC_PSH_BIT | TRAFFIC_ACK_BIT;
		p->class = TRAFFIC_CLASS_DATA;
	} else if (step == 5 || step == 6) {
		p->tcp_flags = TRAFFIC_FIN_BIT | TRAFFIC_ACK_BIT;
		p->class = TRAFFIC_CLASS_FIN;
	}
}

static inline void traffic_single(__u32 kind, struct traffic_packet *p)
{
	p->reply = false;
	p->has_data = kind != TRAFFIC_SYN;
	p->tcp_flags = 0;
	p->class = TRAFFIC_CLASS_UDP;
	if (kind == TRAFFIC_TCP) {
		p->tcp_flags = TRAFFIC_ACK_BIT;
		p->class = TRAFFIC_CLASS_DATA;
	} else if (kind == TRAFFIC_SYN) {
		p->tcp_flags = TRAFFIC_SYN_BIT;
		p->class = TRAFFIC_CLASS_SYN;
	}
}

/* The `number`-th packet of a stream. */
static inline void traffic_choose(const volatile struct traffic_settings *s, __u32 stream,
	__u64 number, struct traffic_packet *ret_packet)
{
	const __u64 seed = traffic_stream_seed(s, stream);
	const __u64 random = traffic_random(seed, number);

	if (s->kind == TRAFFIC_HANDSHAKE) {
		const __u64 round = number / (TRAFFIC_STEPS * TRAFFIC_INTERLEAVED);
		const __u64 connection = round * TRAFFIC_INTERLEAVED + number % TRAFFIC_INTERLEAVED;

		traffic_step(number / TRAFFIC_INTERLEAVED % TRAFFIC_STEPS, ret_packet);
		/* All packets of a connection draw the same flow. */
		ret_packet->flow =
			traffic_flow(s, stream, connection, traffic_random(~seed, connection));
	} else {
		traffic_single(s->kind, ret_packet);
		ret_packet->flow = traffic_flow(s, stream, number, random);
	}
	ret_packet->size = s->size_min;
	if (ret_packet->has_data) {
		const __u32 which = (random & 0xffffffff) * s->size_count >> 32;

		ret_packet->size = s->sizes[which & (TRAFFIC_SIZES_MAX - 1)];
	}
}

/* Neighbouring flows shall not be neighbours in anybody's table: a permutation of 24 bits. */
#define TRAFFIC_SCATTER 0x3779b1U

/* Different for different flow numbers below TRAFFIC_SOURCE_PORTS << 24. */
static inline void traffic_source_of(__u64 flow, struct traffic_source *ret_source)
{
	const __u32 low = flow & 0xffffff;

	ret_source->address = TRAFFIC_SOURCE | (low * TRAFFIC_SCATTER & 0xffffff);
	ret_source->port =
		1024 + ((__u32)(flow >> 24) + (low * 0x9e3779b1U >> 16)) % TRAFFIC_SOURCE_PORTS;
}

#endif
