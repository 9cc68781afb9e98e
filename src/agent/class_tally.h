/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_CLASS_TALLY_H
#define AGENT_CLASS_TALLY_H

/*
 * Which classes the events of a lane are of, several sharing one: so that what the server says of a lane,
 * "all below this sequence is processed", can be told by class. Kept by the batch that was put into the
 * lane; where there are too many of these, by several batches together, so that what is told is late, and
 * exact in the end.
 */

#include "agent/spool.h"

#define CLASS_TALLY_BATCHES 256

struct class_tally_batch {
	uint64_t end; /* the sequence behind it */
	uint64_t events[SPOOL_CLASSES];
};

struct class_tally {
	uint64_t head, tail; /* batches; they ascend for ever */
	struct class_tally_batch batches[CLASS_TALLY_BATCHES];
};

/* Events of a class were put into the lane, and end at a sequence. */
void class_tally_add(
	struct class_tally *tally, enum spool_class class, uint64_t events, uint64_t end);
/* All below a sequence is done with: adds what that was to `counts`. */
void class_tally_settle(
	struct class_tally *tally, uint64_t before, uint64_t counts[static SPOOL_CLASSES]);
/* All is. */
void class_tally_clear(struct class_tally *tally, uint64_t counts[static SPOOL_CLASSES]);
/* Events that are not. */
uint64_t class_tally_outstanding(const struct class_tally *tally, enum spool_class class);

#endif
