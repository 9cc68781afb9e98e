/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_EVENT_LIST_H
#define ENGINE_EVENT_LIST_H

/*
 * A function's events, from push to commit. Each lies in one place for all that time and moves from
 * list to list: what waits, what a worker has, what is decided, what is under commit. Its bytes stand
 * as the worker gets them. The pool's memory is bounded by the function's queue, claimed as it is
 * first used, and given back when a flood is over.
 */

#include "engine/pipe.h"

/* What somebody waits for: the event is with its function alone, and brings back a reply. */
struct event_request {
	struct event_request *next, **link; /* among its pool's */
	char *key;                          /* "" and ... */
	char *data;                         /* ... "": the record has them */
	char *reply;        /* JSON; NULL: none yet, or the handler returned nothing */
	const char *reason; /* why it was put aside; borrowed from its builder */
};

struct event {
	struct event *next;
	void *origin;                  /* who waits for it; NULL: nobody */
	struct event_request *request; /* NULL: it is none */
	uint32_t arrival;              /* counts the function's events, modulo 2^32: their order */
	uint32_t tick;                 /* when it came (latency.h) */
	uint16_t record_size;
	uint8_t partition;
	uint8_t attempts; /* that failed */
	bool suspect;     /* its batch was lost: it runs alone */
	bool droppable;   /* nobody will miss it if it cannot be done */
	struct pipe_event pipe;
	uint8_t record[];
};

/* First in, first out. */
struct event_list {
	struct event *first;
	struct event **end; /* where the next one goes; NULL: the list is empty */
	size_t count;
};

static inline void event_list_push(struct event_list *list, struct event *event)
{
	event->next = NULL;
	*(list->count > 0 ? list->end : &list->first) = event;
	list->end = &event->next;
	list->count++;
}

static inline struct event *event_list_take(struct event_list *list)
{
	struct event *event = list->first;

	if (!event)
		return NULL;
	list->first = event->next;
	list->count--;
	return event;
}

/* Moves all of `from` behind `list`. */
void event_list_append(struct event_list *list, struct event_list *from);

/* Moves all of `from` to where it belongs by arrival; both are in that order. */
void event_list_merge(struct event_list *list, struct event_list *from);

/* Moves the events of a partition behind `to`; the order is kept. */
void event_list_extract(struct event_list *list, unsigned int partition, struct event_list *to);

#define EVENT_POOL_CLASSES (EVENT_RECORD_MAX / 16)

struct event_chunk;

struct event_pool {
	struct {
		struct event *free;
		struct event_chunk *chunks;
	} classes[EVENT_POOL_CLASSES]; /* by the record's size, in steps of 16 bytes */
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
