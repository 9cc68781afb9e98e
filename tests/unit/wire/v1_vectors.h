/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_WIRE_V1_VECTORS_H
#define TESTS_UNIT_WIRE_V1_VECTORS_H

/*
 * The datagrams of docs/protocol-1.md 9, as annotated hex, for the tests and for the fuzzer's corpus.
 * A line: octets in hex with one space between, then, after two spaces, words. "00 x 12" is twelve
 * octets.
 */

#include "wire/v1.h"

struct v1_vector {
	const char *name;
	enum v1_error error; /* what v1_decode() says */
	const char *hex;
};

extern const struct v1_vector v1_vectors[];
extern const size_t v1_vector_count;

/* One more than a datagram may have, for the one that is too long. */
#define V1_VECTOR_MAX (V1_DATAGRAM_MAX + 1)

/* Ends the program if there is none of that name: a test's own mistake. */
const struct v1_vector *v1_vector_find(const char *name);

/* The vector's octets; returns their number. Ends the program if the hex is not as said above. */
size_t v1_vector_bytes(const struct v1_vector *vector, uint8_t bytes[static V1_VECTOR_MAX]);

#endif
