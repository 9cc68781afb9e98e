// SPDX-License-Identifier: BSD-2-Clause
/* A journal that another one left: checked, gone on with, moved. */
#include "agent/journal_private.h"

#include <errno.h>

static bool is_kind_of(enum v2_lane_id lane, uint32_t kind)
{
	switch (kind) {
	case JOURNAL_RANGE:
		return true;
	case EVENT_PORT:
		return lane == V2_LANE_PORT;
	case EVENT_FLOW:
		return lane == V2_LANE_LAST;
	case EVENT_SOURCE:
	case EVENT_TARGET:
		return lane == V2_LANE_URGENT;
	default:
		return false;
	}
}

static int check_header(
	const struct header *header, size_t bytes, const struct journal_options *options)
{
	if (bytes < sizeof(*header) || header->magic != JOURNAL_MAGIC)
		return -EBADMSG;
	if (header->version != JOURNAL_VERSION)
		return -EPROTO;
	if (header->capacity < 2 || header->capacity > JOURNAL_CAPACITY_MAX ||
		(header->capacity & (header->capacity - 1)) != 0 ||
		bytes < journal_bytes(header->capacity) || header->identity == 0)
		return -EBADMSG;
	for (int i = 0; i < V2_LANES_ACKED; i++)
		if (header->lanes[i].record_bytes != journal_record_bytes[i])
			return -ESTALE;
	if (header->layout != options->layout)
		return -ESTALE;
	if (header->current > 1 || header->incarnations[header->current].boot == 0)
		return -EBADMSG;
	return 0;
}

/* Elements are of the lane's kinds, and their sequences have no gap. */
static int check_elements(struct lane *lane, enum v2_lane_id id)
{
	const uint64_t head = get(&lane->words->head), tail = get(&lane->words->tail);

	if (head - tail > lane->mask + 1)
		return -EBADMSG;
	for (uint64_t i = tail; i != head; i++) {
		const struct place *place = place_at(lane, i);
		const uint64_t end = end_of(lane, i);

		if (!is_kind_of(id, place->kind) || place->sequence > JOURNAL_SEQUENCE_MAX ||
			end > JOURNAL_SEQUENCE_MAX || end <= place->sequence ||
			(i != tail && place->sequence != lane->end))
			return -EBADMSG;
		lane->end = end;
	}
	return 0;
}

/* Where producer and consumer are, and that it is one place behind the other. */
static int check_places(struct lane *lane, uint64_t origin)
{
	const struct lane_words *words = lane->words;
	const uint64_t head = get(&words->head), shed_end = get(&words->shed_end);
	const bool has_elements = head != get(&words->tail);

	lane->origin = origin;
	lane->taken = MAX(get(&words->processed), origin);
	if (!has_elements)
		lane->end = lane->taken;
	lane->next = MAX(lane->end, shed_end);
	lane->cursor = get(&words->tail);
	if (has_elements && place_at(lane, lane->cursor)->sequence > lane->taken)
		return -EBADMSG;
	while (lane->cursor != head && end_of(lane, lane->cursor) <= lane->taken)
		lane->cursor++;
	return lane->taken <= lane->next && lane->next <= JOURNAL_SEQUENCE_MAX &&
			       get(&words->sent) <= lane->next &&
			       get(&words->processed) <= lane->next
		       ? 0
		       : -EBADMSG;
}

/* As if the one before had done what it had begun. */
static void go_on(struct lane *lane, uint64_t lost[static JOURNAL_KINDS])
{
	const bool is_given_up = get(&lane->words->processed) < lane->origin;
	uint64_t processed[JOURNAL_KINDS] = {0};

	set(&lane->words->processed, lane->taken);
	set(&lane->words->sent, MAX(get(&lane->words->sent), lane->taken));
	journal_free_places(lane, lane->taken, is_given_up ? lost : processed);
}

static void count_waiting(const struct lane *lane, uint64_t counts[static JOURNAL_KINDS])
{
	const uint64_t head = get(&lane->words->head);

	for (uint64_t i = lane->cursor; i != head; i++)
		counts[place_at(lane, i)->kind]++;
}

/* Of what cannot be read it is only known what room there is. */
static void count_unread(
	const struct header *header, size_t bytes, uint64_t lost[static JOURNAL_KINDS])
{
	const uint64_t most = bytes / (sizeof(struct place) + sizeof(struct flow_event));

	lost[EVENT_PORT] = bytes < sizeof(*header) ? 0 : most;
}

static int check(struct journal *journal)
{
	const struct incarnation *incarnation = incarnation_of(journal);
	int r = 0;

	for (enum v2_lane_id id = 0; id < V2_LANES_ACKED && r == 0; id++) {
		r = check_elements(&journal->lanes[id], id);
		if (r == 0)
			r = check_places(&journal->lanes[id], incarnation->origin[id]);
	}
	return r;
}

int journal_open(void *memory, size_t bytes, const struct journal_options *options,
	struct journal **ret_journal, struct journal_past *ret_past)
{
	_cleanup_(journal_freep) struct journal *journal = NULL;
	struct journal_past past = {0};
	struct header *header = memory;
	int r = check_header(header, bytes, options);

	*ret_past = past;
	if (r == 0)
		r = journal_attach(memory, bytes, &journal);
	if (r == 0)
		r = check(journal);
	if (r < 0) {
		count_unread(header, bytes, ret_past->lost);
		return r;
	}
	for (int i = 0; i < V2_LANES_ACKED; i++)
		go_on(&journal->lanes[i], past.lost);
	past.goes_on = options->owner != 0 && header->owner == options->owner;
	if (!past.goes_on)
		journal_restart(journal, options->boot, past.lost);
	header->owner = options->owner;
	for (int i = 0; i < V2_LANES_ACKED; i++)
		count_waiting(&journal->lanes[i], past.waiting);
	past.lost[JOURNAL_RANGE] = past.waiting[JOURNAL_RANGE] = 0;
	*ret_journal = TAKE_PTR(journal);
	*ret_past = past;
	return 0;
}

/* Elements keep their numbers; positions are others'. */
static void copy_lane(const struct lane *from, struct lane *to)
{
	const uint64_t head = get(&from->words->head), tail = get(&from->words->tail);

	set(&to->words->base, tail);
	for (uint64_t i = tail; i != head; i++) {
		*place_at(to, i) = *place_at(from, i);
		memcpy(record_at(to, i), record_at(from, i), from->record_bytes);
	}
	set(&to->words->head, head);
	set(&to->words->tail, tail);
	set(&to->words->shed_end, get(&from->words->shed_end));
	set(&to->words->processed, get(&from->words->processed));
	set(&to->words->sent, get(&from->words->sent));
}

int journal_move(const struct journal *journal, void *memory, size_t bytes, size_t capacity)
{
	_cleanup_(journal_freep) struct journal *to = NULL;
	const struct journal_options options = {.capacity = capacity,
		.layout = journal->header->layout,
		.owner = journal->header->owner,
		.boot = journal_boot(journal)};
	int r = journal_create(memory, bytes, &options, &to);

	if (r < 0)
		return r;
	to->header->identity = journal->header->identity;
	memcpy(to->header->incarnations, journal->header->incarnations,
		sizeof(to->header->incarnations));
	set(&to->header->current, get(&journal->header->current));
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		const struct lane_words *words = journal->lanes[i].words;

		if (get(&words->head) - get(&words->tail) > to->header->capacity)
			return -ENOSPC;
		copy_lane(&journal->lanes[i], &to->lanes[i]);
	}
	return 0;
}
