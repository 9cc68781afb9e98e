// SPDX-License-Identifier: BSD-2-Clause
#include "server/agents.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/streams.h"

#include <errno.h>
#include <string.h>

#define FLUSH_NS   (20 * NS_PER_MS) /* until what no function's commit tells of is committed */
#define RETRY_NS   NS_PER_SEC       /* after the store refused that */
#define CLOSE_NS   (5 * NS_PER_SEC) /* for functions to get through with a closed incarnation */
#define LOOK_NS    (50 * NS_PER_MS) /* at what they still have of it */
#define LOSSES_MAX 1024             /* ranges that wait to be declared */

/* What goes to the committer in one go: marks of streams, and the first of the losses. */
struct flush {
	struct commit_request request; /* first: the committer hands it back */
	struct agents *agents;
	size_t mark_count, loss_count;
	struct stream **streams; /* beside `marks` */
	struct stream_mark *marks;
	struct loss *losses;
};

struct admit {
	struct commit_request request; /* first */
	struct agent *agent;
	struct agent_row row;
	struct loss losses[V2_LANES];
	size_t loss_count;
};

struct agents {
	struct agents_options options;
	struct agents_source source;
	struct agent **list; /* by age */
	size_t count;
	uint32_t *met; /* switches with an incarnation, sorted */
	size_t met_count;
	uint64_t put_off; /* incarnations */
	size_t blocked;   /* lanes */
	size_t turn;      /* the agent that is asked first */
	struct loop_timer flush_timer, close_timer;
	struct flush *flush; /* under way */
	struct loss losses[LOSSES_MAX];
	struct stream *loss_streams[LOSSES_MAX]; /* beside `losses` */
	size_t loss_count;
};

static struct agent *agent_of(struct stream *stream)
{
	struct lane *lane = container_of(stream, struct lane, stream);

	return container_of(lane - (stream->id & 0xff), struct agent, lanes[0]);
}

/* ---- what is committed apart from functions' results ---- */

static void flush_free(struct flush *flush)
{
	if (!flush)
		return;
	free(flush->streams);
	free(flush->marks);
	free(flush->losses);
	free(flush);
}

static void flush_later(struct agents *agents, uint64_t after_ns)
{
	if (agents->flush_timer.at_ns == 0)
		loop_arm_timer(
			agents->source.loop, &agents->flush_timer, clock_monotonic_ns() + after_ns);
}

static bool has_news(const struct stream *stream)
{
	return stream->epoch != 0 && stream->base > stream->told;
}

static struct flush *flush_new(struct agents *agents)
{
	struct flush *flush = calloc(1, sizeof(*flush));
	size_t streams = agents->count * V2_LANES + 1;

	if (!flush)
		return NULL;
	flush->agents = agents;
	flush->streams = reallocarray(NULL, streams, sizeof(flush->streams[0]));
	flush->marks = reallocarray(NULL, streams, sizeof(flush->marks[0]));
	flush->losses = reallocarray(NULL, agents->loss_count + 1, sizeof(flush->losses[0]));
	if (flush->streams && flush->marks && flush->losses)
		return flush;
	flush_free(flush);
	return NULL;
}

static void flush_fill(struct flush *flush)
{
	struct agents *agents = flush->agents;

	for (size_t i = 0; i < agents->count * V2_LANES; i++) {
		struct stream *stream = &agents->list[i / V2_LANES]->lanes[i % V2_LANES].stream;

		if (!has_news(stream))
			continue;
		flush->streams[flush->mark_count] = stream;
		flush->marks[flush->mark_count++] =
			(struct stream_mark){stream->id, stream->epoch, stream->base};
		stream->told = stream->base;
		stream->committing++;
	}
	flush->loss_count = agents->loss_count;
	memcpy(flush->losses, agents->losses, flush->loss_count * sizeof(flush->losses[0]));
}

/* On the committing thread. */
static int flush_run(struct store *store, struct commit_request *request)
{
	struct flush *flush = container_of(request, struct flush, request);

	return streams_progress(store, flush->marks, request->stale ? 0 : flush->mark_count,
		flush->losses, flush->loss_count);
}

static void settle_marks(struct flush *flush, bool durable)
{
	for (size_t i = 0; i < flush->mark_count; i++) {
		struct stream *stream = flush->streams[i];

		stream->committing--;
		if (durable)
			agents_processed(flush->agents, stream, flush->marks[i].before);
		else
			stream->told = stream->processed;
	}
}

static void settle_losses(struct flush *flush)
{
	struct agents *agents = flush->agents;

	for (size_t i = 0; i < flush->loss_count; i++) {
		struct stream *stream = agents->loss_streams[i];
		struct lane *lane = container_of(stream, struct lane, stream);
		const struct loss *loss = &flush->losses[i];

		lane->lost += MIN(loss->count, V2_SEQUENCE_MAX - lane->lost);
		stream_declare(stream, loss->sequence + loss->count);
		stream_advance(stream);
	}
	agents->loss_count -= flush->loss_count;
	memmove(agents->losses, agents->losses + flush->loss_count,
		agents->loss_count * sizeof(agents->losses[0]));
	memmove(agents->loss_streams, agents->loss_streams + flush->loss_count,
		agents->loss_count * sizeof(agents->loss_streams[0]));
}

static bool flush_needed(const struct agents *agents)
{
	for (size_t i = 0; i < agents->count * V2_LANES; i++)
		if (has_news(&agents->list[i / V2_LANES]->lanes[i % V2_LANES].stream))
			return true;
	return agents->loss_count > 0;
}

static void flush_done(struct commit_request *request)
{
	struct flush *flush = container_of(request, struct flush, request);
	struct agents *agents = flush->agents;

	agents->flush = NULL;
	settle_marks(flush, request->error == 0 && !request->stale);
	if (request->error == 0)
		settle_losses(flush);
	else
		log_limited(LOG_LEVEL_ERROR,
			"cannot commit the progress of switches error=\"%s\": they are told "
			"nothing until the store takes commits again",
			strerror(-request->error));
	if (flush_needed(agents))
		flush_later(agents, request->error == 0 ? 0 : RETRY_NS);
	flush_free(flush);
}

static void on_flush(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct agents *agents = timer->user;
	struct flush *flush;

	if (agents->flush || !flush_needed(agents))
		return;
	flush = flush_new(agents);
	if (!flush) {
		flush_later(agents, RETRY_NS);
		return;
	}
	flush_fill(flush);
	flush->request.task = flush_run;
	flush->request.done = flush_done;
	agents->flush = flush;
	if (commits_submit_task(agents->source.commits, &flush->request) < 0) {
		agents->flush = NULL; /* the server ends */
		flush_free(flush);
	}
}

/* ---- admission ---- */

static bool has_losses(const struct agents *agents, const struct agent *agent)
{
	for (size_t i = 0; i < agents->loss_count; i++)
		if (stream_switch(agents->losses[i].stream) == agent->switch_id)
			return true;
	return false;
}

/* Nothing of the old incarnation is with anybody any more. */
static bool agent_is_idle(const struct agent *agent)
{
	if (has_losses(agent->agents, agent))
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
	if (has_news(stream))
		flush_later(agent->agents, FLUSH_NS);
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

static bool add_loss(struct agents *agents, struct stream *stream, const struct loss *loss)
{
	size_t under_way = agents->flush ? agents->flush->loss_count : 0;
	struct loss *last =
		agents->loss_count > under_way ? &agents->losses[agents->loss_count - 1] : NULL;

	if (last && last->stream == loss->stream && last->cause == loss->cause &&
		last->sequence + last->count == loss->sequence) {
		last->count += loss->count;
		return true;
	}
	if (agents->loss_count == LOSSES_MAX)
		return false;
	agents->loss_streams[agents->loss_count] = stream;
	agents->losses[agents->loss_count++] = *loss;
	return true;
}

/*
 * Goes on at `next`, up to `end` at most. False: not now. What was declared since the server started is a
 * gap that the stream knows until it is processed, so it does not come here again (stream_skip_known());
 * what was declared before that is durable, and the stream knows nothing of it.
 */
static bool lane_skip(struct agent *agent, struct lane *lane, uint64_t end, const char *cause)
{
	struct agents *agents = agent->agents;
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

	if (stream_reserve_gap(stream) < 0 || (loss.count > 0 && !add_loss(agents, stream, &loss)))
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
	flush_later(agent->agents, FLUSH_NS);
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
		agents->source.user, agent_of(stream), (uint8_t)(stream->id & 0xff), before);
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
	if (!agents->flush && flush_needed(agents))
		flush_later(agents, FLUSH_NS);
	for (size_t i = 0; i < agents->count; i++)
		if (agents->list[i]->next_boot != 0)
			agent_close(agents->list[i], clock_monotonic_ns());
}

void agents_drop(
	struct agents *agents, size_t slot, const struct finished_event *event, bool replaced)
{
	struct agent *agent = agent_of(event->origin);
	struct stream *stream = event->origin;

	/* Of a closed incarnation nobody shall have it; updates are offered once. */
	if (agent->next_boot != 0)
		agent->dropped++;
	replaced = replaced && agent->next_boot == 0 && !stream->once;
	stream_drop(stream, slot, event->position, replaced);
	stream_advance(stream);
	if (replaced)
		lane_block(agents, container_of(stream, struct lane, stream));
	if (has_news(stream))
		flush_later(agents, FLUSH_NS);
}

void agents_forget_unit(struct agents *agents, size_t slot)
{
	for (size_t i = 0; i < agents->count; i++)
		for (size_t lane = 0; lane < V2_LANES; lane++)
			stream_forget_unit(&agents->list[i]->lanes[lane].stream, slot);
	offer_room(agents); /* it may have been what a lane waited for */
}

/* ---- making them ---- */

int agents_new(const struct agents_options *options, const struct agents_source *source,
	struct agents **ret_agents)
{
	_cleanup_(agents_freep) struct agents *agents = calloc(1, sizeof(*agents));

	if (!agents)
		return -ENOMEM;
	agents->options = *options;
	if (options->incarnations.burst == 0)
		agents->options.incarnations = (struct rate){10 * NS_PER_SEC, 30};
	agents->source = *source;
	agents->flush_timer = (struct loop_timer){.fn = on_flush, .user = agents};
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
	loop_disarm_timer(&agents->flush_timer);
	loop_disarm_timer(&agents->close_timer);
	for (size_t i = 0; i < agents->count; i++)
		agent_free(agents->list[i]);
	free(agents->list);
	free(agents->met);
	flush_free(agents->flush);
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
