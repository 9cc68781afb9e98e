/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_CURSOR_BPF_H
#define BPF_PARSE_CURSOR_BPF_H

/*
 * The place in a frame that the stages hand on to each other. Each access is preceded by
 * parse_has(): the one form of bounds check that the verifier follows, since it compares the very
 * pointer that is then read. Lives in registers once inlined; never in a map.
 */

#include "parse_types.bpf.h"

#include <stdbool.h>

#include <bpf/bpf_endian.h>

struct parse {
	const void *at;  /* the next header */
	const void *end; /* data_end */
	__u32 beyond;    /* bytes of the frame behind `end` (xdp.frags) */
	__u64 left;      /* bytes from `at` to the end of what encloses it, without padding */
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

static __always_inline bool parse_has(const struct parse *p, __u32 bytes)
{
	return (const __u8 *)p->at + bytes <= (const __u8 *)p->end && p->left >= bytes;
}

/* Only behind a parse_has() of as much, or with a `bytes` that was compared with `left`. */
static __always_inline void parse_skip(struct parse *p, __u32 bytes)
{
	p->at = (const __u8 *)p->at + bytes;
	p->left -= bytes;
}

#endif
