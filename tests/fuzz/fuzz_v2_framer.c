// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes of a control channel, in any pieces: the same messages come out as in one piece. The first
 * byte says how large the pieces are.
 */
#include "wire/v2_framer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* What the messages are, read without a framer. False: one is too long. */
static bool expect(const uint8_t **at, const uint8_t *end, size_t *ret_size)
{
	size_t left = (size_t)(end - *at), size;

	*ret_size = 0;
	if (left < V2_CONTROL_HEADER_BYTES)
		return true;
	size = V2_CONTROL_HEADER_BYTES + (size_t)((*at)[2] << 8 | (*at)[3]);
	if (size > V2_CONTROL_MAX)
		return false;
	if (size <= left)
		*ret_size = size;
	return true;
}

/* Takes all messages that are there. False: the end of the channel. */
static bool take(struct v2_framer *framer, const uint8_t **expected, const uint8_t *end)
{
	for (;;) {
		const uint8_t *message;
		size_t size, expected_size;
		bool good = expect(expected, end, &expected_size);

		if (v2_framer_next(framer, &message, &size) != V2_OK) {
			REQUIRE(!good);
			return false;
		}
		if (size == 0)
			return true;
		REQUIRE(good && size == expected_size && memcmp(message, *expected, size) == 0);
		*expected += size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const uint8_t *end = bytes + size, *at = bytes + 1, *expected = at;
	struct v2_framer framer = {0};
	size_t expected_size;

	if (size == 0)
		return 0;
	while (at < end) {
		size_t piece = MIN((size_t)bytes[0] + 1, (size_t)(end - at));
		uint8_t *to;

		piece = MIN(piece, v2_framer_room(&framer, &to));
		REQUIRE(piece > 0);
		memcpy(to, at, piece);
		v2_framer_add(&framer, piece);
		at += piece;
		if (!take(&framer, &expected, end))
			return 0;
	}
	REQUIRE(expect(&expected, end, &expected_size) && expected_size == 0);
	return 0;
}
