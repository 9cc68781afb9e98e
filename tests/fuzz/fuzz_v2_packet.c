// SPDX-License-Identifier: BSD-2-Clause
/*
 * Version 2's packets behind the null seal, and what must hold for any bytes: the parser, then both
 * ends with a session under way, as if the peer had sealed this.
 */
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define WINDOW     16
#define RECORD_MAX 8
#define MS         1000000ULL

static const struct v2_schemas schemas = {.count = 2,
	.list = {{.event_id = 1, .record_bytes = 4}, {.event_id = 2, .record_bytes = 8}}};

static uint64_t constant(void *user _unused_)
{
	return 0x5a5a5a5a5a5a5aULL;
}

static void put_ranges(struct cursor *c, const struct v2_frame *frame)
{
	struct v2_range ranges[V2_ACK_RANGES];

	v2_get_ranges(frame, ranges);
	v2_put_ack(c, frame->ack.delay_us, ranges, frame->ack.count, 0xff);
}

/* Every frame that was accepted is written again with the same meaning. */
static void check_frame(const struct v2_frame *frame)
{
	uint8_t bytes[2 * V2_DATAGRAM_MAX];
	struct v2_frame again;
	struct cursor c;

	cursor_write_init(&c, bytes, sizeof(bytes));
	if (frame->type == V2_FRAME_EVENTS)
		v2_put_events(&c, frame, 0xff);
	else if (frame->type == V2_FRAME_SHED)
		v2_put_shed(&c, frame, 0xff);
	else if (frame->type == V2_FRAME_ACK)
		put_ranges(&c, frame);
	else if (frame->type == V2_FRAME_PROCESSED)
		v2_put_processed(&c, frame, 0xff);
	else
		return;
	REQUIRE(cursor_ok(&c));
	cursor_read_init(&c, bytes, c.pos);
	REQUIRE(v2_next_frame(&c, &schemas, &again) == V2_OK);
	REQUIRE(again.type == frame->type && cursor_left(&c) == 0);
	if (frame->type == V2_FRAME_ACK)
		REQUIRE(again.ack.count == frame->ack.count &&
			again.ack.largest == frame->ack.largest &&
			memcmp(again.ack.ranges, frame->ack.ranges, frame->ack.count * 8U) == 0);
	if (frame->type == V2_FRAME_EVENTS)
		REQUIRE(again.events.sequence == frame->events.sequence &&
			again.events.count == frame->events.count &&
			again.events.lane == frame->events.lane);
}

static void check_text(const uint8_t *text, size_t size)
{
	struct cursor c;

	if (v2_check_frames(text, size, &schemas, V2_TO_SERVER) != V2_OK &&
		v2_check_frames(text, size, &schemas, V2_TO_AGENT) != V2_OK)
		return;
	cursor_read_init(&c, text, size);
	while (cursor_left(&c) > 0) {
		struct v2_frame frame;

		REQUIRE(v2_next_frame(&c, &schemas, &frame) == V2_OK);
		check_frame(&frame);
	}
}

/* Every octet of the records can be read. */
static void read_records(const struct v2_taken *taken)
{
	uint8_t sum = 0;

	for (uint64_t i = 0; taken->cause == V2_CAUSE_NONE && i < taken->count; i++)
		for (size_t j = 0; j < schemas.list[taken->schema].record_bytes; j++)
			sum ^= taken->records[i * taken->stride + j];
	__asm__ volatile("" : : "r"(sum));
}

static void take_updates(struct v2_receiver *receiver)
{
	uint64_t expected = receiver->updates.taken;
	struct v2_taken taken;

	while (v2_receiver_next_update(receiver, &taken)) {
		REQUIRE(taken.sequence == expected && taken.count > 0);
		expected += taken.count;
		read_records(&taken);
	}
	REQUIRE(expected == receiver->updates.taken);
}

/* Takes and commits all there is: sequences ascend without a hole. */
static void process_all(struct v2_receiver *receiver)
{
	take_updates(receiver);
	for (unsigned int lane = 0; lane < V2_LANES_ACKED; lane++) {
		struct v2_order *order = &receiver->lanes[lane];
		uint64_t expected = order->taken;
		struct v2_taken taken;

		while (v2_receiver_take(receiver, lane, 3 + lane * 1000, &taken)) {
			REQUIRE(taken.sequence == expected && taken.count > 0);
			expected += taken.count;
			read_records(&taken);
		}
		REQUIRE(expected == order->next);
		REQUIRE(v2_receiver_commit(receiver, 1, lane, expected, 3 * MS));
		REQUIRE(order->base == expected);
	}
}

static void feed_receiver(const uint8_t *bytes, size_t size, const struct v2_header *header)
{
	static struct v2_receiver receiver;
	struct v2_receiver_config config = {
		.window = {WINDOW, WINDOW, WINDOW}, .record_max = RECORD_MAX, .random = constant};
	struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct v2_hello hello = {.schemas = schemas};
	uint8_t copy[V2_DATAGRAM_MAX], answer[V2_MTU_FLOOR];
	struct v2_welcome welcome;
	uint64_t address, told = 0;

	REQUIRE(v2_receiver_init(&receiver, &config) == 0);
	REQUIRE(v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome) == V2_OK);
	receiver.session = header->session;
	/* Twice: the second is a replay. */
	for (int i = 0; i < 2; i++) {
		memcpy(copy, bytes, size);
		if (v2_receiver_receive(&receiver, MS, 7, copy, size) == V2_OK)
			REQUIRE(i == 0);
		process_all(&receiver);
	}
	for (size_t n; (n = v2_receiver_poll(&receiver, 5 * MS, &address, answer, sizeof(answer)));)
		told += n;
	REQUIRE(told <= size || receiver.path.validated);
	v2_receiver_done(&receiver);
}

static void feed_sender(const uint8_t *bytes, size_t size, const struct v2_header *header)
{
	static struct v2_sender sender;
	struct v2_sender_config config = {.capacity = {WINDOW, WINDOW, WINDOW, WINDOW},
		.record_max = RECORD_MAX,
		.packets = 64,
		.datagram_max = 1472,
		.schemas = schemas,
		.random = constant};
	struct v2_welcome welcome = {.session = 1,
		.epoch = 1,
		.datagram_max = 1472,
		.limit = {WINDOW, WINDOW, WINDOW, WINDOW}};
	uint8_t copy[V2_DATAGRAM_MAX], out[3 * 1472];
	size_t segment = 1472;

	REQUIRE(v2_sender_init(&sender, &config, 1) == 0);
	REQUIRE(v2_sender_open(&sender, &welcome, &v2_seal_null, MS) == V2_OK);
	for (uint64_t i = 0; i < 2 * WINDOW; i++) {
		v2_sender_push(&sender, (enum v2_lane_id)(i % V2_LANES), i % 2, &i, 1);
		v2_sender_poll(&sender, MS + i, out, sizeof(out), &segment);
	}
	sender.session = header->session;
	memcpy(copy, bytes, size);
	(void)v2_sender_receive(&sender, 3 * MS, copy, size);
	for (unsigned int i = 0; i < 256; i++) {
		size_t n = v2_sender_poll(&sender, (4 + i * 10) * MS, out, sizeof(out), &segment);

		REQUIRE(n <= sizeof(out) && segment <= 1472);
		REQUIRE(sender.next_packet - sender.oldest <= 64);
	}
	v2_sender_done(&sender);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct v2_header header, untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	header = untouched;
	if (v2_get_header(bytes, size, &header) != V2_OK) {
		REQUIRE(memcmp(&header, &untouched, sizeof(header)) == 0);
		return 0;
	}
	REQUIRE(header.phase < 4 && header.session <= V2_SESSION_MAX);
	check_text(bytes + V2_HEADER_BYTES, size - V2_HEADER_BYTES - V2_TAG_BYTES);
	if (header.session == 0)
		return 0;
	feed_receiver(bytes, size, &header);
	feed_sender(bytes, size, &header);
	return 0;
}
