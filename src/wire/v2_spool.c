// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_spool.h"

#include <errno.h>
#include <stdlib.h>

int v2_spool_init(struct v2_spool *spool, size_t capacity, uint16_t record_max)
{
	struct v2_spool made = {.capacity = 2, .record_max = record_max};

	if (record_max == 0 || record_max > V2_RECORD_MAX || capacity > SIZE_MAX / 1024)
		return -EINVAL;
	while (made.capacity < capacity)
		made.capacity *= 2;
	made.slots = calloc(made.capacity, sizeof(*made.slots));
	made.records = calloc(made.capacity, record_max);
	if (!made.slots || !made.records) {
		v2_spool_done(&made);
		return -ENOMEM;
	}
	*spool = made;
	return 0;
}

void v2_spool_done(struct v2_spool *spool)
{
	free(spool->slots);
	free(spool->records);
	*spool = (struct v2_spool){0};
}

void v2_spool_reset(struct v2_spool *spool)
{
	*spool = (struct v2_spool){
		.slots = spool->slots,
		.records = spool->records,
		.capacity = spool->capacity,
		.record_max = spool->record_max,
		.shed_total = spool->shed_total,
	};
}

static uint64_t room(const struct v2_spool *spool)
{
	return spool->capacity - (spool->tail - spool->head);
}

static void append(struct v2_spool *spool, const struct v2_slot *slot)
{
	*v2_spool_slot(spool, spool->tail) = *slot;
	spool->tail++;
}

void v2_spool_settle(struct v2_spool *spool)
{
	if (spool->shed_count == 0 || room(spool) == 0)
		return;
	append(spool, &(struct v2_slot){
			      .sequence = spool->shed_sequence,
			      .count = spool->shed_count,
			      .cause = V2_CAUSE_SPOOL_FULL,
		      });
	spool->shed_count = 0;
}

static void shed(struct v2_spool *spool)
{
	if (spool->shed_count == 0)
		spool->shed_sequence = spool->next_sequence;
	spool->shed_count++;
	spool->shed_total++;
	spool->next_sequence++;
}

bool v2_spool_push(struct v2_spool *spool, uint16_t schema, const void *record, uint16_t size)
{
	/* A range that waits comes before this event, and they take a slot each. */
	if (room(spool) < (spool->shed_count > 0 ? 2 : 1) || size > spool->record_max) {
		shed(spool);
		return false;
	}
	v2_spool_settle(spool);
	memcpy(v2_spool_record(spool, spool->tail), record, size);
	append(spool, &(struct v2_slot){
			      .sequence = spool->next_sequence++,
			      .count = 1,
			      .schema = schema,
		      });
	return true;
}

uint64_t v2_spool_next(struct v2_spool *spool)
{
	if (spool->lost_count == 0)
		return spool->unsent;
	while (v2_spool_slot(spool, spool->lost_from)->state != V2_SLOT_WAITING)
		spool->lost_from++;
	return spool->lost_from;
}

void v2_spool_sent(struct v2_spool *spool, uint64_t index, uint64_t packet)
{
	struct v2_slot *slot = v2_spool_slot(spool, index);

	slot->state = V2_SLOT_FLYING;
	slot->packet = packet;
	spool->sent_end = MAX(spool->sent_end, slot->sequence + slot->count);
	if (index == spool->unsent)
		spool->unsent++;
	else
		spool->lost_count--;
}

void v2_spool_forget_sent(struct v2_spool *spool)
{
	spool->head = spool->unsent;
	spool->lost_from = spool->head;
}

static bool was_sent(const struct v2_spool *spool, uint64_t index)
{
	return index >= spool->head && index < spool->unsent;
}

void v2_spool_received(struct v2_spool *spool, uint64_t index)
{
	struct v2_slot *slot = v2_spool_slot(spool, index);

	if (!was_sent(spool, index))
		return;
	if (slot->state == V2_SLOT_WAITING)
		spool->lost_count--;
	slot->state = V2_SLOT_RECEIVED;
}

void v2_spool_lost(struct v2_spool *spool, uint64_t index, uint64_t packet)
{
	struct v2_slot *slot = v2_spool_slot(spool, index);

	if (!was_sent(spool, index) || slot->state != V2_SLOT_FLYING || slot->packet != packet)
		return;
	slot->state = V2_SLOT_WAITING;
	spool->lost_from = spool->lost_count == 0 ? index : MIN(spool->lost_from, index);
	spool->lost_count++;
}

void v2_spool_processed(struct v2_spool *spool, uint64_t before)
{
	while (spool->head < spool->tail) {
		const struct v2_slot *slot = v2_spool_slot(spool, spool->head);

		if (slot->sequence + slot->count > before)
			break;
		if (spool->head == spool->unsent)
			spool->unsent++;
		else if (slot->state == V2_SLOT_WAITING)
			spool->lost_count--;
		spool->head++;
	}
	spool->lost_from = MAX(spool->lost_from, spool->head);
	spool->processed = MAX(spool->processed, before);
}

void v2_spool_rewind(struct v2_spool *spool)
{
	for (uint64_t i = spool->head; i < spool->unsent; i++)
		v2_spool_slot(spool, i)->state = V2_SLOT_WAITING;
	spool->unsent = spool->head;
	spool->lost_from = spool->head;
	spool->lost_count = 0;
}

bool v2_spool_empty(const struct v2_spool *spool)
{
	return spool->head == spool->tail && spool->shed_count == 0;
}
