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
	return &agent->incarnations[agent->current];
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
	agent->current = agent->incarnation_count++;
	*sim_incarnation(agent) = (struct sim_incarnation){.boot = boot};
	return boot;
}

/* One that the agent began. */
static unsigned int number_of(const struct sim_agent *agent, uint64_t boot)
{
	unsigned int i = agent->incarnation_count - 1;

	while (i > 0 && agent->incarnations[i].boot != boot)
		i--;
	return i;
}

/*
 * Most lives go on with the journal of the one before. One finds it of no use; one knows nothing of
 * it, and leaves it to the next.
 */
static bool find_journal(struct sim_world *world, struct sim_agent *agent)
{
	agent->journaled = world->plan.journal && !sim_chance(world, world->plan.without);
	world->stats.without += world->plan.journal && !agent->journaled;
	if (!agent->journaled || !agent->journal.valid)
		return false;
	if (!sim_chance(world, world->plan.spoilt))
		return true;
	world->stats.spoilt++;
	sim_journal_clear(&agent->journal);
	return false;
}

/* Another incarnation, or with a journal the one before. */
static void begin_life(
	struct sim_world *world, struct sim_agent *agent, const struct v2_sender_config *config)
{
	bool goes_on = find_journal(world, agent);
	uint64_t boot = goes_on ? 1 : begin_incarnation(world, agent);

	if (v2_sender_init(&agent->sender, config, boot) < 0)
		sim_fail(world, "no memory for an agent");
	if (goes_on) {
		agent->current = number_of(agent, agent->journal.boot);
		sim_journal_resume(world, agent);
	} else if (agent->journaled) {
		sim_journal_begin(&agent->journal, boot);
	}
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
	begin_life(world, agent, &config);
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

static bool is_dead(const struct sim_world *world, const struct sim_agent *agent)
{
	return world->now_ns < agent->up_at_ns;
}

/* Between two steps. True if it dies here: the caller returns at once and touches nothing. */
static bool dies(struct sim_world *world, struct sim_agent *agent)
{
	if (world->healed || !sim_chance(world, world->plan.agent_point))
		return false;
	sim_agent_kill(world, agent);
	return true;
}

static void make_record(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	uint64_t sequence, struct sim_record *record)
{
	struct sim_incarnation *incarnation = sim_incarnation(agent);
	uint32_t key = (uint32_t)sim_below(world, SIM_KEYS);

	*record = (struct sim_record){
		.boot = incarnation->boot,
		.sequence = sequence,
		.key_count = ++incarnation->key_count[lane][key],
		.lane = lane,
		.key = key,
		.pattern = {sequence * 3, ~incarnation->boot},
	};
}

/* How many may come to be; some are kept for when all is well. */
static uint64_t allowed(const struct sim_world *world, struct sim_agent *agent, unsigned int lane)
{
	uint64_t most = SIM_EVENTS_MAX - (world->healed ? 0 : 40);

	return most - MIN(most, sim_incarnation(agent)->count[lane]);
}

/* One by one into the journal; how they get from there to the lane is sim_journal_copy()'s. */
static void push_journaled(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	uint16_t schema, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct sim_record record;
		bool kept;

		make_record(world, agent, lane, sim_incarnation(agent)->count[lane], &record);
		kept = sim_journal_push(
			&agent->journal, lane, world->plan.journal_capacity, schema, &record);
		sim_ledger_accepted(world, agent, lane, kept);
		world->stats.events++;
		if (dies(world, agent))
			return;
	}
}

/* Of a lane without a journal it keeps how far it has come, before any of it can leave. */
static void accept(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	uint64_t taken, uint64_t count)
{
	if (agent->journaled && dies(world, agent))
		return;
	for (uint64_t i = 0; i < count; i++)
		sim_ledger_accepted(world, agent, lane, i < taken);
	world->stats.events += count;
	if (agent->journaled)
		agent->journal.update_sequence = agent->sender.lanes[V2_LANE_UPDATE].next_sequence;
}

static void push_directly(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	uint16_t schema, uint64_t count)
{
	uint16_t size = agent->sender.config.schemas.list[schema].record_bytes;
	uint8_t bytes[SIM_PUSH_MAX * sizeof(struct sim_record)];
	uint64_t room, taken;

	for (uint64_t i = 0; i < count; i++) {
		struct sim_record record;

		make_record(world, agent, lane, sim_incarnation(agent)->count[lane] + i, &record);
		memcpy(bytes + i * size, &record, size);
	}
	room = v2_sender_room(&agent->sender, lane);
	taken = v2_sender_push(&agent->sender, lane, schema, bytes, count);
	if (taken != MIN(count, room))
		sim_fail(world, "agent %u has room for %" PRIu64 " events and takes %" PRIu64,
			agent->index, room, taken);
	accept(world, agent, lane, taken, count);
}

static bool has_journal(const struct sim_agent *agent, unsigned int lane)
{
	return agent->journaled && lane < V2_LANES_ACKED;
}

void sim_agent_push(
	struct sim_world *world, struct sim_agent *agent, unsigned int lane, uint64_t count)
{
	uint16_t schema = (uint16_t)sim_below(world, SIM_SCHEMAS);

	count = MIN(MIN(count, SIM_PUSH_MAX), allowed(world, agent, lane));
	if (has_journal(agent, lane))
		push_journaled(world, agent, lane, schema, count);
	else
		push_directly(world, agent, lane, schema, count);
}

/* Events that the agent had no room for before they could be pushed. */
static void give_up_events(struct sim_world *world, struct sim_agent *agent, unsigned int lane)
{
	uint64_t count = MIN(1 + sim_below(world, SIM_PUSH_MAX), allowed(world, agent, lane));

	if (!has_journal(agent, lane)) {
		v2_sender_shed(&agent->sender, lane, count);
		accept(world, agent, lane, 0, count);
		return;
	}
	for (uint64_t i = 0; i < count && !dies(world, agent); i++) {
		sim_journal_shed(&agent->journal, lane);
		sim_ledger_accepted(world, agent, lane, false);
		world->stats.events++;
	}
}

/* Now and then one by one, now and then several at once. */
static void push_some(struct sim_world *world, struct sim_agent *agent)
{
	unsigned int lane = (unsigned int)sim_below(world, V2_LANES);
	uint64_t count = 1 + sim_below(world, world->plan.greed);

	while (count > 0 && !is_dead(world, agent)) {
		uint64_t n = 1 + sim_below(world, count);

		sim_agent_push(world, agent, lane, n);
		if (!is_dead(world, agent) && sim_chance(world, world->plan.no_room))
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

static void give_up(
	struct sim_world *world, struct sim_agent *agent, struct sim_connection *connection)
{
	uint64_t boot;

	world->stats.restarts++;
	/* One that goes on after each kill is never told to. */
	if (world->stats.put_back == 0 && agent->incarnation_count == 1)
		sim_fail(world, "agent %u is to give up the one incarnation that it ever had",
			agent->index);
	end_session(agent);
	if (agent->journaled)
		sim_journal_clear(&agent->journal);
	if (dies(world, agent))
		return;
	boot = begin_incarnation(world, agent);
	v2_sender_restart(&agent->sender, boot);
	if (agent->journaled)
		sim_journal_begin(&agent->journal, boot);
	ask_for_session(world, agent, connection);
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
		give_up(world, agent, connection);
		return;
	}
	if (error != V2_OK) {
		sim_fail(world, "agent %u: WELCOME is %s", agent->index, v2_error_name(error));
		return;
	}
	if (dies(world, agent))
		return;
	/* Before the first datagram leaves. */
	agent->journal.epoch = agent->journaled ? message->epoch : agent->journal.epoch;
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
	give_up(world, agent, connection);
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

	if (packet->to != agent->address || is_dead(world, agent))
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
	if (dies(world, agent))
		return;
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
	for (size_t offset = 0; offset < end; offset += train->segment) {
		if (dies(world, agent))
			return;
		send_datagram(world, agent, train->bytes + offset,
			MIN(train->segment, train->size - offset));
	}
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
	while (train->size == 0 && !is_dead(world, agent) &&
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

static bool gets_round_to_it(struct sim_world *world)
{
	return world->healed || !sim_chance(world, world->plan.lazy);
}

/* What was processed leaves it, what is new goes to the lanes, sooner or later. False: it died. */
static bool keep_journal(struct sim_world *world, struct sim_agent *agent)
{
	if (!agent->journaled)
		return true;
	if (gets_round_to_it(world))
		sim_journal_note(agent);
	if (dies(world, agent))
		return false;
	if (gets_round_to_it(world))
		sim_journal_copy(world, agent);
	return !dies(world, agent);
}

void sim_agent_step(struct sim_world *world, struct sim_agent *agent)
{
	if (is_dead(world, agent))
		return;
	if (!world->healed && world->now_ns >= agent->push_at_ns)
		push_some(world, agent);
	if (is_dead(world, agent) || !keep_journal(world, agent))
		return;
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
