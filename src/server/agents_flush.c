// SPDX-License-Identifier: BSD-2-Clause
/*
 * How far each lane is processed, where no function's commit tells of it, and which ranges were lost.
 * One transaction for all agents; but what the store has another incarnation of fails alone, is told
 * nothing, and tries again.
 */
#include "base/clock.h"
#include "base/log.h"
#include "server/agents_private.h"

#include <errno.h>
#include <string.h>

#define FLUSH_NS (20 * NS_PER_MS) /* until it is committed */
#define RETRY_NS NS_PER_SEC       /* after the store refused it */

/* What goes to the committer in one go: marks of streams, and the first of the losses. */
struct flush {
	struct commit_request request; /* first: the committer hands it back */
	struct agents *agents;
	struct stream **streams; /* beside `marks` */
	struct stream_mark *marks;
	struct loss *losses;
	bool *stale; /* of the marks, and behind them of the losses */
	size_t mark_count, loss_count;
};

static struct lane *lane_of(struct stream *stream)
{
	return container_of(stream, struct lane, stream);
}

static struct lane *lane_at(const struct agents *agents, size_t i)
{
	return &agents->list[i / V2_LANES]->lanes[i % V2_LANES];
}

static void flush_free(struct flush *flush)
{
	if (!flush)
		return;
	free(flush->streams);
	free(flush->marks);
	free(flush->losses);
	free(flush->stale);
	free(flush);
}

static void flush_later(struct agents *agents, uint64_t after_ns)
{
	uint64_t at_ns = MAX(clock_monotonic_ns() + after_ns, agents->flush_from_ns);

	if (agents->flush_timer.at_ns == 0 || at_ns < agents->flush_timer.at_ns)
		loop_arm_timer(agents->source.loop, &agents->flush_timer, at_ns);
}

static bool has_news(const struct lane *lane)
{
	return lane->stream.epoch != 0 && lane->stream.base > lane->stream.told;
}

/* Whether there is something to tell, of lanes that the store refused last time or of the others. */
static bool flush_needed(const struct agents *agents, bool refused)
{
	for (size_t i = 0; i < agents->count * V2_LANES; i++)
		if (lane_at(agents, i)->refused == refused && has_news(lane_at(agents, i)))
			return true;
	for (size_t i = 0; i < agents->loss_count; i++)
		if (lane_of(agents->loss_streams[i])->refused == refused)
			return true;
	return false;
}

static struct flush *flush_new(struct agents *agents)
{
	struct flush *flush = calloc(1, sizeof(*flush));
	size_t streams = agents->count * V2_LANES + 1, losses = agents->loss_count + 1;

	if (!flush)
		return NULL;
	flush->agents = agents;
	flush->streams = reallocarray(NULL, streams, sizeof(flush->streams[0]));
	flush->marks = reallocarray(NULL, streams, sizeof(flush->marks[0]));
	flush->losses = reallocarray(NULL, losses, sizeof(flush->losses[0]));
	flush->stale = calloc(streams + losses, sizeof(flush->stale[0]));
	if (flush->streams && flush->marks && flush->losses && flush->stale)
		return flush;
	flush_free(flush);
	return NULL;
}

static void flush_fill(struct flush *flush)
{
	struct agents *agents = flush->agents;

	for (size_t i = 0; i < agents->count * V2_LANES; i++) {
		struct stream *stream = &lane_at(agents, i)->stream;

		if (!has_news(lane_at(agents, i)))
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
	const struct stream_progress progress = {
		.marks = flush->marks,
		.mark_count = request->stale ? 0 : flush->mark_count,
		.marks_stale = flush->stale,
		.losses = flush->losses,
		.loss_count = flush->loss_count,
		.losses_stale = flush->stale + flush->mark_count,
	};

	return streams_progress(store, &progress);
}

/* Whoever changed the database should know. */
static void note_verdict(struct lane *lane, bool stale)
{
	if (stale && !lane->refused)
		log_limited(LOG_LEVEL_ERROR,
			"the store has another incarnation of a switch than the server switch=%u "
			"lane=%u: nothing of it is acknowledged. Was the database changed? Start "
			"the server again",
			stream_switch(lane->stream.id), (unsigned int)(lane->stream.id & 0xff));
	lane->refused = stale;
}

static void settle_marks(struct flush *flush, bool written)
{
	for (size_t i = 0; i < flush->mark_count; i++) {
		struct stream *stream = flush->streams[i];

		stream->committing--;
		if (written)
			note_verdict(lane_of(stream), flush->stale[i]);
		if (written && !flush->stale[i])
			agents_processed(flush->agents, stream, flush->marks[i].before);
		else
			stream->told = stream->processed;
	}
}

static void settle_loss(struct lane *lane, const struct loss *loss)
{
	lane->lost += MIN(loss->count, V2_SEQUENCE_MAX - lane->lost);
	stream_declare(&lane->stream, loss->sequence + loss->count);
	stream_advance(&lane->stream);
}

/* Those that the store refused stay, in front of those that came meanwhile. */
static void settle_losses(struct flush *flush)
{
	struct agents *agents = flush->agents;
	const bool *stale = flush->stale + flush->mark_count;
	size_t kept = 0, rest = agents->loss_count - flush->loss_count;

	for (size_t i = 0; i < flush->loss_count; i++) {
		struct lane *lane = lane_of(agents->loss_streams[i]);

		note_verdict(lane, stale[i]);
		if (!stale[i]) {
			settle_loss(lane, &flush->losses[i]);
			continue;
		}
		agents->loss_streams[kept] = agents->loss_streams[i];
		agents->losses[kept++] = agents->losses[i];
	}
	memmove(agents->losses + kept, agents->losses + flush->loss_count,
		rest * sizeof(agents->losses[0]));
	memmove(agents->loss_streams + kept, agents->loss_streams + flush->loss_count,
		rest * sizeof(agents->loss_streams[0]));
	agents->loss_count = kept + rest;
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
	agents->flush_from_ns = request->error == 0 ? 0 : clock_monotonic_ns() + RETRY_NS;
	if (flush_needed(agents, false))
		flush_later(agents, 0);
	else if (flush_needed(agents, true))
		flush_later(agents, RETRY_NS);
	flush_free(flush);
}

static void on_flush(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct agents *agents = timer->user;
	struct flush *flush;

	if (agents->flush || !(flush_needed(agents, false) || flush_needed(agents, true)))
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

void agents_flush_init(struct agents *agents)
{
	agents->flush_timer = (struct loop_timer){.fn = on_flush, .user = agents};
}

void agents_flush_done(struct agents *agents)
{
	loop_disarm_timer(&agents->flush_timer);
	flush_free(agents->flush);
}

void agents_flush_lane(struct agents *agents, const struct lane *lane)
{
	if (has_news(lane))
		flush_later(agents, FLUSH_NS);
}

void agents_flush_all(struct agents *agents)
{
	if (!agents->flush && flush_needed(agents, false))
		flush_later(agents, FLUSH_NS);
}

bool agents_flush_loss(struct agents *agents, struct lane *lane, const struct loss *loss)
{
	size_t under_way = agents->flush ? agents->flush->loss_count : 0;
	struct loss *last =
		agents->loss_count > under_way ? &agents->losses[agents->loss_count - 1] : NULL;

	if (lane->refused)
		return false;
	if (last && last->stream == loss->stream && last->cause == loss->cause &&
		last->sequence + last->count == loss->sequence) {
		last->count += loss->count;
	} else if (agents->loss_count == LOSSES_MAX) {
		return false;
	} else {
		agents->loss_streams[agents->loss_count] = &lane->stream;
		agents->losses[agents->loss_count++] = *loss;
	}
	flush_later(agents, FLUSH_NS);
	return true;
}

bool agents_flush_has(const struct agents *agents, const struct agent *agent)
{
	for (size_t i = 0; i < agents->loss_count; i++)
		if (stream_switch(agents->losses[i].stream) == agent->switch_id)
			return true;
	return false;
}
