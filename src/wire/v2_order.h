/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_ORDER_H
#define WIRE_V2_ORDER_H

/*
 * One lane at the receiver: events in the order of their sequences, each once, in a window whose
 * size bounds memory. base <= taken <= next: below `base` all is processed, below `taken` handed
 * out, below `next` here or known to be lost. In the unacknowledged lane nothing is waited for: what
 * comes late is refused, and a gap becomes an item of its own when what follows it comes.
 */

#include "wire/v2.h"

/* A place in the order: an event, or a range that holds none. */
struct v2_item {
	uint64_t sequence;
	uint64_t count;
	uint16_t schema;
	uint8_t cause; /* V2_CAUSE_NONE: an event */
	bool present;
};

struct v2_order {
	struct v2_item *items; /* a ring, by place: the sequence, or a count where none waits */
	uint8_t *records;
	uint64_t window; /* items, a power of two */
	uint16_t record_max;
	bool waits; /* for what is missing; false: the unacknowledged lane */
	uint64_t base, taken, next;
	uint64_t base_place, taken_place, next_place; /* of the unacknowledged lane */
	/* Counters, of events. */
	uint64_t events;     /* received, each once */
	uint64_t duplicates; /* received again; in the unacknowledged lane, also too late */
	uint64_t shed, lost; /* in declared ranges; in gaps */
	uint64_t no_room;    /* of the unacknowledged lane: the window was full */
};

struct v2_taken {
	uint64_t sequence;
	uint64_t count;      /* 1, or the length of a range without events */
	enum v2_cause cause; /* V2_CAUSE_NONE: an event */
	uint16_t schema;
	const uint8_t *record; /* valid until committed */
};

/* `window` is rounded up to a power of two. 0, -EINVAL or -ENOMEM. */
int v2_order_init(
	struct v2_order *order, size_t window, uint16_t record_max, bool waits) _must_check_;
void v2_order_done(struct v2_order *order);
/* Empty; everything below `base` is processed. */
void v2_order_begin(struct v2_order *order, uint64_t base);

/* The sender may send sequences below. */
uint64_t v2_order_limit(const struct v2_order *order);
/* True if a frame lies within the limit, or the lane is one without. */
bool v2_order_admits(const struct v2_order *order, const struct v2_frame *frame);
/* Stores what is new in an EVENTS or SHED frame that it admits. */
void v2_order_put(struct v2_order *order, const struct v2_frame *frame);

bool v2_order_take(struct v2_order *order, struct v2_taken *ret_taken);
void v2_order_abandon(struct v2_order *order);
/* `before` is at most `taken`. */
void v2_order_commit(struct v2_order *order, uint64_t before);

#endif
