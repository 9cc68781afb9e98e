// SPDX-License-Identifier: BSD-2-Clause
/*
 * Batch handlers. All events that such a handler is called with succeed or fail together; what was done
 * is taken back, and the handler is called again, with those that may be all right after all.
 */
#include "frame.h"
#include "runner.h"

#include <errno.h>

#define MANY_MAX   4096       /* events of one call */
#define ALERTS_MAX 4096       /* that a result can hold; an event has 64 at most */
#define BYTES_MAX  (8U << 20) /* likewise, bytes of changes and alerts */

enum fate {
	FATE_OPEN,
	FATE_DONE,
	FATE_FAILED,
	FATE_SKIPPED,
};

struct many {
	uint32_t count;
	struct occurrence occurrences[MANY_MAX];
	enum fate fates[MANY_MAX];
	const char *reasons[MANY_MAX]; /* of those that failed */
	/* Those that the handler is called with, one behind the other. */
	uint32_t chosen[MANY_MAX]; /* index of each */
	struct lambda_event events[MANY_MAX];
	struct lambda_context contexts[MANY_MAX];
	struct lambda_context *pointers[MANY_MAX];
};

void many_free(struct many *many)
{
	free(many);
}

/*
 * Of some events those that are still open. Returns how many. Those before `from` are told: the result that
 * is being gathered covers them.
 */
static uint32_t choose(struct runner *runner, uint32_t from, uint32_t to)
{
	struct many *many = runner->many;
	uint32_t count = 0;

	runner_make_room(runner, 1);
	for (uint32_t i = from; i < to; i++) {
		const struct occurrence *occurrence = &many->occurrences[i];

		if (many->fates[i] != FATE_OPEN)
			continue;
		many->chosen[count] = i;
		occurrence_show(occurrence, &many->events[count]);
		occurrence_open(
			occurrence, runner, runner->covered + i - from, &many->contexts[count]);
		many->pointers[count] = &many->contexts[count];
		count++;
	}
	return count;
}

static double newest_of(const struct many *many, uint32_t count)
{
	double newest = many->contexts[0].view.now;

	for (uint32_t i = 1; i < count; i++)
		newest = fmax(newest, many->contexts[i].view.now);
	return newest;
}

static bool any_failed(const struct many *many, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (many->contexts[i].failed)
			return true;
	return false;
}

/* Alerts and changes of one call go into one result. */
static bool fits(const struct runner *runner)
{
	const struct surroundings *around = &runner->around;

	return around->alert_count <= ALERTS_MAX &&
	       around->alerts.size + state_event_bytes(runner->state) <= BYTES_MAX;
}

/* What the handler returned; 0, and no context has failed: it is kept. */
static int call(struct runner *runner, uint32_t count)
{
	struct surroundings *around = &runner->around;
	struct many *many = runner->many;
	size_t alerts = around->alerts.size;
	uint32_t alert_count = around->alert_count;
	int r;

	around->together = count > 1;
	state_begin(runner->state, newest_of(many, count));
	r = runner->batch_handler(many->events, count, many->pointers);
	if (r == 0 && count > 1 && !fits(runner))
		r = -E2BIG;
	if (r == 0 && !any_failed(many, count)) {
		state_keep(runner->state);
	} else {
		state_rollback(runner->state);
		around->alerts.size = alerts;
		around->alert_count = alert_count;
	}
	return r;
}

static bool is_stale(const struct runner *runner, const struct occurrence *occurrence)
{
	return occurrence->event->generation !=
	       runner->generations[occurrence_partition(occurrence)];
}

/* What is behind them in their partitions is not to be run: the engine sends it again. */
static void mark_failed(struct runner *runner, uint32_t count)
{
	struct many *many = runner->many;

	for (uint32_t n = 0; n < count; n++) {
		uint32_t i = many->chosen[n];

		if (!many->contexts[n].failed || many->fates[i] != FATE_OPEN)
			continue;
		many->fates[i] = FATE_FAILED;
		many->reasons[i] = many->contexts[n].error;
		runner->generations[occurrence_partition(&many->occurrences[i])]++;
		for (uint32_t later = i + 1; later < many->count; later++)
			if (many->fates[later] == FATE_OPEN &&
				is_stale(runner, &many->occurrences[later]))
				many->fates[later] = FATE_SKIPPED;
	}
}

/* Of events that have their fate, in order. */
static int tell(struct runner *runner, uint32_t from, uint32_t to)
{
	const struct many *many = runner->many;

	for (uint32_t i = from; i < to; i++, runner->covered++) {
		if (many->fates[i] == FATE_FAILED)
			runner_fail(runner, runner->covered, many->reasons[i]);
		else if (many->fates[i] == FATE_SKIPPED)
			runner_skip(runner, runner->covered);
	}
	return alerts_sort(&runner->around);
}

/* Halves what fails without a name, down to one. */
static int run(struct runner *runner, uint32_t from, uint32_t to)
{
	struct many *many = runner->many;
	uint32_t count;

	while ((count = choose(runner, from, to)) > 0) {
		uint32_t middle = many->chosen[count / 2];
		int r = call(runner, count);

		if (!any_failed(many, count) && r == 0) {
			for (uint32_t n = 0; n < count; n++)
				many->fates[many->chosen[n]] = FATE_DONE;
			break;
		}
		if (!any_failed(many, count) && count > 1) {
			r = run(runner, from, middle);
			return r < 0 ? r : run(runner, middle, to);
		}
		if (!any_failed(many, count))
			context_refuse(many->pointers[0], "the handler returned %d", r);
		mark_failed(runner, count);
	}
	return tell(runner, from, to);
}

static int run_chunk(struct runner *runner, struct cursor *c, uint32_t count)
{
	struct many *many = runner->many;
	int r = 0;

	for (uint32_t i = 0; i < count && r == 0; i++) {
		many->occurrences[i].form = i > 0 ? many->occurrences[i - 1].form : NULL;
		r = occurrence_read(&many->occurrences[i], runner, c);
		if (r == 0)
			many->fates[i] =
				is_stale(runner, &many->occurrences[i]) ? FATE_SKIPPED : FATE_OPEN;
	}
	if (r < 0)
		return r;
	many->count = count;
	r = run(runner, 0, count);
	scratch_clear(&runner->around.scratch);
	return r;
}

int many_run(struct runner *runner, struct cursor *c, uint32_t count)
{
	int r = 0;

	if (!runner->many)
		runner->many = calloc(1, sizeof(*runner->many));
	if (!runner->many)
		return -ENOMEM;
	while (count > 0 && r == 0) {
		uint32_t some = MIN(count, (uint32_t)MANY_MAX);

		r = run_chunk(runner, c, some);
		count -= some;
	}
	return r;
}
