// SPDX-License-Identifier: BSD-2-Clause
#include "agent/spool.h"

#include "base/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

static const struct {
	const char *name;
	uint32_t event_id;
	size_t record_bytes;
	enum v2_lane_id lane;
} classes[SPOOL_CLASSES] = {
	[SPOOL_SOURCE] = {"source", EVENT_SOURCE, sizeof(struct source_event), V2_LANE_URGENT},
	[SPOOL_TARGET] = {"target", EVENT_TARGET, sizeof(struct target_event), V2_LANE_URGENT},
	[SPOOL_PORT] = {"port", EVENT_PORT, sizeof(struct port_event), V2_LANE_PORT},
	[SPOOL_FLOW_END] = {"flow_end", EVENT_FLOW, sizeof(struct flow_event), V2_LANE_LAST},
	[SPOOL_INTERFACE] = {"interface", EVENT_INTERFACE, sizeof(struct interface_event),
		V2_LANE_UPDATE},
	[SPOOL_FLOW] = {"flow", EVENT_FLOW, sizeof(struct flow_event), V2_LANE_UPDATE},
};

_Static_assert(EVENT_INTERFACE < JOURNAL_KINDS, "kinds are events' ids");

struct queue {
	struct ring *ring; /* NULL: the class is in the journal */
	atomic_uint_fast64_t pushed;
	atomic_uint_fast64_t shed;
	atomic_uint_fast64_t left; /* of the journal's: processed, or given up */
};

struct spool {
	struct journal *journal;
	struct journal *own; /* unless it is borrowed */
	struct journal_past past;
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

enum v2_lane_id spool_class_lane(enum spool_class class)
{
	return classes[class].lane;
}

static bool is_acked(enum spool_class class)
{
	return class < SPOOL_ACKED;
}

/* Of an acknowledged class, no two of which have one id. */
static enum spool_class class_of(uint32_t kind)
{
	enum spool_class class = 0;

	while (classes[class].event_id != kind)
		class ++;
	return class;
}

static int own_journal(struct spool *spool, size_t max)
{
	struct journal_options options = {.capacity = max};
	int r;

	if (getrandom(&options.boot, sizeof(options.boot), 0) != sizeof(options.boot))
		return -EIO;
	options.boot |= 1;
	r = journal_new(&options, &spool->own);
	spool->journal = spool->own;
	return r;
}

int spool_new(size_t max, struct journal *journal, const struct journal_past *past,
	struct spool **ret_spool)
{
	_cleanup_(spool_freep) struct spool *spool = calloc(1, sizeof(*spool));
	int r = 0;

	if (!spool)
		return -ENOMEM;
	if (past)
		spool->past = *past;
	spool->journal = journal;
	if (!journal)
		r = own_journal(spool, max);
	for (enum spool_class class = SPOOL_ACKED; class < SPOOL_CLASSES && r == 0; class ++)
		r = ring_new(max, classes[class].record_bytes, &spool->queues[class].ring);
	if (r == 0)
		*ret_spool = TAKE_PTR(spool);
	return r;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	for (enum spool_class class = SPOOL_ACKED; class < SPOOL_CLASSES; class ++)
		ring_free(spool->queues[class].ring);
	journal_free(spool->own);
	free(spool);
}

/* ---- producer ---- */

void spool_push(struct spool *spool, enum spool_class class, const void *record)
{
	struct queue *queue = &spool->queues[class];
	const bool is_in = is_acked(class) ? journal_push(spool->journal, classes[class].lane,
						     classes[class].event_id, record)
					   : ring_push(queue->ring, record) == 0;

	atomic_fetch_add_explicit(is_in ? &queue->pushed : &queue->shed, 1, memory_order_relaxed);
}

bool spool_has_room(const struct spool *spool, enum spool_class class)
{
	const struct ring *ring = spool->queues[class].ring;

	return is_acked(class) ? journal_has_room(spool->journal, classes[class].lane)
			       : ring_count(ring) < ring_capacity(ring);
}

bool spool_settle(struct spool *spool)
{
	return journal_settle(spool->journal);
}

uint64_t spool_sequence(const struct spool *spool, enum v2_lane_id lane)
{
	return journal_next_sequence(spool->journal, lane);
}

uint64_t spool_identity(const struct spool *spool)
{
	return journal_identity(spool->journal);
}

/* ---- acknowledged ---- */

bool spool_peek_lane(
	const struct spool *spool, enum v2_lane_id lane, uint64_t max, struct spool_run *ret_run)
{
	struct journal_run run;

	if (!journal_peek(spool->journal, lane, max, &run))
		return false;
	*ret_run = (struct spool_run){
		.is_shed = run.kind == JOURNAL_RANGE, .count = run.count, .records = run.records};
	if (!ret_run->is_shed)
		ret_run->class = class_of(run.kind);
	return true;
}

void spool_take(struct spool *spool, enum v2_lane_id lane, uint64_t count)
{
	journal_take(spool->journal, lane, count);
}

static void leave(
	struct spool *spool, const uint64_t kinds[static JOURNAL_KINDS], uint64_t counts[])
{
	for (enum spool_class class = 0; class < SPOOL_ACKED; class ++) {
		const uint64_t count = kinds[classes[class].event_id];

		counts[class] += count;
		atomic_fetch_add_explicit(&spool->queues[class].left, count, memory_order_relaxed);
	}
}

void spool_processed(struct spool *spool, enum v2_lane_id lane, uint64_t before,
	uint64_t counts[static SPOOL_CLASSES])
{
	uint64_t kinds[JOURNAL_KINDS] = {0};

	journal_note_processed(spool->journal, lane, before, kinds);
	leave(spool, kinds, counts);
}

void spool_processed_all(struct spool *spool, uint64_t counts[static SPOOL_CLASSES])
{
	for (enum v2_lane_id lane = 0; lane < V2_LANES_ACKED; lane++)
		spool_processed(spool, lane, journal_taken(spool->journal, lane), counts);
}

void spool_restart(struct spool *spool, uint64_t boot, uint64_t counts[static SPOOL_CLASSES])
{
	uint64_t kinds[JOURNAL_KINDS] = {0};

	journal_restart(spool->journal, boot, kinds);
	leave(spool, kinds, counts);
}

struct journal *spool_journal(const struct spool *spool)
{
	return spool->journal;
}

/* ---- not acknowledged ---- */

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

bool spool_is_empty(const struct spool *spool)
{
	for (enum spool_class class = SPOOL_ACKED; class < SPOOL_CLASSES; class ++)
		if (ring_count(spool->queues[class].ring) > 0)
			return false;
	return journal_is_empty(spool->journal);
}

/* ---- counters ---- */

static uint64_t read_counter(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

size_t spool_count(const struct spool *spool, enum spool_class class)
{
	const struct queue *queue = &spool->queues[class];

	/* What left was pushed before. */
	if (is_acked(class)) {
		const uint64_t left = read_counter(&queue->left);

		return spool_resumed(spool, class) + read_counter(&queue->pushed) - left;
	}
	return ring_count(queue->ring);
}

uint64_t spool_pushed(const struct spool *spool, enum spool_class class)
{
	return read_counter(&spool->queues[class].pushed);
}

uint64_t spool_shed(const struct spool *spool, enum spool_class class)
{
	return read_counter(&spool->queues[class].shed);
}

uint64_t spool_resumed(const struct spool *spool, enum spool_class class)
{
	return is_acked(class) ? spool->past.waiting[classes[class].event_id] : 0;
}

uint64_t spool_predecessor_lost(const struct spool *spool, enum spool_class class)
{
	return is_acked(class) ? spool->past.lost[classes[class].event_id] : 0;
}
