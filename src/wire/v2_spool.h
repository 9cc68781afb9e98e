/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_SPOOL_H
#define WIRE_V2_SPOOL_H

/*
 * What one lane of a sender holds: every event that was accepted and is not yet processed, and the
 * ranges that were shed, in the order of their sequences. Bounded: where there is no room the newest
 * event is shed, keeps its sequence, and is declared as part of a range; the range takes a slot when
 * one is free. Lanes have memory of their own, so a flood of updates sheds no threshold event.
 *
 * Slots have indexes that ascend for ever; [head, unsent) were sent, [unsent, tail) were not.
 */

#include "wire/v2.h"

enum v2_slot_state {
	V2_SLOT_WAITING,  /* to be sent, for the first time or again */
	V2_SLOT_FLYING,   /* sent, nothing heard */
	V2_SLOT_RECEIVED, /* acknowledged, not yet processed: kept for the server's next life */
};

struct v2_slot {
	uint64_t sequence;
	uint64_t count;  /* 1, or the length of a shed range */
	uint64_t packet; /* that carried it last */
	uint16_t schema;
	uint8_t cause; /* enum v2_cause; V2_CAUSE_NONE for an event */
	uint8_t state;
};

struct v2_spool {
	struct v2_slot *slots;
	uint8_t *records;
	uint64_t capacity; /* slots, a power of two */
	uint16_t record_max;
	uint64_t head, unsent, tail;        /* slots */
	uint64_t lost_from;                 /* in [head, unsent) none below this is waiting */
	uint64_t lost_count;                /* slots in [head, unsent) that are waiting */
	uint64_t next_sequence;             /* of the next event */
	uint64_t sent_end;                  /* what was ever sent lies below */
	uint64_t processed;                 /* what the server called processed lies below */
	uint64_t shed_sequence, shed_count; /* a range that waits for a slot */
	uint64_t shed_total;                /* events; a counter */
};

/* `capacity` is rounded up to a power of two, at least 2. 0, -ENOMEM or -EINVAL. */
int v2_spool_init(struct v2_spool *spool, size_t capacity, uint16_t record_max) _must_check_;
void v2_spool_done(struct v2_spool *spool);
/* Empty, and sequences begin at 0: another incarnation. */
void v2_spool_reset(struct v2_spool *spool);

/* Takes an event, which gets the next sequence. False: it was shed, and will be declared. */
bool v2_spool_push(struct v2_spool *spool, uint16_t schema, const void *record, uint16_t size);
/* Gives a range that waits its slot, if one is free. */
void v2_spool_settle(struct v2_spool *spool);

static inline struct v2_slot *v2_spool_slot(const struct v2_spool *spool, uint64_t index)
{
	return &spool->slots[index & (spool->capacity - 1)];
}

static inline uint8_t *v2_spool_record(const struct v2_spool *spool, uint64_t index)
{
	return spool->records + (index & (spool->capacity - 1)) * spool->record_max;
}

/* The first slot that is to be sent, lost ones first; `tail` if there is none. */
uint64_t v2_spool_next(struct v2_spool *spool);
/* The slot is in a packet now. It is the one of v2_spool_next(), or a neighbour that waits. */
void v2_spool_sent(struct v2_spool *spool, uint64_t index, uint64_t packet);
/* Forgets everything before `unsent`: what an unacknowledged lane does after sending. */
void v2_spool_forget_sent(struct v2_spool *spool);
void v2_spool_received(struct v2_spool *spool, uint64_t index);
/* Packet `packet` is lost: a slot that no later packet carried waits again. */
void v2_spool_lost(struct v2_spool *spool, uint64_t index, uint64_t packet);
/* Frees what lies below the sequence. A range is freed when its end is. */
void v2_spool_processed(struct v2_spool *spool, uint64_t before);
/* Nothing was sent: a new session. */
void v2_spool_rewind(struct v2_spool *spool);

/* True if all was sent and processed. */
bool v2_spool_empty(const struct v2_spool *spool);

#endif
