// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_spool.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Bits and sequences have room for twice the slots: those in use may begin and end within a word, and
 * no word is used at both ends.
 */
#define BLOCK 64

static uint64_t *block(const struct v2_spool *spool, uint64_t index)
{
	return &spool->sequences[index / BLOCK & spool->lost.mask];
}

int v2_spool_init(struct v2_spool *spool, size_t capacity, uint16_t record_max)
{
	struct v2_spool made = {0};
	int r = v2_places_init(&made.places, capacity, record_max);

	if (r == 0)
		r = v2_bits_init(&made.lost, MAX(2 * made.places.count, 2 * BLOCK));
	if (r == 0)
		r = v2_bits_init(&made.received, MAX(2 * made.places.count, 2 * BLOCK));
	if (r == 0)
		r = v2_bits_init(&made.ranges, MAX(2 * made.places.count, 2 * BLOCK));
	if (r == 0) {
		made.sequences = calloc(made.lost.mask + 1, sizeof(*made.sequences));
		r = made.sequences ? 0 : -ENOMEM;
	}
	if (r < 0)
		v2_spool_done(&made);
	else
		*spool = made;
	return r;
}

void v2_spool_done(struct v2_spool *spool)
{
	v2_places_done(&spool->places);
	v2_bits_done(&spool->lost);
	v2_bits_done(&spool->received);
	v2_bits_done(&spool->ranges);
	free(spool->sequences);
	*spool = (struct v2_spool){0};
}

void v2_spool_reset(struct v2_spool *spool)
{
	*spool = (struct v2_spool){
		.places = spool->places,
		.lost = spool->lost,
		.received = spool->received,
		.ranges = spool->ranges,
		.sequences = spool->sequences,
		.shed_total = spool->shed_total,
	};
}

void v2_spool_resume(struct v2_spool *spool, uint64_t first, uint64_t sent_end)
{
	v2_spool_reset(spool);
	spool->head_sequence = spool->unsent_sequence = spool->next_sequence = first;
	spool->processed = first;
	spool->sent_end = sent_end;
}

/* ---- what comes in ---- */

static uint64_t room(const struct v2_spool *spool)
{
	return spool->places.count - (spool->tail - spool->head);
}

/* A range that waits comes before the next event, and takes a slot. */
uint64_t v2_spool_room(const struct v2_spool *spool)
{
	uint64_t free_slots = room(spool), range = spool->shed_count > 0;

	return free_slots - MIN(free_slots, range);
}

/* `count` slots from the tail on come into use. */
static void begin_slots(struct v2_spool *spool, uint64_t sequence, uint64_t count)
{
	uint64_t index = (spool->tail + BLOCK - 1) / BLOCK * BLOCK;

	for (; index < spool->tail + count; index += BLOCK) {
		*block(spool, index) = sequence + (index - spool->tail);
		*v2_bits_word(&spool->lost, index) = 0;
		*v2_bits_word(&spool->received, index) = 0;
		*v2_bits_word(&spool->ranges, index) = 0;
	}
	spool->tail += count;
}

void v2_spool_settle(struct v2_spool *spool)
{
	const struct v2_span span = {.count = spool->shed_count, .cause = V2_CAUSE_SPOOL_FULL};

	if (spool->shed_count == 0 || room(spool) == 0)
		return;
	v2_places_put_span(&spool->places, spool->tail, &span);
	begin_slots(spool, spool->shed_sequence, 1);
	v2_bits_set(&spool->ranges, spool->tail - 1, spool->tail);
	spool->shed_count = 0;
}

/*
 * Of the next `count` sequences, so many are processed: they come from before a kill, and the server
 * spoke first. There is nothing else in the spool then.
 */
static uint64_t pass_processed(struct v2_spool *spool, uint64_t count)
{
	uint64_t passed =
		MIN(count, spool->processed - MIN(spool->processed, spool->next_sequence));

	if (passed > 0) {
		spool->next_sequence += passed;
		spool->head_sequence = spool->unsent_sequence = spool->next_sequence;
	}
	return passed;
}

void v2_spool_shed(struct v2_spool *spool, uint64_t count)
{
	count -= pass_processed(spool, count);
	if (count == 0)
		return;
	if (spool->shed_count == 0)
		spool->shed_sequence = spool->next_sequence;
	spool->shed_count += count;
	spool->shed_total += count;
	spool->next_sequence += count;
	v2_spool_settle(spool);
}

uint64_t v2_spool_push(
	struct v2_spool *spool, uint8_t schema, const void *records, uint16_t size, uint64_t count)
{
	uint64_t passed = pass_processed(spool, count), taken = 0;

	count -= passed;
	if (size <= spool->places.stride)
		taken = MIN(count, v2_spool_room(spool));
	if (spool->head == spool->tail)
		v2_places_restart(&spool->places, spool->tail);
	if (taken > 0) {
		v2_spool_settle(spool);
		v2_places_put(&spool->places, spool->tail, schema,
			(const uint8_t *)records + passed * size, size, taken);
		begin_slots(spool, spool->next_sequence, taken);
		spool->next_sequence += taken;
	}
	if (taken < count)
		v2_spool_shed(spool, count - taken);
	return passed + taken;
}

/* ---- sequences ---- */

uint64_t v2_spool_sequence(const struct v2_spool *spool, uint64_t index)
{
	uint64_t from = index / BLOCK * BLOCK, sequence, ranges;

	/* The block that begins with the tail has no sequence yet. */
	if (index == spool->tail)
		return spool->shed_count > 0 ? spool->shed_sequence : spool->next_sequence;
	if (from > spool->head) {
		sequence = *block(spool, index);
	} else {
		from = spool->head;
		sequence = spool->head_sequence;
	}
	sequence += index - from;
	if (from == index)
		return sequence;
	ranges = *v2_bits_word(&spool->ranges, from) & v2_bits_span(from, index);
	for (; ranges; ranges &= ranges - 1)
		sequence += v2_places_span(&spool->places,
				    from / BLOCK * BLOCK + (unsigned int)__builtin_ctzll(ranges))
				    .count -
			    1;
	return sequence;
}

/* The first sequence behind a run. */
static uint64_t run_end(const struct v2_run *run)
{
	return run->sequence + (run->schema == V2_KIND_RANGE ? run->span.count : run->count);
}

/* ---- what leaves ---- */

/* Slots that wait: the lost ones first, then those that were never sent. */
static uint64_t find_waiting(struct v2_spool *spool, uint64_t *ret_end)
{
	uint64_t first;

	if (spool->lost_count == 0) {
		*ret_end = spool->tail;
		return spool->unsent;
	}
	first = v2_bits_find(&spool->lost, spool->lost_from, spool->unsent, true);
	spool->lost_from = first;
	*ret_end = v2_bits_find(&spool->lost, first, spool->unsent, false);
	return first;
}

bool v2_spool_next(struct v2_spool *spool, uint64_t limit, uint64_t max, struct v2_run *ret_run)
{
	uint64_t end, first = find_waiting(spool, &end), sequence = spool->unsent_sequence;

	if (first == end)
		return false;
	if (first != spool->unsent)
		sequence = v2_spool_sequence(spool, first);
	if (sequence >= limit)
		return false;
	ret_run->first = first;
	ret_run->sequence = sequence;
	ret_run->schema = v2_places_kind(&spool->places, first);
	if (ret_run->schema == V2_KIND_RANGE) {
		ret_run->count = 1;
		ret_run->span = v2_places_span(&spool->places, first);
	} else {
		ret_run->count = v2_places_run(
			&spool->places, first, MIN(MIN(max, end - first), limit - sequence));
	}
	return true;
}

void v2_spool_sent(struct v2_spool *spool, const struct v2_run *run)
{
	if (run->first == spool->unsent) {
		spool->unsent += run->count;
		spool->unsent_sequence = run_end(run);
		spool->sent_end = MAX(spool->sent_end, spool->unsent_sequence);
		return;
	}
	v2_bits_clear(&spool->lost, run->first, run->first + run->count);
	spool->lost_count -= run->count;
}

void v2_spool_forget_sent(struct v2_spool *spool)
{
	spool->head_sequence = spool->unsent_sequence;
	spool->head = spool->lost_from = spool->unsent;
}

/* ---- what became of it ---- */

void v2_spool_received(struct v2_spool *spool, uint64_t first, uint64_t count)
{
	uint64_t end = MIN(first + count, spool->unsent);

	first = MAX(first, spool->head);
	if (spool->lost_count > 0) {
		spool->lost_count -= v2_bits_count(&spool->lost, first, end);
		v2_bits_clear(&spool->lost, first, end);
	}
	v2_bits_set(&spool->received, first, end);
}

void v2_spool_lost(struct v2_spool *spool, uint64_t first, uint64_t count)
{
	uint64_t end = MIN(first + count, spool->unsent);

	for (uint64_t i = MAX(first, spool->head); i < end; i = v2_bits_step(i)) {
		uint64_t *lost = v2_bits_word(&spool->lost, i);
		uint64_t fresh =
			v2_bits_span(i, end) & ~*lost & ~*v2_bits_word(&spool->received, i);

		if (fresh == 0)
			continue;
		*lost |= fresh;
		first = (i & ~63ULL) + (unsigned int)__builtin_ctzll(fresh);
		spool->lost_from = spool->lost_count == 0 ? first : MIN(spool->lost_from, first);
		spool->lost_count += (unsigned int)__builtin_popcountll(fresh);
	}
}

/* How far a head at `sequence` moves within its block, for all below `before`. */
static uint64_t count_processed(const struct v2_spool *spool, uint64_t end, uint64_t before)
{
	uint64_t i = spool->head, sequence = spool->head_sequence;

	if (v2_bits_find(&spool->ranges, i, end, true) == end)
		return MIN(end - i, before - MIN(before, sequence));
	for (; i < end; i++) {
		sequence += v2_bits_test(&spool->ranges, i)
				    ? v2_places_span(&spool->places, i).count
				    : 1;
		if (sequence > before)
			break;
	}
	return i - spool->head;
}

/* Of a range that waits for a slot nothing was sent in this life, but perhaps in the one before. */
static void cut_shed(struct v2_spool *spool, uint64_t before)
{
	uint64_t done = MIN(spool->shed_count, before - MIN(before, spool->shed_sequence));

	if (spool->shed_count == 0 || done == 0)
		return;
	spool->shed_sequence += done;
	spool->shed_count -= done;
	spool->head_sequence = v2_spool_sequence(spool, spool->head);
}

void v2_spool_processed(struct v2_spool *spool, uint64_t before)
{
	while (spool->head < spool->tail) {
		uint64_t end = MIN(v2_bits_step(spool->head), spool->tail);
		uint64_t next = spool->head + count_processed(spool, end, before);

		if (spool->lost_count > 0)
			spool->lost_count -=
				v2_bits_count(&spool->lost, spool->head, MIN(next, spool->unsent));
		spool->head_sequence = v2_spool_sequence(spool, next);
		spool->head = next;
		if (next < end)
			break;
	}
	cut_shed(spool, before);
	if (spool->unsent <= spool->head) {
		spool->unsent = spool->head;
		spool->unsent_sequence = spool->head_sequence;
	}
	spool->lost_from = MAX(spool->lost_from, spool->head);
	spool->processed = MAX(spool->processed, before);
}

void v2_spool_rewind(struct v2_spool *spool)
{
	v2_bits_clear(&spool->lost, spool->head, spool->unsent);
	v2_bits_clear(&spool->received, spool->head, spool->unsent);
	spool->unsent = spool->lost_from = spool->head;
	spool->unsent_sequence = spool->head_sequence;
	spool->lost_count = 0;
}

bool v2_spool_empty(const struct v2_spool *spool)
{
	return spool->head == spool->tail && spool->shed_count == 0;
}
