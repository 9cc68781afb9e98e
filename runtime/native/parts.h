/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_PARTS_H
#define NATIVE_PARTS_H

/*
 * The parts of a window whose parts are large: a ring, where a bucket's part has its place by the bucket's
 * number. A part that has left the window stays until its place is needed, so that advancing costs
 * nothing, and can be undone by setting back the window's newest bucket.
 */

#include "undo.h"
#include "window.h"

struct parts {
	void *part[BUCKETS];
	int64_t bucket[BUCKETS]; /* whose part it is */
};

static inline size_t parts_place(int64_t bucket)
{
	return (size_t)((bucket % BUCKETS + BUCKETS) % BUCKETS);
}

/* NULL: nothing was seen in that bucket. */
static inline void *parts_get(const struct parts *parts, int64_t bucket)
{
	size_t place = parts_place(bucket);

	return parts->bucket[place] == bucket ? parts->part[place] : NULL;
}

/* Puts the part of a bucket in its place; what was there is released. NULL and -ENOMEM: nothing changed. */
int parts_put(struct parts *parts, int64_t bucket, void *part, void (*release)(void *),
	struct undo_log *undo) _must_check_;

void parts_done(struct parts *parts, void (*release)(void *));

#endif
