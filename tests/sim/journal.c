// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an agent keeps where a kill does not reach, so that the next goes on with its incarnation: the
 * boot number and the epoch, all that is not processed, and how far the updates have come. Each
 * function is a step that is done as a whole; the agent is killed between any two.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

static struct sim_element *element_at(struct sim_journal_lane *lane, uint64_t index)
{
	return &lane->ring[index % SIM_JOURNAL_MAX];
}

void sim_journal_clear(struct sim_journal *journal)
{
	journal->valid = false;
}

void sim_journal_begin(struct sim_journal *journal, uint64_t boot)
{
	for (unsigned int i = 0; i < V2_LANES_ACKED; i++) {
		struct sim_journal_lane *lane = &journal->lanes[i];

		lane->tail = lane->head = lane->copied = lane->end = lane->shed_end = 0;
	}
	journal->update_sequence = 0;
	journal->boot = boot;
	journal->epoch = 0;
	journal->valid = true;
}

uint64_t sim_journal_next(const struct sim_journal *journal, unsigned int lane)
{
	return MAX(journal->lanes[lane].end, journal->lanes[lane].shed_end);
}

void sim_journal_shed(struct sim_journal *journal, unsigned int lane)
{
	journal->lanes[lane].shed_end = sim_journal_next(journal, lane) + 1;
}

static struct sim_element *add(struct sim_journal_lane *lane, uint64_t sequence, uint64_t count)
{
	struct sim_element *element = element_at(lane, lane->head++);

	element->sequence = sequence;
	element->count = count;
	lane->end = sequence + count;
	return element;
}

/* What was shed since the last element. What was sent is never made longer: it has its borders. */
static void add_range(struct sim_journal_lane *lane, size_t capacity)
{
	if (lane->shed_end > lane->end && lane->head - lane->tail < capacity)
		add(lane, lane->end, lane->shed_end - lane->end)->range = true;
}

bool sim_journal_push(struct sim_journal *journal, unsigned int lane_id, size_t capacity,
	uint16_t schema, const struct sim_record *record)
{
	struct sim_journal_lane *lane = &journal->lanes[lane_id];
	uint64_t needed = lane->shed_end > lane->end ? 2 : 1;
	struct sim_element *element;

	if (capacity - (lane->head - lane->tail) < needed) {
		sim_journal_shed(journal, lane_id);
		return false;
	}
	add_range(lane, capacity);
	element = add(lane, lane->end, 1);
	element->range = false;
	element->schema = schema;
	element->record = *record;
	return true;
}

/* Events of one schema that follow each other, as bytes. Returns how many. */
static uint64_t get_run(struct sim_journal_lane *lane, uint64_t size, uint64_t most, uint8_t *bytes)
{
	const struct sim_element *first = element_at(lane, lane->copied);
	uint64_t count = 0;

	while (count < most && lane->copied + count < lane->head) {
		const struct sim_element *element = element_at(lane, lane->copied + count);

		if (element->range || element->schema != first->schema ||
			element->sequence != first->sequence + count)
			break;
		memcpy(bytes + count++ * size, &element->record, size);
	}
	return count;
}

/* A range, or a run of events. Returns how many elements it took. */
static uint64_t copy_some(
	struct v2_sender *sender, unsigned int id, struct sim_journal_lane *lane, uint64_t most)
{
	const struct sim_element *first = element_at(lane, lane->copied);
	uint8_t bytes[SIM_PUSH_MAX * sizeof(struct sim_record)];
	uint64_t count;

	if (first->range) {
		v2_sender_shed(sender, id, first->count);
		return 1;
	}
	count = get_run(lane, sender->config.schemas.list[first->schema].record_bytes,
		MIN(most, SIM_PUSH_MAX), bytes);
	/* All of it: there is room. */
	(void)!v2_sender_push(sender, id, first->schema, bytes, count);
	return count;
}

static void copy_lane(struct sim_world *world, struct sim_agent *agent, unsigned int id)
{
	struct sim_journal_lane *lane = &agent->journal.lanes[id];
	const struct v2_spool *spool = &agent->sender.lanes[id];
	uint64_t room;

	while (lane->copied < lane->head && (room = v2_sender_room(&agent->sender, id)) > 0) {
		uint64_t sequence = element_at(lane, lane->copied)->sequence;

		if (spool->next_sequence != sequence)
			sim_fail(world, "agent %u lane %u: %" PRIu64 " is sent as %" PRIu64,
				agent->index, id, sequence, spool->next_sequence);
		world->stats.passed += spool->processed > sequence;
		lane->copied += copy_some(&agent->sender, id, lane, room);
	}
}

void sim_journal_copy(struct sim_world *world, struct sim_agent *agent)
{
	for (unsigned int i = 0; i < V2_LANES_ACKED; i++) {
		add_range(&agent->journal.lanes[i], world->plan.journal_capacity);
		copy_lane(world, agent, i);
	}
}

void sim_journal_note(struct sim_agent *agent)
{
	for (unsigned int i = 0; i < V2_LANES_ACKED; i++) {
		struct sim_journal_lane *lane = &agent->journal.lanes[i];
		uint64_t processed = agent->sender.lanes[i].processed;

		while (lane->tail < lane->copied &&
			element_at(lane, lane->tail)->sequence +
					element_at(lane, lane->tail)->count <=
				processed)
			lane->tail++;
	}
}

bool sim_journal_empty(const struct sim_journal *journal)
{
	for (unsigned int i = 0; i < V2_LANES_ACKED; i++)
		if (journal->lanes[i].tail < journal->lanes[i].head ||
			journal->lanes[i].shed_end > journal->lanes[i].end)
			return false;
	return true;
}

void sim_journal_resume(struct sim_world *world, struct sim_agent *agent)
{
	struct sim_journal *journal = &agent->journal;
	struct v2_life life = {.boot = journal->boot, .epoch = journal->epoch};

	for (unsigned int i = 0; i < V2_LANES_ACKED; i++) {
		struct sim_journal_lane *lane = &journal->lanes[i];

		lane->copied = lane->tail;
		life.first[i] = lane->tail < lane->head ? element_at(lane, lane->tail)->sequence
							: lane->end;
		life.sent_end[i] = sim_journal_next(journal, i);
	}
	life.first[V2_LANE_UPDATE] = life.sent_end[V2_LANE_UPDATE] = journal->update_sequence;
	if (v2_sender_resume(&agent->sender, &life) < 0)
		sim_fail(world, "agent %u cannot resume", agent->index);
	world->stats.resumed++;
}
