// SPDX-License-Identifier: BSD-2-Clause
/*
 * The server's store: one transaction after the other, each of what was ready when it began (group
 * commit). It holds or it does not, the server may die at any point of it, and now and then the whole
 * store is put back to what a backup has.
 */
#include "tests/sim/sim.h"

#include <string.h>

struct sim_batch *sim_batch(struct sim_work *work, unsigned int i)
{
	return &work->batches[(work->first + i) % SIM_BATCHES_MAX];
}

static void drop_first(struct sim_work *work, unsigned int count)
{
	work->first += count;
	work->count -= count;
	work->writing = 0;
}

/* ---- a transaction ---- */

/* The batches of a lane that are ready and have none before them that is not. */
static unsigned int ready(const struct sim_world *world, struct sim_work *work)
{
	unsigned int n = 0;

	while (n < work->count && world->now_ns >= sim_batch(work, n)->done_at_ns)
		n++;
	return n;
}

static void begin(struct sim_world *world)
{
	uint64_t time = world->healed ? SIM_MS / 10 : world->plan.commit_ns;

	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int lane = 0; lane < V2_LANES; lane++) {
			struct sim_work *work = &world->peers[i].work[lane];

			work->writing = ready(world, work);
			world->store.busy |= work->writing > 0;
		}
	if (world->store.busy)
		world->store.done_at_ns = world->now_ns + sim_below(world, time + 1);
}

/* The store's own fence: a commit names its epoch. */
static void apply_batch(struct sim_world *world, struct sim_agent *agent, unsigned int lane,
	struct sim_batch *batch)
{
	struct v2_mark *mark = &world->peers[agent->index].mark;

	if (batch->epoch != mark->epoch) {
		world->stats.refused_commits++;
		return;
	}
	mark->before[lane] = batch->before;
	sim_ledger_committed(world, agent, lane, batch);
	world->stats.commits++;
}

static void apply(struct sim_world *world)
{
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int lane = 0; lane < V2_LANES; lane++) {
			struct sim_work *work = &world->peers[i].work[lane];

			for (unsigned int n = 0; n < work->writing; n++)
				apply_batch(world, &world->agents[i], lane, sim_batch(work, n));
		}
}

/*
 * What the receiver keeps it hands out again, also what was taken after it; updates are tried again.
 * Of a closed incarnation nothing is wanted any more.
 */
static void refuse(struct sim_world *world, struct sim_peer *peer, unsigned int lane)
{
	struct sim_work *work = &peer->work[lane];
	unsigned int old = 0;

	while (old < work->writing && sim_batch(work, old)->epoch != peer->receiver.epoch)
		old++;
	drop_first(work, old);
	if (work->count == 0)
		return;
	if (lane == V2_LANE_UPDATE) {
		sim_batch(work, 0)->done_at_ns = world->now_ns + 1 + sim_below(world, SIM_MS);
	} else if (sim_batch(work, 0)->epoch == peer->receiver.epoch) {
		v2_receiver_abandon(&peer->receiver, lane);
		work->count = 0;
	}
}

static void refuse_all(struct sim_world *world)
{
	world->store.busy = false;
	world->stats.failed_commits++;
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int lane = 0; lane < V2_LANES; lane++)
			if (world->peers[i].work[lane].writing > 0)
				refuse(world, &world->peers[i], lane);
}

/* The receiver hears of what holds. True if the server is still alive afterwards. */
static bool answer(struct sim_world *world, struct sim_peer *peer, unsigned int lane)
{
	struct sim_work *work = &peer->work[lane];

	for (unsigned int n = 0; n < work->writing; n++) {
		const struct sim_batch *batch = sim_batch(work, n);

		v2_receiver_commit(&peer->receiver, batch->epoch, lane, batch->before,
			sim_server_clock(world));
		if (sim_kill_point(world))
			return false;
	}
	drop_first(work, work->writing);
	return true;
}

static void finish(struct sim_world *world)
{
	if (!world->healed && sim_chance(world, world->plan.commit_fails)) {
		refuse_all(world);
		return;
	}
	if (sim_kill_point(world))
		return;
	apply(world);
	world->store.busy = false;
	if (sim_kill_point(world))
		return;
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int lane = 0; lane < V2_LANES; lane++)
			if (!answer(world, &world->peers[i], lane))
				return;
}

void sim_store_step(struct sim_world *world)
{
	if (world->store.busy && world->now_ns >= world->store.done_at_ns)
		finish(world);
	if (world->server_up && !world->store.busy)
		begin(world);
}

uint64_t sim_store_next_time(struct sim_world *world)
{
	uint64_t at = SIM_NEVER;

	if (world->store.busy)
		return world->store.done_at_ns;
	for (unsigned int i = 0; i < world->plan.agents; i++)
		for (unsigned int lane = 0; lane < V2_LANES; lane++)
			if (world->peers[i].work[lane].count > 0)
				at = MIN(at, sim_batch(&world->peers[i].work[lane], 0)->done_at_ns);
	return at;
}

/* ---- the server's death, and backups ---- */

void sim_store_back_up(struct sim_world *world)
{
	struct sim_backup *backup = &world->backup;

	for (unsigned int i = 0; i < world->plan.agents; i++) {
		const struct sim_agent *agent = &world->agents[i];

		backup->marks[i] = world->peers[i].mark;
		backup->counts[i] = agent->incarnation_count;
		memcpy(backup->effects[i], agent->effects,
			agent->incarnation_count * sizeof(agent->effects[0]));
	}
	backup->valid = true;
}

/* All effects since are undone with the marks: they are in one file. */
static void put_back(struct sim_world *world)
{
	const struct sim_backup *backup = &world->backup;

	sim_note(world, "the store is put back");
	world->stats.put_back++;
	for (unsigned int i = 0; i < world->plan.agents; i++) {
		struct sim_agent *agent = &world->agents[i];

		world->peers[i].mark = backup->marks[i];
		memcpy(agent->effects, backup->effects[i],
			backup->counts[i] * sizeof(agent->effects[0]));
		memset(agent->effects + backup->counts[i], 0,
			(agent->incarnation_count - backup->counts[i]) * sizeof(agent->effects[0]));
	}
}

void sim_store_crash(struct sim_world *world)
{
	/* What was being written reached the disk, or not. */
	if (world->store.busy && sim_chance(world, 500))
		apply(world);
	world->store.busy = false;
	if (world->backup.valid && !world->healed && sim_chance(world, world->plan.put_back))
		put_back(world);
}
