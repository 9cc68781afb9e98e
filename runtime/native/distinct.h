/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_DISTINCT_H
#define NATIVE_DISTINCT_H

/*
 * The distinct values of a window, as window.h has it. Up to `cap` values are remembered as they are, so
 * that the count is exact, and nobody who chooses values can make it smaller; more of them are counted by a
 * sketch as well. The count is the larger of the two.
 *
 * The struct itself is small: whoever changes it has a copy of what it was. What it points at undoes its own
 * changes.
 */

#include "sketch.h"

#define DISTINCT_CAP     256  /* unless the function asks for another ... */
#define DISTINCT_CAP_MAX 4096 /* ... up to this */

struct value_set;

struct distinct {
	double length;
	int64_t newest;
	uint32_t cap;
	uint32_t live; /* values in the window: the sum of ... */
	uint16_t by_age[BUCKETS];
	struct value_set *seen;
	struct sketch *sketch; /* since there were more than `cap` */
};

/* 0 or -ENOMEM. */
int distinct_init(struct distinct *distinct, double length, unsigned int cap) _must_check_;
void distinct_done(struct distinct *distinct);

/* Before a first change in an event: gives back memory of values that are out of the window. */
void distinct_tidy(struct distinct *distinct);

/* 1: that changed something; 0: not; -ENOMEM. */
int distinct_add(struct distinct *distinct, double now, const struct text *value,
	struct undo_log *undo) _must_check_;
double distinct_value(const struct distinct *distinct, double now);

/* Roughly, bytes of its text. */
size_t distinct_size(const struct distinct *distinct);
void distinct_put(const struct distinct *distinct, struct pipe_buffer *to);
/* 0, -EBADMSG or -ENOMEM; then it is to be released all the same. */
int distinct_read(struct distinct *distinct, json_t *json) _must_check_;

static inline bool distinct_expired(const struct distinct *distinct, double now)
{
	return bucket_of(now, distinct->length) > distinct->newest + 2 * BUCKETS;
}

#endif
