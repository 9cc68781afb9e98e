// SPDX-License-Identifier: BSD-2-Clause
#include "agent/journal_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

const uint32_t journal_record_bytes[V2_LANES_ACKED] = {
	[V2_LANE_URGENT] = sizeof(struct source_event),
	[V2_LANE_PORT] = sizeof(struct port_event),
	[V2_LANE_LAST] = sizeof(struct flow_event),
};

_Static_assert(sizeof(struct source_event) == sizeof(struct target_event), "they share a lane");

/* ---- the memory ---- */

static size_t round_up(size_t bytes)
{
	return (bytes + JOURNAL_LINE - 1) / JOURNAL_LINE * JOURNAL_LINE;
}

static size_t power_of_two(size_t capacity)
{
	size_t rounded = 2;

	while (rounded < capacity)
		rounded *= 2;
	return rounded;
}

size_t journal_bytes(size_t capacity)
{
	const size_t count = power_of_two(capacity);
	size_t bytes = round_up(sizeof(struct header));

	for (int i = 0; i < V2_LANES_ACKED; i++)
		bytes += round_up(count * sizeof(struct place)) +
			 round_up(count * journal_record_bytes[i]);
	return bytes;
}

int journal_attach(void *memory, size_t bytes, struct journal **ret_journal)
{
	struct journal *journal = aligned_alloc(JOURNAL_LINE, sizeof(*journal));
	struct header *header = memory;
	uint8_t *at = (uint8_t *)memory + round_up(sizeof(*header));
	const size_t count = header->capacity;

	if (!journal)
		return -ENOMEM;
	memset(journal, 0, sizeof(*journal));
	journal->header = header;
	journal->bytes = bytes;
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		struct lane *lane = &journal->lanes[i];

		lane->words = &header->lanes[i];
		lane->mask = count - 1;
		lane->record_bytes = journal_record_bytes[i];
		lane->places = (struct place *)at;
		at += round_up(count * sizeof(struct place));
		lane->records = at;
		at += round_up(count * journal_record_bytes[i]);
	}
	*ret_journal = journal;
	return 0;
}

int journal_create(void *memory, size_t bytes, const struct journal_options *options,
	struct journal **ret_journal)
{
	struct header *header = memory;

	if (options->capacity == 0 || options->capacity > JOURNAL_CAPACITY_MAX ||
		bytes < journal_bytes(options->capacity) || options->boot == 0)
		return -EINVAL;
	header->version = JOURNAL_VERSION;
	header->capacity = (uint32_t)power_of_two(options->capacity);
	header->layout = options->layout;
	header->owner = options->owner;
	while (header->identity == 0)
		if (getrandom(&header->identity, sizeof(header->identity), 0) !=
			sizeof(header->identity))
			return -EIO;
	header->incarnations[0].boot = options->boot;
	for (int i = 0; i < V2_LANES_ACKED; i++)
		header->lanes[i].record_bytes = journal_record_bytes[i];
	set(&header->magic, JOURNAL_MAGIC);
	return journal_attach(memory, bytes, ret_journal);
}

int journal_new(const struct journal_options *options, struct journal **ret_journal)
{
	const size_t bytes = journal_bytes(options->capacity);
	void *memory;
	int r;

	if (options->capacity == 0 || options->capacity > JOURNAL_CAPACITY_MAX)
		return -EINVAL;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	r = journal_create(memory, bytes, options, ret_journal);
	if (r < 0)
		munmap(memory, bytes);
	else
		(*ret_journal)->own = memory;
	return r;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->own)
		munmap(journal->own, journal->bytes);
	free(journal);
}

size_t journal_capacity(const struct journal *journal)
{
	return journal->header->capacity;
}

uint64_t journal_identity(const struct journal *journal)
{
	return journal->header->identity;
}

/* ---- producer ---- */

static uint64_t places_free(const struct lane *lane)
{
	return lane->mask + 1 -
	       (atomic_load_explicit(&lane->words->head, memory_order_relaxed) -
		       get(&lane->words->tail));
}

static uint64_t places_needed(const struct lane *lane)
{
	return 1 + (lane->end < lane->next);
}

/*
 * A lane that is empty starts at its memory's beginning again, so it touches as much of it as ever waited,
 * and not all that it may use. The consumer looks at `base` only after it has seen an element.
 */
static void put(struct lane *lane, uint32_t kind, const void *record, size_t bytes)
{
	struct lane_words *words = lane->words;
	const uint64_t head = atomic_load_explicit(&words->head, memory_order_relaxed);
	struct place *place;

	if (head == get(&words->tail))
		set(&words->base, head);
	place = place_at(lane, head);
	place->sequence = lane->end;
	place->kind = kind;
	memcpy(record_at(lane, head), record, bytes);
	set(&words->head, head + 1);
}

static void put_range(struct lane *lane)
{
	const uint64_t count = lane->next - lane->end;

	if (count == 0)
		return;
	put(lane, JOURNAL_RANGE, &count, sizeof(count));
	lane->end = lane->next;
}

bool journal_push(struct journal *journal, enum v2_lane_id id, uint32_t kind, const void *record)
{
	struct lane *lane = &journal->lanes[id];

	if (places_free(lane) < places_needed(lane)) {
		set(&lane->words->shed_end, ++lane->next);
		return false;
	}
	put_range(lane);
	put(lane, kind, record, lane->record_bytes);
	lane->end = ++lane->next;
	return true;
}

bool journal_has_room(const struct journal *journal, enum v2_lane_id id)
{
	const struct lane *lane = &journal->lanes[id];

	return places_free(lane) >= places_needed(lane);
}

bool journal_settle(struct journal *journal)
{
	bool settled = true;

	for (int i = 0; i < V2_LANES_ACKED; i++) {
		struct lane *lane = &journal->lanes[i];

		if (places_free(lane) > 0)
			put_range(lane);
		settled &= lane->end == lane->next;
	}
	return settled;
}

uint64_t journal_next_sequence(const struct journal *journal, enum v2_lane_id id)
{
	return journal->lanes[id].next;
}

/* ---- consumer ---- */

uint64_t journal_boot(const struct journal *journal)
{
	return incarnation_of(journal)->boot;
}

uint64_t journal_processed(const struct journal *journal, enum v2_lane_id id)
{
	return get(&journal->lanes[id].words->processed) - journal->lanes[id].origin;
}

uint64_t journal_sent(const struct journal *journal, enum v2_lane_id id)
{
	return get(&journal->lanes[id].words->sent) - journal->lanes[id].origin;
}

/* Neighbours in memory, and of one kind. */
static uint64_t count_run(const struct lane *lane, uint64_t head, uint64_t max)
{
	const uint64_t first = position(lane, lane->cursor);
	const uint64_t most = MIN(max, MIN(head - lane->cursor, lane->mask + 1 - first));
	uint64_t count = 1;

	while (count < most && lane->places[first + count].kind == lane->places[first].kind)
		count++;
	return count;
}

bool journal_peek(const struct journal *journal, enum v2_lane_id id, uint64_t max,
	struct journal_run *ret_run)
{
	const struct lane *lane = &journal->lanes[id];
	const uint64_t head = get(&lane->words->head);
	struct journal_run run = {0};

	if (lane->cursor == head)
		return false;
	run.kind = place_at(lane, lane->cursor)->kind;
	if (run.kind == JOURNAL_RANGE) {
		run.count = end_of(lane, lane->cursor) - lane->taken;
	} else {
		run.count = count_run(lane, head, max);
		run.records = record_at(lane, lane->cursor);
	}
	*ret_run = run;
	return true;
}

void journal_take(struct journal *journal, enum v2_lane_id id, uint64_t count)
{
	struct lane *lane = &journal->lanes[id];
	lane->cursor += place_at(lane, lane->cursor)->kind == JOURNAL_RANGE ? 1 : count;
	lane->taken += count;
}

uint64_t journal_taken(const struct journal *journal, enum v2_lane_id id)
{
	return journal->lanes[id].taken - journal->lanes[id].origin;
}

bool journal_is_empty(const struct journal *journal)
{
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		const struct lane_words *words = journal->lanes[i].words;

		if (get(&words->head) != get(&words->tail))
			return false;
	}
	return true;
}

void journal_note_sent(struct journal *journal, enum v2_lane_id id, uint64_t before)
{
	const struct lane *lane = &journal->lanes[id];

	if (before + lane->origin > atomic_load_explicit(&lane->words->sent, memory_order_relaxed))
		set(&lane->words->sent, before + lane->origin);
}

void journal_free_places(struct lane *lane, uint64_t before, uint64_t counts[static JOURNAL_KINDS])
{
	uint64_t tail = atomic_load_explicit(&lane->words->tail, memory_order_relaxed);
	const uint64_t was = tail;

	for (; tail != lane->cursor && end_of(lane, tail) <= before; tail++)
		counts[place_at(lane, tail)->kind]++;
	if (tail != was)
		set(&lane->words->tail, tail);
}

void journal_note_processed(struct journal *journal, enum v2_lane_id id, uint64_t before,
	uint64_t counts[static JOURNAL_KINDS])
{
	struct lane *lane = &journal->lanes[id];
	const uint64_t end = MIN(before + lane->origin, lane->taken);

	if (end <= atomic_load_explicit(&lane->words->processed, memory_order_relaxed))
		return;
	set(&lane->words->processed, end);
	journal_free_places(lane, end, counts);
}

uint64_t journal_epoch(const struct journal *journal)
{
	return get(&incarnation_of(journal)->epoch);
}

void journal_note_epoch(struct journal *journal, uint64_t epoch)
{
	set(&incarnation_of(journal)->epoch, epoch);
}

uint64_t journal_update_sequence(const struct journal *journal)
{
	return get(&incarnation_of(journal)->update_sequence);
}

void journal_note_update_sequence(struct journal *journal, uint64_t sequence)
{
	set(&incarnation_of(journal)->update_sequence, sequence);
}

/* ---- incarnations ---- */

/* Gives up what lies below a sequence, and takes the rest again. */
static void begin_at(struct lane *lane, uint64_t origin, uint64_t counts[static JOURNAL_KINDS])
{
	const uint64_t head = get(&lane->words->head);

	lane->cursor = get(&lane->words->tail);
	while (lane->cursor != head && end_of(lane, lane->cursor) <= origin)
		lane->cursor++;
	lane->taken = origin;
	set(&lane->words->sent, origin);
	set(&lane->words->processed, origin);
	journal_free_places(lane, origin, counts);
}

void journal_restart(struct journal *journal, uint64_t boot, uint64_t counts[static JOURNAL_KINDS])
{
	struct header *header = journal->header;
	const uint64_t other = !get(&header->current);
	struct incarnation *next = &header->incarnations[other];

	next->boot = boot;
	set(&next->epoch, 0);
	set(&next->update_sequence, 0);
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		const struct lane_words *words = journal->lanes[i].words;

		next->origin[i] = MAX(get(&words->sent), get(&words->processed));
	}
	set(&header->current, other);
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		journal->lanes[i].origin = next->origin[i];
		begin_at(&journal->lanes[i], next->origin[i], counts);
	}
}
