// SPDX-License-Identifier: BSD-2-Clause
#include "engine/event_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64U << 10)
#define CHUNKS_KEPT 16 /* of an empty pool */

#define PLACES_MAX (CHUNK_BYTES / (sizeof(struct event) + 16))

/* Those that are empty come first among those that have room, then the one that has had some for longest. */
struct event_chunk {
	struct event_chunk *next; /* of its class */
	struct event_chunk *after, *before;
	uint16_t places, used;
	uint16_t word; /* none before has a free place */
	uint64_t free[PLACES_MAX / 64 + 1];
	_Alignas(8) uint8_t bytes[];
};

/* ---- chunks ---- */

static size_t class_of(uint16_t record_size)
{
	return (record_size - 1U) / 16;
}

static size_t event_bytes(size_t class)
{
	return sizeof(struct event) + (class + 1) * 16;
}

static struct event_chunk *chunk_of(struct event *event, size_t class)
{
	uint8_t *bytes = (uint8_t *)event - event->place * event_bytes(class);

	return container_of(bytes, struct event_chunk, bytes[0]);
}

static void put_first(struct event_class *class, struct event_chunk *chunk)
{
	chunk->before = NULL;
	chunk->after = class->first;
	*(class->first ? &class->first->before : &class->last) = chunk;
	class->first = chunk;
}

static void put_last(struct event_class *class, struct event_chunk *chunk)
{
	chunk->before = class->last;
	chunk->after = NULL;
	*(class->last ? &class->last->after : &class->first) = chunk;
	class->last = chunk;
}

static void take_out(struct event_class *class, struct event_chunk *chunk)
{
	*(chunk->before ? &chunk->before->after : &class->first) = chunk->after;
	*(chunk->after ? &chunk->after->before : &class->last) = chunk->before;
}

static bool pool_grow(struct event_pool *pool, size_t number)
{
	struct event_class *class = &pool->classes[number];
	struct event_chunk *chunk = malloc(CHUNK_BYTES);

	if (!chunk)
		return false;
	*chunk = (struct event_chunk){
		.next = class->chunks,
		.places = (uint16_t)((CHUNK_BYTES - sizeof(*chunk)) / event_bytes(number)),
	};
	for (unsigned int place = 0; place < chunk->places; place++)
		chunk->free[place / 64] |= 1ULL << place % 64;
	class->chunks = chunk;
	put_first(class, chunk);
	pool->chunk_count++;
	return true;
}

/* ---- requests ---- */

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

/* ---- events ---- */

/* The first that is free. */
static struct event *chunk_take(struct event_chunk *chunk, size_t class)
{
	unsigned int place;
	struct event *event;

	while (chunk->free[chunk->word] == 0)
		chunk->word++;
	place = chunk->word * 64U + (unsigned int)__builtin_ctzll(chunk->free[chunk->word]);
	chunk->free[chunk->word] &= chunk->free[chunk->word] - 1;
	chunk->used++;
	event = (struct event *)(void *)(chunk->bytes + place * event_bytes(class));
	event->place = (uint16_t)place;
	return event;
}

static void chunk_give(struct event_chunk *chunk, const struct event *event)
{
	const uint16_t word = event->place / 64;

	chunk->free[word] |= 1ULL << event->place % 64;
	chunk->word = MIN(chunk->word, word);
	chunk->used--;
}

/* What room there is lies scattered, and there is not twice as much memory as is used. */
static bool is_crowded(const struct event_pool *pool, const struct event_class *class)
{
	const struct event_chunk *chunk = class->first;

	return chunk != class->last && chunk->used > chunk->places / 2 &&
	       pool->chunk_count * chunk->places < 2 * pool->used;
}

struct event *event_pool_take(struct event_pool *pool, uint16_t record_size)
{
	const size_t number = class_of(record_size);
	struct event_class *class = &pool->classes[number];
	struct event_chunk *chunk;
	struct event *event;

	if ((!class->first || is_crowded(pool, class)) && !pool_grow(pool, number) && !class->first)
		return NULL;
	chunk = class->first;
	event = chunk_take(chunk, number);
	if (chunk->used == chunk->places)
		take_out(class, chunk);
	event->record_size = record_size;
	event->request = NULL;
	pool->used++;
	return event;
}

void event_pool_give(struct event_pool *pool, struct event *event)
{
	const size_t number = class_of(event->record_size);
	struct event_class *class = &pool->classes[number];
	struct event_chunk *chunk = chunk_of(event, number);
	const bool had_room = chunk->used < chunk->places;

	request_free(event->request);
	event->request = NULL;
	chunk_give(chunk, event);
	if (had_room && chunk->used == 0)
		take_out(class, chunk);
	if (chunk->used == 0)
		put_first(class, chunk);
	else if (!had_room)
		put_last(class, chunk);
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
