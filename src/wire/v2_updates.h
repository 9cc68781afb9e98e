/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_UPDATES_H
#define WIRE_V2_UPDATES_H

/*
 * The unacknowledged lane at the receiver. Nothing is waited for and nothing is kept: updates are
 * handed out where they lie in the datagram that was received last. What comes late is dropped, and a
 * gap in the sequences is a lost range. base <= taken: below `base` the caller has committed, below
 * `taken` all was handed out.
 */

#include "wire/v2_order.h"

struct v2_updates {
	uint64_t base, taken;
	struct cursor frames; /* of the datagram, what was not yet looked at */
	/* Counters, of updates. */
	uint64_t events; /* handed out */
	uint64_t late;   /* dropped: they came twice, or after later ones */
	uint64_t shed;   /* in ranges that the sender declared */
	uint64_t lost;   /* in gaps */
};

void v2_updates_begin(struct v2_updates *updates, uint64_t base);
/* The frames of another datagram, which were checked. */
void v2_updates_offer(struct v2_updates *updates, const uint8_t *text, size_t size);
/* The next run, or the gap before it. False: that was all of the datagram. */
bool v2_updates_take(
	struct v2_updates *updates, const struct v2_schemas *schemas, struct v2_taken *ret_taken);
/* `before` is at most `taken`. */
void v2_updates_commit(struct v2_updates *updates, uint64_t before);

#endif
