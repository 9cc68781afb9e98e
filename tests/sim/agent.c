// SPDX-License-Identifier: BSD-2-Clause
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

static uint64_t random_for_core(void *user)
{
	return sim_random(user);
}

static const struct v2_schemas sim_schemas = {.count = SIM_SCHEMAS,
	.list = {
		{1, offsetof(struct sim_record, pattern), 11}, {2, sizeof(struct sim_record), 22}}};

static uint64_t clock_of(const struct sim_world *world, const struct sim_agent *agent)
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
		.schemas = sim_schemas,
		.random = random_for_core,
		.random_user = world,
	};

	memcpy(config.capacity, world->plan.capacity, sizeof(config.capacity));
	if (v2_sender_init(&agent->sender, &config, begin_incarnation(world, agent)) < 0)
		sim_fail(world, "no memory for an agent");
	agent->connection = 0;
	agent->retry_at_ns = 0;
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
		 size = sim_schemas.list[schema].record_bytes;
	/* Some are kept for when all is well. */
	uint64_t most = SIM_EVENTS_MAX - (world->healed ? 0 : 40), taken;
	uint8_t bytes[SIM_PUSH_MAX * sizeof(struct sim_record)];

	count = MIN(MIN(count, SIM_PUSH_MAX), most - MIN(most, incarnation->count[lane]));
	for (uint64_t i = 0; i < count; i++) {
		struct sim_record record;

		make_record(world, agent, lane, incarnation->count[lane] + i, &record);
		memcpy(bytes + i * size, &record, size);
	}
	taken = v2_sender_push(&agent->sender, lane, schema, bytes, count);
	for (uint64_t i = 0; i < count; i++)
		sim_ledger_accepted(world, agent, lane, i < taken);
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
		count -= n;
	}
	agent->push_at_ns = world->now_ns + 1 + sim_below(world, world->plan.push_ns);
}

/* ---- the control channel ---- */

static void say_hello(struct sim_world *world, struct sim_agent *agent)
{
	struct sim_control control = {.to_server = true};
	struct v2_hello hello;

	agent->connection = control.connection = ++world->connections;
	agent->retry_at_ns = world->now_ns + 300 * SIM_MS;
	control.key.k0 = sim_random(world);
	control.key.k1 = sim_random(world);
	v2_sender_hello(&agent->sender, &hello);
	control.size =
		v2_put_hello(control.bytes, sizeof(control.bytes), &hello, sim_random(world));
	sim_control_send(world, agent, &control);
}

static void give_up(struct sim_world *world, struct sim_agent *agent)
{
	world->stats.restarts++;
	v2_sender_restart(&agent->sender, begin_incarnation(world, agent));
}

static void welcome(struct sim_world *world, struct sim_agent *agent, struct sim_control *control)
{
	struct v2_welcome message = {0};
	struct v2_seal seal;
	enum v2_error error = v2_get_welcome(control->bytes, control->size, &message);

	sim_seal_init(&agent->seal, &control->key, false, &seal);
	if (error == V2_OK)
		error = v2_sender_open(&agent->sender, &message, &seal, clock_of(world, agent));
	sim_note(world, "agent %u: %s, epoch %" PRIu64, agent->index, v2_error_name(error),
		message.epoch);
	if (error == V2_OK) {
		sim_incarnation(agent)->epoch = message.epoch;
	} else if (error == V2_STALE_EPOCH) {
		world->stats.stale++;
		give_up(world, agent);
	} else if (error == V2_ROLLED_BACK) {
		world->stats.rolled_back++;
		sim_fail(world, "agent %u is told that the server was rolled back", agent->index);
	} else {
		sim_fail(world, "agent %u: WELCOME is %s", agent->index, v2_error_name(error));
	}
}

void sim_agent_control(
	struct sim_world *world, struct sim_agent *agent, struct sim_control *control)
{
	/* An older connection is closed; a dead agent has none. */
	if (control->connection != agent->connection || world->now_ns < agent->up_at_ns)
		return;
	agent->connection = 0;
	welcome(world, agent, control);
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
		&agent->sender, clock_of(world, agent), packet->bytes, packet->size);
	if (v2_error_action(error) != V2_ACTION_NONE && v2_error_action(error) != V2_ACTION_DROP)
		sim_fail(world, "agent %u takes a packet of its server for %s", agent->index,
			v2_error_name(error));
	/* Before anything is sent: the collecting thread pushes when it likes. */
	if (!world->healed && sim_chance(world, 20))
		sim_agent_push(world, agent, (unsigned int)sim_below(world, V2_LANES),
			1 + sim_below(world, 3));
}

static void send_train(struct sim_world *world, struct sim_agent *agent, const uint8_t *bytes,
	size_t size, size_t segment)
{
	struct sim_packet packet = {
		.from = agent->address, .agent = agent->index, .to_server = true};

	for (size_t offset = 0; offset < size; offset += segment) {
		packet.size = (uint16_t)MIN(segment, size - offset);
		memcpy(packet.bytes, bytes + offset, packet.size);
		sim_network_send(world, &packet);
	}
}

static void send_all(struct sim_world *world, struct sim_agent *agent)
{
	static uint8_t train[SIM_TRAIN_MAX];
	size_t room = SIM_DATAGRAM_MAX + sim_below(world, SIM_TRAIN_MAX - SIM_DATAGRAM_MAX);
	size_t size, segment, sent = 0;

	while ((size = v2_sender_poll(
			&agent->sender, clock_of(world, agent), train, room, &segment)) > 0) {
		sent += (size - 1) / segment + 1;
		if (size > room || segment > SIM_DATAGRAM_MAX || sent > SIM_PACKETS_MAX) {
			sim_fail(world, "agent %u sends without end", agent->index);
			return;
		}
		send_train(world, agent, train, size, segment);
	}
}

void sim_agent_step(struct sim_world *world, struct sim_agent *agent)
{
	if (world->now_ns < agent->up_at_ns)
		return;
	if (!world->healed && world->now_ns >= agent->push_at_ns)
		push_some(world, agent);
	if (world->now_ns >= agent->retry_at_ns &&
		v2_sender_wants_session(&agent->sender, clock_of(world, agent)))
		say_hello(world, agent);
	send_all(world, agent);
}

uint64_t sim_agent_next_time(struct sim_world *world, struct sim_agent *agent)
{
	uint64_t at = world->healed ? SIM_NEVER : agent->push_at_ns, core;

	if (world->now_ns < agent->up_at_ns)
		return agent->up_at_ns;
	core = v2_sender_next_time(&agent->sender, clock_of(world, agent));
	if (core != SIM_NEVER)
		at = MIN(at, core - (uint64_t)agent->clock_ns);
	/* Whether a session is wanted is looked at now and then. */
	return MIN(at, MAX(agent->retry_at_ns, world->now_ns + 100 * SIM_MS));
}
