/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_FRAMER_H
#define WIRE_V2_FRAMER_H

/*
 * Cuts the bytes of a control channel, in whatever pieces they come, into messages (v2_control.h). It
 * holds one message at most, so whoever does not take messages stops the peer:
 *
 *   while ((room = v2_framer_room(f, &at)) > 0) read up to `room` bytes to `at`, and
 *           v2_framer_add(f, n)
 *   while (v2_framer_next(f, &message, &size) == V2_OK && size > 0) act on the message
 *
 * After an error the channel is of no use: what follows cannot be told from garbage.
 */

#include "wire/v2_control.h"

struct v2_framer {
	uint8_t bytes[V2_CONTROL_MAX];
	size_t have;   /* bytes that came and were not dropped */
	size_t handed; /* of these, the message that v2_framer_next() gave last */
};

/* Where to put what comes next, and how much fits. Never 0 when v2_framer_next() has no message. */
size_t v2_framer_room(struct v2_framer *framer, uint8_t **ret_at);
/* `size` bytes were put there; at most the room. */
void v2_framer_add(struct v2_framer *framer, size_t size);

/*
 * The next whole message, header included, which stays until the next call of any function here;
 * `*ret_size` is 0 while there is none. V2_BAD_CONTROL: it is longer than any message may be.
 */
enum v2_error v2_framer_next(
	struct v2_framer *framer, const uint8_t **ret_message, size_t *ret_size) _must_check_;

#endif
