// SPDX-License-Identifier: BSD-2-Clause
/*
 * What leaves through real sockets, while sendmmsg(2) fails as it is told to: `plan` says what each
 * call answers, then the kernel does.
 */
#include "net/udp_sender.h"
#include "tests/unit/net/pair.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>

#define ROOM (4 * UDP_SEND_MAX)

enum {
	REAL = 0,
	PARTLY = -1, /* the kernel gets the first message only */
	NO_GSO = -2, /* EIO for a train, as from a device that cannot checksum */
};

static const int *plan; /* errno, or one of the above; ends with REAL */
static unsigned int calls, trains, forever;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);

static bool is_train(const struct mmsghdr *message)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(&message->msg_hdr);

	return c && c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	int step = plan ? *plan : REAL;

	calls++;
	trains += is_train(&messages[0]);
	if (step != REAL && !forever)
		plan++;
	if (step == NO_GSO)
		step = is_train(&messages[0]) ? EIO : REAL;
	if (step == PARTLY)
		return __real_sendmmsg(fd, messages, 1, flags);
	if (step == REAL)
		return __real_sendmmsg(fd, messages, count, flags);
	errno = step;
	return -1;
}

struct rig {
	struct pair pair;
	struct udp_sender *sender;
	uint8_t next; /* first octet of the next datagram */
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	plan = NULL;
	calls = trains = forever = 0;
	pair_open(&rig->pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(udp_sender_new(ROOM, &rig->sender), 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	plan = NULL;
	udp_sender_free(rig->sender);
	pair_close(&rig->pair);
	free(rig);
	return 0;
}

/* A train of datagrams that begin with 0, 1, 2 ...; the last is one octet. */
static void add_train(struct rig *rig, unsigned int datagrams, size_t segment)
{
	size_t size = (datagrams - 1) * segment + 1;
	uint8_t *bytes = udp_sender_room(rig->sender, size);

	assert_non_null(bytes);
	memset(bytes, 0x77, size);
	for (unsigned int i = 0; i < datagrams; i++)
		bytes[i * segment] = rig->next++;
	udp_sender_add(rig->sender, NULL, NULL, size, segment);
}

static void assert_next_arrives(struct rig *rig, uint8_t first, size_t size)
{
	struct datagram datagram;

	while (!udp_receiver_next(rig->pair.receiver, &datagram)) {
		pair_wait(rig->pair.server, POLLIN);
		assert_true(udp_receive(rig->pair.receiver, rig->pair.server) > 0);
	}
	assert_int_equal(datagram.size, size);
	assert_int_equal(datagram.bytes[0], first);
	for (size_t i = 1; i < size; i++)
		assert_int_equal(datagram.bytes[i], 0x77);
}

static void assert_arrive(struct rig *rig, unsigned int first, unsigned int count, size_t segment)
{
	for (unsigned int i = first; i < first + count; i++)
		assert_next_arrives(rig, (uint8_t)i, i + 1 < first + count ? segment : 1);
}

static void assert_nothing_arrives(struct rig *rig)
{
	struct datagram datagram;

	assert_false(udp_receiver_next(rig->pair.receiver, &datagram));
	assert_int_equal(udp_receive(rig->pair.receiver, rig->pair.server), 0);
}

/* The errno for which trains were given up, 0 if they were not; asked twice, since it is said once. */
static int gso_failure(struct rig *rig)
{
	int error = 0, again = 0;

	udp_sender_gso_failed(rig->sender, &error);
	assert_false(udp_sender_gso_failed(rig->sender, &again));
	return error;
}

static const struct udp_sender_stats *stats(const struct rig *rig)
{
	return udp_sender_stats(rig->sender);
}

static void trains_leave_with_one_call(void **state)
{
	struct rig *rig = *state;

	add_train(rig, 40, 1400);
	add_train(rig, 1, 100);
	add_train(rig, 10, 200);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(trains, 1);
	assert_arrive(rig, 0, 40, 1400);
	assert_arrive(rig, 40, 1, 100);
	assert_arrive(rig, 41, 10, 200);
	assert_int_equal(stats(rig)->datagrams, 51);
	assert_int_equal(stats(rig)->bytes, 39 * 1400 + 1 + 1 + 9 * 200 + 1);
	assert_int_equal(stats(rig)->calls, 1);
	assert_false(udp_sender_pending(rig->sender));
}

static void room_is_bounded_and_comes_back(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 2; i++) {
		unsigned int count = 0;

		assert_null(udp_sender_room(rig->sender, ROOM + 1));
		assert_non_null(udp_sender_room(rig->sender, ROOM));
		for (; udp_sender_room(rig->sender, 1); count++)
			udp_sender_add(rig->sender, NULL, NULL, 1, 1);
		assert_int_equal(count, 64);
		assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
		while (udp_receive(rig->pair.receiver, rig->pair.server) > 0)
			;
	}
}

static void without_gso_datagrams_leave_one_by_one(void **state)
{
	struct rig *rig = *state;

	udp_sender_set_gso(rig->sender, false);
	add_train(rig, 60, 300);
	add_train(rig, 60, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_int_equal(trains, 0);
	assert_int_equal(calls, 2);
	assert_arrive(rig, 0, 60, 300);
	assert_arrive(rig, 60, 60, 300);
	assert_int_equal(gso_failure(rig), 0);
}

static void refused_train_goes_one_by_one_and_those_after_it(void **state)
{
	static const int errors[] = {EIO, EINVAL, EOPNOTSUPP};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct rig *rig;
		int steps[] = {errors[i], REAL};

		if (i > 0) {
			teardown(state);
			setup(state);
		}
		rig = *state;
		plan = steps;
		add_train(rig, 5, 300);
		add_train(rig, 5, 300);
		assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
		add_train(rig, 5, 300);
		trains = 0;
		assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
		assert_int_equal(trains, 0);
		for (unsigned int j = 0; j < 3; j++)
			assert_arrive(rig, 5 * j, 5, 300);
		assert_int_equal(gso_failure(rig), errors[i]);
		assert_int_equal(stats(rig)->datagrams, 15);
		assert_int_equal(stats(rig)->refused, 0);
	}
}

static void train_refused_behind_others_is_found(void **state)
{
	static const int steps[] = {PARTLY, NO_GSO, REAL};
	struct rig *rig = *state;

	plan = steps;
	add_train(rig, 5, 300);
	add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_arrive(rig, 0, 5, 300);
	assert_arrive(rig, 5, 5, 300);
	assert_int_equal(calls, 3);
	assert_int_equal(gso_failure(rig), EIO);
}

/* Before Linux 6.13 EINVAL also says that the datagrams exceed the interface's MTU. */
static void too_long_datagrams_do_not_give_trains_up(void **state)
{
	static const int errors[] = {EMSGSIZE, EINVAL};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		int steps[] = {errors[i], EMSGSIZE, EMSGSIZE, EMSGSIZE, REAL};
		struct rig *rig;

		if (i > 0) {
			teardown(state);
			setup(state);
		}
		rig = *state;
		plan = steps;
		add_train(rig, 3, 300); /* the last one is short, and refused as well */
		add_train(rig, 4, 200);
		assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
		assert_arrive(rig, 3, 4, 200);
		assert_nothing_arrives(rig);
		assert_int_equal(stats(rig)->too_long, 3);
		assert_int_equal(udp_sender_too_long(rig->sender), 1);
		assert_int_equal(udp_sender_too_long(rig->sender), 0);
		assert_int_equal(gso_failure(rig), 0);
		assert_int_equal(trains, 2);
	}
}

static void last_datagram_leaves_where_the_others_are_too_long(void **state)
{
	static const int steps[] = {EMSGSIZE, EMSGSIZE, EMSGSIZE, REAL};
	struct rig *rig = *state;

	plan = steps;
	add_train(rig, 3, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_next_arrives(rig, 2, 1);
	assert_int_equal(stats(rig)->too_long, 2);
	assert_int_equal(udp_sender_too_long(rig->sender), 300);
}

static void full_socket_keeps_what_is_left(void **state)
{
	static const int steps[] = {PARTLY, EAGAIN, EAGAIN, REAL};
	struct rig *rig = *state;

	plan = steps;
	add_train(rig, 5, 300);
	add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), -EAGAIN);
	assert_true(udp_sender_pending(rig->sender));
	assert_arrive(rig, 0, 5, 300);
	assert_nothing_arrives(rig);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), -EAGAIN);
	add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_arrive(rig, 5, 5, 300);
	assert_arrive(rig, 10, 5, 300);
	assert_int_equal(stats(rig)->blocked, 2);
	assert_int_equal(stats(rig)->datagrams, 15);
}

static void full_socket_within_a_train_keeps_its_rest(void **state)
{
	static const int steps[] = {PARTLY, EAGAIN, REAL};
	struct rig *rig = *state;

	udp_sender_set_gso(rig->sender, false);
	plan = steps;
	add_train(rig, 3, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), -EAGAIN);
	assert_next_arrives(rig, 0, 300);
	assert_nothing_arrives(rig);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_next_arrives(rig, 1, 300);
	assert_next_arrives(rig, 2, 1);
}

static void train_without_a_place_is_lost_and_counted(void **state)
{
	static const int steps[] = {ENOBUFS, ENOMEM, REAL};
	struct rig *rig = *state;

	plan = steps;
	for (int i = 0; i < 3; i++)
		add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_arrive(rig, 10, 5, 300);
	assert_nothing_arrives(rig);
	assert_int_equal(stats(rig)->no_buffers, 10);
	assert_int_equal(gso_failure(rig), 0);
}

static void what_the_network_refuses_is_lost_and_counted(void **state)
{
	static const int errors[] = {EPERM, ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		int steps[] = {errors[i], REAL};

		plan = steps;
		add_train(rig, 2, 300);
		add_train(rig, 2, 300);
		assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
		assert_arrive(rig, (unsigned int)(4 * i + 2), 2, 300);
		assert_nothing_arrives(rig);
		assert_int_equal(stats(rig)->refused, 2 * (i + 1));
		assert_int_equal(stats(rig)->refused_errno, errors[i]);
	}
}

static void invalid_single_datagram_ends_nothing(void **state)
{
	static const int steps[] = {EINVAL, EINVAL, EINVAL, REAL};
	struct rig *rig = *state;

	plan = steps;
	add_train(rig, 2, 300); /* as one, then one by one */
	add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_arrive(rig, 2, 5, 300);
	assert_int_equal(stats(rig)->refused, 2);
	assert_int_equal(stats(rig)->refused_errno, EINVAL);
	assert_int_equal(gso_failure(rig), 0);
	assert_int_equal(trains, 2);
}

static void interrupted_call_is_made_again(void **state)
{
	static const int steps[] = {EINTR, EINTR, REAL};
	struct rig *rig = *state;

	plan = steps;
	add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_arrive(rig, 0, 5, 300);
}

static void answer_to_an_earlier_datagram_costs_none(void **state)
{
	static const int once[] = {ECONNREFUSED, REAL};
	static const int always[] = {ECONNREFUSED, REAL};
	struct rig *rig = *state;

	plan = once;
	add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_arrive(rig, 0, 5, 300);
	/* A peer that is down: each is tried twice, and the call ends. */
	plan = always;
	forever = 1;
	calls = 0;
	add_train(rig, 5, 300);
	add_train(rig, 5, 300);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
	assert_int_equal(calls, 4);
	assert_int_equal(stats(rig)->refused, 10);
	assert_int_equal(stats(rig)->refused_errno, ECONNREFUSED);
}

/* A server on any address answers from the one that was asked. */
static void answer_leaves_from_the_address_that_was_asked(void **state)
{
	static const char *const asked[] = {"127.0.0.5:1", "[::1]:1"};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		struct datagram question, answer;
		struct pair pair;

		pair_open(&pair, "0", asked[i]);
		assert_int_equal(send(pair.client, "?", 1, 0), 1);
		pair_wait(pair.server, POLLIN);
		assert_int_equal(udp_receive(pair.receiver, pair.server), 1);
		assert_true(udp_receiver_next(pair.receiver, &question));
		memset(udp_sender_room(rig->sender, 300), '!', 300);
		udp_sender_add(rig->sender, question.from, question.at, 300, 100);
		assert_int_equal(udp_sender_flush(rig->sender, pair.server), 0);
		/* The client is connected: it hears nobody but the address it asked. */
		pair_wait(pair.client, POLLIN);
		assert_true(udp_receive(pair.receiver, pair.client) > 0);
		assert_true(udp_receiver_next(pair.receiver, &answer));
		assert_int_equal(answer.size, 100);
		pair_close(&pair);
	}
	assert_int_equal(stats(rig)->refused, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(trains_leave_with_one_call),
		TEST(room_is_bounded_and_comes_back),
		TEST(without_gso_datagrams_leave_one_by_one),
		TEST(refused_train_goes_one_by_one_and_those_after_it),
		TEST(train_refused_behind_others_is_found),
		TEST(too_long_datagrams_do_not_give_trains_up),
		TEST(last_datagram_leaves_where_the_others_are_too_long),
		TEST(full_socket_keeps_what_is_left),
		TEST(full_socket_within_a_train_keeps_its_rest),
		TEST(train_without_a_place_is_lost_and_counted),
		TEST(what_the_network_refuses_is_lost_and_counted),
		TEST(invalid_single_datagram_ends_nothing),
		TEST(interrupted_call_is_made_again),
		TEST(answer_to_an_earlier_datagram_costs_none),
		TEST(answer_leaves_from_the_address_that_was_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
