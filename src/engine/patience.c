// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events that fail: what is tried again, when, and what is put aside so that nobody waits for it any
 * longer. engine.h says the rules.
 */
#include "base/clock.h"
#include "base/log.h"
#include "engine/instance.h"

#include <stdio.h>

#define RETRY_NS     (10 * NS_PER_MS) /* before an event that failed runs again; doubles with each */
#define RETRY_MAX_NS (5 * NS_PER_SEC)
#define FORGIVE_NS   (NS_PER_SEC / 2) /* one failure */
#define FORGIVE_LOSS (5 * NS_PER_SEC) /* one that ended the worker; not less than RETRY_MAX_NS */
#define FORGIVEN_MAX 10               /* in a row */
#define SHUT_NS      (10 * NS_PER_SEC)
#define LOOK_NS      (NS_PER_SEC / 4)
#define ASIDE_MAX    1000 /* events in a round of the loop */
#define REASON_MAX   256

static void arm_retry(struct function *function)
{
	uint64_t soonest = UINT64_MAX;

	for (unsigned int i = 0; i < PARTITIONS; i++)
		if (function->partitions[i].retry_at_ns != 0)
			soonest = MIN(soonest, function->partitions[i].retry_at_ns);
	if (soonest != UINT64_MAX)
		loop_arm_timer(function->engine->loop, &function->retry, soonest);
}

static void on_retry(struct loop_timer *timer, uint64_t now_ns)
{
	struct function *function = timer->user;

	for (unsigned int i = 0; i < PARTITIONS; i++) {
		struct partition *partition = &function->partitions[i];

		if (partition->retry_at_ns == 0 || partition->retry_at_ns > now_ns)
			continue;
		partition->retry_at_ns = 0;
		partition->shut = false;
		partition_advance(function, partition);
	}
	arm_retry(function);
}

/* ---- putting aside ---- */

/* False: no memory, later then. */
static bool put_aside(struct function *function, struct event *event, const char *reason)
{
	struct builder *builder = function_gather(function);

	if (!builder || builder_add_dead_letter(builder, event, reason) < 0)
		return false;
	function->partitions[event->partition].undurable++;
	return true;
}

/* Of what waits, all but `keep` events. Returns how many went. */
static size_t put_waiting_aside(
	struct function *function, struct partition *partition, const char *reason, size_t keep)
{
	size_t count = 0;

	for (; partition->hold.count > keep && count < ASIDE_MAX; count++) {
		struct event_list alone = {0};
		struct event *event = event_list_take(&partition->hold);

		if (event->droppable) {
			function->stats.dropped++;
			function_drop(function, event);
		} else if (function_is_choked(function) || !put_aside(function, event, reason)) {
			event_list_push(&alone, event);
			event_list_merge(&partition->hold, &alone);
			break;
		}
	}
	return count;
}

static const char *why_aside(const struct function *function, char reason[static REASON_MAX])
{
	snprintf(reason, REASON_MAX, "not run, since %s: %.160s",
		function->stalled ? "the function got nothing done"
				  : "others of its partition ended the worker",
		function->error ? function->error : "no reason known");
	return reason;
}

/* What is to go of one partition. *probe: an event was left that shows when the function works again. */
static size_t clear_partition(struct function *function, struct partition *partition, bool *probe)
{
	char reason[REASON_MAX];
	size_t keep = function->stalled && !*probe;

	partition_hold(partition);
	/* What is put aside goes behind what is with the worker, or not yet in a result. */
	if (partition->hold.count == 0 || partition->sent > 0 || partition->done > 0)
		return 0;
	*probe |= keep;
	return put_waiting_aside(function, partition, why_aside(function, reason), keep);
}

void function_put_aside_more(struct function *function)
{
	bool probe = false;
	size_t count = 0;

	for (unsigned int i = 0; i < PARTITIONS && count < ASIDE_MAX; i++) {
		struct partition *partition = &function->partitions[i];

		if (function->stalled || partition->shut)
			count += clear_partition(function, partition, &probe);
	}
}

/* ---- whether anything gets done ---- */

static void look_later(struct function *function)
{
	struct loop *loop = function->engine->loop;

	if (function->look.at_ns == 0)
		loop_arm_timer(loop, &function->look, loop_now_ns(loop) + LOOK_NS);
}

static void on_look(struct loop_timer *timer, uint64_t now_ns)
{
	struct function *function = timer->user;

	if (function->queued == 0)
		return;
	look_later(function);
	if (function_is_choked(function))
		function_excuse(function, now_ns);
	if (!function->stalled && function->patience_ns != 0 &&
		now_ns > function->success_ns + function->patience_ns) {
		function->stalled = true;
		log_error("function=%s gets nothing done: its events are put aside reason=\"%s\"",
			function->name, function->error ? function->error : "not known");
	}
	function_put_aside_more(function);
	function_submit(function);
	partitions_advance(function);
}

void function_excuse(struct function *function, uint64_t until_ns)
{
	function->success_ns = MAX(function->success_ns, until_ns);
}

void function_note_event(struct function *function)
{
	if (function->look.at_ns != 0)
		return;
	function->success_ns = loop_now_ns(function->engine->loop);
	look_later(function);
}

void function_note_success(struct function *function)
{
	function->success_ns = loop_now_ns(function->engine->loop);
	if (function->stalled)
		log_info("function=%s gets its events done again", function->name);
	function->stalled = false;
}

void function_patience_begin(struct function *function)
{
	function->retry = (struct loop_timer){.fn = on_retry, .user = function};
	function->look = (struct loop_timer){.fn = on_look, .user = function};
}

/* ---- failures ---- */

/* True if there were few enough failures lately for another attempt: then it counts one. */
static bool forgive(struct partition *partition, bool ended_worker, uint64_t now_ns)
{
	uint64_t *until = &partition->forgiven_ns[ended_worker];
	uint64_t each = ended_worker ? FORGIVE_LOSS : FORGIVE_NS;

	if (MAX(*until, now_ns) + each > now_ns + FORGIVEN_MAX * each)
		return false;
	*until = MAX(*until, now_ns) + each;
	return true;
}

static void pause_partition(
	struct function *function, struct partition *partition, uint64_t until_ns)
{
	partition_hold(partition);
	partition->retry_at_ns = until_ns;
	arm_retry(function);
}

void function_blame(
	struct function *function, struct event *event, const char *reason, bool ended_worker)
{
	struct partition *partition = &function->partitions[event->partition];
	uint64_t now = clock_monotonic_ns();
	bool again = function->patience_ns == 0 || forgive(partition, ended_worker, now);
	struct event_list alone = {0};

	event->attempts = (uint8_t)MIN(event->attempts + 1, UINT8_MAX);
	if ((!again || event->attempts >= function->attempts) &&
		put_aside(function, event, reason)) {
		function_set_error(function, "event put aside", reason);
		partition->shut = !again && ended_worker;
		if (partition->shut)
			pause_partition(function, partition, now + SHUT_NS);
		return;
	}
	function_set_error(function, "event failed", reason);
	event_list_push(&alone, event);
	partition_return(partition, &alone);
	pause_partition(function, partition,
		now + function_pause_ns(RETRY_NS, event->attempts, RETRY_MAX_NS));
}
