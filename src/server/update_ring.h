/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_UPDATE_RING_H
#define SERVER_UPDATE_RING_H

/*
 * Runs of updates (the unacknowledged lane) from a receive worker's thread to the control thread, without
 * a lock. They lie in a datagram that is about to be forgotten, so they are copied, here and once. Where
 * it is full the worker sheds them, and says how many.
 */

#include "base/attr.h"
#include "wire/v2_control.h"

#include <stdbool.h>

struct session;
struct update_ring;

struct update {
	struct session *session;
	uint64_t epoch;
	uint64_t sequence, count;
	const char *cause; /* they are lost, for this one; NULL: `records` has them */
	uint16_t schema;
	uint16_t record_bytes;
	uint64_t time_ns; /* of arrival, UNIX epoch */
	const uint8_t *records;
};

/* `bytes` is rounded up to a power of two. 0 or -ENOMEM. */
int update_ring_new(size_t bytes, struct update_ring **ret_ring) _must_check_;
void update_ring_free(struct update_ring *ring);
DEFINE_CLEANUP(struct update_ring, update_ring_free)

/* The worker. Copies the records, which lie one behind the other. False: there is no room. */
bool update_ring_put(struct update_ring *ring, const struct update *update);

/* The control thread. NULL: there is none. It stays until it is released. */
const struct update *update_ring_peek(struct update_ring *ring);
void update_ring_release(struct update_ring *ring);

#endif
