/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_EVENT_LIST_H
#define ENGINE_EVENT_LIST_H

/*
 * A function's events, from push to commit. Each lies in one place for all that time and moves from
 * list to list: what waits, what a worker has, what is decided, what is under commit. Its bytes stand
 * as the worker gets them.
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
	uint16_t place; /* its pool's: which of its chunk it is */
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

#endif
