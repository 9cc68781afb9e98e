/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

/*
 * Acknowledged events between the collecting thread, which pushes, and the sending thread, which takes
 * them and says when they are processed: a ring of elements for each lane, without a lock, in memory that
 * may outlive the process. Who finds it goes on where the one before was, at whatever instruction that
 * was killed: each step is committed by one store.
 *
 *   head       an event, or a range, is in            (producer)
 *   shed_end   one is shed                            (producer)
 *   sent       what lies below may have been sent     (consumer; before it leaves)
 *   processed  what lies below is done with           (consumer)
 *
 * Each event has its sequence from the producer, whether there is room for it or not. Those that there
 * was none for are a *range* of sequences, which takes an element when there is room again, and has the
 * same ends for whoever reads it. An element stays until it is processed. Sequences ascend for ever; those on the wire begin at 0 with each
 * incarnation, whose *origin* is the journal's sequence of that. Consumers see the wire's.
 */

#include "base/attr.h"
#include "wire/v2.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An element's kind is the event's id, which are 1 and up; there may be so many. */
#define JOURNAL_RANGE 0
#define JOURNAL_KINDS 8

#define JOURNAL_CAPACITY_MAX (1U << 24)

struct journal;

struct journal_options {
	size_t capacity; /* elements of a lane; rounded up to a power of two */
	uint64_t layout; /* a fingerprint of the records */
	/*
	 * Whose events these are. An incarnation is gone on with by its owner alone; 0: by nobody, as
	 * the server does not recognise what is sent again.
	 */
	uint64_t owner;
	uint64_t boot; /* random, not 0: of an incarnation that begins */
};

/* What was found in memory that outlived an agent: events, by kind. */
struct journal_past {
	bool goes_on; /* with its incarnation */
	uint64_t waiting[JOURNAL_KINDS];
	/* May have been sent, and cannot be again; of what cannot be read, at most so many. */
	uint64_t lost[JOURNAL_KINDS];
};

/* The memory that it takes. */
size_t journal_bytes(size_t capacity);

/* In memory of its own, that does not outlive the process. 0, -EINVAL or -ENOMEM. */
int journal_new(const struct journal_options *options, struct journal **ret_journal) _must_check_;
/*
 * In memory that is zero, which is borrowed and must lie at a page's beginning. Its contents hold together
 * from the end of the call on. 0, -EINVAL or -ENOMEM.
 */
int journal_create(void *memory, size_t bytes, const struct journal_options *options,
	struct journal **ret_journal) _must_check_;
/*
 * In memory that another one left: foreign input. Keeps its capacity. 0, -ENOMEM, or what is wrong with
 * it, and `ret_past` says what is lost: -EBADMSG: it is no journal, or does not hold together; -EPROTO:
 * of another version; -ESTALE: of other records.
 */
int journal_open(void *memory, size_t bytes, const struct journal_options *options,
	struct journal **ret_journal, struct journal_past *ret_past) _must_check_;
/* Copies what waits, and where it is, into memory of another capacity. 0, or -ENOSPC: it is too small. */
int journal_move(
	const struct journal *journal, void *memory, size_t bytes, size_t capacity) _must_check_;
/* Not the memory that was borrowed. */
void journal_free(struct journal *journal);
DEFINE_CLEANUP(struct journal, journal_free)

size_t journal_capacity(const struct journal *journal);
/* Of this memory, whoever has it: random, not 0. */
uint64_t journal_identity(const struct journal *journal);

/* ---- producer ---- */

/* False: it is shed, since the lane is full. */
bool journal_push(struct journal *journal, enum v2_lane_id lane, uint32_t kind, const void *record);
bool journal_has_room(const struct journal *journal, enum v2_lane_id lane);
/* Lets what was shed be known, as far as there is room. True if there is nothing more of it. */
bool journal_settle(struct journal *journal);
/* The journal's sequence of the next event: moves on by one with each journal_push(). */
uint64_t journal_next_sequence(const struct journal *journal, enum v2_lane_id lane);

/* ---- consumer; sequences are the incarnation's ---- */

uint64_t journal_boot(const struct journal *journal);
/* What is processed, and what may have been sent, lie below. */
uint64_t journal_processed(const struct journal *journal, enum v2_lane_id lane);
uint64_t journal_sent(const struct journal *journal, enum v2_lane_id lane);

struct journal_run {
	uint32_t kind;
	uint64_t count;      /* events, or sequences of a range */
	const void *records; /* one behind the other */
};

/* What comes next: up to `max` events of one kind, 1 or more, or a range. False: all was taken. */
bool journal_peek(const struct journal *journal, enum v2_lane_id lane, uint64_t max,
	struct journal_run *ret_run);
/* So many of the run, which is all of it if it is a range. They stay until they are processed. */
void journal_take(struct journal *journal, enum v2_lane_id lane, uint64_t count);
/* What was taken lies below. */
uint64_t journal_taken(const struct journal *journal, enum v2_lane_id lane);
/* All is processed, but for what was shed and is in no range yet. */
bool journal_is_empty(const struct journal *journal);

/* What lies below may leave now. */
void journal_note_sent(struct journal *journal, enum v2_lane_id lane, uint64_t before);
/* All below that was taken is done with: adds the events to `counts`, by kind. */
void journal_note_processed(struct journal *journal, enum v2_lane_id lane, uint64_t before,
	uint64_t counts[static JOURNAL_KINDS]);

/* Kept with the incarnation, no more: its epoch, and the sequence of the next unacknowledged event. */
uint64_t journal_epoch(const struct journal *journal);
void journal_note_epoch(struct journal *journal, uint64_t epoch);
uint64_t journal_update_sequence(const struct journal *journal);
void journal_note_update_sequence(struct journal *journal, uint64_t sequence);

/*
 * Another incarnation. What may have been sent in the one before is given up, and added to `counts`; the
 * rest is to be taken again.
 */
void journal_restart(struct journal *journal, uint64_t boot, uint64_t counts[static JOURNAL_KINDS]);

#endif
