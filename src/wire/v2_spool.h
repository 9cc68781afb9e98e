/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_SPOOL_H
#define WIRE_V2_SPOOL_H

/*
 * What one lane of a sender holds: every event that was accepted and is not yet processed, and the
 * ranges that were shed, in the order of their sequences. Bounded: where there is no room the newest
 * event is shed, keeps its sequence, and is declared as part of a range; the range takes a slot when
 * one is free. Lanes have memory of their own, so a flood of updates sheds no threshold event.
 *
 * Slots have indexes that ascend for ever; [head, unsent) were sent, [unsent, tail) were not. Of those
 * that were sent a slot is *flying* (nothing was heard), *received* (acknowledged, and kept for the
 * server's next life), or *lost*: it waits to be sent again. Everything is done by runs of slots.
 */

#include "wire/v2_bits.h"
#include "wire/v2_places.h"

struct v2_spool {
	struct v2_places places; /* by slot */
	struct v2_bits lost;     /* of [head, unsent) */
	struct v2_bits received;
	struct v2_bits ranges; /* of [head, tail): slots that hold a range */
	uint64_t *sequences;   /* of the first slot of each 64, from index 0 on */
	uint64_t head, unsent, tail;
	uint64_t head_sequence, unsent_sequence; /* of these slots */
	uint64_t lost_from;                      /* none below is lost */
	uint64_t lost_count;                     /* slots */
	uint64_t next_sequence;                  /* of the next event */
	uint64_t sent_end;                       /* what was ever sent lies below */
	uint64_t processed;                      /* what the server called processed lies below */
	uint64_t shed_sequence, shed_count;      /* a range that waits for a slot */
	uint64_t shed_total;                     /* events; a counter */
};

/* Neighbouring slots that may leave in one frame. */
struct v2_run {
	uint64_t first, count; /* slots; 0: none */
	uint64_t sequence;     /* of the first */
	uint8_t schema;        /* V2_KIND_RANGE: one range */
	struct v2_span span;   /* of a range */
};

/* `capacity` is rounded up to a power of two. 0, -ENOMEM or -EINVAL. */
int v2_spool_init(struct v2_spool *spool, size_t capacity, uint16_t record_max) _must_check_;
void v2_spool_done(struct v2_spool *spool);
/* Empty, and sequences begin at 0: another incarnation. */
void v2_spool_reset(struct v2_spool *spool);
/*
 * Empty, and sequences begin at `first`: an incarnation that goes on. What it sent before lies below
 * `sent_end`, and is pushed again in the same order; what the server calls processed meanwhile takes
 * no room when it comes.
 */
void v2_spool_resume(struct v2_spool *spool, uint64_t first, uint64_t sent_end);

/* So many events are taken now, none of them shed. */
uint64_t v2_spool_room(const struct v2_spool *spool);
/*
 * Takes events of one schema, which get the next sequences; their records lie one behind the other.
 * Returns how many it took: the others were shed, and will be declared.
 */
uint64_t v2_spool_push(
	struct v2_spool *spool, uint8_t schema, const void *records, uint16_t size, uint64_t count);
/*
 * Events that were given up before they came here, and are to be declared in their place. Where there
 * is room they are a range of their own: one that comes again after a kill is the one that was sent.
 */
void v2_spool_shed(struct v2_spool *spool, uint64_t count);
/* Gives a range that waits its slot, if one is free. */
void v2_spool_settle(struct v2_spool *spool);

/* The sequence of a slot in [head, tail]. */
uint64_t v2_spool_sequence(const struct v2_spool *spool, uint64_t index);

/*
 * What is to be sent next, lost slots first: a run of at most `max` slots (1 or more) whose sequences
 * lie below `limit`. False: nothing is.
 */
bool v2_spool_next(struct v2_spool *spool, uint64_t limit, uint64_t max, struct v2_run *ret_run);
/* The run, or its beginning, is in a packet now. */
void v2_spool_sent(struct v2_spool *spool, const struct v2_run *run);
/* Forgets everything before `unsent`: what an unacknowledged lane does after sending. */
void v2_spool_forget_sent(struct v2_spool *spool);
/* The packet that carried these slots was acknowledged. */
void v2_spool_received(struct v2_spool *spool, uint64_t first, uint64_t count);
/* It is lost, and was the last that carried them: those that were not received wait again. */
void v2_spool_lost(struct v2_spool *spool, uint64_t first, uint64_t count);
/* Frees what lies below the sequence, which may not be pushed yet. A range is freed when its end is. */
void v2_spool_processed(struct v2_spool *spool, uint64_t before);
/* Nothing was sent: a new session. */
void v2_spool_rewind(struct v2_spool *spool);

/* True if all was sent and processed. */
bool v2_spool_empty(const struct v2_spool *spool);

#endif
