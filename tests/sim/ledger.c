// SPDX-License-Identifier: BSD-2-Clause
/* What must hold. The ledger knows every event that came to be, and sees every commit. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

/* The number of an incarnation, or -1. */
static int find(const struct sim_agent *agent, uint64_t boot)
{
	for (unsigned int i = agent->incarnation_count; i > 0; i--)
		if (agent->incarnations[i - 1].boot == boot)
			return (int)i - 1;
	return -1;
}

void sim_ledger_accepted(
	struct sim_world *world, struct sim_agent *agent, unsigned int lane, bool kept)
{
	struct sim_incarnation *incarnation = sim_incarnation(agent);

	incarnation->shed[lane][incarnation->count[lane]++] = !kept;
	world->stats.shed += !kept;
}

/* True if the bytes are those of the event that they are said to be. */
static bool is_record_of(const struct sim_incarnation *incarnation, unsigned int lane,
	const struct v2_taken *item, const struct sim_record *record)
{
	return record->boot == incarnation->boot && record->lane == lane &&
	       record->sequence == item->sequence && record->key < SIM_KEYS &&
	       (item->schema == 0 || (record->pattern[0] == record->sequence * 3 &&
					     record->pattern[1] == ~record->boot));
}

static void processed(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	const struct v2_taken *item, const struct sim_record *record)
{
	int number = find(agent, world->peers[agent->index].mark.boot);
	const struct sim_incarnation *incarnation = &agent->incarnations[number];
	struct sim_effects *effects = &agent->effects[number];
	uint8_t *fate = &effects->fate[lane][item->sequence];

	if (item->sequence >= incarnation->count[lane])
		sim_fail(world, "agent %u lane %u: event %" PRIu64 " never came to be",
			agent->index, lane, item->sequence);
	else if (!is_record_of(incarnation, lane, item, record))
		sim_fail(world, "agent %u lane %u: event %" PRIu64 " holds another's bytes",
			agent->index, lane, item->sequence);
	else if (*fate != SIM_UNKNOWN || incarnation->shed[lane][item->sequence])
		sim_fail(world, "agent %u lane %u: event %" PRIu64 " is processed, but was %s",
			agent->index, lane, item->sequence,
			*fate == SIM_PROCESSED ? "before" : "declared or shed");
	else if (record->key_count <= effects->key_last[lane][record->key])
		sim_fail(world, "agent %u lane %u: events of key %u are out of order", agent->index,
			lane, record->key);
	else {
		*fate = SIM_PROCESSED;
		effects->key_last[lane][record->key] = record->key_count;
		world->stats.processed++;
		world->stats.alone += sim_newest(world, agent) == NULL;
	}
}

static bool may_declare(enum v2_cause cause, unsigned int lane, bool shed)
{
	if (cause == V2_CAUSE_PATH)
		return lane == V2_LANE_UPDATE;
	return cause == V2_CAUSE_SPOOL_FULL && shed;
}

static void declared(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	const struct v2_taken *item)
{
	int number = find(agent, world->peers[agent->index].mark.boot);
	const struct sim_incarnation *incarnation = &agent->incarnations[number];
	uint8_t *fates = agent->effects[number].fate[lane];

	if (item->sequence + item->count > incarnation->count[lane]) {
		sim_fail(world,
			"agent %u lane %u: %" PRIu64 " events from %" PRIu64
			" on are declared, of which some never came to be",
			agent->index, lane, item->count, item->sequence);
		return;
	}
	for (uint64_t i = item->sequence; i < item->sequence + item->count; i++) {
		if (fates[i] != SIM_UNKNOWN ||
			!may_declare(item->cause, lane, incarnation->shed[lane][i])) {
			sim_fail(world,
				"agent %u lane %u: event %" PRIu64
				" is declared lost (%s), but has fate %u",
				agent->index, lane, i, v2_cause_name(item->cause), fates[i]);
			return;
		}
		fates[i] = SIM_DECLARED;
		world->stats.lost++;
	}
}

void sim_ledger_committed(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	const struct sim_batch *batch)
{
	int number = find(agent, world->peers[agent->index].mark.boot);

	if (number < 0 || agent->effects[number].closed) {
		sim_fail(world, "agent %u: something of a closed incarnation is committed",
			agent->index);
		return;
	}
	for (unsigned int i = 0; i < batch->count && world->failure[0] == 0; i++)
		if (batch->items[i].taken.cause == V2_CAUSE_NONE)
			processed(world, agent, lane, &batch->items[i].taken,
				&batch->items[i].record);
		else
			declared(world, agent, lane, &batch->items[i].taken);
}

void sim_ledger_closed(struct sim_world *world, struct sim_agent *agent, const struct v2_mark *mark)
{
	int number = find(agent, mark->boot);
	struct sim_effects *effects;

	(void)world;
	if (number < 0 || agent->effects[number].closed)
		return;
	effects = &agent->effects[number];
	effects->closed = true;
	memcpy(effects->open_from, mark->before, sizeof(effects->open_from));
}

void sim_ledger_admitted(struct sim_world *world, struct sim_agent *agent, uint64_t boot)
{
	int number = find(agent, boot);
	struct sim_effects *effects;

	if (number < 0) {
		sim_fail(world, "agent %u: an unknown incarnation is admitted", agent->index);
		return;
	}
	effects = &agent->effects[number];
	/* A late HELLO, of before it had its epoch: it has its end, and nothing may follow. */
	if (effects->closed && agent->incarnations[number].epoch != 0)
		return;
	/* One that never learned its epoch has sent nothing in it, and may get another. */
	effects->admitted = true;
	effects->closed = false;
}

static void check_order(struct sim_world *world, unsigned int agent, int lane)
{
	const struct v2_receiver *receiver = &world->peers[agent].receiver;
	const struct v2_order *order = &receiver->lanes[lane];

	if (lane == V2_LANE_UPDATE ? receiver->updates.base > receiver->updates.taken
				   : order->base > order->taken || order->taken > order->next)
		sim_fail(world, "agent %u lane %d: the order is out of order", agent, lane);
	else if (lane != V2_LANE_UPDATE && receiver->epoch == world->peers[agent].mark.epoch &&
		 order->base > world->peers[agent].mark.before[lane])
		sim_fail(world, "agent %u lane %d: processed is said of what is not committed",
			agent, lane);
}

static void check_seal(struct sim_world *world, unsigned int agent, const struct sim_seal *seal)
{
	if (seal->nonce_reused)
		sim_fail(world, "agent %u: a packet number was sealed twice", agent);
	if (seal->replayed)
		sim_fail(world, "agent %u: a packet was opened twice", agent);
}

void sim_ledger_bounds(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		const struct v2_sender *sender = &world->agents[i].sender;

		check_seal(world, i, &world->agents[i].seal);
		check_seal(world, i, &world->peers[i].seal);
		if (sender->next_packet - sender->oldest > world->plan.packets)
			sim_fail(world, "agent %u has more packets out than it may", i);
		if (sender->congestion.flying >
			sender->congestion.window_max + 8 * SIM_DATAGRAM_MAX)
			sim_fail(world, "agent %u has %" PRIu64 " bytes out", i,
				sender->congestion.flying);
		for (int lane = 0; lane < V2_LANES; lane++) {
			const struct v2_spool *spool = &sender->lanes[lane];

			if (spool->tail - spool->head > spool->places.count ||
				spool->unsent < spool->head || spool->unsent > spool->tail)
				sim_fail(world, "agent %u lane %d: the spool is out of bounds", i,
					lane);
			if (world->server_up)
				check_order(world, i, lane);
		}
	}
}

/* An event of a lane that nobody accounts for, if there is one. */
static bool unaccounted(const struct sim_agent *agent, unsigned int number, unsigned int lane,
	uint64_t mark, uint64_t *ret_sequence)
{
	const struct sim_effects *effects = &agent->effects[number];

	for (uint64_t i = 0; i < agent->incarnations[number].count[lane]; i++) {
		if (effects->fate[lane][i] != SIM_UNKNOWN)
			continue;
		if (effects->closed ? i >= effects->open_from[lane] : i >= mark)
			continue;
		*ret_sequence = i;
		return true;
	}
	return false;
}

bool sim_ledger_settled(struct sim_world *world, unsigned int lanes)
{
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		const struct sim_incarnation *last = sim_incarnation(&world->agents[i]);
		const struct v2_mark *mark = &world->peers[i].mark;

		if (mark->boot != last->boot || !v2_sender_idle(&world->agents[i].sender))
			return false;
		if (world->agents[i].journaled && !sim_journal_empty(&world->agents[i].journal))
			return false;
		for (unsigned int lane = 0; lane < lanes; lane++)
			if (mark->before[lane] != last->count[lane])
				return false;
	}
	return true;
}

static void check_incarnation(struct sim_world *world, unsigned int index, unsigned int number)
{
	uint64_t sequence;

	for (unsigned int lane = 0; lane < V2_LANES; lane++)
		if (unaccounted(&world->agents[index], number, lane,
			    world->peers[index].mark.before[lane], &sequence))
			sim_fail(world,
				"agent %u incarnation %u lane %u: event %" PRIu64
				" is neither processed nor declared",
				index, number, lane, sequence);
}

void sim_ledger_end(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int j = 0; j < world->agents[i].incarnation_count; j++)
			/* One that died before it met the server is known to nobody. */
			if (world->agents[i].effects[j].admitted)
				check_incarnation(world, i, j);
}
