/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_EVENT_POOL_H
#define ENGINE_EVENT_POOL_H

/*
 * The memory of a function's events. It is bounded by the function's queue (twice that, where room lies
 * scattered), claimed as it is first used, and given back when a flood is over.
 *
 * Events are taken in the order of their addresses, chunk by chunk, whatever the order in which they are given
 * back: several workers are through with them in another order than they came in, and a list of free events
 * that remembers that would scatter the events that follow each other over all of the memory.
 */

#include "engine/event_list.h"

#define EVENT_POOL_CLASSES (EVENT_RECORD_MAX / 16)

struct event_chunk;

struct event_pool {
	struct event_class {
		struct event_chunk *chunks;
		struct event_chunk *first, *last; /* of those that have room */
	} classes[EVENT_POOL_CLASSES];            /* by the record's size, in steps of 16 bytes */
	struct event_request *requests;
	size_t used;
	size_t chunk_count;
};

/* NULL: no memory. `record_size`: 1 to EVENT_RECORD_MAX. */
struct event *event_pool_take(struct event_pool *pool, uint16_t record_size);
void event_pool_give(struct event_pool *pool, struct event *event);
/* Makes an event a request. 0 or -ENOMEM. The texts are copied. */
int event_pool_add_request(struct event_pool *pool, struct event *event, const char *key,
	const char *data) _must_check_;
void event_pool_give_all(struct event_pool *pool, struct event_list *list);
/* Frees all memory, that of events in use as well. */
void event_pool_done(struct event_pool *pool);

#endif
