/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_WIRE_V2_VECTORS_H
#define TESTS_UNIT_WIRE_V2_VECTORS_H

/*
 * The packets and control messages of docs/protocol-2.md 12, as annotated hex in the form of
 * v1_vectors.h, for the tests and for the fuzzers' corpus. A packet is shown before it is sealed:
 * header and frames, without the tag.
 */

#include "tests/unit/wire/v1_vectors.h"
#include "wire/v2_control.h"

enum v2_vector_kind {
	V2_VECTOR_TO_SERVER,
	V2_VECTOR_TO_AGENT,
	V2_VECTOR_CONTROL,
};

struct v2_vector {
	const char *name;
	enum v2_vector_kind kind;
	enum v2_error error; /* what reading it says */
	const char *hex;
};

extern const struct v2_vector v2_vectors[];
extern const size_t v2_vector_count;

/* The session's schemas: 0 has records of 4 octets, 1 of 8. */
extern const struct v2_schemas v2_vector_schemas;

static inline size_t v2_vector_bytes(
	const struct v2_vector *vector, uint8_t bytes[static V1_VECTOR_MAX])
{
	struct v1_vector hex = {.name = vector->name, .hex = vector->hex};

	return v1_vector_bytes(&hex, bytes);
}

#endif
