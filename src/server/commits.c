// SPDX-License-Identifier: BSD-2-Clause
#include "server/commits.h"

#include "base/log.h"
#include "server/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct commit {
	struct commit_request request; /* first: the committer hands it back */
	struct result *result;
	struct unit *unit;
	size_t mark_count;
	struct mark marks[]; /* one a transaction of the result */
};

static void note_mark(struct commit *commit, const struct event_ref *event)
{
	const struct transaction *transaction = event->origin;
	struct mark *last = commit->mark_count > 0 ? &commit->marks[commit->mark_count - 1] : NULL;

	if (!transaction)
		return;
	if (!last || last->switch_id != event->switch_id || last->sequence != event->sequence ||
		last->digest != transaction->digest)
		last = &commit->marks[commit->mark_count++];
	*last = (struct mark){
		.switch_id = event->switch_id,
		.sequence = event->sequence,
		.digest = transaction->digest,
		.done = event->index + 1U,
	};
}

void commits_submit(struct commits *commits, struct result *result)
{
	struct unit *unit = units_find(commits->ingest->units, result->function);
	struct commit *commit;

	if (commits->closed)
		return;
	/* Without memory for it there is no way to report back either; the engine waits for ever.
	 */
	commit = calloc(1, sizeof(*commit) + result->event_count * sizeof(commit->marks[0]));
	if (!commit || !unit) {
		log_error("out of memory: cannot go on");
		abort();
	}
	commit->result = result;
	commit->unit = unit;
	for (size_t i = 0; i < result->event_count; i++)
		note_mark(commit, &result->events[i]);
	commit->request.outcome = result->outcome;
	commit->request.outcome.marks = commit->marks;
	commit->request.outcome.mark_count = commit->mark_count;
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
			"dead letter function=%s switch=%u sequence=%u attempts=%u reason=\"%s\"",
			outcome->function, outcome->dead_letters[i].switch_id,
			outcome->dead_letters[i].sequence, outcome->dead_letters[i].attempts,
			outcome->dead_letters[i].reason);
	if (outcome->alert_count > 0 && commits->api)
		api_alerts_committed(commits->api);
}

static void settle_events(struct commits *commits, const struct commit *commit)
{
	const struct result *result = commit->result;
	size_t slot = unit_slot(commits->ingest->units, commit->unit);

	for (size_t i = 0; i < commit->mark_count; i++) {
		struct switch_ *sw =
			switches_get(commits->ingest->switches, commit->marks[i].switch_id);

		if (sw)
			sw->marks[slot] = commit->marks[i];
	}
	for (size_t i = 0; i < result->event_count; i++)
		if (result->events[i].origin)
			ingest_committed(commits->ingest, result->events[i].origin, slot);
}

static void commit_finish(struct commits *commits, struct commit *commit)
{
	int error = commit->request.error;

	commits->last_error = error;
	commits->under_way--;
	commit->unit->commits--;
	if (error == 0) {
		publish(commits, &commit->request.outcome);
		settle_events(commits, commit);
	} else {
		commits->refused++;
		log_limited(LOG_LEVEL_ERROR,
			"the store refuses function=%s error=\"%s\": nothing is acknowledged until "
			"it takes commits again%s",
			commit->request.outcome.function, strerror(-error),
			error == -ENOSPC ? "; make room on its disk" : "");
	}
	engine_committed(commit->result, error);
	free(commit);
}

int commits_submit_task(struct commits *commits, struct commit_request *request)
{
	if (commits->closed)
		return -ESHUTDOWN;
	commits->under_way++;
	committer_submit(commits->committer, request);
	return 0;
}

static void request_finish(struct commits *commits, struct commit_request *request)
{
	if (!request->task) {
		commit_finish(commits, container_of(request, struct commit, request));
		return;
	}
	commits->under_way--;
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
}
