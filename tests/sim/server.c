// SPDX-License-Identifier: BSD-2-Clause
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

static uint64_t random_for_core(void *user)
{
	return sim_random(user);
}

uint64_t sim_server_clock(const struct sim_world *world)
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
		for (unsigned int lane = 0; lane < V2_LANES; lane++)
			peer->work[lane].count = peer->work[lane].writing = 0;
		peer->update_count = 0;
		peer->session_connection = 0;
		v2_lease_init(&peer->lease, &world->plan.lease);
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
	}
	sim_server_connections_die(world);
	sim_store_crash(world);
	/* Descriptions are kept in a store; now and then it is another one. */
	if (sim_chance(world, 300))
		memset(world->schema_known, 0, sizeof(world->schema_known));
	world->server_up = false;
	world->server_up_at_ns = world->now_ns + 1 + sim_below(world, 200 * SIM_MS);
}

bool sim_kill_point(struct sim_world *world)
{
	if (world->healed || !sim_chance(world, world->plan.kill_point))
		return false;
	sim_server_kill(world);
	return true;
}

/* ---- sessions ---- */

void sim_server_opened(struct sim_world *world, struct sim_agent *agent _unused_,
	struct sim_connection *connection)
{
	v2_control_server_set(&connection->at_server, &world->settings);
}

/* No two sessions may have one key. */
static void note_key(struct sim_world *world, const struct siphash_key *key)
{
	for (unsigned int i = 0; i < world->session_count; i++)
		if (memcmp(&world->session_keys[i], key, sizeof(*key)) == 0)
			sim_fail(world, "two sessions have the same keys");
	if (world->session_count < SIM_SESSIONS_MAX)
		world->session_keys[world->session_count++] = *key;
}

static void open_session(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection)
{
	struct sim_peer *peer = &world->peers[agent->index];
	uint64_t session = v2_receiver_next_session(&peer->receiver);
	struct siphash_key key = sim_session_key(connection, session);
	struct v2_welcome welcome;
	struct v2_seal seal;

	note_key(world, &key);
	/* The ends of a session turn their keys at different times. */
	sim_seal_init(&peer->seal, &key, true, world->plan.key_packets + 50, &seal);
	if (v2_receiver_open(&peer->receiver, &peer->mark, &connection->at_server.hello, &seal,
		    &welcome) != V2_OK)
		sim_fail(world, "agent %u: its schemas are refused", agent->index);
	if (welcome.session != session)
		sim_fail(world, "the session's number is not the one that its keys are of");
	v2_lease_begin(&peer->lease, 0, sim_server_clock(world), 0); /* it does not renew */
	peer->session_connection = connection->id;
	v2_control_server_welcome(&connection->at_server, &welcome);
}

void sim_server_admit(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection)
{
	struct sim_peer *peer = &world->peers[agent->index];
	const struct v2_hello *hello = &connection->at_server.hello;
	struct v2_mark mark;

	for (unsigned int i = 0; i < SIM_SCHEMAS; i++)
		if (!world->schema_known[i])
			sim_fail(world, "agent %u: admitted with a schema that is not known",
				agent->index);
	switch (v2_admit(&peer->mark, hello, &mark)) {
	case V2_ADMIT_STALE:
		v2_control_server_refuse(&connection->at_server, V2_STALE_EPOCH);
		return;
	case V2_ADMIT_NEW:
		if (sim_kill_point(world))
			return;
		/* One transaction: the old incarnation's end and the new mark. */
		sim_ledger_closed(world, agent, &peer->mark);
		sim_ledger_admitted(world, agent, hello->boot);
		peer->mark = mark;
		peer->update_count = 0;
		if (sim_kill_point(world))
			return;
		break;
	case V2_ADMIT_RESUME:
		break;
	}
	open_session(world, agent, connection);
}

static uint64_t batch_time(struct sim_world *world);

static void end_session(struct sim_peer *peer)
{
	v2_receiver_close(&peer->receiver);
	v2_lease_end(&peer->lease);
	peer->session_connection = 0;
}

void sim_server_event(struct sim_world *world, struct sim_agent *agent,
	struct sim_connection *connection, const struct v2_control_event *event)
{
	if (event->type == V2_CONTROL_ASKED)
		connection->admit_at_ns = world->now_ns + batch_time(world);
	else if (event->type == V2_CONTROL_SET_DONE)
		world->stats.sets++;
	else if (event->type == V2_CONTROL_LEFT && v2_bye_ends_session(event->bye))
		end_session(&world->peers[agent->index]);
}

void sim_server_lost(struct sim_world *world, struct sim_agent *agent, uint64_t connection)
{
	struct sim_peer *peer = &world->peers[agent->index];

	if (connection == peer->session_connection)
		v2_lease_lost(&peer->lease, sim_server_clock(world));
}

void sim_server_forget(struct sim_world *world, struct sim_agent *agent)
{
	sim_note(world, "the session of agent %u is forgotten", agent->index);
	world->stats.forgotten++;
	end_session(&world->peers[agent->index]);
}

void sim_server_expel(struct sim_world *world, struct sim_agent *agent)
{
	sim_note(world, "agent %u is expelled", agent->index);
	end_session(&world->peers[agent->index]);
	for (unsigned int i = 0; i < SIM_CONNECTIONS_MAX; i++) {
		struct sim_connection *connection = &world->connections[agent->index][i];

		if (connection->id != 0 && connection->server_open)
			v2_control_server_leave(&connection->at_server, V2_BYE_REVOKED, V2_OK);
	}
}

/* Good ones, ones that no agent knows, and ones that are out of bounds. */
void sim_server_change_settings(struct sim_world *world)
{
	struct v2_settings *settings = &world->settings;
	struct v2_settings_result result;

	settings->generation++;
	settings->count = (uint8_t)sim_below(world, 4);
	for (uint8_t i = 0; i < settings->count; i++)
		settings->list[i] = (struct v2_setting){.key = i + 1, .value = 20000 + i};
	if (settings->count > 0 && sim_chance(world, 200))
		settings->list[0].key = 77;
	if (settings->count > 1 && sim_chance(world, 200))
		settings->list[1].value = UINT64_MAX;
	v2_check_settings(settings, &result);
	world->settings_good = result.status == V2_SETTINGS_APPLIED ? settings->generation : 0;
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int j = 0; j < SIM_CONNECTIONS_MAX; j++)
			if (world->connections[i][j].id != 0 &&
				world->connections[i][j].server_open)
				v2_control_server_set(
					&world->connections[i][j].at_server, settings);
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

/* False: there is nothing to be done. */
static bool begin_batch(struct sim_world *world, struct sim_peer *peer, unsigned int lane)
{
	struct sim_work *work = &peer->work[lane];
	struct sim_batch *batch = sim_batch(work, work->count);
	const struct v2_taken *last;

	batch->count = lane == V2_LANE_UPDATE ? take_update_batch(peer, batch)
					      : take_batch(world, peer, lane, batch);
	if (batch->count == 0)
		return false;
	last = &batch->items[batch->count - 1].taken;
	batch->before = last->sequence + last->count;
	batch->epoch = peer->receiver.epoch;
	batch->done_at_ns = world->now_ns + batch_time(world);
	work->count++;
	return true;
}

static void process(struct sim_world *world, struct sim_peer *peer)
{
	for (unsigned int lane = 0; lane < V2_LANES; lane++)
		while (peer->work[lane].count < world->plan.batches &&
			begin_batch(world, peer, lane))
			;
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

	while ((size = v2_receiver_poll(receiver, sim_server_clock(world), &packet.to, packet.bytes,
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
	error = v2_receiver_receive(&world->peers[packet->agent].receiver, sim_server_clock(world),
		packet->from, packet->bytes, packet->size);
	if (v2_error_action(error) != V2_ACTION_NONE && v2_error_action(error) != V2_ACTION_DROP)
		sim_fail(world, "the server takes a packet of agent %u for %s", packet->agent,
			v2_error_name(error));
	if (error == V2_OK && world->peers[packet->agent].session_connection == 0)
		sim_fail(world, "the server takes a packet of agent %u, which has no session",
			packet->agent);
	if (error == V2_UNSEALED && packet->intact &&
		!sim_seal_forgot(&world->peers[packet->agent].seal,
			world->agents[packet->agent].seal.every, packet))
		sim_fail(world, "the server cannot open a datagram of agent %u", packet->agent);
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
		if (v2_lease_over(&world->peers[i].lease, sim_server_clock(world)))
			end_session(&world->peers[i]);
		process(world, &world->peers[i]);
	}
	sim_store_step(world);
	for (unsigned int i = 0; world->server_up && i < world->plan.agents; i++)
		send_answers(world, i);
}

uint64_t sim_server_next_time(struct sim_world *world)
{
	uint64_t at;

	if (!world->server_up)
		return world->server_up_at_ns;
	at = sim_store_next_time(world);
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		const struct sim_peer *peer = &world->peers[i];
		uint64_t core = v2_receiver_next_time(&peer->receiver);

		core = MIN(core, v2_lease_next_time(&peer->lease, sim_server_clock(world)));
		if (core != SIM_NEVER)
			at = MIN(at, core - (uint64_t)world->server_clock_ns);
	}
	return at;
}
