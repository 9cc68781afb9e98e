// SPDX-License-Identifier: BSD-2-Clause
/* What an interface refuses, by the kernel itself: in a network of its own, whose MTU is small. */
#include "bench/netns.h"
#include "net/udp_sender.h"
#include "tests/unit/net/pair.h"
#include "tests/unit/test.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define EXIT_SKIPPED 77
#define MTU          1500
#define FITS         (MTU - 20 - 8)

struct rig {
	struct pair pair;
	struct udp_sender *sender;
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	pair_open(&rig->pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(udp_forbid_fragments(rig->pair.client), 0);
	assert_int_equal(udp_sender_new(UDP_SEND_MAX, &rig->sender), 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	udp_sender_free(rig->sender);
	pair_close(&rig->pair);
	free(rig);
	return 0;
}

static void send_train(struct rig *rig, size_t size, size_t segment)
{
	memset(udp_sender_room(rig->sender, size), 7, size);
	udp_sender_add(rig->sender, NULL, NULL, size, segment);
	assert_int_equal(udp_sender_flush(rig->sender, rig->pair.client), 0);
}

/* So many datagrams arrive, each of `size` bytes, and no more. */
static void assert_arrive(struct rig *rig, unsigned int expected, size_t size)
{
	struct datagram datagram;
	unsigned int count = 0;
	int received;

	do {
		if (count < expected)
			pair_wait(rig->pair.server, POLLIN);
		received = udp_receive(rig->pair.receiver, rig->pair.server);
		for (; udp_receiver_next(rig->pair.receiver, &datagram); count++)
			assert_int_equal(datagram.size, size);
	} while (count < expected || received > 0);
	assert_int_equal(count, expected);
}

static void datagram_that_fills_the_mtu_passes(void **state)
{
	struct rig *rig = *state;

	send_train(rig, FITS, FITS);
	assert_arrive(rig, 1, FITS);
	send_train(rig, 44 * FITS, FITS);
	assert_arrive(rig, 44, FITS);
	assert_int_equal(udp_sender_stats(rig->sender)->too_long, 0);
}

static void longer_datagram_is_refused_not_fragmented(void **state)
{
	struct rig *rig = *state;

	send_train(rig, FITS + 1, FITS + 1);
	assert_arrive(rig, 0, 0);
	assert_int_equal(udp_sender_stats(rig->sender)->too_long, 1);
	assert_int_equal(udp_sender_too_long(rig->sender), FITS + 1);
}

static void train_of_longer_datagrams_is_refused_and_trains_go_on(void **state)
{
	struct rig *rig = *state;
	int error;

	send_train(rig, 10 * (FITS + 1) + 100, FITS + 1);
	assert_arrive(rig, 1, 100); /* the last one fits */
	assert_int_equal(udp_sender_stats(rig->sender)->too_long, 10);
	assert_int_equal(udp_sender_too_long(rig->sender), FITS + 1);
	assert_false(udp_sender_gso_failed(rig->sender, &error));
	send_train(rig, 10 * FITS, FITS);
	assert_arrive(rig, 10, FITS);
}

static void mtu_that_shrinks_is_noticed(void **state)
{
	struct rig *rig = *state;

	send_train(rig, 2 * FITS, FITS);
	assert_arrive(rig, 2, FITS);
	assert_int_equal(netns_set_mtu(1300), 0);
	send_train(rig, 2 * FITS, FITS);
	assert_arrive(rig, 0, 0);
	assert_int_equal(udp_sender_too_long(rig->sender), FITS);
	assert_int_equal(netns_set_mtu(MTU), 0);
	send_train(rig, 2 * FITS, FITS);
	assert_arrive(rig, 2, FITS);
}

static void most_segments_pass_as_one_train(void **state)
{
	struct rig *rig = *state;
	int error;

	send_train(rig, UDP_SEGMENTS_MAX * 1000, 1000);
	assert_arrive(rig, UDP_SEGMENTS_MAX, 1000);
	assert_int_equal(udp_sender_stats(rig->sender)->calls, 1);
	assert_false(udp_sender_gso_failed(rig->sender, &error));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(datagram_that_fills_the_mtu_passes),
		TEST(longer_datagram_is_refused_not_fragmented),
		TEST(train_of_longer_datagrams_is_refused_and_trains_go_on),
		TEST(mtu_that_shrinks_is_noticed),
		TEST(most_segments_pass_as_one_train),
	};

	if (netns_enter_private() < 0 || netns_set_mtu(MTU) < 0) {
		fprintf(stderr, "SKIP: a network namespace of its own needs root\n");
		return EXIT_SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
