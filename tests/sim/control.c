// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of the control channel, as TCP and TLS have them: in order, late, and at the worst
 * moment gone, for one end sooner than for the other, or without a word.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

#define HANDSHAKE_NS (500 * SIM_MS) /* what a server waits for one that does not end */

static uint64_t random_for_core(void *user)
{
	return sim_random(user);
}

/* ---- schemas ---- */

static size_t make_description(uint16_t index, uint8_t *bytes)
{
	size_t size = 40 + index * 13U;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 3 + index);
	return size;
}

static uint64_t hash_of(const uint8_t *bytes, size_t size)
{
	return siphash(&(struct siphash_key){1, 2}, bytes, size);
}

struct v2_schemas sim_schemas(void)
{
	struct v2_schemas schemas = {.count = SIM_SCHEMAS,
		.list = {{.event_id = 1, .record_bytes = offsetof(struct sim_record, pattern)},
			{.event_id = 2, .record_bytes = sizeof(struct sim_record)}}};
	uint8_t bytes[V2_DESCRIPTION_MAX];

	for (uint16_t i = 0; i < SIM_SCHEMAS; i++)
		schemas.list[i].hash = hash_of(bytes, make_description(i, bytes));
	return schemas;
}

static size_t describe(void *user, uint16_t index, uint8_t *bytes, size_t size _unused_)
{
	struct sim_world *world = user;

	world->stats.descriptions++;
	return make_description(index, bytes);
}

static bool knows(void *user, const struct v2_schema *schema)
{
	const struct sim_world *world = user;

	return world->schema_known[schema->event_id - 1];
}

static enum v2_error learn(
	void *user, const struct v2_schema *schema, const uint8_t *description, size_t size)
{
	struct sim_world *world = user;

	if (hash_of(description, size) != schema->hash)
		return V2_BAD_SCHEMA;
	world->schema_known[schema->event_id - 1] = true;
	return V2_OK;
}

/* ---- connections ---- */

struct siphash_key sim_session_key(const struct sim_connection *connection, uint64_t session)
{
	return (struct siphash_key){
		.k0 = siphash(&connection->key, &session, sizeof(session)),
		.k1 = connection->key.k1 ^ session,
	};
}

static struct sim_connection *first_of(struct sim_world *world, const struct sim_agent *agent)
{
	return world->connections[agent->index];
}

struct sim_connection *sim_newest(struct sim_world *world, const struct sim_agent *agent)
{
	struct sim_connection *newest = NULL;

	for (struct sim_connection *c = first_of(world, agent);
		c < first_of(world, agent) + SIM_CONNECTIONS_MAX; c++)
		if (c->id != 0 && c->agent_has && (!newest || c->id > newest->id))
			newest = c;
	return newest;
}

unsigned int sim_connection_count(struct sim_world *world, const struct sim_agent *agent)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < SIM_CONNECTIONS_MAX; i++)
		count += first_of(world, agent)[i].id != 0 && first_of(world, agent)[i].agent_has;
	return count;
}

static struct v2_alive_config alive_config(struct sim_world *world)
{
	return (struct v2_alive_config){
		.ping_ns = world->plan.ping_ns,
		.dead_ns = world->plan.ping_ns * 3,
		.answer_ns = world->plan.ping_ns * 4,
		.random = random_for_core,
		.random_user = world,
	};
}

bool sim_connect(struct sim_world *world, struct sim_agent *agent)
{
	struct sim_connection *c = first_of(world, agent), *end = c + SIM_CONNECTIONS_MAX;
	uint64_t trip = world->weather.delay_ns + sim_below(world, SIM_MS);

	while (c < end && c->id != 0)
		c++;
	if (c == end || !world->server_up || world->weather.partitioned ||
		sim_chance(world, world->weather.loss / 2))
		return false;
	c->id = ++world->connection_count;
	c->key = (struct siphash_key){sim_random(world), sim_random(world)};
	c->cut = c->agent_open = c->server_open = false;
	c->agent_has = c->server_has = true;
	/* The agent is done first; it may have said HELLO before the server is. */
	c->agent_at_ns = world->now_ns + 2 * trip;
	c->server_at_ns = c->agent_at_ns + trip;
	c->admit_at_ns = SIM_NEVER;
	c->to_agent.count = c->to_server.count = 0;
	c->to_agent.last_at_ns = c->to_server.last_at_ns = 0;
	c->to_agent.end_at_ns = c->to_server.end_at_ns = SIM_NEVER;
	world->stats.connections++;
	return true;
}

/* The other end hears of the end behind what is under way to it. */
static void end_pipe(struct sim_world *world, const struct sim_connection *c, struct sim_pipe *pipe)
{
	if (!c->cut)
		pipe->end_at_ns =
			MAX(pipe->last_at_ns, world->now_ns + world->weather.delay_ns) + 1;
}

static void free_unused(struct sim_connection *c)
{
	if (!c->agent_has && !c->server_has)
		c->id = 0;
}

static void close_at_agent(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	uint64_t id = c->id;

	c->agent_has = c->agent_open = false;
	end_pipe(world, c, &c->to_server);
	free_unused(c);
	sim_agent_lost(world, agent, id);
}

static void close_at_server(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	uint64_t id = c->id;

	c->server_has = c->server_open = false;
	end_pipe(world, c, &c->to_agent);
	free_unused(c);
	sim_server_lost(world, agent, id);
}

/* ---- misfortunes ---- */

static struct sim_connection *any_of(struct sim_world *world, const struct sim_agent *agent)
{
	struct sim_connection *first = first_of(world, agent), *found = NULL;
	uint64_t seen = 0;

	for (struct sim_connection *c = first; c < first + SIM_CONNECTIONS_MAX; c++)
		if (c->id != 0 && !c->cut && sim_below(world, ++seen) == 0)
			found = c;
	return found;
}

void sim_connections_cut(struct sim_world *world, struct sim_agent *agent)
{
	struct sim_connection *c = any_of(world, agent);

	if (!c)
		return;
	sim_note(world, "agent %u: connection %" PRIu64 " is cut", agent->index, c->id);
	world->stats.cuts++;
	c->cut = true;
	/* What was under way is lost. Each end hears of it, or does not. */
	c->to_agent.count = c->to_server.count = 0;
	if (sim_chance(world, 500))
		c->to_agent.end_at_ns = world->now_ns + sim_below(world, 50 * SIM_MS);
	if (sim_chance(world, 500))
		c->to_server.end_at_ns = world->now_ns + sim_below(world, 50 * SIM_MS);
}

/* A machine that lost its power says nothing; a program that is killed has a system that does. */
static void maybe_silent(struct sim_world *world, struct sim_connection *c)
{
	if (sim_chance(world, 300))
		c->cut = true;
}

void sim_agent_connections_die(struct sim_world *world, struct sim_agent *agent)
{
	for (struct sim_connection *c = first_of(world, agent);
		c < first_of(world, agent) + SIM_CONNECTIONS_MAX; c++) {
		if (c->id == 0 || !c->agent_has)
			continue;
		maybe_silent(world, c);
		close_at_agent(world, agent, c);
	}
}

void sim_server_connections_die(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct sim_connection *first = first_of(world, &world->agents[i]);

		for (struct sim_connection *c = first; c < first + SIM_CONNECTIONS_MAX; c++) {
			if (c->id == 0 || !c->server_has)
				continue;
			maybe_silent(world, c);
			close_at_server(world, &world->agents[i], c);
		}
	}
}

/* ---- messages ---- */

static void send(struct sim_world *world, struct sim_connection *c, struct sim_pipe *pipe,
	const uint8_t *bytes, size_t size)
{
	unsigned int place = (pipe->first + pipe->count) % SIM_MESSAGES_MAX;
	uint64_t delay =
		world->weather.delay_ns + sim_below(world, world->healed ? SIM_MS : 5 * SIM_MS);

	if (c->cut)
		return;
	if (size > SIM_MESSAGE_MAX) {
		sim_fail(world, "a control message of %zu bytes", size);
		return;
	}
	/* TCP sends again what is lost: late, but in order. */
	if (world->weather.partitioned || sim_chance(world, world->weather.loss))
		delay += sim_below(world, 400 * SIM_MS);
	pipe->last_at_ns = MAX(pipe->last_at_ns, world->now_ns + delay);
	pipe->messages[place].at_ns = pipe->last_at_ns;
	pipe->messages[place].size = size;
	memcpy(pipe->messages[place].bytes, bytes, size);
	pipe->count++;
}

/* True: a message, copied, since the connection may be another afterwards. */
static bool take(
	const struct sim_world *world, struct sim_pipe *pipe, uint8_t *bytes, size_t *ret_size)
{
	if (pipe->count == 0 || pipe->messages[pipe->first].at_ns > world->now_ns)
		return false;
	*ret_size = pipe->messages[pipe->first].size;
	memcpy(bytes, pipe->messages[pipe->first].bytes, *ret_size);
	pipe->first = (pipe->first + 1) % SIM_MESSAGES_MAX;
	pipe->count--;
	return true;
}

static bool has_ended(const struct sim_world *world, const struct sim_pipe *pipe)
{
	return pipe->count == 0 && pipe->end_at_ns <= world->now_ns;
}

/* ---- the agent's end ---- */

static void open_at_agent(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	const struct v2_control_agent_config config = {
		.alive = alive_config(world), .describe = describe, .user = world};

	c->agent_open = true;
	c->agent_opened_ns = sim_agent_clock(world, agent);
	v2_control_agent_init(&c->at_agent, &config, c->agent_opened_ns);
	sim_agent_opened(world, agent, c);
}

static void receive_at_agent(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	uint8_t bytes[SIM_MESSAGE_MAX];
	struct v2_control_event event;
	enum v2_error error;
	size_t size;

	while (c->agent_open && take(world, &c->to_agent, bytes, &size)) {
		error = v2_control_agent_receive(
			&c->at_agent, sim_agent_clock(world, agent), bytes, size, &event);
		if (error != V2_OK) {
			sim_fail(world, "agent %u takes a message of its server for %s",
				agent->index, v2_error_name(error));
			return;
		}
		sim_agent_event(world, agent, c, &event);
		if (event.type == V2_CONTROL_LEFT)
			close_at_agent(world, agent, c);
	}
}

static void send_from_agent(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	uint8_t bytes[V2_CONTROL_MAX];
	size_t size;

	while (c->to_server.count < SIM_MESSAGES_MAX &&
		(size = v2_control_agent_poll(
			 &c->at_agent, sim_agent_clock(world, agent), bytes, sizeof(bytes))) > 0)
		send(world, c, &c->to_server, bytes, size);
}

static void step_agent(struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	if (!c->agent_open && world->now_ns >= c->agent_at_ns)
		open_at_agent(world, agent, c);
	receive_at_agent(world, agent, c);
	if (c->agent_has && has_ended(world, &c->to_agent))
		close_at_agent(world, agent, c);
	if (!c->agent_open)
		return;
	send_from_agent(world, agent, c);
	if (v2_control_agent_left(&c->at_agent)) {
		close_at_agent(world, agent, c);
	} else if (v2_control_agent_dead(&c->at_agent, sim_agent_clock(world, agent))) {
		world->stats.deaths++;
		close_at_agent(world, agent, c);
	}
}

/* ---- the server's end ---- */

static void open_at_server(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	const struct v2_control_server_config config = {
		.alive = alive_config(world), .knows = knows, .learn = learn, .user = world};

	c->server_open = true;
	v2_control_server_init(&c->at_server, &config, sim_server_clock(world));
	sim_server_opened(world, agent, c);
}

static void receive_at_server(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	uint8_t bytes[SIM_MESSAGE_MAX];
	struct v2_control_event event;
	enum v2_error error;
	size_t size;

	while (c->server_open && take(world, &c->to_server, bytes, &size)) {
		error = v2_control_server_receive(
			&c->at_server, sim_server_clock(world), bytes, size, &event);
		if (error != V2_OK) {
			sim_fail(world, "the server takes a message of agent %u for %s",
				agent->index, v2_error_name(error));
			return;
		}
		sim_server_event(world, agent, c, &event);
		if (event.type == V2_CONTROL_LEFT)
			close_at_server(world, agent, c);
	}
}

static void send_from_server(struct sim_world *world, struct sim_connection *c)
{
	uint8_t bytes[V2_CONTROL_MAX];
	size_t size;

	while (c->to_agent.count < SIM_MESSAGES_MAX &&
		(size = v2_control_server_poll(
			 &c->at_server, sim_server_clock(world), bytes, sizeof(bytes))) > 0)
		send(world, c, &c->to_agent, bytes, size);
}

static void step_server(struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	if (!c->server_open && world->now_ns >= c->server_at_ns && !c->cut)
		open_at_server(world, agent, c);
	receive_at_server(world, agent, c);
	if (c->server_open && c->admit_at_ns <= world->now_ns) {
		c->admit_at_ns = SIM_NEVER;
		sim_server_admit(world, agent, c);
	}
	if (c->server_has && has_ended(world, &c->to_server))
		close_at_server(world, agent, c);
	if (!c->server_open)
		return;
	send_from_server(world, c);
	if (v2_control_server_left(&c->at_server)) {
		close_at_server(world, agent, c);
	} else if (v2_control_server_dead(&c->at_server, sim_server_clock(world))) {
		world->stats.deaths++;
		close_at_server(world, agent, c);
	}
}

/* ---- time ---- */

/* An end whose handshake never ends gives up. */
static void give_up_handshake(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *c)
{
	if (c->server_has && !c->server_open && world->now_ns >= c->server_at_ns + HANDSHAKE_NS)
		close_at_server(world, agent, c);
}

void sim_connections_step(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct sim_agent *agent = &world->agents[i];
		struct sim_connection *first = first_of(world, agent);

		for (struct sim_connection *c = first; c < first + SIM_CONNECTIONS_MAX; c++) {
			if (c->id != 0 && c->agent_has && world->now_ns >= agent->up_at_ns)
				step_agent(world, agent, c);
			if (c->id != 0 && c->server_has && world->server_up)
				step_server(world, agent, c);
			if (c->id != 0)
				give_up_handshake(world, agent, c);
		}
	}
}

static uint64_t pipe_next_time(const struct sim_pipe *pipe)
{
	return pipe->count > 0 ? pipe->messages[pipe->first].at_ns : pipe->end_at_ns;
}

/* An end that has something to say waits for room. */
static uint64_t core_time(uint64_t core, int64_t clock_ns, const struct sim_pipe *out)
{
	if (core == 0)
		return out->count == SIM_MESSAGES_MAX ? SIM_NEVER : 0;
	return core == SIM_NEVER ? core : core - (uint64_t)clock_ns;
}

static uint64_t agent_next_time(const struct sim_agent *agent, const struct sim_connection *c)
{
	uint64_t core;

	if (!c->agent_has)
		return SIM_NEVER;
	if (!c->agent_open)
		return MIN(c->agent_at_ns, c->to_agent.end_at_ns);
	core = v2_control_agent_next_time(&c->at_agent);
	return MIN(core_time(core, agent->clock_ns, &c->to_server), pipe_next_time(&c->to_agent));
}

static uint64_t server_next_time(const struct sim_world *world, const struct sim_connection *c)
{
	uint64_t core;

	if (!c->server_has)
		return SIM_NEVER;
	if (!c->server_open)
		return c->server_at_ns + (c->cut ? HANDSHAKE_NS : 0);
	core = v2_control_server_next_time(&c->at_server);
	core = core_time(core, world->server_clock_ns, &c->to_agent);
	return MIN(core, MIN(c->admit_at_ns, pipe_next_time(&c->to_server)));
}

uint64_t sim_connections_next_time(struct sim_world *world)
{
	uint64_t at = SIM_NEVER;

	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct sim_agent *agent = &world->agents[i];
		struct sim_connection *first = first_of(world, agent);

		for (struct sim_connection *c = first; c < first + SIM_CONNECTIONS_MAX; c++)
			if (c->id != 0)
				at = MIN(at,
					MIN(agent_next_time(agent, c), server_next_time(world, c)));
	}
	return at;
}

bool sim_connections_settled(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct sim_agent *agent = &world->agents[i];
		struct sim_connection *c = sim_newest(world, agent);

		if (!c || !c->agent_open || !c->server_open || c->cut ||
			!v2_control_server_is_set(&c->at_server))
			return false;
		if (c->at_server.result.generation != world->settings.generation)
			sim_fail(world, "agent %u: an answer to other settings counts",
				agent->index);
		if (world->settings_good != 0 && agent->generation != world->settings_good)
			return false;
	}
	return true;
}
