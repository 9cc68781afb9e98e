// SPDX-License-Identifier: BSD-2-Clause
#include "engine/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int queue_init(struct queue *queue, size_t capacity)
{
	struct queue_slot *slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	*queue = (struct queue){.slots = slots, .capacity = capacity};
	return 0;
}

void queue_done(struct queue *queue)
{
	free(queue->slots);
	*queue = (struct queue){0};
}

int queue_push(struct queue *queue, const struct event_ref *event, size_t record_size)
{
	struct queue_slot *slot = &queue->slots[queue->pushed % queue->capacity];

	if (queue_count(queue) == queue->capacity)
		return -ENOBUFS;
	memcpy(slot->record, event->record, record_size);
	slot->event = *event;
	slot->event.record = slot->record;
	queue->pushed++;
	return 0;
}

const struct event_ref *queue_at(const struct queue *queue, uint64_t position)
{
	return &queue->slots[position % queue->capacity].event;
}

size_t queue_waiting(const struct queue *queue)
{
	return (size_t)(queue->pushed - queue->sent);
}

size_t queue_count(const struct queue *queue)
{
	return (size_t)(queue->pushed - queue->committed);
}

void queue_commit(struct queue *queue, size_t count)
{
	queue->committed += count;
	/* Slots that were used lately are in the cache, and no more memory than needed is touched. */
	if (queue->committed == queue->pushed)
		queue->committed = queue->decided = queue->sent = queue->pushed = 0;
}

void queue_rewind_sent(struct queue *queue)
{
	queue->sent = queue->decided;
}

void queue_rewind_decided(struct queue *queue)
{
	queue->decided = queue->committed;
	queue->sent = queue->committed;
}
