// SPDX-License-Identifier: BSD-2-Clause
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

static uint64_t random_for_core(void *user)
{
	return sim_random(user);
}

uint64_t sim_agent_clock(const struct sim_world *world, const struct sim_agent *agent)
{
	return world->now_ns + (uint64_t)agent->clock_ns;
}

struct sim_incarnation *sim_incarnation(struct sim_agent *agent)
{
	return &agent->incarnations[agent->incarnation_count - 1];
}

static uint64_t begin_incarnation(struct sim_world *world, struct sim_agent *agent)
{
	uint64_t boot = sim_random(world) | 1;

	if (agent->incarnation_count == SIM_INCARNATIONS_MAX) {
		sim_fail(world, "agent %u began more than %d incarnations", agent->index,
			SIM_INCARNATIONS_MAX);
		return boot;
	}
	agent->effects[agent->incarnation_count] = (struct sim_effects){0};
	agent->incarnations[agent->incarnation_count++] = (struct sim_incarnation){.boot = boot};
	memset(agent->key_count, 0, sizeof(agent->key_count));
	return boot;
}

static void start(struct sim_world *world, struct sim_agent *agent)
{
	struct v2_sender_config config = {
		.record_max = sizeof(struct sim_record),
		.packets = world->plan.packets,
		.datagram_max = SIM_DATAGRAM_MAX,
		.schemas = sim_schemas(),
		.random = random_for_core,
		.random_user = world,
	};

	memcpy(config.capacity, world->plan.capacity, sizeof(config.capacity));
	if (v2_sender_init(&agent->sender, &config, begin_incarnation(world, agent)) < 0)
		sim_fail(world, "no memory for an agent");
	v2_lease_init(&agent->lease, &world->plan.lease);
	agent->waiting.size = 0;
	agent->session_connection = agent->generation = 0;
	agent->retry_at_ns = agent->hello_at_ns = 0;
}

void sim_agent_init(struct sim_world *world, unsigned int index)
{
	struct sim_agent *agent = &world->agents[index];

	*agent = (struct sim_agent){.index = index, .address = 1000 * (index + 1)};
	agent->clock_ns = (int64_t)(20000 * SIM_MS + sim_below(world, 1000 * SIM_MS));
	start(world, agent);
}

void sim_agent_kill(struct sim_world *world, struct sim_agent *agent)
{
	sim_note(world, "agent %u is killed", agent->index);
	world->stats.agent_kills++;
	v2_sender_done(&agent->sender);
	sim_agent_connections_die(world, agent);
	agent->up_at_ns = world->now_ns + 1 + sim_below(world, 300 * SIM_MS);
	start(world, agent);
}

static void make_record(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	uint64_t sequence, struct sim_record *record)
{
	uint32_t key = (uint32_t)sim_below(world, SIM_KEYS);

	*record = (struct sim_record){
		.boot = sim_incarnation(agent)->boot,
		.sequence = sequence,
		.key_count = ++agent->key_count[lane][key],
		.lane = lane,
		.key = key,
		.pattern = {sequence * 3, ~sim_incarnation(agent)->boot},
	};
}

void sim_agent_push(
	struct sim_world *world, struct sim_agent *agent, unsigned int lane, uint64_t count)
{
	struct sim_incarnation *incarnation = sim_incarnation(agent);
	uint16_t schema = (uint16_t)sim_below(world, SIM_SCHEMAS),
		 size = agent->sender.config.schemas.list[schema].record_bytes;
	/* Some are kept for when all is well. */
	uint64_t most = SIM_EVENTS_MAX - (world->healed ? 0 : 40), room, taken;
	uint8_t bytes[SIM_PUSH_MAX * sizeof(struct sim_record)];

	count = MIN(MIN(count, SIM_PUSH_MAX), most - MIN(most, incarnation->count[lane]));
	for (uint64_t i = 0; i < count; i++) {
		struct sim_record record;

		make_record(world, agent, lane, incarnation->count[lane] + i, &record);
		memcpy(bytes + i * size, &record, size);
	}
	room = v2_sender_room(&agent->sender, lane);
	taken = v2_sender_push(&agent->sender, lane, schema, bytes, count);
	if (taken != MIN(count, room))
		sim_fail(world, "agent %u has room for %" PRIu64 " events and takes %" PRIu64,
			agent->index, room, taken);
	for (uint64_t i = 0; i < count; i++)
		sim_ledger_accepted(world, agent, lane, i < taken);
	world->stats.events += count;
}

/* Events that the agent had no room for before they could be pushed. */
static void give_up_events(struct sim_world *world, struct sim_agent *agent, unsigned int lane)
{
	struct sim_incarnation *incarnation = sim_incarnation(agent);
	uint64_t most = SIM_EVENTS_MAX - 40, count = 1 + sim_below(world, SIM_PUSH_MAX);

	count = MIN(count, most - MIN(most, incarnation->count[lane]));
	v2_sender_shed(&agent->sender, lane, count);
	for (uint64_t i = 0; i < count; i++)
		sim_ledger_accepted(world, agent, lane, false);
	world->stats.events += count;
}

/* Now and then one by one, now and then several at once. */
static void push_some(struct sim_world *world, struct sim_agent *agent)
{
	unsigned int lane = (unsigned int)sim_below(world, V2_LANES);
	uint64_t count = 1 + sim_below(world, world->plan.greed);

	while (count > 0) {
		uint64_t n = 1 + sim_below(world, count);

		sim_agent_push(world, agent, lane, n);
		if (sim_chance(world, world->plan.no_room))
			give_up_events(world, agent, lane);
		count -= n;
	}
	agent->push_at_ns = world->now_ns + 1 + sim_below(world, world->plan.push_ns);
}

/* ---- the control channel ---- */

static void ask_for_session(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection)
{
	struct v2_hello hello;

	v2_sender_hello(&agent->sender, &hello);
	if (v2_control_agent_open(&connection->at_agent, &hello, sim_agent_clock(world, agent)))
		agent->hello_at_ns = world->now_ns + 300 * SIM_MS;
}

void sim_agent_opened(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection)
{
	ask_for_session(world, agent, connection);
}

static void end_session(struct sim_agent *agent)
{
	v2_sender_close(&agent->sender);
	v2_lease_end(&agent->lease);
	agent->session_connection = 0;
}

static void give_up(struct sim_world *world, struct sim_agent *agent)
{
	world->stats.restarts++;
	end_session(agent);
	v2_sender_restart(&agent->sender, begin_incarnation(world, agent));
}

/* The session is on this connection now: the others have no use any more. */
static void leave_others(
	struct sim_world *world, struct sim_agent *agent, const struct sim_connection *connection)
{
	for (unsigned int i = 0; i < SIM_CONNECTIONS_MAX; i++) {
		struct sim_connection *other = &world->connections[agent->index][i];

		if (other->id == 0 || other == connection || !other->agent_open)
			continue;
		world->stats.renewals++;
		v2_control_agent_leave(&other->at_agent, V2_BYE_RENEWED, V2_OK);
	}
}

static void welcome(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection)
{
	const struct v2_welcome *message = &connection->at_agent.welcome;
	struct siphash_key key = sim_session_key(connection, message->session);
	struct v2_seal seal;
	enum v2_error error;

	sim_seal_init(&agent->seal, &key, false, world->plan.key_packets, &seal);
	error = v2_sender_open(&agent->sender, message, &seal, sim_agent_clock(world, agent));
	sim_note(world, "agent %u: %s, epoch %" PRIu64, agent->index, v2_error_name(error),
		message->epoch);
	if (error == V2_ROLLED_BACK && world->stats.put_back > 0) {
		world->stats.rolled_back++;
		give_up(world, agent);
		ask_for_session(world, agent, connection);
		return;
	}
	if (error != V2_OK) {
		sim_fail(world, "agent %u: WELCOME is %s", agent->index, v2_error_name(error));
		return;
	}
	sim_incarnation(agent)->epoch = message->epoch;
	v2_lease_begin(&agent->lease, connection->agent_opened_ns, sim_agent_clock(world, agent),
		sim_random(world));
	agent->session_connection = connection->id;
	leave_others(world, agent, connection);
}

static void refused(struct sim_world *world, struct sim_agent *agent,
	struct sim_connection *connection, enum v2_error error)
{
	if (error != V2_STALE_EPOCH) {
		sim_fail(world, "agent %u is refused: %s", agent->index, v2_error_name(error));
		return;
	}
	world->stats.stale++;
	give_up(world, agent);
	ask_for_session(world, agent, connection);
}

static bool is_answer(const struct v2_control_event *event)
{
	return event->type == V2_CONTROL_WELCOMED || event->type == V2_CONTROL_WAS_REFUSED;
}

void sim_agent_event(struct sim_world *world, struct sim_agent *agent,
	struct sim_connection *connection, const struct v2_control_event *event)
{
	struct v2_settings_result result;

	if (is_answer(event) && connection->at_agent.hello.boot != agent->sender.boot) {
		world->stats.overlooked++;
		ask_for_session(world, agent, connection);
		return;
	}
	switch (event->type) {
	case V2_CONTROL_WELCOMED:
		welcome(world, agent, connection);
		break;
	case V2_CONTROL_WAS_REFUSED:
		refused(world, agent, connection, event->error);
		break;
	case V2_CONTROL_SET:
		v2_check_settings(&connection->at_agent.settings, &result);
		if (result.status != V2_SETTINGS_APPLIED)
			sim_fail(world, "agent %u is to apply settings that are %s", agent->index,
				v2_settings_status_name(result.status));
		agent->generation = connection->at_agent.settings.generation;
		v2_control_agent_applied(&connection->at_agent, V2_SETTINGS_APPLIED);
		break;
	case V2_CONTROL_LEFT:
		if (v2_bye_ends_session(event->bye))
			end_session(agent);
		break;
	default:
		break;
	}
}

void sim_agent_lost(struct sim_world *world, struct sim_agent *agent, uint64_t connection)
{
	if (connection == agent->session_connection)
		v2_lease_lost(&agent->lease, sim_agent_clock(world, agent));
}

static void connect(struct sim_world *world, struct sim_agent *agent)
{
	agent->retry_at_ns = world->now_ns + (20 + sim_below(world, 280)) * SIM_MS;
	(void)sim_connect(world, agent);
}

static void look_after_session(struct sim_world *world, struct sim_agent *agent)
{
	uint64_t clock = sim_agent_clock(world, agent);
	struct sim_connection *newest = sim_newest(world, agent);
	unsigned int count = sim_connection_count(world, agent);

	if (v2_lease_over(&agent->lease, clock)) {
		world->stats.leases_over++;
		end_session(agent);
	}
	if (world->now_ns >= agent->retry_at_ns &&
		(count == 0 || (count == 1 && v2_lease_wants_renewal(&agent->lease, clock))))
		connect(world, agent);
	else if (newest && newest->agent_open && world->now_ns >= agent->hello_at_ns &&
		 v2_sender_wants_session(&agent->sender, clock))
		ask_for_session(world, agent, newest);
}

/* ---- datagrams ---- */

void sim_agent_receive(struct sim_world *world, struct sim_packet *packet)
{
	struct sim_agent *agent = &world->agents[packet->agent];
	enum v2_error error;

	if (packet->to != agent->address || world->now_ns < agent->up_at_ns)
		return;
	sim_address(world, agent->address)->proven = true;
	error = v2_sender_receive(
		&agent->sender, sim_agent_clock(world, agent), packet->bytes, packet->size);
	if (v2_error_action(error) != V2_ACTION_NONE && v2_error_action(error) != V2_ACTION_DROP)
		sim_fail(world, "agent %u takes a packet of its server for %s", agent->index,
			v2_error_name(error));
	if (error == V2_UNSEALED && packet->intact &&
		!sim_seal_forgot(&agent->seal, world->peers[packet->agent].seal.every, packet))
		sim_fail(world, "agent %u cannot open a datagram of its server", agent->index);
	/* Before anything is sent: the collecting thread pushes when it likes. */
	if (!world->healed && sim_chance(world, 20))
		sim_agent_push(world, agent, (unsigned int)sim_below(world, V2_LANES),
			1 + sim_below(world, 3));
}

static void send_datagram(
	struct sim_world *world, struct sim_agent *agent, const uint8_t *bytes, size_t size)
{
	struct sim_packet packet = {.from = agent->address,
		.agent = agent->index,
		.to_server = true,
		.size = (uint16_t)size};

	if (size > world->plan.interface_mtu) {
		world->stats.too_long++;
		v2_sender_too_long(&agent->sender, (uint32_t)size);
		return;
	}
	memcpy(packet.bytes, bytes, size);
	sim_network_send(world, &packet);
}

/* Sends what waits, or the first datagrams of it, if the socket is full then. */
static void flush(struct sim_world *world, struct sim_agent *agent)
{
	struct sim_train *train = &agent->waiting;
	size_t datagrams = (train->size + train->segment - 1) / train->segment, sent, end;

	sent = !world->healed && sim_chance(world, world->plan.blocked)
		       ? sim_below(world, datagrams)
		       : datagrams;
	end = MIN(sent * train->segment, train->size);
	for (size_t offset = 0; offset < end; offset += train->segment)
		send_datagram(world, agent, train->bytes + offset,
			MIN(train->segment, train->size - offset));
	train->size -= end;
	memmove(train->bytes, train->bytes + end, train->size);
	train->at_ns = world->now_ns + 1 + sim_below(world, 10 * SIM_MS);
	world->stats.blocked += train->size > 0;
}

static void send_all(struct sim_world *world, struct sim_agent *agent)
{
	struct sim_train *train = &agent->waiting;
	size_t room = SIM_DATAGRAM_MAX + sim_below(world, SIM_TRAIN_MAX - SIM_DATAGRAM_MAX);
	unsigned int trains = 0;

	if (train->size > 0 && world->now_ns >= train->at_ns)
		flush(world, agent);
	while (train->size == 0 &&
		(train->size = v2_sender_poll(&agent->sender, sim_agent_clock(world, agent),
			 train->bytes, room, &train->segment)) > 0) {
		if (train->size > room || train->segment > SIM_DATAGRAM_MAX ||
			++trains > SIM_PACKETS_MAX) {
			sim_fail(world, "agent %u sends without end", agent->index);
			return;
		}
		/* The system may have no buffers: then all of it is gone. */
		if (!world->healed && sim_chance(world, world->plan.no_buffers))
			train->size = 0;
		else
			flush(world, agent);
	}
}

void sim_agent_step(struct sim_world *world, struct sim_agent *agent)
{
	if (world->now_ns < agent->up_at_ns)
		return;
	if (!world->healed && world->now_ns >= agent->push_at_ns)
		push_some(world, agent);
	look_after_session(world, agent);
	send_all(world, agent);
}

uint64_t sim_agent_next_time(struct sim_world *world, struct sim_agent *agent)
{
	uint64_t at = world->healed ? SIM_NEVER : agent->push_at_ns, core;

	if (world->now_ns < agent->up_at_ns)
		return agent->up_at_ns;
	core = v2_sender_next_time(&agent->sender, sim_agent_clock(world, agent));
	if (agent->waiting.size > 0)
		at = MIN(at, agent->waiting.at_ns);
	else if (core != SIM_NEVER)
		at = MIN(at, core - (uint64_t)agent->clock_ns);
	core = v2_lease_next_time(&agent->lease, sim_agent_clock(world, agent));
	if (core != SIM_NEVER)
		at = MIN(at, core - (uint64_t)agent->clock_ns);
	/* Whether a session is wanted is looked at now and then. */
	return MIN(at, MAX(agent->retry_at_ns, world->now_ns + 100 * SIM_MS));
}
