// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 400000
#define CLOCK_MIN ((int64_t)(20000 * SIM_MS)) /* so that no jump goes below 0 */

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t sim_random(struct sim_world *world)
{
	uint64_t z = world->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t sim_below(struct sim_world *world, uint64_t bound)
{
	return bound == 0 ? 0 : sim_random(world) % bound;
}

bool sim_chance(struct sim_world *world, unsigned int in_a_thousand)
{
	return in_a_thousand > 0 && sim_below(world, 1000) < in_a_thousand;
}

void sim_fail(struct sim_world *world, const char *fmt, ...)
{
	va_list args;

	if (world->failure[0] != 0)
		return;
	va_start(args, fmt);
	vsnprintf(world->failure, sizeof(world->failure), fmt, args);
	va_end(args);
}

void sim_note(const struct sim_world *world, const char *fmt, ...)
{
	va_list args;

	if (!world->verbose)
		return;
	printf("%10.3f ms  ", (double)world->now_ns / SIM_MS);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

/* ---- what a seed chooses ---- */

static unsigned int sometimes(struct sim_world *world, unsigned int in_a_thousand, uint64_t most)
{
	return sim_chance(world, in_a_thousand) ? (unsigned int)sim_below(world, most + 1) : 0;
}

static void choose_sizes(struct sim_world *world, struct sim_plan *plan)
{
	for (int i = 0; i < V2_LANES; i++) {
		plan->capacity[i] = 4ULL << sim_below(world, 8);
		plan->window[i] = 4ULL << sim_below(world, 8);
	}
	plan->packets = 64U << sim_below(world, 3);
}

/*
 * In most worlds sessions and connections have the usual times, so that none begins anew soon: a new
 * session repairs much, and would hide what is wrong with the data.
 */
static void choose_control(struct sim_world *world, struct sim_plan *plan)
{
	plan->cut = sometimes(world, 400, 500);
	plan->expel = sometimes(world, 150, 100);
	plan->forget = sometimes(world, 150, 100);
	plan->ping_ns = V2_PING_NS;
	/* A connection may have to be found dead. */
	plan->end_ns = plan->heal_ns + 75000 * SIM_MS;
	if (!sim_chance(world, 400))
		return;
	plan->end_ns = plan->heal_ns + 15000 * SIM_MS;
	plan->ping_ns = (20 + sim_below(world, 300)) * SIM_MS;
	plan->lease = (struct v2_lease_config){
		.grace_ns = (20 + sim_below(world, 600)) * SIM_MS,
		.renew_ns = (100 + sim_below(world, 3000)) * SIM_MS,
		.age_ns = (500 + sim_below(world, 4000)) * SIM_MS,
	};
}

/* Agents whose incarnations outlive them, in half of the worlds. */
static void choose_journal(struct sim_world *world, struct sim_plan *plan)
{
	plan->journal_capacity = 4ULL << sim_below(world, 8);
	plan->journal = sim_chance(world, 500);
	if (!plan->journal)
		return;
	plan->agent_point = sometimes(world, 700, 30);
	plan->lazy = sometimes(world, 500, 950);
	plan->without = sometimes(world, 200, 400);
	plan->spoilt = sometimes(world, 200, 300);
}

static void choose_plan(struct sim_world *world)
{
	struct sim_plan *plan = &world->plan;

	*plan = (struct sim_plan){
		.agents = 1 + (unsigned int)sim_below(
				      world, sim_chance(world, 900) ? 3 : SIM_AGENTS_MAX),
		.kill_agent = sometimes(world, 500, 300),
		.kill_server = sometimes(world, 500, 300),
		.move = sometimes(world, 400, 500),
		.jump = sometimes(world, 300, 300),
		.kill_point = sometimes(world, 400, 25),
		.commit_fails = sometimes(world, 300, 200),
		.back_up = sometimes(world, 150, 500),
		.put_back = sometimes(world, 500, 500),
		.spoof = sometimes(world, 250, 100),
		.slow = sometimes(world, 400, 300),
		.set = sometimes(world, 400, 300),
		.batches = 1 + (unsigned int)sim_below(world, SIM_BATCHES_MAX),
		.no_room = sometimes(world, 200, 300),
		.no_buffers = sometimes(world, 150, 200),
		.blocked = sometimes(world, 150, 300),
		.interface_mtu = SIM_DATAGRAM_MAX,
		.greed = 1 + (unsigned int)sim_below(world, 40),
		.commit_ns = sim_below(world, 5 * SIM_MS) / (1 + sim_below(world, 50)),
		.slow_ns = (1 + sim_below(world, 300)) * SIM_MS,
		.push_ns = (4 + sim_below(world, 200)) * SIM_MS,
		.heal_ns = (300 + sim_below(world, 1500)) * SIM_MS,
		.mtu = (uint16_t)(V2_MTU_FLOOR + sim_below(world, SIM_DATAGRAM_MAX - 1199)),
	};
	choose_control(world, plan);
	if (sim_chance(world, 100))
		plan->interface_mtu = (uint16_t)(V2_MTU_FLOOR +
						 sim_below(world, SIM_DATAGRAM_MAX - V2_MTU_FLOOR));
	choose_sizes(world, plan);
	choose_journal(world, plan);
	plan->key_packets = plan->packets + 10 + sim_below(world, 200);
}

static void change_weather(struct sim_world *world)
{
	struct sim_weather *weather = &world->weather;

	*weather = (struct sim_weather){
		.loss = sometimes(world, 600, 300),
		.burst = sometimes(world, 300, 40),
		.twice = sometimes(world, 400, 300),
		.late = sometimes(world, 400, 300),
		.corrupt = sometimes(world, 300, 100),
		.stray = sometimes(world, 200, 50),
		.delay_ns = 20000 + sim_below(world, 20 * SIM_MS) / (1 + sim_below(world, 50)),
		.jitter_ns = sim_below(world, 3 * SIM_MS) / (1 + sim_below(world, 50)),
		.late_ns = sim_below(world, 80 * SIM_MS),
		.byte_ns = sim_chance(world, 300) ? 80 + sim_below(world, 4000) : 0,
		.queue_ns = sim_below(world, 50 * SIM_MS),
		.mtu = (uint16_t)(V2_MTU_FLOOR + sim_below(world, SIM_DATAGRAM_MAX - 1199)),
		.partitioned = sim_chance(world, 80),
	};
	world->weather_at_ns = world->now_ns + 20 * SIM_MS + sim_below(world, 300 * SIM_MS);
}

static void heal(struct sim_world *world)
{
	sim_note(world, "all is well from here on");
	world->healed = true;
	world->weather = (struct sim_weather){.delay_ns = SIM_MS, .mtu = world->plan.mtu};
	world->burst_left = 0;
	world->plan.spoof = 0;
	world->weather_at_ns = world->misfortune_at_ns = SIM_NEVER;
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int lane = 0; lane < V2_LANES; lane++)
			sim_agent_push(world, &world->agents[i], lane, 1);
}

static int64_t jump(struct sim_world *world)
{
	world->stats.jumps++;
	return (int64_t)sim_below(world, 3000 * SIM_MS) - (int64_t)(1000 * SIM_MS);
}

static void move(struct sim_world *world, struct sim_agent *agent)
{
	agent->address++;
	world->stats.moves++;
	sim_note(world, "agent %u moves to address %" PRIu64, agent->index, agent->address);
}

static void bring_misfortune(struct sim_world *world)
{
	struct sim_agent *agent = &world->agents[sim_below(world, world->plan.agents)];

	world->misfortune_at_ns = world->now_ns + sim_below(world, 200 * SIM_MS);
	if (sim_chance(world, world->plan.kill_agent))
		sim_agent_kill(world, agent);
	if (world->server_up && sim_chance(world, world->plan.kill_server))
		sim_server_kill(world);
	if (sim_chance(world, world->plan.back_up))
		sim_store_back_up(world);
	if (sim_chance(world, world->plan.move))
		move(world, agent);
	if (sim_chance(world, world->plan.jump))
		agent->clock_ns += jump(world);
	if (sim_chance(world, world->plan.jump))
		world->server_clock_ns += jump(world);
	if (sim_chance(world, world->plan.cut))
		sim_connections_cut(world, agent);
	if (world->server_up && sim_chance(world, world->plan.expel))
		sim_server_expel(world, agent);
	if (world->server_up && sim_chance(world, world->plan.forget))
		sim_server_forget(world, agent);
	if (world->server_up && sim_chance(world, world->plan.set))
		sim_server_change_settings(world);
}

/* ---- time ---- */

static uint64_t next_time(struct sim_world *world)
{
	uint64_t at = MIN(world->weather_at_ns, world->misfortune_at_ns);

	if (!world->healed)
		at = MIN(at, world->plan.heal_ns);
	at = MIN(at, sim_network_next_time(world));
	at = MIN(at, sim_connections_next_time(world));
	at = MIN(at, sim_server_next_time(world));
	for (unsigned int i = 0; i < world->plan.agents; i++)
		at = MIN(at, sim_agent_next_time(world, &world->agents[i]));
	return MAX(at, world->now_ns + 1);
}

static void deliver_packets(struct sim_world *world)
{
	struct sim_packet *packet;

	while ((packet = sim_network_take(world)))
		if (packet->to_server)
			sim_server_receive(world, packet);
		else
			sim_agent_receive(world, packet);
}

static void step(struct sim_world *world)
{
	world->now_ns = next_time(world);
	if (!world->healed && world->now_ns >= world->plan.heal_ns)
		heal(world);
	if (world->now_ns >= world->weather_at_ns)
		change_weather(world);
	if (world->now_ns >= world->misfortune_at_ns)
		bring_misfortune(world);
	deliver_packets(world);
	sim_connections_step(world);
	sim_server_step(world);
	for (unsigned int i = 0; i < world->plan.agents; i++)
		sim_agent_step(world, &world->agents[i]);
	sim_ledger_bounds(world);
}

/* What was lost at the end of the unacknowledged lane is noticed with the next update. */
static void push_updates(struct sim_world *world)
{
	/* At no fixed interval, which could be that of the sessions: each update would meet the end of one. */
	world->update_at_ns = world->now_ns + (700 + sim_below(world, 600)) * SIM_MS;
	for (unsigned int i = 0; i < world->plan.agents; i++)
		sim_agent_push(world, &world->agents[i], V2_LANE_UPDATE, 1);
}

static bool sessions_agree(const struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++)
		if (world->agents[i].sender.session == 0 ||
			world->agents[i].sender.session != world->peers[i].receiver.session)
			return false;
	return true;
}

/* The last misfortune comes when nobody has anything to say: that must be noticed as well. */
static bool forget_one(struct sim_world *world)
{
	if (world->forgotten)
		return false;
	sim_server_forget(world, &world->agents[sim_below(world, world->plan.agents)]);
	world->forgotten = true;
	return true;
}

static bool finished(struct sim_world *world)
{
	if (!world->healed || !sim_ledger_settled(world, V2_LANES_ACKED))
		return false;
	if (sim_ledger_settled(world, V2_LANES))
		return sim_connections_settled(world) && sessions_agree(world) &&
		       !forget_one(world);
	if (world->now_ns >= world->update_at_ns)
		push_updates(world);
	return false;
}

static void clean_up(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct v2_sender *sender = &world->agents[i].sender;
		struct v2_receiver *receiver = &world->peers[i].receiver;

		world->stats.black_holes += sender->stats.black_holes;
		world->stats.path_changes += receiver->stats.path_changes;
		v2_sender_done(sender);
		v2_receiver_done(receiver);
	}
}

static void begin(struct sim_world *world, uint64_t seed, bool verbose)
{
	memset(world, 0, offsetof(struct sim_world, storage));
	memset(world->peers, 0, sizeof(world->peers));
	world->packet_count = world->address_count = 0;
	world->backup.valid = false;
	world->connection_count = world->steps = world->settings_good = 0;
	world->session_count = 0;
	world->settings = (struct v2_settings){0};
	memset(world->schema_known, 0, sizeof(world->schema_known));
	for (unsigned int i = 0; i < SIM_AGENTS_MAX; i++)
		for (unsigned int j = 0; j < SIM_CONNECTIONS_MAX; j++)
			world->connections[i][j].id = 0;
	world->forgotten = false;
	world->failure[0] = 0;
	memset(&world->stats, 0, sizeof(world->stats));
	world->seed = world->random = seed;
	world->verbose = verbose;
	world->now_ns = 10 * SIM_MS;
	world->server_clock_ns = (int64_t)sim_below(world, 20000 * SIM_MS) + CLOCK_MIN;
	choose_plan(world);
	change_weather(world);
	world->misfortune_at_ns = sim_below(world, 200 * SIM_MS);
	sim_network_init(world);
	for (unsigned int i = 0; i < world->plan.agents; i++)
		sim_agent_init(world, i);
	sim_server_start(world);
}

bool sim_run(struct sim_world *world, uint64_t seed, bool verbose)
{
	begin(world, seed, verbose);
	while (world->failure[0] == 0 && !finished(world)) {
		step(world);
		if (world->now_ns > world->plan.end_ns)
			sim_fail(world, "no progress in %" PRIu64 " s after all was well",
				(uint64_t)((world->plan.end_ns - world->plan.heal_ns) /
					   NS_PER_SEC));
		if (++world->steps > STEPS_MAX)
			sim_fail(world, "time does not pass");
	}
	if (world->failure[0] == 0)
		sim_ledger_end(world);
	sim_note(world, "%s after %" PRIu64 " steps",
		world->failure[0] ? world->failure : "all holds", world->steps);
	clean_up(world);
	return world->failure[0] == 0;
}
