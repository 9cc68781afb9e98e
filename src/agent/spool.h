/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

/*
 * What is between the collecting thread, which pushes, and the sending thread, which peeks and
 * pops: a bounded lock-free queue for each class of events. A class that is full sheds its newest
 * event and counts it, so flow detail is given up before port events, and totals are never given up
 * for either.
 */

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
};

/* "port", "flow_end", ...: the label of the class's counters. */
const char *spool_class_name(enum spool_class class);
uint32_t spool_class_event_id(enum spool_class class);

struct spool;

/* `max`: events a class. Returns 0, -ENOMEM or -EINVAL. */
int spool_new(size_t max, struct spool **ret_spool) _must_check_;
void spool_free(struct spool *spool);
DEFINE_CLEANUP(struct spool, spool_free)

/* Producer. `record` is of the class's type. A full class sheds it, which is counted. */
void spool_push(struct spool *spool, enum spool_class class, const void *record);
/* Producer. True if a push will not shed. */
bool spool_has_room(const struct spool *spool, enum spool_class class);

/* Consumer. The oldest record, in place, or NULL; it stays until spool_pop(). */
const void *spool_peek(const struct spool *spool, enum spool_class class);
void spool_pop(struct spool *spool, enum spool_class class);

/* The same for several that lie one behind the other; how many. */
size_t spool_peek_run(const struct spool *spool, enum spool_class class, const void **ret_first);
void spool_pop_run(struct spool *spool, enum spool_class class, size_t count);

/* Any thread. */
size_t spool_count(const struct spool *spool, enum spool_class class);
uint64_t spool_pushed(
	const struct spool *spool, enum spool_class class); /* shed ones not included */
uint64_t spool_shed(const struct spool *spool, enum spool_class class);

#endif
