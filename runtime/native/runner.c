// SPDX-License-Identifier: BSD-2-Clause
#include "runner.h"

#include "frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define CHANGES_MAX (1U << 20)     /* bytes of JSON, after which a result is due */
#define ALERTS_DUE  4000           /* of the 4096 that a result can hold; an event has 64 at most */
#define SWEEP_LEAST 32             /* entries looked at with each result */
#define SKEW_NS     60000000000ULL /* how far a record's own time may run ahead of its event's */
#define AHEAD       8              /* events whose memory is fetched ahead; a power of two */

#define FLAG_COLLECTED (1U << 0)
#define FLAG_REPLIED   (1U << 1)

/* ---- an event ---- */

int occurrence_read(struct occurrence *occurrence, const struct runner *runner, struct cursor *c)
{
	const struct event_form *form = occurrence->form;
	const struct pipe_event *event = (const void *)cursor_get(c, sizeof(*event));
	const uint8_t *record;

	if (!event)
		return -EBADMSG;
	if (!form || form->schema.event_id != le32toh(event->event_id))
		form = schemas_find(runner->schemas, le32toh(event->event_id));
	if (!form)
		return -EBADMSG;
	record = cursor_get(c, form->stride);
	if (!record)
		return -EBADMSG;
	occurrence->event = event;
	occurrence->form = form;
	if (!runner->around.call.data)
		key_words_read(&form->key, record, &occurrence->words);
	else if (!state_parse_key(runner->state, runner->around.call.key, &occurrence->words))
		return -EBADMSG;
	occurrence->place = state_hash_key(runner->state, &occurrence->words);
	return 0;
}

unsigned int occurrence_partition(const struct occurrence *occurrence)
{
	return key_partition(le64toh(occurrence->event->hash));
}

static const void *record_of(const struct occurrence *occurrence)
{
	return occurrence->event + 1;
}

void occurrence_show(const struct occurrence *occurrence, struct lambda_event *ret_event)
{
	const struct pipe_event *event = occurrence->event;

	*ret_event = (struct lambda_event){
		.id = le32toh(event->event_id),
		.switch_id = le32toh(event->switch_id),
		.time_ns = le64toh(event->time_ns),
		.record = record_of(occurrence),
		.size = occurrence->form->schema.record_size,
	};
}

/* The event's time for windows: the record's own, unless a switch's clock runs away. */
static double event_time_ms(const struct occurrence *occurrence)
{
	uint64_t sent = le64toh(occurrence->event->time_ns), last = 0;
	int offset = occurrence->form->last;

	if (offset >= 0)
		memcpy(&last, (const uint8_t *)record_of(occurrence) + offset, sizeof(last));
	return (double)(last > 0 && (sent == 0 || last <= sent + SKEW_NS) ? last : sent) / 1e6;
}

void occurrence_open(const struct occurrence *occurrence, struct runner *runner, uint32_t index,
	struct lambda_context *context)
{
	context->around = &runner->around;
	context->event = occurrence->event;
	context->view.state = runner->state;
	context->view.looked = 0;
	context->view.hash = le64toh(occurrence->event->hash);
	context->view.place = occurrence->place;
	context->view.words = &occurrence->words;
	context->view.now = event_time_ms(occurrence);
	context->index = index;
	context->alerts = 0;
	context->failed = false;
}

/* ---- the result ---- */

void runner_fail(struct runner *runner, uint32_t index, const char *reason)
{
	fprintf(stderr, "%s\n", reason);
	frame_put_u32(&runner->exceptions, index);
	frame_put_u8(&runner->exceptions, PIPE_FAILED_EVENT);
	frame_put_text(&runner->exceptions, reason, strlen(reason));
	runner->exception_count++;
	runner->failed = true;
}

void runner_skip(struct runner *runner, uint32_t index)
{
	frame_put_u32(&runner->exceptions, index);
	frame_put_u8(&runner->exceptions, PIPE_SKIPPED_EVENT);
	runner->exception_count++;
}

static void sweep(struct runner *runner)
{
	uint64_t forgotten = state_sweep(runner->state, SWEEP_LEAST);

	if (forgotten == runner->told || forgotten < 2 * runner->told)
		return;
	runner->told = forgotten;
	fprintf(stderr,
		"state is full: %" PRIu64
		" of the entries longest unused were forgotten since the start\n",
		forgotten);
}

/* Of the events since the last one. Failures and alerts do not wait for their changes. */
static void put_result(struct runner *runner, bool collects)
{
	struct surroundings *around = &runner->around;
	struct pipe_buffer *out = runner->out;
	bool collected = collects || runner->failed || around->alert_count > 0;
	bool replied = around->call.reply && runner->exception_count == 0;
	size_t frame;

	if (runner->covered > 0)
		sweep(runner);
	frame = pipe_begin(out, PIPE_RESULT);
	frame_put_u32(out, runner->covered);
	frame_put_u32(out, (collected ? FLAG_COLLECTED : 0) | (replied ? FLAG_REPLIED : 0));
	frame_put_u32(out, runner->exception_count);
	json_put_bytes(out, (const char *)runner->exceptions.bytes, runner->exceptions.size);
	frame_put_u32(out, around->alert_count);
	json_put_bytes(out, (const char *)around->alerts.bytes, around->alerts.size);
	if (collected)
		state_collect(runner->state, out);
	else
		frame_put_u32(out, 0);
	if (replied)
		frame_put_text(out, around->call.reply, strlen(around->call.reply));
	pipe_end(out, frame);
	out->failed |= runner->exceptions.failed || around->alerts.failed;
	runner->exceptions.size = around->alerts.size = 0;
	runner->covered = runner->exception_count = around->alert_count = 0;
	runner->failed = false;
}

void runner_make_room(struct runner *runner, uint32_t alerts_due)
{
	size_t bytes = state_change_bytes(runner->state) + runner->around.alerts.size;

	if (runner->covered > 0 &&
		(bytes >= CHANGES_MAX || runner->around.alert_count >= alerts_due))
		put_result(runner, true);
}

/* ---- one event after the other ---- */

static void call_handler(
	struct runner *runner, const struct occurrence *occurrence, struct lambda_context *context)
{
	struct surroundings *around = &runner->around;
	size_t alerts = around->alerts.size;
	uint32_t alert_count = around->alert_count;
	struct lambda_event event;
	int r;

	occurrence_show(occurrence, &event);
	occurrence_open(occurrence, runner, runner->covered, context);
	state_begin(runner->state, context->view.now);
	r = runner->handler(&event, context);
	if (r == 0 && !context->failed) {
		state_keep(runner->state);
	} else {
		context_refuse(context, "the handler returned %d", r);
		state_rollback(runner->state);
		around->alerts.size = alerts;
		around->alert_count = alert_count;
		runner->generations[occurrence_partition(occurrence)]++;
		runner_fail(runner, runner->covered, context->error);
	}
	scratch_clear(&around->scratch);
}

/* Events ahead of the one that runs, so that their memory is there when it is needed. */
struct ahead {
	struct occurrence ring[AHEAD];
	uint32_t read; /* of the batch */
};

static int read_ahead(
	struct ahead *ahead, const struct runner *runner, struct cursor *c, uint32_t count)
{
	struct occurrence *occurrence = &ahead->ring[ahead->read % AHEAD];
	int r;

	if (ahead->read == count)
		return 0;
	r = occurrence_read(occurrence, runner, c);
	if (r < 0)
		return r;
	state_prefetch_place(runner->state, occurrence->place);
	ahead->read++;
	return 0;
}

static void run_one(
	struct runner *runner, const struct occurrence *occurrence, struct lambda_context *context)
{
	unsigned int partition = occurrence_partition(occurrence);

	runner_make_room(runner, ALERTS_DUE);
	if (occurrence->event->generation == runner->generations[partition])
		call_handler(runner, occurrence, context);
	else
		runner_skip(runner, runner->covered);
	runner->covered++;
}

static int run_each(struct runner *runner, struct cursor *c, uint32_t count)
{
	struct lambda_context context;
	struct ahead ahead = {0};
	int r = 0;

	for (uint32_t i = 0; i < AHEAD && r == 0; i++)
		r = read_ahead(&ahead, runner, c, count);
	for (uint32_t i = 0; i < count && r == 0; i++) {
		state_prefetch_key(runner->state, ahead.ring[(i + 4) % AHEAD].place);
		state_prefetch_entry(runner->state, ahead.ring[(i + 2) % AHEAD].place);
		run_one(runner, &ahead.ring[i % AHEAD], &context);
		r = read_ahead(&ahead, runner, c, count);
	}
	return r;
}

/* What stands behind the only event. It is read before the event is, and skipped after it has run. */
static int read_call(struct runner *runner, struct cursor c)
{
	struct occurrence occurrence = {0};
	struct call *call = &runner->around.call;
	const char *key, *data;

	if (occurrence_read(&occurrence, runner, &c) < 0)
		return -EBADMSG;
	key = pipe_get_text(&c, NULL);
	data = pipe_get_text(&c, NULL);
	if (!data)
		return -EBADMSG;
	*call = (struct call){.waits = true};
	if (*data) {
		call->key = key;
		call->data = data;
	}
	return 0;
}

static void end_call(struct runner *runner, struct cursor *c)
{
	if (runner->around.call.waits) {
		pipe_get_text(c, NULL);
		pipe_get_text(c, NULL);
	}
}

static void forget_call(struct runner *runner)
{
	free(runner->around.call.reply);
	runner->around.call = (struct call){0};
}

static int run_batch(struct runner *runner, struct cursor *c, uint32_t count)
{
	int r = runner->handler ? run_each(runner, c, count) : many_run(runner, c, count);

	if (r < 0)
		return r;
	end_call(runner, c);
	return cursor_ok(c) && cursor_left(c) == 0 ? 0 : -EBADMSG;
}

int runner_run(struct runner *runner, const uint8_t *payload, size_t size, struct pipe_buffer *out)
{
	uint32_t count, flags;
	struct cursor c;
	int r = 0;

	cursor_read_init(&c, payload, size);
	count = cursor_get_le32(&c);
	flags = cursor_get_le32(&c);
	runner->out = out;
	state_set_full(runner->state, flags & PIPE_BATCH_FULL);
	if (flags & PIPE_BATCH_REPLY)
		r = count == 1 ? read_call(runner, c) : -EBADMSG;
	if (r == 0)
		r = run_batch(runner, &c, count);
	if (r == 0 && (runner->covered > 0 || flags & PIPE_BATCH_COLLECT))
		put_result(runner, flags & PIPE_BATCH_COLLECT);
	forget_call(runner);
	return r == 0 && out->failed ? -ENOMEM : r;
}

void runner_drop(struct runner *runner, uint32_t partitions)
{
	for (unsigned int p = 0; p < PARTITIONS; p++)
		if (partitions >> p & 1)
			runner->generations[p] = 0;
	state_drop(runner->state, partitions);
}

void runner_done(struct runner *runner)
{
	many_free(runner->many);
	pipe_buffer_done(&runner->exceptions);
	pipe_buffer_done(&runner->around.alerts);
	scratch_done(&runner->around.scratch);
}
