// SPDX-License-Identifier: BSD-2-Clause
/* Sockets and what they receive. What they send, and what is refused, is in test_udp_sender.c. */
#include "base/fd.h"
#include "net/udp_receiver.h"
#include "tests/unit/net/pair.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int receive_waiting(struct pair *pair)
{
	pair_wait(pair->server, POLLIN);
	return udp_receive(pair->receiver, pair->server);
}

static struct datagram next(struct pair *pair)
{
	struct datagram datagram;

	assert_true(udp_receiver_next(pair->receiver, &datagram));
	return datagram;
}

static void assert_no_more(struct pair *pair)
{
	struct datagram datagram;

	assert_false(udp_receiver_next(pair->receiver, &datagram));
}

static void sockets_do_not_block(void **state _unused_)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_true(fcntl(pair.server, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(pair.client, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(pair.server, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(udp_receive(pair.receiver, pair.server), 0);
	assert_no_more(&pair);
	pair_close(&pair);
}

static void datagrams_come_in_batches_with_their_sender(void **state _unused_)
{
	enum { COUNT = UDP_MESSAGES_MAX + 6 };
	struct sockaddr_in client;
	socklen_t len = sizeof(client);
	struct datagram datagram;
	struct pair pair;
	int received = 0;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(getsockname(pair.client, (struct sockaddr *)&client, &len), 0);
	for (uint8_t i = 0; i < COUNT; i++)
		assert_int_equal(send(pair.client, &i, i % 2, 0), i % 2);
	while (received < COUNT) {
		int n = receive_waiting(&pair);

		assert_true(n > 0 && n <= UDP_MESSAGES_MAX);
		for (; udp_receiver_next(pair.receiver, &datagram); received++) {
			const struct sockaddr_in *from =
				(const struct sockaddr_in *)&datagram.from->address;

			assert_int_equal(datagram.size, received % 2);
			if (datagram.size > 0)
				assert_int_equal(datagram.bytes[0], received);
			assert_int_equal(datagram.from->len, sizeof(*from));
			assert_int_equal(from->sin_port, client.sin_port);
		}
	}
	assert_int_equal(udp_receive(pair.receiver, pair.server), 0);
	pair_close(&pair);
}

/* Sends `size` bytes as datagrams of `segment`, as one buffer. */
static void send_train(int fd, const uint8_t *bytes, size_t size, int segment)
{
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	assert_int_equal(send(fd, bytes, size, 0), size);
}

static void train_is_split_where_it_lies(void **state _unused_)
{
	static uint8_t bytes[40 * 1400 + 1];
	struct pair pair;
	const uint8_t *before = NULL;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 >> 3);
	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	send_train(pair.client, bytes, sizeof(bytes), 1400);
	assert_int_equal(receive_waiting(&pair), 1);
	for (size_t offset = 0; offset < sizeof(bytes); offset += 1400) {
		struct datagram datagram = next(&pair);

		assert_int_equal(datagram.size, MIN(1400U, sizeof(bytes) - offset));
		assert_memory_equal(datagram.bytes, bytes + offset, datagram.size);
		assert_true(!before || datagram.bytes == before + 1400);
		before = datagram.bytes;
	}
	assert_no_more(&pair);
	pair_close(&pair);
}

static void trains_are_split_as_well_where_the_kernel_does_it(void **state _unused_)
{
	static const uint8_t bytes[5 * 100 + 7];
	struct pair pair;
	int datagrams = 0;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(udp_set_gro(pair.server, false), 0);
	send_train(pair.client, bytes, sizeof(bytes), 100);
	while (datagrams < 6) {
		struct datagram datagram;

		assert_true(receive_waiting(&pair) > 0);
		for (; udp_receiver_next(pair.receiver, &datagram); datagrams++)
			assert_int_equal(datagram.size, datagrams < 5 ? 100 : 7);
	}
	pair_close(&pair);
}

static void longest_datagram_arrives_whole(void **state _unused_)
{
	static uint8_t bytes[65507];
	struct pair pair;
	struct datagram datagram;

	memset(bytes, 0x5a, sizeof(bytes));
	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(send(pair.client, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(receive_waiting(&pair), 1);
	datagram = next(&pair);
	assert_int_equal(datagram.size, sizeof(bytes));
	assert_memory_equal(datagram.bytes, bytes, sizeof(bytes));
	pair_close(&pair);
}

static void any_address_hears_ipv4_and_says_which(void **state _unused_)
{
	char text[ENDPOINT_TEXT_MAX];
	struct datagram datagram;
	struct pair pair;

	pair_open(&pair, "0", "127.0.0.3:1");
	assert_int_equal(send(pair.client, "ping", 4, 0), 4);
	assert_int_equal(receive_waiting(&pair), 1);
	datagram = next(&pair);
	assert_memory_equal(endpoint_render(datagram.from, text), "127.0.0.", 8);
	if (datagram.at->family == AF_INET6)
		assert_memory_equal(datagram.at->v6.s6_addr + 10, "\xff\xff\x7f\0\0\3", 6);
	else
		assert_int_equal(ntohl(datagram.at->v4.s_addr), 0x7f000003);
	pair_close(&pair);
}

static void peer_that_is_down_shows_as_refused(void **state _unused_)
{
	struct pair pair;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	close(pair.server);
	assert_int_equal(send(pair.client, "ping", 4, 0), 4);
	pair_wait(pair.client, POLLIN);
	assert_int_equal(udp_receive(pair.receiver, pair.client), -ECONNREFUSED);
	assert_no_more(&pair);
	pair.server = dup(pair.client);
	pair_close(&pair);
}

static void port_in_use_is_an_error(void **state _unused_)
{
	struct endpoint endpoint = pair_endpoint("127.0.0.1:0");
	socklen_t len = sizeof(endpoint.address);
	_cleanup_fd_ int fd = udp_listen(&endpoint);

	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&endpoint.address, &len), 0);
	assert_int_equal(udp_listen(&endpoint), -EADDRINUSE);
}

static void datagrams_that_find_no_room_are_counted(void **state _unused_)
{
	static const uint8_t bytes[1000];
	struct udp_memory memory;
	int small = 1, sent = 0, received = 0;
	struct datagram datagram;
	struct pair pair;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(udp_get_memory(pair.server, &memory), 0);
	assert_int_equal(memory.drops, 0);
	assert_int_equal(memory.queued_bytes, 0);
	assert_int_equal(setsockopt(pair.server, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (; sent < 100; sent++)
		assert_int_equal(send(pair.client, bytes, sizeof(bytes), 0), sizeof(bytes));
	pair_wait(pair.server, POLLIN);
	assert_int_equal(udp_get_memory(pair.server, &memory), 0);
	assert_true(memory.queued_bytes > 0);
	/* The kernel may have some on their way yet. */
	for (int tries = 0; tries < 6000 && received + (int)memory.drops < sent; tries++) {
		while (udp_receive(pair.receiver, pair.server) > 0)
			while (udp_receiver_next(pair.receiver, &datagram))
				received++;
		assert_int_equal(udp_get_memory(pair.server, &memory), 0);
		usleep(10000);
	}
	assert_true(received > 0 && received < sent);
	assert_int_equal(memory.drops, sent - received);
	pair_close(&pair);
}

static void sockets_are_told_not_to_fragment(void **state _unused_)
{
	static const char *const families[][2] = {
		{"127.0.0.1:0", "127.0.0.1:1"}, {"[::1]:0", "[::1]:1"}};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct pair pair;
		int option = i == 0 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, value;
		socklen_t len = sizeof(value);

		pair_open(&pair, families[i][0], families[i][1]);
		assert_int_equal(udp_forbid_fragments(pair.client), 0);
		assert_int_equal(getsockopt(pair.client, i == 0 ? IPPROTO_IP : IPPROTO_IPV6, option,
					 &value, &len),
			0);
		assert_int_equal(value, IP_PMTUDISC_PROBE);
		pair_close(&pair);
	}
}

static void receiver_of_no_or_too_many_messages_is_refused(void **state _unused_)
{
	struct udp_receiver *receiver = NULL;

	assert_int_equal(udp_receiver_new(0, &receiver), -EINVAL);
	assert_int_equal(udp_receiver_new(UDP_MESSAGES_MAX + 1, &receiver), -EINVAL);
	assert_null(receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_do_not_block),
		cmocka_unit_test(datagrams_come_in_batches_with_their_sender),
		cmocka_unit_test(train_is_split_where_it_lies),
		cmocka_unit_test(trains_are_split_as_well_where_the_kernel_does_it),
		cmocka_unit_test(longest_datagram_arrives_whole),
		cmocka_unit_test(any_address_hears_ipv4_and_says_which),
		cmocka_unit_test(peer_that_is_down_shows_as_refused),
		cmocka_unit_test(port_in_use_is_an_error),
		cmocka_unit_test(datagrams_that_find_no_room_are_counted),
		cmocka_unit_test(sockets_are_told_not_to_fragment),
		cmocka_unit_test(receiver_of_no_or_too_many_messages_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
