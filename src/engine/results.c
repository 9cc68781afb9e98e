// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a worker says of its events: checked against what it was sent, before any of it counts; then each event is done,
 * to blame, or waits again, and what has changed gathers in the function's next result.
 */
#include "engine/instance.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REASON_MAX 2048 /* bytes of why an event failed */

/* Whose changes in the oldest batch's result count: it had them when the batch was sent. */
static uint16_t instance_partitions(const struct instance *instance)
{
	uint16_t partitions = 0;

	for (unsigned int i = 0; i < PARTITIONS; i++) {
		const struct partition *partition = &instance->function->partitions[i];

		if (partition->owner == instance && partition->loaded &&
			partition->since <= instance->batches_done)
			partitions |= (uint16_t)(1U << i);
	}
	return partitions;
}

/*
 * Whether those events were left out that had to be, since one of their partition failed before them,
 * and no other: else an event could be held up for ever, or be done before one that it follows.
 */
static bool instance_leaves_out_what_it_must(
	const struct instance *instance, struct result_frame frame)
{
	const struct event *event = instance->sent.first;
	struct exception exception = {0};
	bool more = result_frame_exception(&frame, &exception);
	uint16_t failed = 0;

	if (!more && !instance->some_are_void)
		return true;
	for (uint32_t i = 0; i < frame.count; i++, event = event->next) {
		const struct partition *partition =
			&instance->function->partitions[event->partition];
		bool is_void = event->pipe.generation != partition->generation ||
			       failed >> event->partition & 1;
		bool is_exception = more && exception.index == i;

		if (is_void != (is_exception && !exception.reason))
			return false;
		if (!is_exception)
			continue;
		failed |= (uint16_t)((exception.reason != NULL) << event->partition);
		more = result_frame_exception(&frame, &exception);
	}
	return true;
}

/* Divides the events of a frame. */
static void instance_settle(struct instance *instance, struct result_frame frame,
	struct event_list *failed, struct event_list *skipped)
{
	struct exception exception = {0};
	bool more = result_frame_exception(&frame, &exception);

	for (uint32_t i = 0; i < frame.count; i++) {
		struct event *event = event_list_take(&instance->sent);
		struct partition *partition = &instance->function->partitions[event->partition];

		partition->sent--;
		if (!more || exception.index != i) {
			partition->done++;
			event_list_push(&instance->done, event);
			continue;
		}
		event_list_push(exception.reason ? failed : skipped, event);
		more = result_frame_exception(&frame, &exception);
	}
}

/* What is done goes with what has changed. */
static void instance_gather(struct instance *instance)
{
	struct function *function = instance->function;
	uint32_t counts[PARTITIONS] = {0};

	for (unsigned int i = 0; i < PARTITIONS; i++) {
		struct partition *partition = &function->partitions[i];

		if (partition->owner != instance)
			continue;
		counts[i] = partition->done;
		partition->undurable += partition->done;
		partition->done = 0;
	}
	builder_add_events(function->gathering, &instance->done, counts);
}

/* Events that threw: the runtime took back what they did, the worker is sound. */
static void instance_on_failures(
	struct instance *instance, struct result_frame frame, struct event_list *failed)
{
	struct exception exception;

	while (result_frame_exception(&frame, &exception)) {
		struct partition *partition;
		char reason[REASON_MAX];
		struct event *event;

		if (!exception.reason)
			continue;
		snprintf(reason, sizeof(reason), "%s", exception.reason);
		event = event_list_take(failed);
		partition = &instance->function->partitions[event->partition];
		/* What was sent behind it comes back unrun, and goes before what was not. */
		partition_hold(partition);
		partition->generation++;
		instance->some_are_void = true;
		instance->function->stats.failures++;
		function_blame(instance->function, event, reason, false);
	}
}

static void instance_batch_done(struct instance *instance)
{
	struct function *function = instance->function;

	function->stats.batches++;
	function->stats.busy_ns += clock_monotonic_ns() - instance->batch_start_ns;
	instance->batches_done++;
	instance->batch_count--;
	instance->some_are_void &= instance->batch_count > 0;
	memmove(instance->batches, instance->batches + 1,
		instance->batch_count * sizeof(instance->batches[0]));
	instance_watch(instance);
}

static void instance_take_result(struct instance *instance, const struct result_frame *frame)
{
	struct batch *batch = &instance->batches[0];
	struct event_list failed = {0}, skipped = {0};

	instance_settle(instance, *frame, &failed, &skipped);
	if (frame->collected) {
		instance_gather(instance);
		instance->gathered = instance->batches_done + (frame->count == batch->left);
	}
	if (batch->request && function_gather(instance->function))
		builder_set_urgent(instance->function->gathering);
	if (frame->count > failed.count + skipped.count) {
		instance->failures = 0;
		function_note_success(instance->function);
	}
	if (batch->full && frame->count == batch->left &&
		instance->batch_limit < instance->function->batch_max)
		instance->batch_limit++;
	instance_on_failures(instance, *frame, &failed);
	partitions_return(instance->function, &skipped);
	batch->left -= frame->count;
	if (batch->left == 0)
		instance_batch_done(instance);
}

/* After a result: what waited for it goes on. */
static void instance_go_on(struct instance *instance)
{
	struct function *function = instance->function;

	if (instance->batch_count == 0 &&
		(instance->waiting.count == 0 || instance_lingers(instance)))
		instance_collect(instance);
	partitions_advance(function);
	function_submit(function);
	function_hold_workers(function);
	instance_dispatch(instance);
}

/* Takes the reply to the oldest batch's only event. */
static int instance_take_reply(struct instance *instance, const char *reply)
{
	struct event_request *request = instance->sent.first->request;

	free(request->reply);
	request->reply = reply ? strdup(reply) : NULL;
	return reply && !request->reply ? -ENOMEM : 0;
}

int instance_on_result(struct instance *instance, const struct pipe_frame *frame)
{
	struct function *function = instance->function;
	struct batch *batch = &instance->batches[0];
	struct result_frame result;
	int r;

	if (instance->phase != INSTANCE_READY || instance->batch_count == 0)
		return -EPROTO;
	r = result_frame_read(frame->payload, frame->size, batch->left, &result);
	if (r < 0)
		return r;
	if (result.count == batch->left ? batch->collect && !result.collected : result.count == 0)
		return -EBADMSG;
	if ((result.reply && !batch->request) ||
		!instance_leaves_out_what_it_must(instance, result))
		return -EBADMSG;
	if (batch->request)
		r = instance_take_reply(instance, result.reply);
	if (r == 0 && result.collected) {
		struct builder *builder = function_gather(function);

		r = builder ? builder_add_result(builder, &result, instance_partitions(instance),
				      instance->sent.first)
			    : -ENOMEM;
	}
	if (r == -ENOMEM) {
		instance_kill(instance, WORKER_REPLACED, "no memory for its result");
		return 0;
	}
	if (r < 0)
		return r;
	if (result.collected)
		instance_note_changes(instance, result, instance_partitions(instance));
	instance_take_result(instance, &result);
	instance_go_on(instance);
	return 0;
}
