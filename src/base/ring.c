// SPDX-License-Identifier: BSD-2-Clause
#include "base/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define CACHE_LINE 64

struct ring {
	size_t mask;
	size_t element_bytes;
	/* Apart, so that the two threads do not share a line that both write. */
	_Alignas(CACHE_LINE) atomic_size_t head; /* next to push */
	atomic_size_t
		base; /* which element lies first in memory; changes only while there is none */
	_Alignas(CACHE_LINE) atomic_size_t tail; /* next to pop */
	_Alignas(CACHE_LINE) uint8_t elements[];
};

int ring_new(size_t capacity, size_t element_bytes, struct ring **ret_ring)
{
	struct ring *ring;
	size_t slots = 1, bytes;

	if (capacity == 0 || element_bytes == 0 || capacity > SIZE_MAX / 4)
		return -EINVAL;
	while (slots < capacity)
		slots *= 2;
	if (__builtin_mul_overflow(slots, element_bytes, &bytes))
		return -ENOMEM;
	if (__builtin_add_overflow(bytes, sizeof(*ring) + CACHE_LINE, &bytes))
		return -ENOMEM;
	ring = aligned_alloc(CACHE_LINE, bytes / CACHE_LINE * CACHE_LINE);
	if (!ring)
		return -ENOMEM;
	ring->mask = slots - 1;
	ring->element_bytes = element_bytes;
	atomic_init(&ring->head, 0);
	atomic_init(&ring->base, 0);
	atomic_init(&ring->tail, 0);
	*ret_ring = ring;
	return 0;
}

void ring_free(struct ring *ring)
{
	free(ring);
}

static void *element_at(const struct ring *ring, size_t number)
{
	const size_t base = atomic_load_explicit(&ring->base, memory_order_relaxed);

	return (void *)(ring->elements + ((number - base) & ring->mask) * ring->element_bytes);
}

/*
 * An empty ring starts at its beginning again: so it touches as much memory as was ever waiting in it,
 * not all that it may use. The consumer looks at `base` only after it has seen an element.
 */
int ring_push(struct ring *ring, const void *element)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	if (head - tail > ring->mask)
		return -ENOBUFS;
	if (head == tail)
		atomic_store_explicit(&ring->base, head, memory_order_relaxed);
	memcpy(element_at(ring, head), element, ring->element_bytes);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return 0;
}

size_t ring_peek_run(const struct ring *ring, const void **ret_first)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t count = atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
	size_t base = atomic_load_explicit(&ring->base, memory_order_relaxed);

	*ret_first = element_at(ring, tail);
	return MIN(count, ring->mask + 1 - ((tail - base) & ring->mask));
}

const void *ring_peek(const struct ring *ring)
{
	const void *first;

	return ring_peek_run(ring, &first) > 0 ? first : NULL;
}

void ring_pop_run(struct ring *ring, size_t count)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
}

void ring_pop(struct ring *ring)
{
	ring_pop_run(ring, 1);
}

size_t ring_count(const struct ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	return atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
}

size_t ring_capacity(const struct ring *ring)
{
	return ring->mask + 1;
}
