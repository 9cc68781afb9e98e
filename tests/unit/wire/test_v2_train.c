// SPDX-License-Identifier: BSD-2-Clause
/* What a sender writes: trains of datagrams of one size, looked at frame by frame. */
#include "tests/unit/test.h"
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#define MS       1000000ULL
#define MTU      1472
#define ROOM     65000
#define CAPACITY 4096

static const struct v2_schemas schemas = {.count = 3,
	.list = {{.event_id = 1, .record_bytes = 80}, {.event_id = 2, .record_bytes = 72},
		{.event_id = 16, .record_bytes = 7}}};

static uint64_t constant(void *user _unused_)
{
	return 0x1234567890abcdefULL;
}

struct rig {
	struct v2_sender sender;
	struct v2_receiver receiver;
	uint64_t now;
	uint8_t train[ROOM];
};

/* One exchange with everything acknowledged: the window is open, the size of datagrams is known. */
static void exchange(struct rig *rig)
{
	uint8_t answer[V2_MTU_FLOOR];
	size_t size, segment;
	uint64_t address;

	rig->now += MS;
	while ((size = v2_sender_poll(&rig->sender, rig->now, rig->train, ROOM, &segment)) > 0)
		for (size_t at = 0; at < size; at += segment)
			assert_int_equal(v2_receiver_receive(&rig->receiver, rig->now, 7,
						 rig->train + at, MIN(segment, size - at)),
				V2_OK);
	for (unsigned int lane = 0; lane < V2_LANES_ACKED; lane++) {
		struct v2_taken taken;

		while (v2_receiver_take(&rig->receiver, lane, UINT64_MAX, &taken))
			assert_true(v2_receiver_commit(
				&rig->receiver, 1, lane, taken.sequence + taken.count, rig->now));
	}
	rig->now += MS;
	while ((size = v2_receiver_poll(
			&rig->receiver, rig->now, &address, answer, sizeof(answer))) > 0)
		assert_int_equal(v2_sender_receive(&rig->sender, rig->now, answer, size), V2_OK);
}

static void push(struct rig *rig, enum v2_lane_id lane, uint16_t schema, uint64_t count)
{
	static const uint8_t records[CAPACITY * 80];

	assert_int_equal(v2_sender_push(&rig->sender, lane, schema, records, count), count);
}

static int setup(void **state)
{
	const struct v2_sender_config at_agent = {
		.capacity = {CAPACITY, CAPACITY, CAPACITY, CAPACITY},
		.record_max = 80,
		.packets = 4096,
		.datagram_max = MTU,
		.schemas = schemas,
		.random = constant};
	const struct v2_receiver_config at_server = {
		.window = {CAPACITY, CAPACITY, CAPACITY}, .record_max = 80, .random = constant};
	const struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct rig *rig = calloc(1, sizeof(*rig));
	struct v2_welcome welcome;
	struct v2_hello hello;

	assert_non_null(rig);
	assert_int_equal(v2_sender_init(&rig->sender, &at_agent, 1), 0);
	assert_int_equal(v2_receiver_init(&rig->receiver, &at_server), 0);
	v2_sender_hello(&rig->sender, &hello);
	assert_int_equal(
		v2_receiver_open(&rig->receiver, &mark, &hello, &v2_seal_null, &welcome), V2_OK);
	assert_int_equal(v2_sender_open(&rig->sender, &welcome, &v2_seal_null, MS), V2_OK);
	rig->now = MS;
	for (int i = 0; i < 20; i++) {
		push(rig, V2_LANE_PORT, 0, 200);
		exchange(rig);
	}
	assert_int_equal(rig->sender.mtu.size, MTU);
	rig->sender.congestion.window = 1 << 24; /* what it allows is not what is tested here */
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	v2_sender_done(&rig->sender);
	v2_receiver_done(&rig->receiver);
	free(rig);
	return 0;
}

/* The frames of datagram i of a train. */
struct seen {
	unsigned int frames[256];
	uint64_t events;
	uint8_t first_lane;
};

static struct seen look(const struct rig *rig, size_t size, size_t segment, size_t i)
{
	size_t bytes = MIN(segment, size - i * segment);
	struct seen seen = {.first_lane = 0xff};
	struct cursor c;

	cursor_read_init(&c, rig->train + i * segment + V2_HEADER_BYTES,
		bytes - V2_HEADER_BYTES - V2_TAG_BYTES);
	while (cursor_left(&c) > 0) {
		struct v2_frame frame;

		assert_int_equal(v2_next_frame(&c, &schemas, &frame), V2_OK);
		seen.frames[MIN(frame.type, (uint8_t)V2_FRAME_PADDING)]++;
		if (frame.type != V2_FRAME_EVENTS)
			continue;
		seen.events += frame.events.count;
		seen.first_lane = MIN(seen.first_lane, frame.events.lane);
	}
	return seen;
}

static size_t poll_train(struct rig *rig, size_t room, size_t *ret_segment)
{
	return v2_sender_poll(&rig->sender, ++rig->now, rig->train, room, ret_segment);
}

static void train_is_full_datagrams_and_a_rest(void **state)
{
	struct rig *rig = *state;
	size_t segment, size;

	push(rig, V2_LANE_UPDATE, 1, 100);
	size = poll_train(rig, ROOM, &segment);
	/* 19 records of 72 octets fit. */
	assert_int_equal(segment, 48 + 19 * 72);
	assert_int_equal(size, 5 * segment + 48 + 5 * 72);
	for (size_t i = 0; i < 6; i++) {
		struct seen seen = look(rig, size, segment, i);

		assert_int_equal(seen.events, i < 5 ? 19 : 5);
		assert_int_equal(seen.frames[V2_FRAME_PADDING], 0);
	}
	assert_int_equal(poll_train(rig, ROOM, &segment), 0);
}

static void train_ends_with_the_room(void **state)
{
	struct rig *rig = *state;
	size_t segment, size;

	push(rig, V2_LANE_PORT, 1, 400);
	size = poll_train(rig, 4 * MTU, &segment);
	assert_int_equal(size, 4 * segment);
	assert_int_equal(poll_train(rig, MTU, &segment), segment);
	assert_int_equal(poll_train(rig, MTU - 1, &segment), 0);
}

static void records_of_other_sizes_are_padded_to_the_trains(void **state)
{
	struct rig *rig = *state;
	size_t segment, size, padded = 0, events = 0;

	push(rig, V2_LANE_PORT, 0, 100);
	push(rig, V2_LANE_LAST, 1, 100);
	push(rig, V2_LANE_UPDATE, 2, 2000);
	/* What is left of a datagram may be too little for padding, which ends its train. */
	while ((size = poll_train(rig, ROOM, &segment)) > 0) {
		assert_true(segment > MTU - 80);
		for (size_t i = 0; i * segment < size; i++) {
			struct seen seen = look(rig, size, segment, i);

			padded += seen.frames[V2_FRAME_PADDING];
			events += seen.events;
		}
	}
	assert_int_equal(events, 2200);
	assert_true(padded > 0);
}

/* The rest of one lane goes with the beginning of the next, urgent ones first. */
static void lanes_share_a_datagram(void **state)
{
	struct rig *rig = *state;
	size_t segment, size;
	struct seen seen;

	push(rig, V2_LANE_UPDATE, 1, 3);
	push(rig, V2_LANE_LAST, 1, 2);
	push(rig, V2_LANE_URGENT, 1, 1);
	size = poll_train(rig, ROOM, &segment);
	assert_int_equal(size, segment);
	seen = look(rig, size, segment, 0);
	assert_int_equal(seen.frames[V2_FRAME_EVENTS], 3);
	assert_int_equal(seen.events, 6);
	assert_int_equal(seen.first_lane, V2_LANE_URGENT);
}

static void urgent_event_is_in_the_first_datagram(void **state)
{
	struct rig *rig = *state;
	size_t segment, size;

	push(rig, V2_LANE_UPDATE, 1, 2000);
	push(rig, V2_LANE_URGENT, 1, 1);
	size = poll_train(rig, ROOM, &segment);
	assert_int_equal(look(rig, size, segment, 0).first_lane, V2_LANE_URGENT);
	assert_int_equal(look(rig, size, segment, 1).first_lane, V2_LANE_UPDATE);
}

static void what_the_interface_refuses_ends_probing(void **state)
{
	struct rig *rig = *state;
	size_t segment;

	v2_sender_too_long(&rig->sender, 0);
	v2_sender_too_long(&rig->sender, V2_DATAGRAM_MAX);
	assert_int_equal(rig->sender.mtu.size, MTU);
	v2_sender_too_long(&rig->sender, 1400);
	assert_int_equal(rig->sender.mtu.size, V2_MTU_FLOOR);
	push(rig, V2_LANE_PORT, 1, 100);
	assert_true(poll_train(rig, ROOM, &segment) > 0);
	assert_true(segment <= V2_MTU_FLOOR);
	exchange(rig);
	exchange(rig);
	assert_in_range(rig->sender.mtu.size, V2_MTU_FLOOR + 1, 1399);
}

static int refuse(void *user _unused_, uint64_t packet _unused_, const uint8_t *header _unused_,
	uint8_t *text _unused_, size_t size _unused_)
{
	return -12;
}

static void sender_that_cannot_seal_wants_another_session(void **state)
{
	struct rig *rig = *state;
	struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct v2_welcome welcome;
	struct v2_hello hello;
	size_t segment = 77;

	rig->sender.seal.seal = refuse;
	push(rig, V2_LANE_PORT, 1, 100);
	assert_int_equal(poll_train(rig, ROOM, &segment), 0);
	assert_int_equal(segment, 77);
	assert_true(v2_sender_wants_session(&rig->sender, rig->now));
	v2_sender_hello(&rig->sender, &hello);
	assert_int_equal(
		v2_receiver_open(&rig->receiver, &mark, &hello, &v2_seal_null, &welcome), V2_OK);
	assert_int_equal(v2_sender_open(&rig->sender, &welcome, &v2_seal_null, rig->now), V2_OK);
	for (int i = 0; i < 5; i++)
		exchange(rig);
	assert_true(v2_sender_idle(&rig->sender));
}

/* The event is received, and its PROCESSED lost: nothing flies that could be lost as well. */
static void lost_word_of_processing_is_asked_for(void **state)
{
	struct rig *rig = *state;
	uint8_t answer[V2_MTU_FLOOR];
	size_t size, segment;
	struct v2_taken taken;
	uint64_t address;

	push(rig, V2_LANE_PORT, 0, 1);
	size = v2_sender_poll(&rig->sender, rig->now, rig->train, ROOM, &segment);
	assert_int_equal(v2_receiver_receive(&rig->receiver, rig->now, 7, rig->train, size), V2_OK);
	rig->now += 2 * MS;
	size = v2_receiver_poll(&rig->receiver, rig->now, &address, answer, sizeof(answer));
	assert_int_equal(v2_sender_receive(&rig->sender, rig->now, answer, size), V2_OK);
	assert_true(v2_receiver_take(&rig->receiver, V2_LANE_PORT, 1, &taken));
	assert_true(
		v2_receiver_commit(&rig->receiver, 1, V2_LANE_PORT, taken.sequence + 1, rig->now));
	assert_true(v2_receiver_poll(&rig->receiver, rig->now, &address, answer, sizeof(answer)));
	assert_false(v2_sender_idle(&rig->sender));

	rig->now = v2_sender_next_time(&rig->sender, rig->now);
	assert_true(rig->now < 1000 * MS);
	exchange(rig);
	assert_true(v2_sender_idle(&rig->sender));
}

/* ---- paths ---- */

/* One event in a datagram of its own, as it arrives from an address. */
struct datagram {
	uint8_t bytes[V2_MTU_FLOOR];
	size_t size;
};

static struct datagram make_datagram(struct rig *rig)
{
	struct datagram datagram;
	size_t segment;

	push(rig, V2_LANE_PORT, 0, 1);
	datagram.size = v2_sender_poll(&rig->sender, rig->now, rig->train, ROOM, &segment);
	assert_in_range(datagram.size, 1, sizeof(datagram.bytes));
	memcpy(datagram.bytes, rig->train, datagram.size);
	return datagram;
}

static void arrive(struct rig *rig, struct datagram *datagram, uint64_t address)
{
	assert_int_equal(v2_receiver_receive(&rig->receiver, rig->now, address, datagram->bytes,
				 datagram->size),
		V2_OK);
}

static void forged_addresses_do_not_take_the_place_of_the_validated_one(void **state)
{
	struct rig *rig = *state;
	struct datagram mine;

	assert_true(rig->receiver.path.validated);
	for (uint64_t address = 8; address < 12; address++) {
		struct datagram forged = make_datagram(rig);

		arrive(rig, &forged, address);
		assert_int_equal(rig->receiver.path.address, address);
		assert_false(rig->receiver.path.validated);
	}
	mine = make_datagram(rig);
	arrive(rig, &mine, 7);
	assert_int_equal(rig->receiver.path.address, 7);
	assert_true(rig->receiver.path.validated);
}

static void datagram_that_comes_late_does_not_move_the_path(void **state)
{
	struct rig *rig = *state;
	struct datagram late = make_datagram(rig), newest = make_datagram(rig);

	arrive(rig, &newest, 8);
	arrive(rig, &late, 7);
	assert_int_equal(rig->receiver.path.address, 8);
}

static void new_session_validates_its_address_itself(void **state)
{
	struct rig *rig = *state;
	const struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct v2_welcome welcome;
	struct datagram mine;
	struct v2_hello hello;

	v2_sender_hello(&rig->sender, &hello);
	assert_int_equal(
		v2_receiver_open(&rig->receiver, &mark, &hello, &v2_seal_null, &welcome), V2_OK);
	assert_int_equal(v2_sender_open(&rig->sender, &welcome, &v2_seal_null, rig->now), V2_OK);
	mine = make_datagram(rig);
	arrive(rig, &mine, 7);
	assert_false(rig->receiver.path.validated);
	for (int i = 0; i < 3; i++) {
		push(rig, V2_LANE_PORT, 0,
			20); /* the answer may not be longer than what asks for it */
		exchange(rig);
	}
	assert_true(rig->receiver.path.validated);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(train_is_full_datagrams_and_a_rest),
		TEST(train_ends_with_the_room),
		TEST(records_of_other_sizes_are_padded_to_the_trains),
		TEST(lanes_share_a_datagram),
		TEST(urgent_event_is_in_the_first_datagram),
		TEST(what_the_interface_refuses_ends_probing),
		TEST(sender_that_cannot_seal_wants_another_session),
		cmocka_unit_test_setup_teardown(
			lost_word_of_processing_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
			forged_addresses_do_not_take_the_place_of_the_validated_one, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			datagram_that_comes_late_does_not_move_the_path, setup, teardown),
		cmocka_unit_test_setup_teardown(
			new_session_validates_its_address_itself, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
