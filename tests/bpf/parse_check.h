/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_BPF_PARSE_CHECK_H
#define TESTS_BPF_PARSE_CHECK_H

/* The parser, compiled natively, and what must hold for any bytes. For tests and the fuzzer. */

#include "parse_types.bpf.h"

#include <stddef.h>
#include <stdint.h>

struct parse_result {
	enum parse_verdict verdict;
	struct packet packet; /* zero unless PARSE_OK */
};

/* Parses `size` bytes, at most a page, of a frame of `frame_bytes`; they end at a guard page. */
struct parse_result parse_native(
	const uint8_t *bytes, size_t size, size_t frame_bytes, uint32_t inside);

/*
 * Aborts, saying why, if an answer is out of range, or not a function of the bytes (each byte of
 * the packet is written), or if cutting the frame at any byte gives another key.
 */
void parse_check(const uint8_t *bytes, size_t size, uint32_t inside);

/* 0 if they are the same; else says on standard error what differs. */
int parse_compare(const char *what, struct parse_result a, struct parse_result b);

#endif
