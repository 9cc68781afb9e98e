// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2.h"

#define FIXED_MASK  0xc0
#define FIXED_BITS  0x80 /* no version 1 datagram begins with it */
#define LANE_MASK   0x03
#define RANGE_BYTES 8
#define ACK_BYTES   12 /* of the body, before the ranges */

static const struct {
	const char *name;
	enum v2_action action;
} errors[V2_ERROR_COUNT] = {
	[V2_OK] = {"ok", V2_ACTION_NONE},
	[V2_SHORT] = {"short", V2_ACTION_DROP},
	[V2_LONG] = {"long", V2_ACTION_DROP},
	[V2_NOT_V2] = {"not-v2", V2_ACTION_DROP},
	[V2_UNKNOWN_SESSION] = {"unknown-session", V2_ACTION_DROP},
	[V2_REPLAYED] = {"replayed", V2_ACTION_DROP},
	[V2_TOO_OLD] = {"too-old", V2_ACTION_DROP},
	[V2_UNSEALED] = {"unsealed", V2_ACTION_DROP},
	[V2_BAD_FRAME] = {"bad-frame", V2_ACTION_CLOSE},
	[V2_UNKNOWN_FRAME] = {"unknown-frame", V2_ACTION_CLOSE},
	[V2_WRONG_WAY] = {"wrong-way", V2_ACTION_CLOSE},
	[V2_BAD_LANE] = {"bad-lane", V2_ACTION_CLOSE},
	[V2_BAD_COUNT] = {"bad-count", V2_ACTION_CLOSE},
	[V2_BAD_SCHEMA] = {"bad-schema", V2_ACTION_CLOSE},
	[V2_BAD_SEQUENCE] = {"bad-sequence", V2_ACTION_CLOSE},
	[V2_BAD_CAUSE] = {"bad-cause", V2_ACTION_CLOSE},
	[V2_BAD_RANGES] = {"bad-ranges", V2_ACTION_CLOSE},
	[V2_ACK_UNSENT] = {"ack-unsent", V2_ACTION_CLOSE},
	[V2_OVER_CREDIT] = {"over-credit", V2_ACTION_CLOSE},
	[V2_BAD_CONTROL] = {"bad-control", V2_ACTION_CLOSE},
	[V2_BAD_PARAMETER] = {"bad-parameter", V2_ACTION_CLOSE},
	[V2_NO_VERSION] = {"no-version", V2_ACTION_CLOSE},
	[V2_STALE_EPOCH] = {"stale-epoch", V2_ACTION_RESTART},
	[V2_ROLLED_BACK] = {"rolled-back", V2_ACTION_RESTART},
	[V2_NO_CIPHER] = {"no-cipher", V2_ACTION_CLOSE},
};

static const char *const cause_names[V2_CAUSE_COUNT] = {
	[V2_CAUSE_NONE] = "none",
	[V2_CAUSE_SPOOL_FULL] = "spool-full",
	[V2_CAUSE_PATH] = "path",
	[V2_CAUSE_RESTART] = "restart",
};

const char *v2_error_name(enum v2_error error)
{
	return (unsigned int)error < V2_ERROR_COUNT ? errors[error].name : "unknown";
}

enum v2_action v2_error_action(enum v2_error error)
{
	return (unsigned int)error < V2_ERROR_COUNT ? errors[error].action : V2_ACTION_CLOSE;
}

const char *v2_cause_name(enum v2_cause cause)
{
	return (unsigned int)cause < V2_CAUSE_COUNT ? cause_names[cause] : "unknown";
}

enum v2_error v2_get_header(const uint8_t *bytes, size_t size, struct v2_header *ret_header)
{
	struct cursor c;
	uint64_t word, packet;

	if (size < V2_HEADER_BYTES + V2_FRAME_BYTES + V2_TAG_BYTES)
		return V2_SHORT;
	if (size > V2_DATAGRAM_MAX)
		return V2_LONG;
	cursor_read_init(&c, bytes, size);
	word = cursor_get_be64(&c);
	packet = cursor_get_be64(&c);
	/* No session lasts long enough for the leftmost bit of a packet number. */
	if ((word >> 56 & FIXED_MASK) != FIXED_BITS || packet > V2_SEQUENCE_MAX)
		return V2_NOT_V2;
	*ret_header = (struct v2_header){
		.phase = word >> 60 & 3,
		.grease = word >> 56 & 0x0f,
		.session = word & V2_SESSION_MAX,
		.packet = packet,
	};
	return V2_OK;
}

void v2_put_header(struct cursor *c, const struct v2_header *header)
{
	uint8_t first = FIXED_BITS | (header->phase & 3) << 4 | (header->grease & 0x0f);

	cursor_put_be(c, (uint64_t)first << 56 | (header->session & V2_SESSION_MAX), 8);
	cursor_put_be(c, header->packet, 8);
}

static bool range_ends(uint64_t sequence, uint64_t count)
{
	return sequence <= V2_SEQUENCE_MAX && count <= V2_SEQUENCE_MAX - sequence;
}

static enum v2_error get_events(
	struct cursor *c, uint8_t second, const struct v2_schemas *schemas, struct v2_frame *frame)
{
	size_t size;

	frame->events.lane = second & LANE_MASK;
	frame->events.schema = cursor_get_be16(c);
	frame->events.count = cursor_get_be16(c);
	frame->events.sequence = cursor_get_be64(c);
	if (!cursor_ok(c))
		return V2_BAD_FRAME;
	if (frame->events.count == 0)
		return V2_BAD_COUNT;
	if (frame->events.schema >= schemas->count)
		return V2_BAD_SCHEMA;
	if (!range_ends(frame->events.sequence, frame->events.count))
		return V2_BAD_SEQUENCE;
	frame->events.record_bytes = schemas->list[frame->events.schema].record_bytes;
	size = (size_t)frame->events.count * frame->events.record_bytes;
	frame->events.records = cursor_get(c, size);
	return frame->events.records ? V2_OK : V2_BAD_FRAME;
}

static enum v2_error get_shed(struct cursor *c, uint8_t second, struct v2_frame *frame)
{
	frame->shed.lane = second & LANE_MASK;
	frame->shed.cause = cursor_get_u8(c);
	cursor_get(c, 3); /* reserved, greased */
	frame->shed.sequence = cursor_get_be64(c);
	frame->shed.count = cursor_get_be64(c);
	if (!cursor_ok(c))
		return V2_BAD_FRAME;
	if (frame->shed.cause != V2_CAUSE_SPOOL_FULL)
		return V2_BAD_CAUSE;
	if (frame->shed.count == 0)
		return V2_BAD_COUNT;
	return range_ends(frame->shed.sequence, frame->shed.count) ? V2_OK : V2_BAD_SEQUENCE;
}

/* `*next` is the highest number that the next range may hold, plus one. */
static enum v2_error get_range(struct cursor *c, bool first, uint64_t *next)
{
	uint64_t gap = cursor_get_be32(c), count = cursor_get_be32(c);

	/* Ranges do not touch, and the first begins at the largest number itself. */
	if (count == 0 || (gap == 0) != first || gap > *next || count > *next - gap)
		return V2_BAD_RANGES;
	*next -= gap + count;
	return V2_OK;
}

static enum v2_error get_ack(struct cursor *c, struct v2_frame *frame)
{
	enum v2_error error = V2_OK;
	uint64_t next;
	size_t count;

	frame->ack.delay_us = cursor_get_be32(c);
	frame->ack.largest = next = cursor_get_be64(c);
	count = cursor_left(c) / RANGE_BYTES;
	if (!cursor_ok(c) || count == 0 || count > V2_ACK_RANGES)
		return V2_BAD_FRAME;
	if (next++ >= V2_SEQUENCE_MAX)
		return V2_BAD_RANGES;
	frame->ack.count = (uint8_t)count;
	frame->ack.ranges = c->in + c->pos;
	for (size_t i = 0; i < count && error == V2_OK; i++)
		error = get_range(c, i == 0, &next);
	return error;
}

void v2_get_ranges(const struct v2_frame *ack, struct v2_range ret_ranges[static V2_ACK_RANGES])
{
	uint64_t next = ack->ack.largest + 1;
	struct cursor c;

	cursor_read_init(&c, ack->ack.ranges, ack->ack.count * (size_t)RANGE_BYTES);
	for (int i = 0; i < ack->ack.count; i++) {
		ret_ranges[i].last = next - cursor_get_be32(&c) - 1;
		ret_ranges[i].first = next = ret_ranges[i].last + 1 - cursor_get_be32(&c);
	}
}

static enum v2_error get_processed(struct cursor *c, uint8_t second, struct v2_frame *frame)
{
	frame->processed.lane = second & LANE_MASK;
	cursor_get(c, 4); /* reserved, greased */
	frame->processed.before = cursor_get_be64(c);
	frame->processed.limit = cursor_get_be64(c);
	if (!cursor_ok(c))
		return V2_BAD_FRAME;
	if (frame->processed.lane >= V2_LANES_ACKED)
		return V2_BAD_LANE;
	return frame->processed.before <= frame->processed.limit &&
			       frame->processed.limit <= V2_SEQUENCE_MAX
		       ? V2_OK
		       : V2_BAD_SEQUENCE;
}

static enum v2_error get_path(struct cursor *c, struct v2_frame *frame)
{
	cursor_get(c, 4); /* reserved, greased */
	frame->path = cursor_get_be64(c);
	return cursor_ok(c) ? V2_OK : V2_BAD_FRAME;
}

static enum v2_error get_body(
	struct cursor *c, uint8_t second, const struct v2_schemas *schemas, struct v2_frame *frame)
{
	switch (frame->type) {
	case V2_FRAME_PING:
		return V2_OK;
	case V2_FRAME_EVENTS:
		return get_events(c, second, schemas, frame);
	case V2_FRAME_SHED:
		return get_shed(c, second, frame);
	case V2_FRAME_ACK:
		return get_ack(c, frame);
	case V2_FRAME_PROCESSED:
		return get_processed(c, second, frame);
	case V2_FRAME_PATH_CHALLENGE:
	case V2_FRAME_PATH_RESPONSE:
		return get_path(c, frame);
	default:
		cursor_get(c, cursor_left(c));
		return frame->type >= V2_SKIPPABLE_MIN ? V2_OK : V2_UNKNOWN_FRAME;
	}
}

enum v2_error v2_next_frame(
	struct cursor *c, const struct v2_schemas *schemas, struct v2_frame *ret_frame)
{
	struct cursor body_cursor;
	const uint8_t *body;
	uint8_t second;
	uint16_t length;
	enum v2_error error;

	ret_frame->type = cursor_get_u8(c);
	second = cursor_get_u8(c);
	length = cursor_get_be16(c);
	body = cursor_get(c, length);
	if (!body)
		return V2_BAD_FRAME;
	cursor_read_init(&body_cursor, body, length);
	error = get_body(&body_cursor, second, schemas, ret_frame);
	if (error != V2_OK)
		return error;
	return cursor_left(&body_cursor) == 0 ? V2_OK : V2_BAD_FRAME;
}

bool v2_frame_goes(const struct v2_frame *frame, enum v2_way way)
{
	switch (frame->type) {
	case V2_FRAME_PING:
	case V2_FRAME_EVENTS:
	case V2_FRAME_SHED:
	case V2_FRAME_PATH_RESPONSE:
		return way == V2_TO_SERVER;
	case V2_FRAME_ACK:
	case V2_FRAME_PROCESSED:
	case V2_FRAME_PATH_CHALLENGE:
		return way == V2_TO_AGENT;
	default:
		return true;
	}
}

enum v2_error v2_check_frames(
	const uint8_t *text, size_t size, const struct v2_schemas *schemas, enum v2_way way)
{
	struct cursor c;

	if (size < V2_FRAME_BYTES)
		return V2_BAD_FRAME;
	cursor_read_init(&c, text, size);
	while (cursor_left(&c) > 0) {
		struct v2_frame frame;
		enum v2_error error = v2_next_frame(&c, schemas, &frame);

		if (error != V2_OK)
			return error;
		if (!v2_frame_goes(&frame, way))
			return V2_WRONG_WAY;
	}
	return V2_OK;
}

bool v2_frame_elicits(const struct v2_frame *frame)
{
	return frame->type == V2_FRAME_PING || frame->type == V2_FRAME_EVENTS ||
	       frame->type == V2_FRAME_SHED;
}

static void put_frame_header(struct cursor *c, uint8_t type, uint8_t second, size_t length)
{
	cursor_put_be(c, type, 1);
	cursor_put_be(c, second, 1);
	cursor_put_be(c, length, 2);
}

static uint8_t put_lane(uint8_t lane, uint8_t grease)
{
	return (uint8_t)(lane | (grease & (uint8_t)~LANE_MASK));
}

void v2_put_ping(struct cursor *c, uint8_t grease)
{
	put_frame_header(c, V2_FRAME_PING, grease, 0);
}

void v2_put_events(struct cursor *c, const struct v2_frame *frame, uint8_t grease)
{
	size_t size = (size_t)frame->events.count * frame->events.record_bytes;

	put_frame_header(c, V2_FRAME_EVENTS, put_lane(frame->events.lane, grease),
		V2_EVENTS_BYTES - V2_FRAME_BYTES + size);
	cursor_put_be(c, frame->events.schema, 2);
	cursor_put_be(c, frame->events.count, 2);
	cursor_put_be(c, frame->events.sequence, 8);
	if (frame->events.records)
		cursor_put_bytes(c, frame->events.records, size);
}

void v2_put_shed(struct cursor *c, const struct v2_frame *frame, uint8_t grease)
{
	put_frame_header(c, V2_FRAME_SHED, put_lane(frame->shed.lane, grease), 20);
	cursor_put_be(c, frame->shed.cause, 1);
	cursor_put_be(c, grease * 0x010101u, 3);
	cursor_put_be(c, frame->shed.sequence, 8);
	cursor_put_be(c, frame->shed.count, 8);
}

void v2_put_ack(struct cursor *c, uint32_t delay_us, const struct v2_range *ranges, uint8_t count,
	uint8_t grease)
{
	uint64_t next = ranges[0].last + 1;

	put_frame_header(c, V2_FRAME_ACK, grease, ACK_BYTES + (size_t)count * RANGE_BYTES);
	cursor_put_be(c, delay_us, 4);
	cursor_put_be(c, ranges[0].last, 8);
	for (uint8_t i = 0; i < count; i++) {
		cursor_put_be(c, next - ranges[i].last - 1, 4);
		cursor_put_be(c, ranges[i].last - ranges[i].first + 1, 4);
		next = ranges[i].first;
	}
}

void v2_put_processed(struct cursor *c, const struct v2_frame *frame, uint8_t grease)
{
	put_frame_header(c, V2_FRAME_PROCESSED, put_lane(frame->processed.lane, grease), 20);
	cursor_put_be(c, grease * 0x01010101u, 4);
	cursor_put_be(c, frame->processed.before, 8);
	cursor_put_be(c, frame->processed.limit, 8);
}

void v2_put_path(struct cursor *c, enum v2_frame_type type, uint64_t value, uint8_t grease)
{
	put_frame_header(c, (uint8_t)type, grease, 12);
	cursor_put_be(c, grease * 0x01010101u, 4);
	cursor_put_be(c, value, 8);
}

void v2_put_padding(struct cursor *c, uint8_t type, size_t size)
{
	uint8_t *body;

	put_frame_header(c, type, 0, size - V2_FRAME_BYTES);
	body = cursor_put(c, size - V2_FRAME_BYTES);
	if (body)
		memset(body, 0, size - V2_FRAME_BYTES);
}
