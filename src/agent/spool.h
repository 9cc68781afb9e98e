/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

/*
 * What is between the collecting thread, which pushes, and the sending thread. Acknowledged classes are
 * in a journal (agent/journal.h), those of a lane in order, where they stay until they are processed, and
 * which may outlive the process; each of the others has a bounded lock-free queue. What is full sheds its
 * newest event and counts it, so flow detail is given up before port events, and totals are never given
 * up for either.
 *
 *   class           lane
 *   source, target  urgent
 *   port            port
 *   flow_end        last
 */

#include "agent/journal.h"
#include "base/attr.h"
#include "netlambda/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most important first, within those that are acknowledged and within those that are not. */
enum spool_class {
	SPOOL_SOURCE,    /* acknowledged: an alarm, and so before all */
	SPOOL_TARGET,    /* likewise */
	SPOOL_PORT,      /* acknowledged */
	SPOOL_FLOW_END,  /* acknowledged: a flow's last record */
	SPOOL_INTERFACE, /* not: totals */
	SPOOL_FLOW,      /* not: a flow's record so far */
	SPOOL_CLASSES,
	SPOOL_ACKED = SPOOL_INTERFACE, /* classes below are acknowledged */
};

/* "port", "flow_end", ...: the label of the class's counters. */
const char *spool_class_name(enum spool_class class);
uint32_t spool_class_event_id(enum spool_class class);
enum v2_lane_id spool_class_lane(enum spool_class class);

struct spool;

/*
 * `max`: events of each class that is not acknowledged. The journal is borrowed; what waits in it is
 * `past`'s. NULL, both: `max` is that of each lane, too, in memory that ends with the process.
 * Returns 0, -ENOMEM, -EINVAL or -EIO.
 */
int spool_new(size_t max, struct journal *journal, const struct journal_past *past,
	struct spool **ret_spool) _must_check_;
void spool_free(struct spool *spool);
DEFINE_CLEANUP(struct spool, spool_free)

/* ---- producer ---- */

/* `record` is of the class's type. A full class sheds it, which is counted. */
void spool_push(struct spool *spool, enum spool_class class, const void *record);
/* True if a push will not shed. */
bool spool_has_room(const struct spool *spool, enum spool_class class);
/* As journal_settle(). */
bool spool_settle(struct spool *spool);
/* Moves on by one with each push of a class of the lane, whatever process does it. */
uint64_t spool_sequence(const struct spool *spool, enum v2_lane_id lane);
/* Of the memory where that is so. */
uint64_t spool_identity(const struct spool *spool);

/* ---- consumer: acknowledged lanes ---- */

struct spool_run {
	bool is_shed; /* there was no room for these, and there is no record */
	enum spool_class class;
	uint64_t count;
	const void *records; /* one behind the other */
};

/* As journal_peek() and journal_take(). */
bool spool_peek_lane(
	const struct spool *spool, enum v2_lane_id lane, uint64_t max, struct spool_run *ret_run);
void spool_take(struct spool *spool, enum v2_lane_id lane, uint64_t count);
/* Of all that was taken, what lies below a sequence of the incarnation: adds it to `counts`. */
void spool_processed(struct spool *spool, enum v2_lane_id lane, uint64_t before,
	uint64_t counts[static SPOOL_CLASSES]);
void spool_processed_all(struct spool *spool, uint64_t counts[static SPOOL_CLASSES]);
/* Another incarnation: what may have been sent is lost, and added to `counts`. */
void spool_restart(struct spool *spool, uint64_t boot, uint64_t counts[static SPOOL_CLASSES]);
/* For what else an incarnation is. */
struct journal *spool_journal(const struct spool *spool);

/* ---- consumer: classes that are not acknowledged ---- */

/* The oldest record, in place, or NULL; it stays until spool_pop(). */
const void *spool_peek(const struct spool *spool, enum spool_class class);
void spool_pop(struct spool *spool, enum spool_class class);

/* The same for several that lie one behind the other; how many. */
size_t spool_peek_run(const struct spool *spool, enum spool_class class, const void **ret_first);
void spool_pop_run(struct spool *spool, enum spool_class class, size_t count);

/* Nothing is in it, of any class; see journal_is_empty(). */
bool spool_is_empty(const struct spool *spool);

/* ---- any thread ---- */

/* Of acknowledged classes, those that were sent and are not answered as well. */
size_t spool_count(const struct spool *spool, enum spool_class class);
uint64_t spool_pushed(
	const struct spool *spool, enum spool_class class); /* shed ones not included */
uint64_t spool_shed(const struct spool *spool, enum spool_class class);
/* Left by the agent before: gone on with, and given up, these at most. */
uint64_t spool_resumed(const struct spool *spool, enum spool_class class);
uint64_t spool_predecessor_lost(const struct spool *spool, enum spool_class class);

#endif
