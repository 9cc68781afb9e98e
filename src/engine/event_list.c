// SPDX-License-Identifier: BSD-2-Clause
#include "engine/event_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64U << 10)
#define CHUNKS_KEPT 16 /* of an empty pool */

struct event_chunk {
	struct event_chunk *next;
	_Alignas(8) uint8_t bytes[];
};

/* ---- lists ---- */

void event_list_append(struct event_list *list, struct event_list *from)
{
	if (from->count == 0)
		return;
	*(list->count > 0 ? list->end : &list->first) = from->first;
	list->end = from->end;
	list->count += from->count;
	*from = (struct event_list){0};
}

static bool comes_before(const struct event *a, const struct event *b)
{
	return (int32_t)(a->arrival - b->arrival) < 0;
}

void event_list_merge(struct event_list *list, struct event_list *from)
{
	struct event **at = &list->first;

	if (list->count == 0) {
		event_list_append(list, from);
		return;
	}
	list->count += from->count;
	while (from->first && *at) {
		struct event *event = from->first;

		if (comes_before(event, *at)) {
			from->first = event->next;
			event->next = *at;
			*at = event;
		}
		at = &(*at)->next;
	}
	if (from->first) {
		*at = from->first;
		list->end = from->end;
	}
	*from = (struct event_list){0};
}

void event_list_extract(struct event_list *list, unsigned int partition, struct event_list *to)
{
	struct event_list all = *list, rest = {0};
	struct event *event;

	while ((event = event_list_take(&all)))
		event_list_push(event->partition == partition ? to : &rest, event);
	*list = rest;
}

/* ---- memory ---- */

static size_t class_of(uint16_t record_size)
{
	return (record_size - 1U) / 16;
}

/* One chunk more, cut into events. */
static bool pool_grow(struct event_pool *pool, size_t class)
{
	size_t size = sizeof(struct event) + (class + 1) * 16;
	struct event_chunk *chunk = malloc(CHUNK_BYTES);

	if (!chunk)
		return false;
	chunk->next = pool->classes[class].chunks;
	pool->classes[class].chunks = chunk;
	pool->chunk_count++;
	/* From the last to the first, so that they are taken in the order of their addresses. */
	for (size_t i = (CHUNK_BYTES - sizeof(*chunk)) / size; i > 0; i--) {
		struct event *event = (struct event *)(void *)(chunk->bytes + (i - 1) * size);

		event->next = pool->classes[class].free;
		pool->classes[class].free = event;
	}
	return true;
}

struct event *event_pool_take(struct event_pool *pool, uint16_t record_size)
{
	size_t class = class_of(record_size);
	struct event *event;

	if (!pool->classes[class].free && !pool_grow(pool, class))
		return NULL;
	event = pool->classes[class].free;
	pool->classes[class].free = event->next;
	event->record_size = record_size;
	event->request = NULL;
	pool->used++;
	return event;
}

static void request_free(struct event_request *request)
{
	if (!request)
		return;
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
	free(request->key);
	free(request->data);
	free(request->reply);
	free(request);
}

int event_pool_add_request(
	struct event_pool *pool, struct event *event, const char *key, const char *data)
{
	struct event_request *request = calloc(1, sizeof(*request));

	if (!request)
		return -ENOMEM;
	request->next = pool->requests;
	request->link = &pool->requests;
	if (request->next)
		request->next->link = &request->next;
	pool->requests = request;
	request->key = strdup(key);
	request->data = strdup(data);
	if (!request->key || !request->data) {
		request_free(request);
		return -ENOMEM;
	}
	event->request = request;
	return 0;
}

void event_pool_give(struct event_pool *pool, struct event *event)
{
	size_t class = class_of(event->record_size);

	request_free(event->request);
	event->request = NULL;
	event->next = pool->classes[class].free;
	pool->classes[class].free = event;
	if (--pool->used == 0 && pool->chunk_count > CHUNKS_KEPT)
		event_pool_done(pool);
}

void event_pool_give_all(struct event_pool *pool, struct event_list *list)
{
	struct event *event;

	while ((event = event_list_take(list)))
		event_pool_give(pool, event);
}

void event_pool_done(struct event_pool *pool)
{
	while (pool->requests)
		request_free(pool->requests);
	for (size_t i = 0; i < EVENT_POOL_CLASSES; i++) {
		struct event_chunk *chunk = pool->classes[i].chunks;

		while (chunk) {
			struct event_chunk *next = chunk->next;

			free(chunk);
			chunk = next;
		}
	}
	*pool = (struct event_pool){0};
}
