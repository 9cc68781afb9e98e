// SPDX-License-Identifier: BSD-2-Clause
#include "undo.h"

#include <string.h>

struct header {
	size_t before; /* where the record before it is */
	undo_fn back, let_go;
	_Alignas(16) uint8_t record[];
};

#define KEEP_BYTES (64U << 10) /* more is given back */

static bool reserve(struct undo_log *log, size_t bytes)
{
	size_t capacity = MAX(log->capacity, 1024U);
	uint8_t *larger;

	while (capacity < log->size + bytes)
		capacity *= 2;
	if (capacity == log->capacity)
		return true;
	larger = realloc(log->bytes, capacity);
	if (!larger)
		return false;
	log->bytes = larger;
	log->capacity = capacity;
	return true;
}

void *undo_push(struct undo_log *log, size_t bytes, undo_fn back, undo_fn let_go)
{
	size_t size = (sizeof(struct header) + bytes + 15) & ~(size_t)15;
	struct header *header;

	if (!reserve(log, size))
		return NULL;
	header = (struct header *)(log->bytes + log->size);
	header->before = log->last;
	header->back = back;
	header->let_go = let_go;
	log->last = log->size;
	log->size += size;
	log->own += let_go != NULL;
	return memset(header->record, 0, bytes);
}

/* Takes the last record off; NULL: there is none. It stays in place until the next push. */
static struct header *pop(struct undo_log *log)
{
	struct header *header;

	if (log->size == 0)
		return NULL;
	header = (struct header *)(log->bytes + log->last);
	log->size = log->last;
	log->last = header->before;
	return header;
}

void undo_drop(struct undo_log *log)
{
	pop(log);
}

static void end(struct undo_log *log)
{
	log->size = log->last = 0;
	log->own = 0;
	if (log->capacity > KEEP_BYTES)
		undo_done(log);
}

void undo_all(struct undo_log *log)
{
	struct header *header;

	while ((header = pop(log)))
		header->back(header->record);
	end(log);
}

void undo_let_go(struct undo_log *log)
{
	struct header *header;

	while (log->own > 0 && (header = pop(log)))
		if (header->let_go)
			header->let_go(header->record);
	end(log);
}

void undo_done(struct undo_log *log)
{
	free(log->bytes);
	*log = (struct undo_log){0};
}

/* ---- what is made and replaced ---- */

struct owned {
	void *object;
	void (*release)(void *);
};

static void release_owned(void *record)
{
	struct owned *owned = record;

	owned->release(owned->object);
}

static void leave(void *record _unused_)
{
}

static bool push_owned(
	struct undo_log *log, const struct owned *owned, undo_fn back, undo_fn let_go)
{
	struct owned *record = undo_push(log, sizeof(*record), back, let_go);

	if (record)
		*record = *owned;
	return record != NULL;
}

bool undo_push_made(struct undo_log *log, void *made, void (*release)(void *))
{
	return push_owned(log, &(struct owned){made, release}, release_owned, NULL);
}

bool undo_push_replaced(struct undo_log *log, void *replaced, void (*release)(void *))
{
	return push_owned(log, &(struct owned){replaced, release}, leave, release_owned);
}
