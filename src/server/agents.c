// SPDX-License-Identifier: BSD-2-Clause
#include "server/agents.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/agents_private.h"

#include <errno.h>
#include <string.h>

#define CLOSE_NS (5 * NS_PER_SEC) /* for functions to get through with a closed incarnation */
#define LOOK_NS  (50 * NS_PER_MS) /* at what they still have of it */

struct admit {
	struct commit_request request; /* first */
	struct agent *agent;
	struct agent_row row;
	struct loss losses[V2_LANES];
	size_t loss_count;
};

struct agent *agents_owner(struct stream *stream)
{
	struct lane *lane = container_of(stream, struct lane, stream);

	return container_of(lane - (stream->id & 0xff), struct agent, lanes[0]);
}

/* ---- admission ---- */

/* Nothing of the old incarnation is with anybody any more. */
static bool agent_is_idle(const struct agent *agent)
{
	if (agents_flush_has(agent->agents, agent))
		return false;
	for (size_t i = 0; i < V2_LANES; i++)
		if (!stream_is_idle(&agent->lanes[i].stream))
			return false;
	return true;
}

/* What functions have not begun of it they shall not begin any more. */
static void agent_drop_waiting(struct agent *agent)
{
	struct units *units = agent->agents->source.units;

	for (size_t slot = 0; slot < UNITS_MAX; slot++)
		for (size_t i = 0; i < V2_LANES && units->units[slot].function; i++)
			function_forget(units->units[slot].function, &agent->lanes[i].stream);
}

static int admit_run(struct store *store, struct commit_request *request)
{
	struct admit *admit = container_of(request, struct admit, request);

	return streams_admit(store, &admit->row, admit->losses, admit->loss_count);
}

/* The place of a switch among those that were met. */
static size_t met_place(const struct agents *agents, uint32_t switch_id)
{
	size_t low = 0, high = agents->met_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (agents->met[middle] < switch_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool agents_have_met(const struct agents *agents, uint32_t switch_id)
{
	size_t place = met_place(agents, switch_id);

	return place < agents->met_count && agents->met[place] == switch_id;
}

static void note_met(struct agents *agents, uint32_t switch_id)
{
	size_t place = met_place(agents, switch_id);

	if (agents_have_met(agents, switch_id))
		return;
	memmove(agents->met + place + 1, agents->met + place,
		(agents->met_count - place) * sizeof(agents->met[0]));
	agents->met[place] = switch_id;
	agents->met_count++;
}

static void agent_begin(struct agent *agent)
{
	const uint64_t incarnation[2] = {agent->epoch, agent->boot};

	note_met(agent->agents, agent->switch_id);
	for (size_t i = 0; i < V2_LANES; i++) {
		struct lane *lane = &agent->lanes[i];

		lane->stream.epoch = agent->epoch;
		stream_begin(&lane->stream, incarnation, 0);
		lane->declared = 0;
	}
}

static struct v2_mark agent_mark(const struct agent *agent)
{
	struct v2_mark mark = {.boot = agent->boot, .epoch = agent->epoch};

	for (size_t i = 0; i < V2_LANES; i++)
		mark.before[i] = agent->lanes[i].stream.processed;
	return mark;
}

static void close_later(struct agents *agents)
{
	if (agents->close_timer.at_ns == 0)
		loop_arm_timer(
			agents->source.loop, &agents->close_timer, clock_monotonic_ns() + LOOK_NS);
}

static void admit_done(struct commit_request *request)
{
	struct admit *admit = container_of(request, struct admit, request);
	struct agent *agent = admit->agent;
	struct agents *agents = agent->agents;
	struct v2_mark mark;

	agent->admitting = false;
	if (request->error < 0) {
		log_limited(LOG_LEVEL_ERROR,
			"cannot admit switch=%u error=\"%s\": it has to wait until the store "
			"takes commits again",
			agent->switch_id, strerror(-request->error));
		agent->full_at_ns -= agents->options.incarnations.interval_ns; /* it was none */
		close_later(agents);
		free(admit);
		return;
	}
	agent->boot = admit->row.boot;
	agent->epoch = admit->row.epoch;
	agent->since_ns = admit->row.since_ns;
	agent_begin(agent);
	free(admit);
	if (agent->next_boot != agent->boot) { /* it was started again meanwhile */
		close_later(agents);
		return;
	}
	agent->next_boot = 0;
	agent->close_ns = 0;
	agent->too_soon = false;
	mark = agent_mark(agent);
	agents->source.ops->admitted(agents->source.user, agent, &mark);
}

/* Each lane of the old incarnation is lost from where the functions have got it on. */
static void admit_fill(struct admit *admit)
{
	struct agent *agent = admit->agent;

	admit->row = (struct agent_row){
		.switch_id = agent->switch_id,
		.boot = agent->next_boot,
		.epoch = agent->epoch + 1,
		.since_ns = clock_realtime_ns(),
	};
	for (size_t i = 0; i < V2_LANES && agent->epoch > 0; i++)
		admit->losses[admit->loss_count++] = (struct loss){
			.stream = agent->lanes[i].stream.id,
			.epoch = agent->epoch,
			.sequence = agent->lanes[i].stream.next,
			.time_ns = admit->row.since_ns,
			.cause = v2_cause_name(V2_CAUSE_RESTART),
		};
}

/* Whether nothing of the old incarnation, and no other one just before, is in the way of the next. */
static bool agent_may_begin(struct agent *agent, uint64_t now_ns)
{
	struct agents *agents = agent->agents;

	if (agents->flush || !agent_is_idle(agent))
		return false;
	if (rate_take(&agents->options.incarnations, &agent->full_at_ns, now_ns))
		return true;
	agents->put_off += !agent->too_soon;
	agent->too_soon = true;
	return false;
}

/* Goes on with an agent that has another incarnation. */
static void agent_close(struct agent *agent, uint64_t now_ns)
{
	struct agents *agents = agent->agents;
	struct admit *admit;

	if (agent->next_boot == 0 || agent->admitting)
		return;
	if (now_ns >= agent->close_ns)
		agent_drop_waiting(agent);
	admit = agent_may_begin(agent, now_ns) ? calloc(1, sizeof(*admit)) : NULL;
	if (!admit) {
		close_later(agents);
		return;
	}
	admit->agent = agent;
	admit_fill(admit);
	admit->request.task = admit_run;
	admit->request.done = admit_done;
	agent->admitting = true;
	if (commits_submit_task(agents->source.commits, &admit->request) < 0)
		free(admit); /* the server ends */
}

static void on_close(struct loop_timer *timer, uint64_t now_ns)
{
	struct agents *agents = timer->user;

	for (size_t i = 0; i < agents->count; i++)
		agent_close(agents->list[i], now_ns);
}

enum v2_admission agent_hello(
	struct agent *agent, const struct v2_hello *hello, struct v2_mark *ret_mark)
{
	const struct v2_mark mark = agent_mark(agent);
	enum v2_admission admission = v2_admit(&mark, hello, ret_mark);

	if (admission == V2_ADMIT_RESUME && agent->next_boot != 0)
		return V2_ADMIT_STALE; /* its end is about to be declared */
	if (admission != V2_ADMIT_NEW)
		return admission;
	agent->next_boot = hello->boot;
	if (agent->close_ns == 0)
		agent->close_ns = clock_monotonic_ns() + CLOSE_NS;
	agent_close(agent, clock_monotonic_ns());
	return V2_ADMIT_NEW;
}

/* ---- events and losses ---- */

static void lane_block(struct agents *agents, struct lane *lane)
{
	agents->blocked += !lane->blocked;
	lane->blocked = true;
}

/* Offers what the window has room for, and counts it. */
static void lane_offer(struct agent *agent, struct lane *lane, const struct agent_run *run)
{
	struct stream *stream = &lane->stream;
	const struct event_run events = {
		.event_id = run->event_id,
		.switch_id = agent->switch_id,
		.epoch = (uint32_t)agent->epoch,
		.index = (uint16_t)(stream->id & 0xff),
		.time_ns = run->time_ns,
		.records = run->records,
		.stride = run->stride,
		.count = (size_t)MIN(run->count, stream_room(stream)),
	};
	uint64_t before = stream->next;
	bool routed = stream_offer(stream, agent->agents->source.units, &events, before);

	lane->events += stream->next - before;
	if (!routed)
		lane->unrouted += stream->next - before;
	stream_advance(stream);
	agents_flush_lane(agent->agents, lane);
}

uint64_t agent_offer(struct agent *agent, uint8_t lane_id, const struct agent_run *run)
{
	struct lane *lane = &agent->lanes[lane_id];
	uint64_t taken;

	if (agent->next_boot == 0 && run->sequence == lane->stream.next)
		lane_offer(agent, lane, run);
	taken = MIN(lane->stream.next - MIN(run->sequence, lane->stream.next), run->count);
	if (taken < run->count)
		lane_block(agent->agents, lane);
	return taken;
}

/*
 * Goes on at `next`, up to `end` at most. False: not now. What was declared since the server started is a
 * gap that the stream knows until it is processed, so it does not come here again (stream_skip_known());
 * what was declared before that is durable, and the stream knows nothing of it.
 */
static bool lane_skip(struct agent *agent, struct lane *lane, uint64_t end, const char *cause)
{
	struct stream *stream = &lane->stream;
	uint64_t from = MAX(stream->next, lane->declared);
	const struct loss loss = {
		.stream = stream->id,
		.epoch = agent->epoch,
		.sequence = from,
		.count = end - MIN(from, end),
		.time_ns = clock_realtime_ns(),
		.cause = cause,
	};

	if (stream_reserve_gap(stream) < 0 ||
		(loss.count > 0 && !agents_flush_loss(agent->agents, lane, &loss)))
		return false;
	stream_skip(stream, end - stream->next, loss.count == 0);
	return true;
}

bool agent_lost(struct agent *agent, uint8_t lane_id, const struct agent_range *range)
{
	struct lane *lane = &agent->lanes[lane_id];
	struct stream *stream = &lane->stream;
	uint64_t end = range->sequence + range->count;
	bool went = agent->next_boot == 0 && range->sequence <= stream->next;

	while (went && stream->next < end)
		went = stream_skip_known(stream) || lane_skip(agent, lane, end, range->cause);
	if (!went) {
		lane_block(agent->agents, lane);
		return false;
	}
	stream_advance(stream);
	agents_flush_lane(agent->agents, lane);
	return true;
}

void agent_update(struct agent *agent, const struct agent_run *run)
{
	struct stream *stream = &agent->lanes[V2_LANE_UPDATE].stream;
	uint64_t end = run->sequence + run->count;
	const struct agent_range path = {
		stream->next, run->sequence - stream->next, v2_cause_name(V2_CAUSE_PATH)};
	struct agent_range rest;

	/* What cannot be declared now is part of the gap in front of the next one. */
	if (agent->next_boot != 0 || run->sequence < stream->next)
		return;
	if (path.count > 0 && !agent_lost(agent, V2_LANE_UPDATE, &path))
		return;
	lane_offer(agent, &agent->lanes[V2_LANE_UPDATE], run);
	rest = (struct agent_range){stream->next, end - stream->next, LOSS_NO_ROOM};
	if (rest.count > 0 && !agent_lost(agent, V2_LANE_UPDATE, &rest))
		return;
}

/* ---- what functions did ---- */

void agents_processed(struct agents *agents, struct stream *stream, uint64_t before)
{
	if (before <= stream->processed)
		return;
	stream->processed = before;
	agents->source.ops->processed(
		agents->source.user, agents_owner(stream), (uint8_t)(stream->id & 0xff), before);
}

/* One turn for each lane that waits; another agent goes first each time. */
static void offer_room(struct agents *agents)
{
	for (size_t i = 0; i < agents->count && agents->blocked > 0; i++) {
		struct agent *agent = agents->list[(agents->turn + i) % agents->count];

		for (unsigned int lane = 0; lane < V2_LANES; lane++) {
			if (!agent->lanes[lane].blocked || agent->next_boot != 0)
				continue;
			agent->lanes[lane].blocked = false;
			agents->blocked--;
			agents->source.ops->room(agents->source.user, agent, lane);
		}
	}
	agents->turn++;
}

void agents_after_commits(struct agents *agents)
{
	offer_room(agents);
	/* What no other commit tells of: marks that did not hold, gaps that were passed. */
	agents_flush_all(agents);
	for (size_t i = 0; i < agents->count; i++)
		if (agents->list[i]->next_boot != 0)
			agent_close(agents->list[i], clock_monotonic_ns());
}

void agents_drop(
	struct agents *agents, size_t slot, const struct finished_event *event, bool replaced)
{
	struct agent *agent = agents_owner(event->origin);
	struct stream *stream = event->origin;

	/* Of a closed incarnation nobody shall have it; updates are offered once. */
	if (agent->next_boot != 0)
		agent->dropped++;
	replaced = replaced && agent->next_boot == 0 && !stream->once;
	stream_drop(stream, slot, event->position, replaced);
	stream_advance(stream);
	if (replaced)
		lane_block(agents, container_of(stream, struct lane, stream));
	agents_flush_lane(agents, container_of(stream, struct lane, stream));
}

void agents_forget_unit(struct agents *agents, size_t slot)
{
	for (size_t i = 0; i < agents->count; i++)
		for (size_t lane = 0; lane < V2_LANES; lane++)
			stream_forget_unit(&agents->list[i]->lanes[lane].stream, slot);
	offer_room(agents); /* it may have been what a lane waited for */
}

/* ---- making them ---- */

void agents_limit(struct agents *agents, const struct rate *incarnations)
{
	static const struct rate usual = {10 * NS_PER_SEC, 30};

	if (incarnations->burst == 0)
		incarnations = &usual;
	if (rate_equal(&agents->options.incarnations, incarnations))
		return;
	agents->options.incarnations = *incarnations;
	for (size_t i = 0; i < agents->count; i++)
		agents->list[i]->full_at_ns = 0;
}

int agents_new(const struct agents_options *options, const struct agents_source *source,
	struct agents **ret_agents)
{
	_cleanup_(agents_freep) struct agents *agents = calloc(1, sizeof(*agents));

	if (!agents)
		return -ENOMEM;
	agents->options = *options;
	agents_limit(agents, &options->incarnations);
	agents->source = *source;
	agents_flush_init(agents);
	agents->close_timer = (struct loop_timer){.fn = on_close, .user = agents};
	agents->list = calloc(options->max, sizeof(agents->list[0]));
	agents->met = calloc(options->max, sizeof(agents->met[0]));
	if (!agents->list || !agents->met)
		return -ENOMEM;
	*ret_agents = TAKE_PTR(agents);
	return 0;
}

static void agent_free(struct agent *agent)
{
	for (size_t i = 0; i < V2_LANES; i++)
		stream_done(&agent->lanes[i].stream);
	free(agent);
}

void agents_free(struct agents *agents)
{
	if (!agents)
		return;
	loop_disarm_timer(&agents->close_timer);
	for (size_t i = 0; i < agents->count; i++)
		agent_free(agents->list[i]);
	free(agents->list);
	free(agents->met);
	agents_flush_done(agents);
	free(agents);
}

struct agent *agents_get(struct agents *agents, uint32_t switch_id)
{
	struct agent *agent;

	for (size_t i = 0; i < agents->count; i++)
		if (agents->list[i]->switch_id == switch_id)
			return agents->list[i];
	if (agents->count == agents->options.max)
		return NULL;
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return NULL;
	agent->agents = agents;
	agent->switch_id = switch_id;
	for (unsigned int lane = 0; lane < V2_LANES; lane++) {
		if (stream_init(&agent->lanes[lane].stream, stream_id(switch_id, lane),
			    agents->options.window[lane]) < 0) {
			agent_free(agent);
			return NULL;
		}
		agent->lanes[lane].stream.once = lane >= V2_LANES_ACKED;
	}
	agents->list[agents->count++] = agent;
	return agent;
}

size_t agents_count(const struct agents *agents)
{
	return agents->count;
}

struct agent *agents_at(struct agents *agents, size_t index)
{
	return agents->list[index];
}

uint64_t agents_put_off(const struct agents *agents)
{
	return agents->put_off;
}

static int restore_agent(void *user, const struct agent_row *row)
{
	struct agent *agent = agents_get(user, row->switch_id);

	if (!agent) {
		log_warning("switch=%u is forgotten: more in the store than there may be",
			row->switch_id);
		return 0;
	}
	agent->boot = row->boot;
	agent->epoch = row->epoch;
	agent->since_ns = row->since_ns;
	agent_begin(agent);
	for (size_t i = 0; i < V2_LANES; i++) {
		struct stream *stream = &agent->lanes[i].stream;

		stream_begin(stream, stream->incarnation, row->before[i]);
		agent->lanes[i].declared = row->declared[i];
	}
	return 0;
}

int agents_restore(struct agents *agents, struct store *reader)
{
	return streams_each_agent(reader, restore_agent, agents);
}
