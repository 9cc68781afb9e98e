/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_WIRE_PING_H
#define TESTS_UNIT_WIRE_PING_H

/* A sealed PING of session 7, to try keys with. */

#include "tests/unit/test.h"
#include "wire/v2.h"
#include "wire/v2_seal.h"

#define PING_TEXT   4
#define PING_SEALED (PING_TEXT + V2_TAG_BYTES)
#define PING_BYTES  (V2_HEADER_BYTES + PING_SEALED)

/* Header, text, tag. */
static inline void make_ping(
	const struct v2_seal *seal, uint64_t packet, uint8_t bytes[static PING_BYTES])
{
	struct v2_header header = {
		.phase = seal->phase(seal->user, packet), .session = 7, .packet = packet};
	struct cursor c;

	cursor_write_init(&c, bytes, V2_HEADER_BYTES + PING_TEXT);
	v2_put_header(&c, &header);
	v2_put_ping(&c, 0);
	assert_int_equal(
		seal->seal(seal->user, packet, bytes, bytes + V2_HEADER_BYTES, PING_TEXT), 0);
}

/* 0, or why it does not open. */
static inline int open_ping(const struct v2_seal *seal, uint8_t bytes[static PING_BYTES])
{
	struct v2_header header;

	if (v2_get_header(bytes, PING_BYTES, &header) != V2_OK)
		return -1;
	return seal->open(
		seal->user, header.phase, header.packet, bytes, bytes + V2_HEADER_BYTES, PING_TEXT);
}

#endif
