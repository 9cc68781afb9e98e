// SPDX-License-Identifier: BSD-2-Clause
#include "agent/spool.h"

#include "base/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t event_id;
	size_t record_bytes;
} classes[SPOOL_CLASSES] = {
	[SPOOL_SOURCE] = {"source", EVENT_SOURCE, sizeof(struct source_event)},
	[SPOOL_TARGET] = {"target", EVENT_TARGET, sizeof(struct target_event)},
	[SPOOL_PORT] = {"port", EVENT_PORT, sizeof(struct port_event)},
	[SPOOL_FLOW_END] = {"flow_end", EVENT_FLOW, sizeof(struct flow_event)},
	[SPOOL_INTERFACE] = {"interface", EVENT_INTERFACE, sizeof(struct interface_event)},
	[SPOOL_FLOW] = {"flow", EVENT_FLOW, sizeof(struct flow_event)},
};

struct queue {
	struct ring *ring;
	atomic_uint_fast64_t pushed;
	atomic_uint_fast64_t shed;
};

struct spool {
	struct queue queues[SPOOL_CLASSES];
};

const char *spool_class_name(enum spool_class class)
{
	return classes[class].name;
}

uint32_t spool_class_event_id(enum spool_class class)
{
	return classes[class].event_id;
}

int spool_new(size_t max, struct spool **ret_spool)
{
	_cleanup_(spool_freep) struct spool *spool = calloc(1, sizeof(*spool));

	if (!spool)
		return -ENOMEM;
	for (int i = 0; i < SPOOL_CLASSES; i++) {
		int r = ring_new(max, classes[i].record_bytes, &spool->queues[i].ring);

		if (r < 0)
			return r;
	}
	*ret_spool = TAKE_PTR(spool);
	return 0;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	for (int i = 0; i < SPOOL_CLASSES; i++)
		ring_free(spool->queues[i].ring);
	free(spool);
}

void spool_push(struct spool *spool, enum spool_class class, const void *record)
{
	struct queue *queue = &spool->queues[class];
	bool shed = ring_push(queue->ring, record) < 0;

	atomic_fetch_add_explicit(shed ? &queue->shed : &queue->pushed, 1, memory_order_relaxed);
}

bool spool_has_room(const struct spool *spool, enum spool_class class)
{
	const struct ring *ring = spool->queues[class].ring;

	return ring_count(ring) < ring_capacity(ring);
}

const void *spool_peek(const struct spool *spool, enum spool_class class)
{
	return ring_peek(spool->queues[class].ring);
}

void spool_pop(struct spool *spool, enum spool_class class)
{
	ring_pop(spool->queues[class].ring);
}

size_t spool_peek_run(const struct spool *spool, enum spool_class class, const void **ret_first)
{
	return ring_peek_run(spool->queues[class].ring, ret_first);
}

void spool_pop_run(struct spool *spool, enum spool_class class, size_t count)
{
	ring_pop_run(spool->queues[class].ring, count);
}

size_t spool_count(const struct spool *spool, enum spool_class class)
{
	return ring_count(spool->queues[class].ring);
}

uint64_t spool_pushed(const struct spool *spool, enum spool_class class)
{
	return atomic_load_explicit(&spool->queues[class].pushed, memory_order_relaxed);
}

uint64_t spool_shed(const struct spool *spool, enum spool_class class)
{
	return atomic_load_explicit(&spool->queues[class].shed, memory_order_relaxed);
}
