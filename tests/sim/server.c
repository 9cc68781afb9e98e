// SPDX-License-Identifier: BSD-2-Clause
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

static uint64_t random_for_core(void *user)
{
	return sim_random(user);
}

static uint64_t clock_of(const struct sim_world *world)
{
	return world->now_ns + (uint64_t)world->server_clock_ns;
}

void sim_server_start(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct sim_peer *peer = &world->peers[i];
		struct v2_receiver_config config = {
			.record_max = sizeof(struct sim_record),
			.random = random_for_core,
			.random_user = world,
		};

		memcpy(config.window, world->plan.window, sizeof(config.window));
		if (v2_receiver_init(&peer->receiver, &config) < 0)
			sim_fail(world, "no memory for a receiver");
		memset(peer->batches, 0, sizeof(peer->batches));
		peer->update_count = 0;
		peer->control_count = 0;
	}
	world->server_up = true;
}

/* All memory is lost, connections break; what was committed stays. */
void sim_server_kill(struct sim_world *world)
{
	sim_note(world, "the server is killed");
	world->stats.server_kills++;
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct v2_receiver *receiver = &world->peers[i].receiver;

		world->stats.path_changes += receiver->stats.path_changes;
		v2_receiver_done(receiver);
		world->peers[i].control_count = 0;
	}
	world->server_up = false;
	world->server_up_at_ns = world->now_ns + 1 + sim_below(world, 200 * SIM_MS);
}

/* True if the server dies here: the caller returns at once and touches nothing. */
static bool kill_point(struct sim_world *world)
{
	if (world->healed || !sim_chance(world, world->plan.kill_point))
		return false;
	sim_server_kill(world);
	return true;
}

/* ---- sessions ---- */

static void answer(struct sim_world *world, struct sim_agent *agent,
	const struct sim_control *question, struct sim_control *reply)
{
	reply->to_server = false;
	reply->connection = question->connection;
	reply->key = question->key;
	sim_control_send(world, agent, reply);
}

static void refuse(struct sim_world *world, struct sim_agent *agent,
	const struct sim_control *control, enum v2_error error)
{
	struct sim_control reply = {0};

	reply.size = v2_put_refused(reply.bytes, sizeof(reply.bytes), error);
	answer(world, agent, control, &reply);
}

static void open_session(struct sim_world *world, struct sim_agent *agent,
	const struct sim_control *control, const struct v2_hello *hello)
{
	struct sim_peer *peer = &world->peers[agent->index];
	struct sim_control reply = {0};
	struct v2_welcome welcome;
	struct v2_seal seal;

	sim_seal_init(&peer->seal, &control->key, true, &seal);
	if (v2_receiver_open(&peer->receiver, &peer->mark, hello, &seal, &welcome) != V2_OK)
		sim_fail(world, "agent %u: its schemas are refused", agent->index);
	reply.size = v2_put_welcome(reply.bytes, sizeof(reply.bytes), &welcome, sim_random(world));
	answer(world, agent, control, &reply);
}

void sim_server_control(
	struct sim_world *world, struct sim_agent *agent, struct sim_control *control)
{
	struct sim_peer *peer = &world->peers[agent->index];
	struct v2_hello hello;
	struct v2_mark mark;

	if (v2_get_hello(control->bytes, control->size, &hello) != V2_OK) {
		sim_fail(world, "the server does not understand a HELLO");
		return;
	}
	switch (v2_admit(&peer->mark, &hello, &mark)) {
	case V2_ADMIT_STALE:
		refuse(world, agent, control, V2_STALE_EPOCH);
		return;
	case V2_ADMIT_NEW:
		if (kill_point(world))
			return;
		/* One transaction: the old incarnation's end and the new mark. */
		sim_ledger_closed(world, agent, &peer->mark);
		sim_ledger_admitted(world, agent, hello.boot);
		peer->mark = mark;
		peer->update_count = 0;
		if (kill_point(world))
			return;
		break;
	case V2_ADMIT_RESUME:
		break;
	}
	open_session(world, agent, control, &hello);
}

/* ---- processing ---- */

static uint64_t batch_time(struct sim_world *world)
{
	if (!world->healed && sim_chance(world, world->plan.slow))
		return sim_below(world, world->plan.slow_ns);
	return sim_below(world, SIM_MS);
}

/* Adds event i of what was taken, or the range that it is. */
static void put_item(struct sim_item *item, const struct v2_taken *taken, uint64_t i)
{
	item->taken = *taken;
	if (taken->cause != V2_CAUSE_NONE)
		return;
	item->taken.sequence += i;
	item->taken.count = 1;
	memcpy(&item->record, taken->records + i * taken->stride,
		MIN(taken->stride, sizeof(item->record)));
}

/* What was taken is lost from event i on: the last place of the queue is a range for that. */
static void lose_updates(struct sim_peer *peer, const struct v2_taken *taken, uint64_t i)
{
	struct v2_taken *range = &peer->updates[SIM_UPDATES_MAX - 1].taken;

	if (peer->update_count < SIM_UPDATES_MAX)
		*range = (struct v2_taken){.sequence = taken->sequence + i, .cause = V2_CAUSE_PATH};
	peer->update_count = SIM_UPDATES_MAX;
	range->count = taken->sequence + taken->count - range->sequence;
}

/* Updates are taken over at once. What finds no room is lost, like what never came. */
static void take_updates(struct sim_world *world, struct sim_peer *peer)
{
	struct v2_taken taken;

	while (v2_receiver_next_update(&peer->receiver, &taken)) {
		uint64_t items = taken.cause == V2_CAUSE_NONE ? taken.count : 1, i = 0;

		while (i < items && peer->update_count < SIM_UPDATES_MAX - 1)
			put_item(&peer->updates[peer->update_count++], &taken, i++);
		if (i < items) {
			world->stats.no_room += items - i;
			lose_updates(peer, &taken, i);
		}
	}
}

static unsigned int take_batch(
	struct sim_world *world, struct sim_peer *peer, unsigned int lane, struct sim_batch *batch)
{
	uint64_t most = 1 + sim_below(world, ARRAY_SIZE(batch->items));
	unsigned int count = 0;
	struct v2_taken taken;

	while (count < most && v2_receiver_take(&peer->receiver, lane, most - count, &taken)) {
		uint64_t items = taken.cause == V2_CAUSE_NONE ? taken.count : 1;

		for (uint64_t i = 0; i < items; i++)
			put_item(&batch->items[count++], &taken, i);
	}
	return count;
}

static unsigned int take_update_batch(struct sim_peer *peer, struct sim_batch *batch)
{
	unsigned int count = MIN(peer->update_count, (unsigned int)ARRAY_SIZE(batch->items));

	memcpy(batch->items, peer->updates, count * sizeof(batch->items[0]));
	peer->update_count -= count;
	memmove(peer->updates, peer->updates + count, peer->update_count * sizeof(batch->items[0]));
	return count;
}

static void begin_batch(struct sim_world *world, struct sim_peer *peer, unsigned int lane)
{
	struct sim_batch *batch = &peer->batches[lane];
	const struct v2_taken *last;

	batch->count = lane == V2_LANE_UPDATE ? take_update_batch(peer, batch)
					      : take_batch(world, peer, lane, batch);
	if (batch->count == 0)
		return;
	last = &batch->items[batch->count - 1].taken;
	batch->before = last->sequence + last->count;
	batch->busy = true;
	batch->epoch = peer->receiver.epoch;
	batch->done_at_ns = world->now_ns + batch_time(world);
}

/* The store refuses it: what the receiver keeps it hands out again; updates are tried again. */
static void fail_batch(struct sim_world *world, struct sim_peer *peer, unsigned int lane)
{
	struct sim_batch *batch = &peer->batches[lane];

	if (batch->epoch != peer->receiver.epoch)
		return;
	if (lane != V2_LANE_UPDATE) {
		v2_receiver_abandon(&peer->receiver, lane);
		return;
	}
	batch->busy = true;
	batch->done_at_ns = world->now_ns + 1 + batch_time(world);
}

/* True if the server is still alive afterwards. */
static bool finish_batch(struct sim_world *world, struct sim_agent *agent, unsigned int lane)
{
	struct sim_peer *peer = &world->peers[agent->index];
	struct sim_batch *batch = &peer->batches[lane];

	batch->busy = false;
	if (!world->healed && sim_chance(world, world->plan.commit_fails)) {
		fail_batch(world, peer, lane);
		return true;
	}
	if (kill_point(world))
		return false;
	/* The store's own fence: a commit names its epoch. */
	if (batch->epoch != peer->mark.epoch) {
		world->stats.refused_commits++;
	} else {
		peer->mark.before[lane] = batch->before;
		sim_ledger_committed(world, agent, lane, batch);
		world->stats.commits++;
	}
	if (kill_point(world))
		return false;
	v2_receiver_commit(&peer->receiver, batch->epoch, lane, batch->before, clock_of(world));
	return !kill_point(world);
}

static bool process(struct sim_world *world, struct sim_agent *agent)
{
	struct sim_peer *peer = &world->peers[agent->index];

	for (unsigned int lane = 0; lane < V2_LANES; lane++) {
		struct sim_batch *batch = &peer->batches[lane];

		if (batch->busy && world->now_ns >= batch->done_at_ns &&
			!finish_batch(world, agent, lane))
			return false;
		if (!batch->busy)
			begin_batch(world, peer, lane);
	}
	return true;
}

/* ---- datagrams ---- */

static void check_amplification(struct sim_world *world, uint64_t to)
{
	const struct sim_address *address = sim_address(world, to);

	if (!address->proven && address->bytes_out > address->bytes_in)
		sim_fail(world,
			"%" PRIu64 " bytes went to address %" PRIu64
			", which is not validated and sent %" PRIu64,
			address->bytes_out, to, address->bytes_in);
}

static void send_answers(struct sim_world *world, unsigned int index)
{
	struct v2_receiver *receiver = &world->peers[index].receiver;
	struct sim_packet packet;
	unsigned int sent = 0;
	size_t size;

	while ((size = v2_receiver_poll(receiver, clock_of(world), &packet.to, packet.bytes,
			sizeof(packet.bytes))) > 0) {
		if (++sent > SIM_PACKETS_MAX) {
			sim_fail(world, "the server answers without end");
			return;
		}
		packet.from = 1;
		packet.agent = index;
		packet.to_server = false;
		packet.size = (uint16_t)size;
		sim_network_send(world, &packet);
		check_amplification(world, packet.to);
	}
}

void sim_server_receive(struct sim_world *world, struct sim_packet *packet)
{
	enum v2_error error;

	if (!world->server_up)
		return;
	sim_address(world, packet->from)->bytes_in += packet->size;
	error = v2_receiver_receive(&world->peers[packet->agent].receiver, clock_of(world),
		packet->from, packet->bytes, packet->size);
	if (v2_error_action(error) != V2_ACTION_NONE && v2_error_action(error) != V2_ACTION_DROP)
		sim_fail(world, "the server takes a packet of agent %u for %s", packet->agent,
			v2_error_name(error));
	take_updates(world, &world->peers[packet->agent]);
}

void sim_server_step(struct sim_world *world)
{
	if (!world->server_up) {
		if (world->now_ns < world->server_up_at_ns)
			return;
		sim_server_start(world);
	}
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		if (!process(world, &world->agents[i]))
			return;
		send_answers(world, i);
	}
}

uint64_t sim_server_next_time(const struct sim_world *world)
{
	uint64_t at = SIM_NEVER;

	if (!world->server_up)
		return world->server_up_at_ns;
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		const struct sim_peer *peer = &world->peers[i];
		uint64_t core = v2_receiver_next_time(&peer->receiver);

		if (core != SIM_NEVER)
			at = MIN(at, core - (uint64_t)world->server_clock_ns);
		for (unsigned int lane = 0; lane < V2_LANES; lane++)
			if (peer->batches[lane].busy)
				at = MIN(at, peer->batches[lane].done_at_ns);
	}
	return at;
}
