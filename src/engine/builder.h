/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_BUILDER_H
#define ENGINE_BUILDER_H

/*
 * Gathers what several batches of one function led to into one result. While a result is being
 * committed, the batches that finish meanwhile gather in the next; so the results of a function are
 * committed one after the other, and if one is refused nothing that builds on it was made durable.
 */

#include "base/siphash.h"
#include "engine/engine.h"
#include "engine/queue.h"

struct builder;

struct builder_source {
	struct function *function;
	const char *name;          /* borrowed; must outlive the builder */
	struct siphash_key secret; /* of the table of state changes */
};

/* 0 or -ENOMEM. */
int builder_new(const struct builder_source *source, struct builder **ret_builder) _must_check_;
void builder_free(struct builder *builder);
DEFINE_CLEANUP(struct builder, builder_free)

/* What a worker said of a batch: a RESULT frame, taken apart. */
struct verdict {
	size_t done;         /* events from the batch's front */
	bool failed;         /* the event after them failed ... */
	const char *message; /* ... and why; borrowed from the frame */
};

/*
 * Reads a RESULT frame for the `batch` events from queue->decided on and appends what it says of the
 * events that are done. Returns 0; -EBADMSG: not a valid one; -ENOMEM. On failure nothing is changed.
 */
int builder_add_result(struct builder *builder, const struct queue *queue, size_t batch,
	const uint8_t *payload, size_t size, struct verdict *ret_verdict) _must_check_;

/* Appends the event at queue->decided as a dead letter. 0 or -ENOMEM, then nothing is changed. */
int builder_add_dead_letter(struct builder *builder, const struct queue *queue,
	unsigned int attempts, const char *reason) _must_check_;

/* Rough size of what is held, to bound it. */
size_t builder_bytes(const struct builder *builder);

/* Somebody waits for what is in it: an alert, or a dead letter. */
bool builder_is_urgent(const struct builder *builder);

/* Complete until the next addition. */
struct result *builder_result(struct builder *builder);

#endif
