// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_receiver.h"

#include <errno.h>

#define NEVER          UINT64_MAX
#define ACK_EVERY      8          /* packets in order; one out of order is told at once */
#define RANGE_SPAN_MAX (1U << 30) /* of an ACK frame: its lengths are 32 bits */

static uint64_t random_bits(struct v2_receiver *r)
{
	return r->config.random(r->config.random_user);
}

int v2_receiver_init(struct v2_receiver *receiver, const struct v2_receiver_config *config)
{
	struct v2_receiver made = {.config = *config, .ack_at_ns = NEVER};
	int r = 0;

	for (int i = 0; i < V2_LANES_ACKED && r == 0; i++)
		r = v2_order_init(&made.lanes[i], config->window[i], config->record_max);
	if (r < 0) {
		v2_receiver_done(&made);
		return r;
	}
	*receiver = made;
	return 0;
}

void v2_receiver_done(struct v2_receiver *receiver)
{
	for (int i = 0; i < V2_LANES_ACKED; i++)
		v2_order_done(&receiver->lanes[i]);
	*receiver = (struct v2_receiver){0};
}

static void advance(struct v2_receiver *r, uint64_t now_ns)
{
	r->now_ns = MAX(r->now_ns, now_ns);
}

uint64_t v2_receiver_next_session(struct v2_receiver *receiver)
{
	const uint64_t mask = V2_SESSION_MAX & ~0xffULL;
	uint64_t session = receiver->next_session & mask;

	if (session == 0)
		session = random_bits(receiver) & mask;
	while (session == 0 || session == (receiver->session & mask))
		session = (session + 0x100) & mask;
	receiver->next_session = session | receiver->config.worker;
	return receiver->next_session;
}

/* Of one incarnation they are the same in each HELLO: what is kept refers to them. */
static bool schemas_fit(const struct v2_receiver *r, bool resumed, const struct v2_schemas *schemas)
{
	if (resumed && schemas->count != r->schemas.count)
		return false;
	for (int i = 0; i < schemas->count; i++) {
		const struct v2_schema *ours = &r->schemas.list[i], *theirs = &schemas->list[i];

		if (theirs->record_bytes > r->config.record_max)
			return false;
		if (resumed && (ours->event_id != theirs->event_id || ours->hash != theirs->hash ||
				       ours->record_bytes != theirs->record_bytes))
			return false;
	}
	return true;
}

static void begin_lanes(struct v2_receiver *r, const struct v2_mark *mark)
{
	for (int i = 0; i < V2_LANES_ACKED; i++)
		v2_order_begin(&r->lanes[i], mark->before[i]);
	v2_updates_begin(&r->updates, mark->before[V2_LANE_UPDATE]);
}

static void welcome(const struct v2_receiver *r, struct v2_welcome *ret_welcome)
{
	*ret_welcome = (struct v2_welcome){
		.version = V2_VERSION,
		.session = r->session,
		.epoch = r->epoch,
		.datagram_max = V2_DATAGRAM_MAX,
	};
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		ret_welcome->before[i] = r->lanes[i].base;
		ret_welcome->limit[i] = v2_order_limit(&r->lanes[i]);
	}
	ret_welcome->before[V2_LANE_UPDATE] = r->updates.base;
	ret_welcome->limit[V2_LANE_UPDATE] = V2_SEQUENCE_MAX;
}

enum v2_error v2_receiver_open(struct v2_receiver *receiver, const struct v2_mark *mark,
	const struct v2_hello *hello, const struct v2_seal *seal, struct v2_welcome *ret_welcome)
{
	bool resumed = receiver->epoch == mark->epoch;

	if (!schemas_fit(receiver, resumed, &hello->schemas))
		return V2_BAD_SCHEMA;
	/* What an earlier session of the same incarnation brought is still good. */
	if (!resumed)
		begin_lanes(receiver, mark);
	receiver->epoch = mark->epoch;
	receiver->session = v2_receiver_next_session(receiver);
	receiver->next_session = 0;
	receiver->schemas = hello->schemas;
	receiver->seal = *seal;
	receiver->replay = (struct v2_replay){0};
	receiver->ranges = (struct v2_ranges){0};
	receiver->path = receiver->previous = (struct v2_path){0};
	receiver->next_packet = 0;
	receiver->unacked = 0;
	receiver->ranges_unacked = 0;
	receiver->ack_at_ns = NEVER;
	receiver->starved = false;
	receiver->updates.frames = (struct cursor){0};
	welcome(receiver, ret_welcome);
	return V2_OK;
}

void v2_receiver_close(struct v2_receiver *receiver)
{
	receiver->session = 0;
}

/* ---- acknowledgement ranges ---- */

static void insert_range(struct v2_ranges *ranges, int at, uint64_t packet)
{
	if (at == V2_ACK_RANGES)
		return;
	if (ranges->count == V2_ACK_RANGES)
		ranges->count--;
	memmove(&ranges->list[at + 1], &ranges->list[at],
		(size_t)(ranges->count - at) * sizeof(ranges->list[0]));
	ranges->list[at] = (struct v2_range){.first = packet, .last = packet};
	ranges->count++;
}

static void join_next(struct v2_ranges *ranges, int at)
{
	struct v2_range *list = ranges->list;

	if (at + 1 >= ranges->count || list[at].first != list[at + 1].last + 1)
		return;
	list[at].first = list[at + 1].first;
	ranges->count--;
	memmove(&list[at + 1], &list[at + 2], (size_t)(ranges->count - at - 1) * sizeof(list[0]));
}

bool v2_ranges_add(struct v2_ranges *ranges, uint64_t packet)
{
	struct v2_range *list = ranges->list;
	int i = 0;

	while (i < ranges->count && packet + 1 < list[i].first)
		i++;
	if (i == ranges->count || packet > list[i].last + 1) {
		insert_range(ranges, i, packet);
		return true;
	}
	if (packet == list[i].last + 1)
		list[i].last = packet;
	else if (packet + 1 == list[i].first)
		list[i].first = packet;
	join_next(ranges, i);
	if (list[0].last - list[0].first > RANGE_SPAN_MAX)
		list[0].first = list[0].last - RANGE_SPAN_MAX;
	return false;
}

/* ---- paths ---- */

static void note_path(struct v2_receiver *r, uint64_t address, bool newest, size_t size)
{
	struct v2_path path = r->path;

	if (r->path.address == address && r->path.bytes_in > 0) {
		r->path.bytes_in += size;
	} else if (newest) {
		/* Going back to the address before needs no other proof. */
		r->path = r->previous;
		if (r->path.address != address || r->path.bytes_in == 0)
			r->path = (struct v2_path){
				.address = address,
				.challenge = random_bits(r),
			};
		r->path.bytes_in += size;
		/* One that was never validated is not worth remembering. */
		if (path.validated || r->previous.address == address)
			r->previous = path;
		r->stats.path_changes += path.bytes_in > 0; /* else it is a session's first */
	} else {
		return;
	}
	r->starved = false;
}

/* Who answers got what was sent to the address, wherever the answer comes from (RFC 9000, 8.2.3). */
static void validate_path(struct v2_receiver *r, uint64_t value)
{
	if (value == r->path.challenge)
		r->path.validated = true;
}

static bool path_allows(const struct v2_receiver *r, size_t size)
{
	return r->path.validated || r->path.bytes_out + size <= r->path.bytes_in;
}

/* ---- what arrives ---- */

static void schedule_ack(struct v2_receiver *r, bool in_order)
{
	r->unacked++;
	if (!in_order || r->unacked >= ACK_EVERY)
		r->ack_at_ns = r->now_ns;
	else
		r->ack_at_ns = MIN(r->ack_at_ns, r->now_ns + V2_ACK_DELAY_NS);
}

/* A lane without credit admits everything; in the others a peer that goes beyond is broken. */
static bool within_credit(const struct v2_receiver *r, const struct v2_frame *frame)
{
	uint8_t lane;

	if (frame->type != V2_FRAME_EVENTS && frame->type != V2_FRAME_SHED)
		return true;
	lane = frame->type == V2_FRAME_EVENTS ? frame->events.lane : frame->shed.lane;
	return lane == V2_LANE_UPDATE || v2_order_admits(&r->lanes[lane], frame);
}

/* All frames, before any of them has an effect. */
static enum v2_error check_frames(const struct v2_receiver *r, const uint8_t *text, size_t size)
{
	struct cursor c;

	if (size < V2_FRAME_BYTES)
		return V2_BAD_FRAME;
	cursor_read_init(&c, text, size);
	while (cursor_left(&c) > 0) {
		struct v2_frame frame;
		enum v2_error error = v2_next_frame(&c, &r->schemas, &frame);

		if (error != V2_OK)
			return error;
		if (!v2_frame_goes(&frame, V2_TO_SERVER))
			return V2_WRONG_WAY;
		if (!within_credit(r, &frame))
			return V2_OVER_CREDIT;
	}
	return V2_OK;
}

/* Handles frames that were checked. Returns whether they want an acknowledgement. */
static bool handle_frames(struct v2_receiver *r, const uint8_t *text, size_t size)
{
	struct cursor c;
	bool elicits = false;

	cursor_read_init(&c, text, size);
	while (cursor_left(&c) > 0) {
		struct v2_frame frame;

		if (v2_next_frame(&c, &r->schemas, &frame) != V2_OK)
			break;
		elicits |= v2_frame_elicits(&frame);
		if (frame.type == V2_FRAME_EVENTS && frame.events.lane < V2_LANES_ACKED)
			v2_order_put(&r->lanes[frame.events.lane], &frame);
		else if (frame.type == V2_FRAME_SHED && frame.shed.lane < V2_LANES_ACKED)
			v2_order_put(&r->lanes[frame.shed.lane], &frame);
		else if (frame.type == V2_FRAME_PATH_RESPONSE)
			validate_path(r, frame.path);
	}
	v2_updates_offer(&r->updates, text, size);
	return elicits;
}

static enum v2_error open_datagram(
	struct v2_receiver *r, uint8_t *bytes, size_t size, struct v2_header *ret_header)
{
	enum v2_error error = v2_get_header(bytes, size, ret_header);

	if (error != V2_OK)
		return error;
	if (r->session == 0 || ret_header->session != r->session)
		return V2_UNKNOWN_SESSION;
	switch (v2_replay_check(&r->replay, ret_header->packet)) {
	case V2_REPLAY_SEEN:
		return V2_REPLAYED;
	case V2_REPLAY_OLD:
		return V2_TOO_OLD;
	case V2_REPLAY_FRESH:
		break;
	}
	if (r->seal.open(r->seal.user, ret_header->phase, ret_header->packet, bytes,
		    bytes + V2_HEADER_BYTES, size - V2_HEADER_BYTES - V2_TAG_BYTES) < 0)
		return V2_UNSEALED;
	return V2_OK;
}

static enum v2_error take_packet(
	struct v2_receiver *r, uint64_t address, uint8_t *bytes, size_t size)
{
	const uint8_t *text = bytes + V2_HEADER_BYTES;
	size_t text_size = size - V2_HEADER_BYTES - V2_TAG_BYTES;
	struct v2_header header;
	enum v2_error error = open_datagram(r, bytes, size, &header);
	uint64_t expected = r->replay.next;

	if (error != V2_OK)
		return error;
	v2_replay_mark(&r->replay, header.packet);
	error = check_frames(r, text, text_size);
	if (error != V2_OK)
		return error;
	note_path(r, address, header.packet >= expected, size);
	r->ranges_unacked += v2_ranges_add(&r->ranges, header.packet);
	if (header.packet >= expected)
		r->newest_ns = r->now_ns;
	if (handle_frames(r, text, text_size))
		schedule_ack(r, header.packet == expected);
	r->stats.packets++;
	return V2_OK;
}

enum v2_error v2_receiver_receive(struct v2_receiver *receiver, uint64_t now_ns, uint64_t address,
	uint8_t *bytes, size_t size)
{
	enum v2_error error;

	advance(receiver, now_ns);
	v2_updates_offer(&receiver->updates, NULL, 0);
	error = take_packet(receiver, address, bytes, size);
	receiver->stats.errors[error]++;
	if (v2_error_action(error) == V2_ACTION_CLOSE)
		v2_receiver_close(receiver);
	return error;
}

/* ---- processing ---- */

bool v2_receiver_next_update(struct v2_receiver *receiver, struct v2_taken *ret_taken)
{
	return v2_updates_take(&receiver->updates, &receiver->schemas, ret_taken);
}

bool v2_receiver_take(struct v2_receiver *receiver, enum v2_lane_id lane, uint64_t max,
	struct v2_taken *ret_taken)
{
	return v2_order_take(&receiver->lanes[lane], max, ret_taken);
}

void v2_receiver_abandon(struct v2_receiver *receiver, enum v2_lane_id lane)
{
	v2_order_abandon(&receiver->lanes[lane]);
}

bool v2_receiver_commit(struct v2_receiver *receiver, uint64_t epoch, enum v2_lane_id lane,
	uint64_t before, uint64_t now_ns)
{
	advance(receiver, now_ns);
	if (epoch != receiver->epoch)
		return false;
	if (lane == V2_LANE_UPDATE) {
		v2_updates_commit(&receiver->updates, before);
		return true;
	}
	v2_order_commit(&receiver->lanes[lane], before);
	receiver->ack_at_ns = receiver->now_ns;
	return true;
}

/* ---- what leaves ---- */

static void put_ack(struct v2_receiver *r, struct cursor *c, uint8_t count, uint8_t grease)
{
	uint32_t delay_us = (uint32_t)MIN((r->now_ns - r->newest_ns) / 1000, UINT32_MAX);

	if (r->ranges.count > 0)
		v2_put_ack(c, delay_us, r->ranges.list, MIN(r->ranges.count, count), grease);
}

static void put_processed(struct v2_receiver *r, struct cursor *c, uint8_t lane, uint8_t grease)
{
	struct v2_frame frame;

	frame.processed.lane = lane;
	frame.processed.before = r->lanes[lane].base;
	frame.processed.limit = v2_order_limit(&r->lanes[lane]);
	v2_put_processed(c, &frame, grease);
}

static void put_answer(struct v2_receiver *r, struct cursor *c, uint8_t ranges)
{
	uint8_t grease = (uint8_t)random_bits(r);

	put_ack(r, c, ranges, grease);
	for (unsigned int i = 0; i < V2_LANES_ACKED; i++)
		put_processed(r, c, (uint8_t)i, grease);
	if (!r->path.validated)
		v2_put_path(c, V2_FRAME_PATH_CHALLENGE, r->path.challenge, grease);
}

static size_t seal_answer(struct v2_receiver *r, struct cursor *c)
{
	struct v2_header header = {
		.phase = r->seal.phase(r->seal.user, r->next_packet),
		.grease = (uint8_t)random_bits(r) & 0x0f,
		.session = r->session,
		.packet = r->next_packet,
	};
	struct cursor h;

	cursor_write_init(&h, c->out, V2_HEADER_BYTES);
	v2_put_header(&h, &header);
	if (r->seal.seal(r->seal.user, header.packet, c->out, c->out + V2_HEADER_BYTES,
		    c->pos - V2_HEADER_BYTES) < 0)
		return 0;
	r->next_packet++;
	r->stats.answers++;
	r->path.bytes_out += c->pos + V2_TAG_BYTES;
	return c->pos + V2_TAG_BYTES;
}

/* An address that is not validated may be worth fewer ranges, or no answer yet. */
static bool fit_answer(struct v2_receiver *r, struct cursor *c, uint8_t *bytes)
{
	for (uint8_t ranges = V2_ACK_RANGES; ranges > 0; ranges /= 2) {
		cursor_write_init(c, bytes, V2_MTU_FLOOR - V2_TAG_BYTES);
		cursor_put(c, V2_HEADER_BYTES);
		put_answer(r, c, ranges);
		if (cursor_ok(c) && path_allows(r, c->pos + V2_TAG_BYTES))
			return true;
	}
	return false;
}

bool v2_receiver_pressing(const struct v2_receiver *receiver)
{
	return receiver->ranges_unacked >= V2_ACK_RANGES / 4;
}

size_t v2_receiver_poll(struct v2_receiver *receiver, uint64_t now_ns, uint64_t *ret_address,
	uint8_t *bytes, size_t size)
{
	struct cursor c;

	advance(receiver, now_ns);
	if (receiver->now_ns < v2_receiver_next_time(receiver) || size < V2_MTU_FLOOR)
		return 0;
	if (!fit_answer(receiver, &c, bytes)) {
		receiver->starved = true;
		return 0;
	}
	receiver->ack_at_ns = NEVER;
	receiver->unacked = 0;
	receiver->ranges_unacked = 0;
	*ret_address = receiver->path.address;
	return seal_answer(receiver, &c);
}

uint64_t v2_receiver_next_time(const struct v2_receiver *receiver)
{
	if (receiver->session == 0 || receiver->starved || receiver->path.bytes_in == 0)
		return NEVER;
	return receiver->ack_at_ns;
}
