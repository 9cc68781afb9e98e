// SPDX-License-Identifier: BSD-2-Clause
/* An agent that was killed goes on with its incarnation, against a server that lived through it. */
#include "tests/unit/test.h"
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#define MS       1000000ULL
#define LONG     (400 * MS) /* probes are due */
#define BOOT     77
#define EPOCH    3
#define CAPACITY 128

static uint64_t constant(void *user _unused_)
{
	return 0x1234567890abcdefULL;
}

struct rig {
	struct v2_sender sender;
	struct v2_receiver receiver;
	struct v2_mark mark;
	uint64_t now;
	uint64_t first;                    /* of what is handed out next in PORT */
	uint64_t events, shed;             /* handed out and committed, of PORT */
	uint64_t updates, updates_missing; /* handed out */
	bool hold;                         /* nothing is handed out */
};

static void make_sender(struct rig *rig)
{
	const struct v2_sender_config config = {
		.capacity = {CAPACITY, CAPACITY, CAPACITY, CAPACITY},
		.record_max = 8,
		.packets = 64,
		.datagram_max = V2_MTU_FLOOR,
		.schemas = {.count = 1, .list = {{.event_id = 1, .record_bytes = 8}}},
		.random = constant};

	assert_int_equal(v2_sender_init(&rig->sender, &config, BOOT), 0);
}

static enum v2_error open_session(struct rig *rig)
{
	struct v2_welcome welcome;
	struct v2_hello hello;

	v2_sender_hello(&rig->sender, &hello);
	assert_int_equal(
		v2_receiver_open(&rig->receiver, &rig->mark, &hello, &v2_seal_null, &welcome),
		V2_OK);
	return v2_sender_open(&rig->sender, &welcome, &v2_seal_null, rig->now);
}

static int setup(void **state)
{
	const struct v2_receiver_config config = {
		.window = {CAPACITY, CAPACITY, CAPACITY}, .record_max = 8, .random = constant};
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->now = MS;
	rig->mark = (struct v2_mark){.boot = BOOT, .epoch = EPOCH};
	make_sender(rig);
	assert_int_equal(v2_receiver_init(&rig->receiver, &config), 0);
	assert_int_equal(open_session(rig), V2_OK);
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

/* A record holds its sequence. */
static void push(struct rig *rig, enum v2_lane_id lane, uint64_t count)
{
	uint64_t records[CAPACITY];

	for (uint64_t i = 0; i < count; i++)
		records[i] = rig->sender.lanes[lane].next_sequence + i;
	assert_int_equal(v2_sender_push(&rig->sender, lane, 0, records, count), count);
}

static void hand_out(struct rig *rig)
{
	struct v2_taken taken;

	while (!rig->hold && v2_receiver_take(&rig->receiver, V2_LANE_PORT, UINT64_MAX, &taken)) {
		assert_int_equal(taken.sequence, rig->first);
		for (uint64_t i = 0; taken.cause == V2_CAUSE_NONE && i < taken.count; i++)
			assert_memory_equal(taken.records + i * taken.stride,
				&(uint64_t){taken.sequence + i}, 8);
		*(taken.cause == V2_CAUSE_NONE ? &rig->events : &rig->shed) += taken.count;
		rig->first += taken.count;
		assert_true(v2_receiver_commit(
			&rig->receiver, EPOCH, V2_LANE_PORT, rig->first, rig->now));
	}
}

static void take_updates(struct rig *rig)
{
	struct v2_taken taken;

	while (v2_receiver_next_update(&rig->receiver, &taken))
		*(taken.cause == V2_CAUSE_NONE ? &rig->updates : &rig->updates_missing) +=
			taken.count;
}

/* All that is to be sent arrives, and is handed out; but no answer comes back. */
static void send_after(struct rig *rig, uint64_t pause_ns)
{
	uint8_t bytes[V2_MTU_FLOOR];
	size_t size, segment;

	rig->now += pause_ns;
	while ((size = v2_sender_poll(&rig->sender, rig->now, bytes, sizeof(bytes), &segment)) >
		0) {
		assert_int_equal(
			v2_receiver_receive(&rig->receiver, rig->now, 7, bytes, size), V2_OK);
		take_updates(rig);
	}
	hand_out(rig);
}

static void send(struct rig *rig)
{
	send_after(rig, LONG);
}

static enum v2_error answer(struct rig *rig)
{
	uint8_t bytes[V2_MTU_FLOOR];
	enum v2_error error = V2_OK;
	uint64_t address;
	size_t size;

	rig->now += MS;
	while (error == V2_OK && (size = v2_receiver_poll(&rig->receiver, rig->now, &address, bytes,
					  sizeof(bytes))) > 0)
		error = v2_sender_receive(&rig->sender, rig->now, bytes, size);
	return error;
}

/* The agent is killed; the next goes on, of whose lanes all from `first` on is still there. */
static void kill_agent(struct rig *rig, uint64_t epoch, uint64_t first)
{
	struct v2_life life = {.boot = BOOT, .epoch = epoch};

	for (int lane = 0; lane < V2_LANES; lane++)
		life.sent_end[lane] = life.first[lane] = rig->sender.lanes[lane].next_sequence;
	life.first[V2_LANE_PORT] = first;
	v2_sender_done(&rig->sender);
	make_sender(rig);
	assert_int_equal(v2_sender_resume(&rig->sender, &life), 0);
}

/* More than once, as an address that is not validated yet gets few answers. */
static enum v2_error talk(struct rig *rig)
{
	enum v2_error error = V2_OK;

	for (int i = 0; i < 10 && error == V2_OK; i++) {
		send(rig);
		error = answer(rig);
	}
	return error;
}

static void settle(struct rig *rig)
{
	assert_int_equal(talk(rig), V2_OK);
	assert_true(v2_sender_idle(&rig->sender));
}

static void resumed_incarnation_names_itself(void **state)
{
	struct rig *rig = *state;
	struct v2_hello hello;

	kill_agent(rig, EPOCH, 0);
	v2_sender_hello(&rig->sender, &hello);
	assert_int_equal(hello.boot, BOOT);
	assert_int_equal(hello.epoch, EPOCH);
	assert_true(v2_sender_wants_session(&rig->sender, rig->now));
}

static void what_the_server_has_is_not_processed_again(void **state)
{
	struct rig *rig = *state;

	push(rig, V2_LANE_PORT, 40);
	send(rig);
	assert_int_equal(rig->events, 40);
	rig->hold = true;
	push(rig, V2_LANE_PORT, 30);
	send(rig);
	/* Killed: 40 are processed, of which no word came, 30 received. */
	push(rig, V2_LANE_PORT, 10);
	kill_agent(rig, EPOCH, 0);
	rig->hold = false;
	assert_int_equal(open_session(rig), V2_OK);
	assert_int_equal(rig->sender.lanes[V2_LANE_PORT].processed, 40);
	push(rig, V2_LANE_PORT, 80);
	push(rig, V2_LANE_PORT, 5);
	settle(rig);
	assert_int_equal(rig->events, 85);
	assert_int_equal(rig->shed, 0);
}

static void events_pushed_before_the_session_are_freed_by_its_marks(void **state)
{
	struct rig *rig = *state;

	push(rig, V2_LANE_PORT, 40);
	send(rig);
	kill_agent(rig, EPOCH, 0);
	push(rig, V2_LANE_PORT, 50);
	assert_int_equal(open_session(rig), V2_OK);
	assert_int_equal(v2_sender_room(&rig->sender, V2_LANE_PORT), CAPACITY - 10);
	settle(rig);
	assert_int_equal(rig->events, 50);
}

static void word_of_processing_may_be_ahead_of_what_is_pushed(void **state)
{
	struct rig *rig = *state;

	rig->hold = true;
	push(rig, V2_LANE_PORT, 60);
	send(rig);
	kill_agent(rig, EPOCH, 0);
	assert_int_equal(open_session(rig), V2_OK);
	push(rig, V2_LANE_PORT, 10);
	rig->hold = false;
	assert_int_equal(talk(rig), V2_OK);
	assert_int_equal(rig->events, 60);
	assert_int_equal(rig->sender.lanes[V2_LANE_PORT].processed, 60);
	push(rig, V2_LANE_PORT, 51);
	settle(rig);
	assert_int_equal(rig->events, 61);
}

static void word_beyond_what_may_have_been_sent_is_refused(void **state)
{
	struct rig *rig = *state;
	struct v2_life life = {.boot = BOOT, .epoch = EPOCH, .sent_end = {0, 59, 0, 0}};

	rig->hold = true;
	push(rig, V2_LANE_PORT, 60);
	send(rig);
	v2_sender_done(&rig->sender);
	make_sender(rig);
	assert_int_equal(v2_sender_resume(&rig->sender, &life), 0);
	assert_int_equal(open_session(rig), V2_OK);
	push(rig, V2_LANE_PORT, 10);
	rig->hold = false;
	assert_int_equal(talk(rig), V2_ACK_UNSENT);
}

static void marks_of_another_past_are_rolled_back(void **state)
{
	static const struct {
		uint64_t epoch, before;
	} cases[] = {
		{EPOCH, 9},  /* the server said that it processed more */
		{EPOCH, 61}, /* than was sent */
		{EPOCH - 1, 20},
	};
	const struct v2_life life = {
		.boot = BOOT, .epoch = EPOCH, .first = {0, 10}, .sent_end = {0, 60}};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct v2_welcome welcome = {.session = 8,
			.epoch = cases[i].epoch,
			.datagram_max = V2_MTU_FLOOR,
			.before = {0, cases[i].before}};

		v2_sender_done(&rig->sender);
		make_sender(rig);
		assert_int_equal(v2_sender_resume(&rig->sender, &life), 0);
		assert_int_equal(v2_sender_open(&rig->sender, &welcome, &v2_seal_null, rig->now),
			V2_ROLLED_BACK);
	}
}

static void incarnation_without_an_epoch_takes_the_one_it_gets(void **state)
{
	struct rig *rig = *state;

	push(rig, V2_LANE_PORT, 4);
	kill_agent(rig, 0, 0);
	assert_int_equal(open_session(rig), V2_OK);
	assert_int_equal(rig->sender.epoch, EPOCH);
	push(rig, V2_LANE_PORT, 4);
	settle(rig);
	assert_int_equal(rig->events, 4);
}

static void resumed_incarnation_that_is_given_up_begins_anew(void **state)
{
	struct rig *rig = *state;
	struct v2_hello hello;

	kill_agent(rig, EPOCH, 0);
	push(rig, V2_LANE_PORT, 7);
	v2_sender_restart(&rig->sender, BOOT + 1);
	v2_sender_hello(&rig->sender, &hello);
	assert_int_equal(hello.boot, BOOT + 1);
	assert_int_equal(hello.epoch, 0);
	assert_int_equal(rig->sender.stats.abandoned, 7);
	for (int lane = 0; lane < V2_LANES; lane++) {
		assert_int_equal(rig->sender.lanes[lane].next_sequence, 0);
		assert_int_equal(rig->sender.lanes[lane].sent_end, 0);
		assert_int_equal(rig->sender.lanes[lane].processed, 0);
	}
}

/* The server received the range beyond a gap; the ranges come again as they were. */
static void ranges_come_again_in_their_borders(void **state)
{
	struct rig *rig = *state;
	uint8_t bytes[V2_MTU_FLOOR];
	size_t size, segment;

	push(rig, V2_LANE_PORT, 4);
	size = v2_sender_poll(&rig->sender, ++rig->now, bytes, sizeof(bytes), &segment);
	assert_true(size > 0); /* on the way, and never seen again */
	v2_sender_shed(&rig->sender, V2_LANE_PORT, 3);
	send_after(rig, MS);
	assert_int_equal(rig->receiver.lanes[V2_LANE_PORT].shed, 3);
	assert_int_equal(rig->events + rig->shed, 0);
	kill_agent(rig, EPOCH, 0);
	assert_int_equal(open_session(rig), V2_OK);
	push(rig, V2_LANE_PORT, 4);
	v2_sender_shed(&rig->sender, V2_LANE_PORT, 3);
	v2_sender_shed(&rig->sender, V2_LANE_PORT, 5);
	push(rig, V2_LANE_PORT, 2);
	settle(rig);
	assert_int_equal(rig->events, 6);
	assert_int_equal(rig->shed, 8);
}

static void range_that_was_told_is_passed_over(void **state)
{
	struct rig *rig = *state;

	push(rig, V2_LANE_PORT, 4);
	v2_sender_shed(&rig->sender, V2_LANE_PORT, 3);
	send(rig);
	kill_agent(rig, EPOCH, 0);
	assert_int_equal(open_session(rig), V2_OK);
	push(rig, V2_LANE_PORT, 4);
	v2_sender_shed(&rig->sender, V2_LANE_PORT, 3);
	assert_int_equal(rig->sender.lanes[V2_LANE_PORT].shed_total, 0);
	push(rig, V2_LANE_PORT, 1);
	settle(rig);
	assert_int_equal(rig->events, 5);
	assert_int_equal(rig->shed, 3);
}

static void updates_that_were_not_sent_are_a_gap(void **state)
{
	struct rig *rig = *state;

	push(rig, V2_LANE_UPDATE, 5);
	send(rig);
	push(rig, V2_LANE_UPDATE, 6);
	kill_agent(rig, EPOCH, 0);
	assert_int_equal(open_session(rig), V2_OK);
	push(rig, V2_LANE_UPDATE, 2);
	settle(rig);
	assert_int_equal(rig->updates, 7);
	assert_int_equal(rig->updates_missing, 6);
}

static void life_that_does_not_hold_together_is_refused(void **state)
{
	static const struct v2_life bad[] = {
		{.boot = 0},
		{.boot = 1, .first = {0, 0, 5}, .sent_end = {0, 0, 4}},
		{.boot = 1, .first = {0, 5}, .sent_end = {0, V2_SEQUENCE_MAX + 1}},
	};
	static const struct v2_life good = {
		.boot = 1, .first = {0, 5}, .sent_end = {0, V2_SEQUENCE_MAX}};
	struct rig *rig = *state;

	/* With a session it is too late, and with events. */
	assert_int_equal(v2_sender_resume(&rig->sender, &good), -EINVAL);
	v2_sender_close(&rig->sender);
	push(rig, V2_LANE_LAST, 1);
	assert_int_equal(v2_sender_resume(&rig->sender, &good), -EINVAL);
	v2_sender_done(&rig->sender);
	make_sender(rig);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(v2_sender_resume(&rig->sender, &bad[i]), -EINVAL);
	assert_int_equal(rig->sender.boot, BOOT);
	assert_int_equal(v2_sender_resume(&rig->sender, &good), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(resumed_incarnation_names_itself),
		TEST(what_the_server_has_is_not_processed_again),
		TEST(events_pushed_before_the_session_are_freed_by_its_marks),
		TEST(word_of_processing_may_be_ahead_of_what_is_pushed),
		TEST(word_beyond_what_may_have_been_sent_is_refused),
		TEST(marks_of_another_past_are_rolled_back),
		TEST(incarnation_without_an_epoch_takes_the_one_it_gets),
		TEST(resumed_incarnation_that_is_given_up_begins_anew),
		TEST(ranges_come_again_in_their_borders),
		TEST(range_that_was_told_is_passed_over),
		TEST(updates_that_were_not_sent_are_a_gap),
		TEST(life_that_does_not_hold_together_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
