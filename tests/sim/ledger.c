// SPDX-License-Identifier: BSD-2-Clause
/* What must hold. The ledger knows every event that came to be, and sees every commit. */
#include "tests/sim/sim.h"

#include <inttypes.h>

static struct sim_incarnation *find(struct sim_agent *agent, uint64_t boot)
{
	for (unsigned int i = agent->incarnation_count; i > 0; i--)
		if (agent->incarnations[i - 1].boot == boot)
			return &agent->incarnations[i - 1];
	return NULL;
}

void sim_ledger_accepted(
	struct sim_world *world, struct sim_agent *agent, unsigned int lane, bool kept)
{
	struct sim_incarnation *incarnation = sim_incarnation(agent);

	incarnation->fate[lane][incarnation->count[lane]++] = kept ? SIM_ACCEPTED : SIM_SHED;
	world->stats.shed += !kept;
}

static void processed(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	const struct v2_taken *item, const struct sim_record *record)
{
	struct sim_incarnation *incarnation = find(agent, world->peers[agent->index].mark.boot);
	uint8_t *fate = &incarnation->fate[lane][item->sequence];

	if (item->sequence >= incarnation->count[lane])
		sim_fail(world, "agent %u lane %u: event %" PRIu64 " never came to be",
			agent->index, lane, item->sequence);
	else if (record->boot != incarnation->boot || record->lane != lane ||
		 record->sequence != item->sequence || record->key >= SIM_KEYS ||
		 (item->schema == 1 && record->pattern[0] != record->sequence * 3))
		sim_fail(world, "agent %u lane %u: event %" PRIu64 " holds another's bytes",
			agent->index, lane, item->sequence);
	else if (*fate & (SIM_PROCESSED | SIM_DECLARED | SIM_SHED))
		sim_fail(world, "agent %u lane %u: event %" PRIu64 " is processed, but was %s",
			agent->index, lane, item->sequence,
			*fate & SIM_PROCESSED ? "before" : "declared or shed");
	else if (record->key_count <= incarnation->key_last[lane][record->key])
		sim_fail(world, "agent %u lane %u: events of key %u are out of order", agent->index,
			lane, record->key);
	else {
		*fate |= SIM_PROCESSED;
		incarnation->key_last[lane][record->key] = record->key_count;
		world->stats.processed++;
		world->stats.alone += sim_newest(world, agent) == NULL;
	}
}

static void declared(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	const struct v2_taken *item)
{
	struct sim_incarnation *incarnation = find(agent, world->peers[agent->index].mark.boot);

	for (uint64_t i = item->sequence; i < item->sequence + item->count; i++) {
		uint8_t *fate;

		if (i >= incarnation->count[lane]) {
			sim_fail(world,
				"agent %u lane %u: a range is declared up to %" PRIu64
				", which never came to be",
				agent->index, lane, i);
			return;
		}
		fate = &incarnation->fate[lane][i];
		if (*fate & (SIM_PROCESSED | SIM_DECLARED) ||
			(item->cause == V2_CAUSE_SPOOL_FULL && !(*fate & SIM_SHED)) ||
			(item->cause == V2_CAUSE_PATH && lane < V2_LANES_ACKED)) {
			sim_fail(world,
				"agent %u lane %u: event %" PRIu64
				" is declared lost (%s), and has fate %x",
				agent->index, lane, i, v2_cause_name(item->cause), *fate);
			return;
		}
		*fate |= SIM_DECLARED;
		world->stats.lost++;
	}
}

void sim_ledger_committed(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	const struct sim_batch *batch)
{
	const struct sim_incarnation *incarnation =
		find(agent, world->peers[agent->index].mark.boot);

	if (!incarnation || incarnation->closed) {
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
	struct sim_incarnation *incarnation = find(agent, mark->boot);

	if (!incarnation || incarnation->closed)
		return;
	incarnation->closed = true;
	for (int i = 0; i < V2_LANES; i++)
		incarnation->open_from[i] = mark->before[i];
}

void sim_ledger_admitted(struct sim_world *world, struct sim_agent *agent, uint64_t boot)
{
	struct sim_incarnation *incarnation = find(agent, boot);

	if (!incarnation) {
		sim_fail(world, "agent %u: an unknown incarnation is admitted", agent->index);
		return;
	}
	/* A late HELLO, of before it had its epoch: it has its end, and nothing may follow. */
	if (incarnation->closed && incarnation->epoch != 0)
		return;
	/* One that never learned its epoch has sent nothing in it, and may get another. */
	incarnation->admitted = true;
	incarnation->closed = false;
}

static void check_order(struct sim_world *world, unsigned int agent, int lane)
{
	const struct v2_receiver *receiver = &world->peers[agent].receiver;
	const struct v2_order *order = &receiver->lanes[lane];

	if (lane == V2_LANE_UPDATE ? receiver->updates.base > receiver->updates.taken
				   : order->base > order->taken || order->taken > order->next)
		sim_fail(world, "agent %u lane %d: the order is out of order", agent, lane);
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
static bool unaccounted(const struct sim_incarnation *incarnation, unsigned int lane, uint64_t mark,
	uint64_t *ret_sequence)
{
	for (uint64_t i = 0; i < incarnation->count[lane]; i++) {
		if (incarnation->fate[lane][i] & (SIM_PROCESSED | SIM_DECLARED))
			continue;
		if (incarnation->closed ? i >= incarnation->open_from[lane] : i >= mark)
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
		for (unsigned int lane = 0; lane < lanes; lane++)
			if (mark->before[lane] != last->count[lane])
				return false;
	}
	return true;
}

void sim_ledger_end(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int j = 0; j < world->agents[i].incarnation_count; j++) {
			const struct sim_incarnation *inc = &world->agents[i].incarnations[j];
			uint64_t sequence;

			/* One that died before it met the server is known to nobody. */
			if (!inc->admitted)
				continue;
			for (unsigned int lane = 0; lane < V2_LANES; lane++)
				if (unaccounted(inc, lane, world->peers[i].mark.before[lane],
					    &sequence))
					sim_fail(world,
						"agent %u incarnation %u lane %u: event %" PRIu64
						" is neither processed nor declared",
						i, j, lane, sequence);
		}
}
