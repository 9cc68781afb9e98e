/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_CURSOR_BPF_H
#define BPF_PARSE_CURSOR_BPF_H

/*
 * The place in a frame that the stages hand on to each other. Each access is preceded by
 * parse_has(): the one form of bounds check that the verifier follows, since it compares the very
 * pointer that is then read. Lives in registers once inlined; never in a map.
 */

#include "parse_types.bpf.h"

#include <linux/if_ether.h>

/*
 * More than the sum of all that the stages step over at most, so that only the verifier, which does
 * not add it up, sees an offset above it; and what a packet pointer may be moved by.
 */
#define PARSE_OFFSET_MAX 0x7fff

struct parse {
	const void *data;
	const void *end; /* data_end */
	const void *at;  /* the next header */
	__u64 offset;    /* of `at` from `data` */
	__u64 limit;     /* the offset at which what encloses that header ends, without padding */
	__u16 type;      /* of the next header: EtherType, later an IP protocol number */
};

/*
 * Headers lie at any address. BPF is told that they are aligned, for otherwise clang reads byte by
 * byte (x86-64 and arm64 kernels accept the access); native code must say what is true.
 */
#ifdef __bpf__
typedef __u16 wire_u16;
typedef __u32 wire_u32;
typedef __u64 wire_u64;
#else
typedef __u16 __attribute__((aligned(1), may_alias)) wire_u16;
typedef __u32 __attribute__((aligned(1), may_alias)) wire_u32;
typedef __u64 __attribute__((aligned(1), may_alias)) wire_u64;
#endif

/*
 * The difference of two packet pointers, which the verifier takes for any number. The empty asm
 * keeps the compiler from computing with it before it is a number.
 */
static __always_inline __u64 parse_distance(const void *from, const void *to)
{
	__u64 bytes;

	__asm__ volatile("" : "+r"(to));
	bytes = (const __u8 *)to - (const __u8 *)from;
	__asm__ volatile("" : "+r"(bytes));
	return bytes;
}

static __always_inline void parse_init(
	struct parse *p, const void *data, const void *data_end, __u64 frame_bytes)
{
	__asm__ volatile(""
			 : "+r"(frame_bytes)); /* as in parse_distance(), if the caller did not */
	*p = (struct parse){.data = data, .end = data_end, .at = data, .limit = frame_bytes};
}

/* Bytes from `at` to the limit, be they in reach or not. */
static __always_inline __u64 parse_left(const struct parse *p)
{
	return p->limit - p->offset;
}

/* The bytes are there to be read. */
static __always_inline bool parse_in_reach(const struct parse *p, __u64 bytes)
{
	return (const __u8 *)p->at + bytes <= (const __u8 *)p->end;
}

/* They are, and belong to the next header. */
static __always_inline bool parse_has(const struct parse *p, __u64 bytes)
{
	return parse_in_reach(p, bytes) && p->offset + bytes <= p->limit;
}

/* In all of these `bytes` is at most what is left; what lies at the new place is unchecked. */
static __always_inline void parse_skip(struct parse *p, __u64 bytes)
{
	p->at = (const __u8 *)p->at + bytes;
	p->offset += bytes;
}

/*
 * The same for a number of bytes that the frame says. The verifier knows two sums of a pointer and
 * such a number as two places, so the compiler must not make the sum anew for each access.
 */
static __always_inline void parse_jump(struct parse *p, __u64 bytes)
{
	parse_skip(p, bytes);
	__asm__ volatile("" : "+r"(p->at));
}

static __always_inline void parse_confine(struct parse *p, __u64 bytes)
{
	p->limit = p->offset + bytes;
}

/*
 * Makes the verifier forget by which way `at` was reached: it is then some offset up to
 * PARSE_OFFSET_MAX, so that the paths through tags, labels and extension headers merge, where each
 * known offset would be walked on its own (more than the million instructions allowed).
 */
static __always_inline bool parse_settle(struct parse *p)
{
	__u64 offset = parse_distance(p->data, p->at);

	if (offset > PARSE_OFFSET_MAX)
		return false;
	/* Or the compiler may keep it on the stack from before it was compared, of which Linux 6.1 knows no bound. */
	__asm__ volatile("" : "+r"(offset));
	p->offset = offset;
	p->at = (const __u8 *)p->data + offset;
	__asm__ volatile("" : "+r"(p->at));
	return true;
}

/* The value, of which the verifier knows nothing any more: for a constant that keeps paths apart.
 */
static __always_inline __u64 parse_forget(const struct parse *p, __u64 value)
{
	return value ^ parse_distance(p->data, p->data);
}

/*
 * The same for a packet that was parsed. What comes after would be walked once for each protocol and each
 * way through the headers: where that is too much, the verifier shall know nothing of the packet any more.
 * `data` is any packet pointer.
 */
static __always_inline void packet_forget(const void *data, struct packet *pkt)
{
	const __u64 zero = parse_distance(data, data);
	addr_u64 *words = (addr_u64 *)pkt;

	for (__u32 i = 0; i < sizeof(*pkt) / sizeof(*words); i++)
		words[i] ^= zero;
}

/* For what carries IP without saying which (RFC 4928 3): its EtherType, or 0 if it is neither. */
static __always_inline __u16 ip_type_by_version(__u8 first_byte)
{
	if (first_byte >> 4 == 4)
		return ETH_P_IP;
	return first_byte >> 4 == 6 ? ETH_P_IPV6 : 0;
}

#endif
