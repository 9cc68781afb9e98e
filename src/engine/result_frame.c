// SPDX-License-Identifier: BSD-2-Clause
#include "engine/result_frame.h"

#include <errno.h>

#define ALERTS_MAX       4096         /* a frame ... */
#define EVENT_ALERTS_MAX 1000         /* ... and an event; the runtime's own limit is lower */
#define ALERT_BYTES_MAX  (256U << 10) /* likewise: 64 Ki characters */
#define WRITE_BYTES_MIN  19           /* a hash, two texts, a kind */

#define FLAG_COLLECTED (1U << 0)
#define FLAG_REPLIED   (1U << 1)

bool result_frame_exception(struct result_frame *frame, struct exception *ret_exception)
{
	struct cursor *c = &frame->exceptions;
	struct exception exception;
	uint8_t kind;

	if (frame->exception_count == 0)
		return false;
	frame->exception_count--;
	exception.index = cursor_get_le32(c);
	kind = cursor_get_u8(c);
	exception.reason = kind == PIPE_FAILED_EVENT ? pipe_get_text(c, NULL) : NULL;
	c->failed |= kind != PIPE_FAILED_EVENT && kind != PIPE_SKIPPED_EVENT;
	if (cursor_ok(c))
		*ret_exception = exception;
	return cursor_ok(c);
}

bool result_frame_alert(struct result_frame *frame, struct frame_alert *ret_alert)
{
	struct cursor *c = &frame->alerts;
	struct frame_alert alert = {0};

	if (frame->alert_count == 0)
		return false;
	frame->alert_count--;
	alert.index = cursor_get_le32(c);
	alert.text = pipe_get_text(c, &alert.len);
	if (alert.index != frame->last_alert)
		frame->alerts_of_event = 0;
	frame->last_alert = alert.index;
	alert.number = frame->alerts_of_event++;
	if (cursor_ok(c))
		*ret_alert = alert;
	return cursor_ok(c);
}

bool result_frame_write(
	struct result_frame *frame, struct state_row *ret_row, size_t *ret_identity_len)
{
	struct cursor *c = &frame->writes;
	struct state_row row = {0};
	size_t key_len = 0, name_len = 0;
	uint8_t deleted;

	if (frame->write_count == 0)
		return false;
	frame->write_count--;
	row.hash = cursor_get_le64(c);
	row.key = pipe_get_text(c, &key_len);
	row.name = pipe_get_text(c, &name_len);
	deleted = cursor_get_u8(c);
	if (deleted == 0)
		row.value = pipe_get_text(c, &row.value_len);
	c->failed |= deleted > 1 || key_len > STATE_KEY_MAX || name_len > STATE_NAME_MAX ||
		     row.value_len > STATE_VALUE_MAX || name_len == 0;
	if (!cursor_ok(c))
		return false;
	*ret_identity_len = (size_t)(row.name - row.key) + name_len;
	*ret_row = row;
	return true;
}

/* ---- checking ---- */

static bool check_exceptions(struct result_frame *frame, bool *ret_failed)
{
	struct exception exception;
	uint64_t next = 0;

	while (result_frame_exception(frame, &exception)) {
		if (exception.index < next || exception.index >= frame->count)
			return false;
		next = exception.index + 1ULL;
		*ret_failed |= exception.reason != NULL;
	}
	return cursor_ok(&frame->exceptions);
}

/* Only what is done can alert. */
static bool check_alerts(struct result_frame *frame)
{
	struct result_frame others = *frame;
	struct exception exception = {0};
	bool more = result_frame_exception(&others, &exception);
	struct frame_alert alert;
	uint32_t last = 0;

	if (frame->alert_count > ALERTS_MAX)
		return false;
	while (result_frame_alert(frame, &alert)) {
		while (more && exception.index < alert.index)
			more = result_frame_exception(&others, &exception);
		if (alert.index < last || alert.index >= frame->count ||
			alert.number >= EVENT_ALERTS_MAX || alert.len > ALERT_BYTES_MAX ||
			(more && exception.index == alert.index))
			return false;
		last = alert.index;
	}
	return cursor_ok(&frame->alerts);
}

static bool check_writes(struct result_frame *frame)
{
	struct state_row row;
	size_t identity_len;

	/* More could only be there to reserve memory. */
	if (frame->write_count > cursor_left(&frame->writes) / WRITE_BYTES_MIN)
		return false;
	while (result_frame_write(frame, &row, &identity_len))
		;
	return cursor_ok(&frame->writes);
}

/* What follows the changes: nothing, or one event's reply. */
static bool read_reply(struct result_frame *frame, bool replied, struct cursor rest)
{
	if (replied)
		frame->reply = pipe_get_text(&rest, NULL);
	if (replied && (frame->count != 1 || frame->exception_count > 0))
		return false;
	return cursor_ok(&rest) && cursor_left(&rest) == 0;
}

/* How many of something there are, and where the first one is. */
static bool read_count(struct cursor *c, uint32_t *ret_count, struct cursor *ret_part)
{
	*ret_count = cursor_get_le32(c);
	*ret_part = *c;
	return cursor_ok(c);
}

int result_frame_read(
	const uint8_t *payload, size_t size, uint32_t most, struct result_frame *ret_frame)
{
	struct result_frame frame = {.last_alert = UINT32_MAX}, walk;
	bool failed = false, speaks;
	uint32_t flags;
	struct cursor c;

	cursor_read_init(&c, payload, size);
	frame.count = cursor_get_le32(&c);
	flags = cursor_get_le32(&c);
	frame.collected = flags & FLAG_COLLECTED;
	if (frame.count > most || flags & ~(FLAG_COLLECTED | FLAG_REPLIED) ||
		!read_count(&c, &frame.exception_count, &frame.exceptions))
		return -EBADMSG;
	walk = frame;
	if (!check_exceptions(&walk, &failed))
		return -EBADMSG;
	c = walk.exceptions;
	if (!read_count(&c, &frame.alert_count, &frame.alerts))
		return -EBADMSG;
	walk = frame;
	if (!check_alerts(&walk))
		return -EBADMSG;
	c = walk.alerts;
	if (!read_count(&c, &frame.write_count, &frame.writes))
		return -EBADMSG;
	walk = frame;
	if (!check_writes(&walk) || !read_reply(&frame, flags & FLAG_REPLIED, walk.writes))
		return -EBADMSG;
	/* Each covers something, or at least tells what has changed; alerts and failures wait for no other. */
	speaks = failed || frame.alert_count > 0 || frame.write_count > 0;
	if (!frame.collected && (speaks || frame.count == 0))
		return -EBADMSG;
	*ret_frame = frame;
	return 0;
}
