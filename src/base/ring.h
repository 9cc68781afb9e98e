/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_RING_H
#define BASE_RING_H

/*
 * A lock-free ring of fixed-size elements between exactly one producing and one consuming thread.
 * A full ring refuses (-ENOBUFS): the producer counts what it gives up. The element copied by
 * ring_push() is visible to the consumer when ring_peek() returns it (release/acquire). It touches
 * as much memory as ever waited in it at a time.
 */

#include "base/attr.h"

#include <stdint.h>

struct ring;

/* `capacity` is rounded up to a power of two. Returns 0, -ENOMEM, or -EINVAL for a zero size. */
int ring_new(size_t capacity, size_t element_bytes, struct ring **ret_ring) _must_check_;
void ring_free(struct ring *ring);
DEFINE_CLEANUP(struct ring, ring_free)

/* Producer only. 0 or -ENOBUFS. */
int ring_push(struct ring *ring, const void *element) _must_check_;

/* Consumer only: the oldest element, in place, or NULL; it stays until ring_pop(). */
const void *ring_peek(const struct ring *ring);
void ring_pop(struct ring *ring);
/*
 * The same for the oldest ones that lie one behind the other: how many, and the first of them in
 * `ret_first`.
 */
size_t ring_peek_run(const struct ring *ring, const void **ret_first);
void ring_pop_run(struct ring *ring, size_t count);

/* Elements in the ring; from a third thread an estimate. */
size_t ring_count(const struct ring *ring);
size_t ring_capacity(const struct ring *ring);

#endif
