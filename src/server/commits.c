// SPDX-License-Identifier: BSD-2-Clause
#include "server/commits.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/agents.h"
#include "server/api.h"
#include "server/callers.h"
#include "server/letters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

/* A stream that a result has events of. */
struct touched {
	struct stream *stream;
	uint64_t before; /* all below is processed, if nothing is refused that went before */
	size_t mark;     /* the unit's, in `marks`; NONE: it keeps none */
};

struct commit {
	struct commit_request request; /* first: the committer hands it back */
	struct result *result;
	struct unit *unit;
	size_t touched_count, mark_count, stream_mark_count, room;
	struct touched *touched;
	struct mark *marks;
	struct stream_mark *stream_marks;
	bool has_callers;
	size_t settled_count, settled_room;
	uint64_t *settled; /* rows of dead letters that were tried again */
	uint64_t letters_shed;
};

static void commit_free(struct commit *commit)
{
	free(commit->touched);
	free(commit->marks);
	free(commit->stream_marks);
	free(commit->settled);
	free(commit);
}

/* Without memory there is no way to report back either; the engine would wait for ever. */
static void *must(void *memory)
{
	if (!memory) {
		log_error("out of memory: cannot go on");
		abort();
	}
	return memory;
}

static void commit_make_room(struct commit *commit)
{
	if (commit->touched_count < commit->room)
		return;
	commit->room = MAX(2 * commit->room, (size_t)8);
	commit->touched =
		must(reallocarray(commit->touched, commit->room, sizeof(commit->touched[0])));
	commit->marks = must(reallocarray(commit->marks, commit->room, sizeof(commit->marks[0])));
	commit->stream_marks = must(
		reallocarray(commit->stream_marks, commit->room, sizeof(commit->stream_marks[0])));
}

/* The stream's place in the commit. The unit's mark begins as it is now. */
static const struct touched *commit_touch(
	struct commits *commits, struct commit *commit, size_t slot, struct stream *stream)
{
	struct touched *touched;

	if (stream->touched_by == commits->number)
		return &commit->touched[stream->touched_at];
	commit_make_room(commit);
	stream->touched_by = commits->number;
	stream->touched_at = commit->touched_count;
	stream->committing++;
	touched = &commit->touched[commit->touched_count++];
	*touched = (struct touched){.stream = stream, .mark = NONE};
	if (stream->progress[slot]) {
		touched->mark = commit->mark_count++;
		commit->marks[touched->mark] = stream_mark(stream, slot);
	}
	return touched;
}

static void note_streams(struct commit *commit)
{
	for (size_t i = 0; i < commit->touched_count; i++) {
		struct stream *stream = commit->touched[i].stream;

		stream_advance(stream);
		commit->touched[i].before = stream->base;
		if (stream->epoch == 0)
			continue;
		stream->told = stream->base;
		commit->stream_marks[commit->stream_mark_count++] =
			(struct stream_mark){stream->id, stream->epoch, stream->base};
	}
}

static void commit_settle(struct commit *commit, uint64_t row)
{
	if (commit->settled_count == commit->settled_room) {
		commit->settled_room = MAX(2 * commit->settled_room, (size_t)8);
		commit->settled = must(reallocarray(
			commit->settled, commit->settled_room, sizeof(commit->settled[0])));
	}
	commit->settled[commit->settled_count++] = row;
}

/* The stream that an event came by; NULL: it came another way. */
static struct stream *stream_of(const struct commits *commits, const struct finished_event *event)
{
	if (letters_own(commits->letters, event->origin, NULL) ||
		callers_own(commits->callers, event->origin))
		return NULL;
	return event->origin;
}

static void note_events(struct commits *commits, struct commit *commit, size_t slot)
{
	struct result_iterator iterator;
	struct finished_event event;

	result_iterate(commit->result, &iterator);
	while (result_next(&iterator, &event)) {
		struct stream *stream = stream_of(commits, &event);
		const struct touched *touched;
		uint64_t row;

		commit->has_callers |= callers_own(commits->callers, event.origin);
		if (letters_own(commits->letters, event.origin, &row))
			commit_settle(commit, row);
		if (!stream)
			continue;
		touched = commit_touch(commits, commit, slot, stream);
		if (touched->mark != NONE)
			commit->marks[touched->mark].positions[event.partition] =
				event.position + 1;
		stream_decide(stream, event.position);
	}
	note_streams(commit);
}

void commits_submit(struct commits *commits, struct result *result)
{
	struct unit *unit = units_find(commits->ingest->units, result->function);
	struct commit *commit;

	if (commits->closed)
		return;
	must(unit);
	commit = must(calloc(1, sizeof(*commit)));
	commit->result = result;
	commit->unit = unit;
	commits->number++;
	note_events(commits, commit, unit_slot(commits->ingest->units, unit));
	commit->request.outcome = result->outcome;
	commit->request.outcome.marks = commit->marks;
	commit->request.outcome.mark_count = commit->mark_count;
	commit->request.outcome.stream_marks = commit->stream_marks;
	commit->request.outcome.stream_mark_count = commit->stream_mark_count;
	commit->request.known = commits->known;
	commit->request.outcome.settled = commit->settled;
	commit->request.outcome.settled_count = commit->settled_count;
	commit->request.outcome.letters_shed = &commit->letters_shed;
	unit->commits++;
	commits->under_way++;
	committer_submit(commits->committer, &commit->request);
}

static void publish(struct commits *commits, const struct outcome *outcome)
{
	commits->alerts += outcome->alert_count;
	commits->dead_letters += outcome->dead_letter_count;
	for (size_t i = 0; i < outcome->alert_count; i++) {
		const struct alert *alert = &outcome->alerts[i];

		if (commits->alert_log)
			alert_log_write(commits->alert_log, outcome->function, alert);
		log_limited(LOG_LEVEL_INFO,
			"alert function=%s severity=%s title=\"%s\" switch=%u src=%s dst=%s",
			outcome->function, alert->severity, alert->title, alert->switch_id,
			alert->srcip ? alert->srcip : "-", alert->dstip ? alert->dstip : "-");
	}
	for (size_t i = 0; i < outcome->dead_letter_count; i++)
		log_limited(LOG_LEVEL_WARNING,
			"dead letter function=%s switch=%u sequence=%llu attempts=%u reason=\"%s\"",
			outcome->function, outcome->dead_letters[i].switch_id,
			(unsigned long long)outcome->dead_letters[i].sequence,
			outcome->dead_letters[i].attempts, outcome->dead_letters[i].reason);
	if (outcome->alert_count > 0 && commits->api)
		api_alerts_committed(commits->api);
}

static void note_shed(struct commit *commit)
{
	if (commit->letters_shed == 0)
		return;
	commit->unit->letters_shed += commit->letters_shed;
	log_limited(LOG_LEVEL_WARNING,
		"function=%s has as many dead letters as are kept (dead_letters_max): the oldest "
		"of them are gone, %llu by now",
		commit->request.outcome.function, (unsigned long long)commit->unit->letters_shed);
}

static void settle_v1(struct commits *commits, const struct touched *touched, bool stale)
{
	struct stream *stream = touched->stream;

	if (stream->committing == 0)
		stream->processed = stream->base;
	else if (!stale)
		stream->processed = MAX(stream->processed, touched->before);
	ingest_processed(commits->ingest, stream);
}

/* It is durable: the marks count, and whoever waits for that is told. */
static void settle_streams(struct commits *commits, const struct commit *commit)
{
	size_t slot = unit_slot(commits->ingest->units, commit->unit);

	for (size_t i = 0; i < commit->touched_count; i++) {
		const struct touched *touched = &commit->touched[i];
		struct stream *stream = touched->stream;

		if (touched->mark != NONE)
			progress_commit(stream->progress[slot], &commit->marks[touched->mark]);
		stream->committing--;
		if (stream->epoch == 0)
			settle_v1(commits, touched, commit->request.stale);
		else if (commit->request.stale)
			stream->told = stream->processed; /* of it nothing was written */
		else
			agents_processed(commits->agents, stream, touched->before);
	}
}

static void release_origins(struct commits *commits, const struct commit *commit)
{
	struct result_iterator iterator;
	struct finished_event event;

	if (commit->settled_count == 0 && !commit->has_callers)
		return;
	result_iterate(commit->result, &iterator);
	while (result_next(&iterator, &event)) {
		if (letters_own(commits->letters, event.origin, NULL))
			letters_release(commits->letters, event.origin);
		else if (callers_own(commits->callers, event.origin))
			callers_finish(&event, false);
	}
}

/* It is not: its events are to be decided again. */
static void unsettle_streams(const struct commits *commits, const struct commit *commit)
{
	struct result_iterator iterator;
	struct finished_event event;

	result_iterate(commit->result, &iterator);
	while (result_next(&iterator, &event))
		if (stream_of(commits, &event))
			stream_undecide(event.origin, event.position);
	for (size_t i = 0; i < commit->touched_count; i++) {
		struct stream *stream = commit->touched[i].stream;

		stream->committing--;
		stream->told = stream->processed;
	}
}

const char *commits_advice(int error)
{
	switch (error) {
	case -ENOSPC:
		return "; make room on its disk";
	case -EDQUOT:
		return "; the store is as large as it may be: raise store_max, or have less kept";
	default:
		return "";
	}
}

static void commit_finish(struct commits *commits, struct commit *commit)
{
	int error = commit->request.error;

	commits->last_error = error;
	commits->under_way--;
	commit->unit->commits--;
	if (error == -EDQUOT)
		commits->over_limit_ns = clock_monotonic_ns();
	if (error == 0) {
		publish(commits, &commit->request.outcome);
		note_shed(commit);
		settle_streams(commits, commit);
		release_origins(commits, commit);
	} else {
		commits->refused++;
		unsettle_streams(commits, commit);
		log_limited(LOG_LEVEL_ERROR,
			"the store refuses function=%s error=\"%s\": nothing is acknowledged until "
			"it takes commits again%s",
			commit->request.outcome.function, strerror(-error), commits_advice(error));
	}
	engine_committed(commit->result, error);
	commit_free(commit);
}

int commits_submit_task(struct commits *commits, struct commit_request *request)
{
	if (commits->closed)
		return -ESHUTDOWN;
	commits->under_way++;
	request->known = commits->known;
	committer_submit(commits->committer, request);
	return 0;
}

static void request_finish(struct commits *commits, struct commit_request *request)
{
	commits->known += request->error != 0;
	if (!request->task) {
		commit_finish(commits, container_of(request, struct commit, request));
		return;
	}
	commits->under_way--;
	commits->last_task_error = request->error;
	request->done(request);
}

void commits_collect(struct commits *commits)
{
	struct commit_request *request = committer_collect(commits->committer);

	while (request) {
		struct commit_request *next = request->next;

		request_finish(commits, request);
		request = next;
	}
	if (commits->agents)
		agents_after_commits(commits->agents);
}
