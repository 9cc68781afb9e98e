/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

/*
 * A function's events, oldest first, from push to commit. Four positions divide them:
 *
 *   committed <= decided <= sent <= pushed
 *   [ in a result, not yet durable | with the worker | waiting )
 *
 * Positions only count up (but for a rewind), slots are reused; an event's record stays in place until
 * it is committed. Memory is claimed as it is first used: an empty queue begins again at its first slot.
 */

#include "base/attr.h"
#include "engine/engine.h"

struct queue_slot {
	struct event_ref event;
	_Alignas(8) uint8_t record[EVENT_RECORD_MAX];
};

struct queue {
	struct queue_slot *slots;
	size_t capacity; /* events */
	uint64_t committed, decided, sent, pushed;
};

/* 0 or -ENOMEM. */
int queue_init(struct queue *queue, size_t capacity) _must_check_;
void queue_done(struct queue *queue);

/* Copies the event and its record. 0 or -ENOBUFS. */
int queue_push(struct queue *queue, const struct event_ref *event, size_t record_size) _must_check_;

/* The event at a position in [committed, pushed). */
const struct event_ref *queue_at(const struct queue *queue, uint64_t position);

/* Events that wait to be sent; events that are not committed. */
size_t queue_waiting(const struct queue *queue);
size_t queue_count(const struct queue *queue);

/* The oldest `count` events are durable; their slots are free. */
void queue_commit(struct queue *queue, size_t count);

/* What was sent but not decided waits again. */
void queue_rewind_sent(struct queue *queue);
/* What was decided but not committed waits again, too. */
void queue_rewind_decided(struct queue *queue);

#endif
