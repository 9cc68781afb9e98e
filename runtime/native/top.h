/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_TOP_H
#define NATIVE_TOP_H

/*
 * The values with the largest sums: Space-Saving (Metwally et al. 2005), one for each part of a window,
 * or a single one without. A part has a fixed number of slots; a value that finds none free takes that
 * of the smallest sum, and that sum is what its own may be too large by. So no sum is too large by more
 * than the part's total / slots, and that adds up over the parts to the window's total / slots.
 *
 * The struct itself is small: whoever changes it has a copy of what it was. What it points at undoes its own
 * changes.
 */

#include "parts.h"

#define TOP_MAX 50 /* values that can be asked for */

struct top {
	double length;  /* 0: there is no window, and one part */
	int64_t newest; /* a bucket's number */
	uint32_t k;
	uint32_t slots; /* of a part */
	struct parts *parts;
};

struct top_sum {
	const struct text *value;
	double sum, error; /* the true sum lies between sum - error and sum */
};

/* `k`: 1 to TOP_MAX. 0 or -ENOMEM. */
int top_init(struct top *top, double length, unsigned int k) _must_check_;
void top_done(struct top *top);

/* `amount`: 0 or more. 1: that changed something; 0: not; -ENOMEM. */
int top_add(struct top *top, double now, const struct text *value, double amount,
	struct undo_log *undo) _must_check_;

/* The sum of one value, at most. */
double top_sum(const struct top *top, double now, const struct text *value);

/* The largest, at most `k`; their texts live until the next change. Returns how many. */
int top_value(const struct top *top, double now, struct top_sum ret_sums[static TOP_MAX]);

/* Roughly, bytes of its text. */
size_t top_size(const struct top *top);
void top_put(const struct top *top, struct pipe_buffer *to);
/* 0, -EBADMSG or -ENOMEM; then it is to be released all the same. */
int top_read(struct top *top, json_t *json) _must_check_;

static inline bool top_expired(const struct top *top, double now)
{
	return top->length > 0 && bucket_of(now, top->length) > top->newest + 2 * BUCKETS;
}

#endif
