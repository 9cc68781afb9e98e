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
#include "engine/event_list.h"
#include "engine/result_frame.h"
#include "event/key.h"

struct builder;

struct builder_source {
	struct function *function;
	const char *name;          /* borrowed; must outlive the builder */
	struct siphash_key secret; /* of the table of state changes */
};

/* 0 or -ENOMEM. */
int builder_new(const struct builder_source *source, struct builder **ret_builder) _must_check_;
/* The events that are in it must have been taken out. */
void builder_free(struct builder *builder);
DEFINE_CLEANUP(struct builder, builder_free)

/*
 * Adds the alerts and changes of a frame that covers `events` and those behind them. Changes are taken
 * of `partitions` only (bit p). Returns 0; -EBADMSG: an alert is not a valid one; -ENOMEM. On failure
 * nothing is changed.
 */
int builder_add_result(struct builder *builder, const struct result_frame *frame,
	uint16_t partitions, const struct event *events) _must_check_;

/* Takes events that are done, and whose changes are in it; `counts`: how many of each partition. */
void builder_add_events(struct builder *builder, struct event_list *events,
	const uint32_t counts[static PARTITIONS]);

/* Takes an event as a dead letter. 0 or -ENOMEM, then nothing is changed. */
int builder_add_dead_letter(
	struct builder *builder, struct event *event, const char *reason) _must_check_;

/* Somebody waits for an event that was added. */
void builder_set_urgent(struct builder *builder);

/* Rough size of what is held, to bound it. */
size_t builder_bytes(const struct builder *builder);

/* Somebody waits for what is in it: an alert, a dead letter, or a reply. */
bool builder_is_urgent(const struct builder *builder);

/* Complete until the next addition. */
struct result *builder_result(struct builder *builder);

/* How many of its events are of each partition. */
const uint32_t *builder_counts(const struct builder *builder);

/* Takes the events out, in the order in which they were added. */
void builder_take_events(struct builder *builder, struct event_list *to);

#endif
