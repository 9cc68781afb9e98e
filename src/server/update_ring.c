// SPDX-License-Identifier: BSD-2-Clause
#include "server/update_ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/*
 * Each update is a struct and its records behind it, in one piece; where it does not fit before the end
 * of the memory, the rest is left out, which a struct without a session says.
 */
#define ALIGNMENT 64

struct update_ring {
	size_t size; /* bytes, a power of two */
	_Alignas(ALIGNMENT) atomic_size_t head;
	_Alignas(ALIGNMENT) atomic_size_t tail;
	size_t taken; /* bytes of the one that was peeked at */
	_Alignas(ALIGNMENT) uint8_t bytes[];
};

_Static_assert(sizeof(struct update) <= 2 * ALIGNMENT, "an update's head is small");

int update_ring_new(size_t bytes, struct update_ring **ret_ring)
{
	struct update_ring *ring;
	size_t size = 4096;

	while (size < bytes)
		size *= 2;
	ring = aligned_alloc(ALIGNMENT, sizeof(*ring) + size);
	if (!ring)
		return -ENOMEM;
	ring->size = size;
	ring->taken = 0;
	atomic_init(&ring->head, 0);
	atomic_init(&ring->tail, 0);
	*ret_ring = ring;
	return 0;
}

void update_ring_free(struct update_ring *ring)
{
	free(ring);
}

static size_t rounded(size_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t bytes_of(const struct update *update)
{
	size_t records = update->cause ? 0 : update->count * update->record_bytes;

	return rounded(sizeof(*update) + records);
}

static struct update *update_at(struct update_ring *ring, size_t position)
{
	return (struct update *)(ring->bytes + (position & (ring->size - 1)));
}

bool update_ring_put(struct update_ring *ring, const struct update *update)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	size_t bytes = bytes_of(update), left = ring->size - (head & (ring->size - 1));
	size_t skipped = bytes > left ? left : 0;
	struct update *at;

	if (bytes + skipped > ring->size - (head - tail))
		return false;
	if (skipped > 0)
		update_at(ring, head)->session = NULL;
	head += skipped;
	at = update_at(ring, head);
	*at = *update;
	at->records = (const uint8_t *)(at + 1);
	if (!update->cause)
		memcpy(at + 1, update->records, update->count * update->record_bytes);
	atomic_store_explicit(&ring->head, head + bytes, memory_order_release);
	return true;
}

const struct update *update_ring_peek(struct update_ring *ring)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	const struct update *update;

	if (head == tail)
		return NULL;
	update = update_at(ring, tail);
	if (!update->session) {
		tail += ring->size - (tail & (ring->size - 1));
		update = update_at(ring, tail);
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
	}
	ring->taken = bytes_of(update);
	return update;
}

void update_ring_release(struct update_ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&ring->tail, tail + ring->taken, memory_order_release);
}
