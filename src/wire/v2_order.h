/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_ORDER_H
#define WIRE_V2_ORDER_H

/*
 * One acknowledged lane at the receiver: events in the order of their sequences, each once, in a
 * window whose size bounds memory. base <= taken <= next: below `base` all is processed, below
 * `taken` handed out, below `next` here. Everything is done by runs of events.
 */

#include "wire/v2_bits.h"
#include "wire/v2_places.h"

/* What is handed out: events of one schema that follow each other, or a range that holds none. */
struct v2_taken {
	uint64_t sequence; /* of the first */
	uint64_t count;
	enum v2_cause cause; /* V2_CAUSE_NONE: events */
	uint16_t schema;
	const uint8_t *records;
	size_t stride; /* bytes from one record to the next */
};

struct v2_order {
	struct v2_places places; /* by sequence */
	struct v2_bits present;  /* of [base, base + window): what is here */
	struct v2_bits ranges;   /* of these, first sequences of ranges */
	uint64_t base, taken, next;
	uint64_t end; /* nothing from here on is present */
	/* Counters, of events. */
	uint64_t events;     /* received, each once */
	uint64_t duplicates; /* received again */
	uint64_t shed;       /* in declared ranges */
};

/* `window` is rounded up to a power of two. 0, -EINVAL or -ENOMEM. */
int v2_order_init(struct v2_order *order, size_t window, uint16_t record_max) _must_check_;
void v2_order_done(struct v2_order *order);
/* Empty; everything below `base` is processed. */
void v2_order_begin(struct v2_order *order, uint64_t base);

/* The sender may send sequences below. */
uint64_t v2_order_limit(const struct v2_order *order);
/* True if an EVENTS or SHED frame lies within the limit. */
bool v2_order_admits(const struct v2_order *order, const struct v2_frame *frame);
/* Stores what is new in a frame that it admits. */
void v2_order_put(struct v2_order *order, const struct v2_frame *frame);

/*
 * The next run, of at most `max` events (1 or more). Its records are valid until they are committed.
 * False: there is none yet.
 */
bool v2_order_take(struct v2_order *order, uint64_t max, struct v2_taken *ret_taken);
/* What was taken and not committed will be taken again. */
void v2_order_abandon(struct v2_order *order);
/* `before` is at most `taken`. */
void v2_order_commit(struct v2_order *order, uint64_t before);

#endif
