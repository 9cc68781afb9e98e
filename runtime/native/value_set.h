/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_VALUE_SET_H
#define NATIVE_VALUE_SET_H

/*
 * Values, each with the bucket that it was last seen in. A value that is out of the window stays until
 * value_set_tidy(), with that bucket; so undoing is setting buckets back.
 */

#include "undo.h"
#include "window.h"

struct seen_value {
	struct text text;
	int64_t bucket; /* BUCKET_NONE: it is out */
};

struct value_set {
	struct seen_value *values;
	uint32_t *slots; /* by hash; a value's index + 1; 0: free */
	uint32_t count, capacity;
	uint32_t mask; /* of slots, twice as many as there is room for values */
};

/* NULL: no memory. */
struct value_set *value_set_new(void);
void value_set_free(void *set);
DEFINE_CLEANUP(struct value_set, value_set_free)

/* NULL: it was never seen. */
struct seen_value *value_set_find(const struct value_set *set, const struct text *text);

/* Adds one that was never seen. Not undone: it is out. NULL: no memory. */
struct seen_value *value_set_append(struct value_set *set, const struct text *text);

/* Sets a value's bucket. False: no memory, and nothing is changed. */
bool value_set_note(
	struct value_set *set, struct seen_value *value, int64_t bucket, struct undo_log *undo);

/* Forgets what was last seen before a bucket. Nothing must be left to undo. */
void value_set_tidy(struct value_set *set, int64_t oldest);

#endif
