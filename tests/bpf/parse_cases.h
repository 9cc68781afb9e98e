/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_BPF_PARSE_CASES_H
#define TESTS_BPF_PARSE_CASES_H

/*
 * Frames of each header kind with what the parser must say of them. Shared by the native test, the
 * test in the kernel, and the fuzzer's seed corpus.
 */

#include "parse_types.bpf.h"
#include "tests/bpf/packet.h"

struct parse_case {
	const char *name;
	void (*build)(struct frame *f); /* up to the payload; finished and padded by the caller */
	unsigned int inside;            /* enum tunnel_kind bits to look into */
	enum parse_verdict verdict;
	const char *src, *dst; /* the rest only if PARSE_OK */
	struct packet packet;  /* without the addresses */
};

extern const struct parse_case parse_cases[];
extern const size_t parse_case_count;

/* Builds the case's frame, finishes it and pads it to Ethernet's 60 bytes. */
void parse_case_build(const struct parse_case *c, struct frame *f);
/* What must come out, addresses included. */
void parse_case_expected(const struct parse_case *c, struct packet *ret_packet);

#endif
