// SPDX-License-Identifier: BSD-2-Clause
/* Which worker's socket gets a datagram, decided by its content alone. */
#include "base/fd.h"
#include "net/udp_group.h"
#include "net/udp_receiver.h"
#include "net/udp_sender.h"
#include "tests/unit/net/pair.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define WORKERS  4
#define V1_BYTES 10
#define V2_BYTES 36

struct rig {
	int fds[WORKERS + 1]; /* the last is version 1's */
	struct udp_receiver *receiver;
	struct endpoint address; /* port of the group, on any address */
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct endpoint any = pair_endpoint("0");

	assert_non_null(rig);
	assert_int_equal(udp_group_open(&any, WORKERS, true, rig->fds), 0);
	assert_int_equal(udp_receiver_new(8, &rig->receiver), 0);
	rig->address.len = sizeof(rig->address.address);
	assert_int_equal(getsockname(rig->fds[0], (struct sockaddr *)&rig->address.address,
				 &rig->address.len),
		0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i <= WORKERS; i++)
		close(rig->fds[i]);
	udp_receiver_free(rig->receiver);
	free(rig);
	return 0;
}

/* A socket with an address and port of its own, connected to the group. */
static int client(const struct rig *rig, const char *from, const char *to)
{
	struct endpoint local = pair_endpoint(from), remote = pair_endpoint(to);
	int fd = udp_listen(&local);

	assert_true(fd >= 0);
	((struct sockaddr_in6 *)&remote.address)->sin6_port =
		((const struct sockaddr_in6 *)&rig->address.address)->sin6_port;
	assert_int_equal(connect(fd, (struct sockaddr *)&remote.address, remote.len), 0);
	return fd;
}

static int make_v2(uint8_t *bytes, uint8_t worker, uint8_t other)
{
	memset(bytes, other, V2_BYTES);
	bytes[0] = 0x80 | (other & 0x3f);
	bytes[7] = worker;
	return V2_BYTES;
}

static int make_v1(uint8_t *bytes, uint32_t switch_id, uint8_t other)
{
	memset(bytes, other, V1_BYTES);
	bytes[0] = 1;
	for (int i = 0; i < 4; i++)
		bytes[1 + i] = (uint8_t)(switch_id >> 8 * (3 - i));
	return V1_BYTES;
}

/* The worker whose socket has something, after it was sent; its datagrams are taken. */
static int worker_that_gets_it(const struct rig *rig, unsigned int *ret_datagrams)
{
	struct pollfd ready[WORKERS + 1];
	struct datagram datagram;
	int worker = -1;

	for (int i = 0; i <= WORKERS; i++)
		ready[i] = (struct pollfd){.fd = rig->fds[i], .events = POLLIN};
	assert_int_equal(poll(ready, WORKERS + 1, 60000), 1);
	for (int i = 0; i <= WORKERS; i++)
		if (ready[i].revents)
			worker = i;
	*ret_datagrams = 0;
	while (udp_receive(rig->receiver, rig->fds[worker]) > 0)
		while (udp_receiver_next(rig->receiver, &datagram))
			++*ret_datagrams;
	return worker;
}

static void assert_gets(const struct rig *rig, int fd, const uint8_t *bytes, int size, int worker)
{
	unsigned int datagrams;

	assert_int_equal(send(fd, bytes, (size_t)size, 0), size);
	assert_int_equal(worker_that_gets_it(rig, &datagrams), worker);
	assert_int_equal(datagrams, 1);
}

static const char *const paths[][2] = {
	{"127.0.0.1:0", "127.0.0.1:1"},
	{"127.0.0.9:0", "127.0.0.1:1"},
	{"127.1.2.3:0", "127.3.2.1:1"},
	{"[::1]:0", "[::1]:1"},
};

static void version_2_keeps_its_worker_whatever_the_address(void **state)
{
	const struct rig *rig = *state;

	for (unsigned int i = 0; i < 40; i++) {
		const char *const *path = paths[i % ARRAY_SIZE(paths)];
		_cleanup_fd_ int fd = client(rig, path[0], path[1]);
		uint8_t bytes[V2_BYTES];

		for (uint8_t worker = 0; worker < WORKERS; worker++)
			assert_gets(rig, fd, bytes,
				make_v2(bytes, worker, (uint8_t)(i * 37 + worker)), worker);
	}
}

static void version_1_has_a_socket_of_its_own(void **state)
{
	static const uint32_t switch_ids[] = {0, 1, 2, 3, 42, 0x80000000, 0xffffffff};
	const struct rig *rig = *state;

	for (unsigned int i = 0; i < 20; i++) {
		const char *const *path = paths[i % ARRAY_SIZE(paths)];
		_cleanup_fd_ int fd = client(rig, path[0], path[1]);
		uint8_t bytes[V1_BYTES];

		for (size_t j = 0; j < ARRAY_SIZE(switch_ids); j++)
			assert_gets(rig, fd, bytes,
				make_v1(bytes, switch_ids[j], (uint8_t)(i * 37)), WORKERS);
	}
}

static void train_stays_together(void **state)
{
	_cleanup_(udp_sender_freep) struct udp_sender *sender = NULL;
	const struct rig *rig = *state;

	assert_int_equal(udp_sender_new(UDP_SEND_MAX, &sender), 0);
	for (uint8_t worker = 0; worker < WORKERS; worker++) {
		_cleanup_fd_ int fd = client(rig, "127.0.0.1:0", "127.0.0.1:1");
		uint8_t *bytes = udp_sender_room(sender, 20 * V2_BYTES);
		unsigned int datagrams;

		for (int i = 0; i < 20; i++)
			make_v2(bytes + i * V2_BYTES, worker, (uint8_t)i);
		udp_sender_add(sender, NULL, NULL, 20 * V2_BYTES, V2_BYTES);
		assert_int_equal(udp_sender_flush(sender, fd), 0);
		assert_int_equal(worker_that_gets_it(rig, &datagrams), worker);
		assert_int_equal(datagrams, 20);
	}
}

static void anything_else_gets_to_some_worker(void **state)
{
	static const struct {
		uint8_t bytes[V2_BYTES];
		int size;
	} strange[] = {
		{{0}, 0},
		{{0}, 1},
		{{0x80}, 1}, /* version 2, cut before the session */
		{{0x80, [6] = 1}, 7},
		{{0x80, [7] = WORKERS}, V2_BYTES}, /* there is no such worker */
		{{0xbf, [7] = 255}, V2_BYTES},
		{{2}, V2_BYTES},
		{{0xc0, [7] = 1}, V2_BYTES},
		{"ACK\n", 8},
	};
	const struct rig *rig = *state;
	_cleanup_fd_ int fd = client(rig, "127.0.0.1:0", "127.0.0.1:1");

	for (size_t i = 0; i < ARRAY_SIZE(strange); i++) {
		unsigned int datagrams;

		assert_int_equal(
			send(fd, strange[i].bytes, (size_t)strange[i].size, 0), strange[i].size);
		assert_in_range(worker_that_gets_it(rig, &datagrams), 0, WORKERS - 1);
		assert_int_equal(datagrams, 1);
	}
}

static void version_1_is_nothing_special_if_it_is_not_asked_for(void **state)
{
	struct rig rig = *(struct rig *)*state;
	struct endpoint any = pair_endpoint("0");
	uint8_t bytes[V1_BYTES];
	unsigned int datagrams;

	assert_int_equal(udp_group_open(&any, WORKERS, false, rig.fds), 0);
	rig.fds[WORKERS] = -1;
	rig.address.len = sizeof(rig.address.address);
	assert_int_equal(
		getsockname(rig.fds[0], (struct sockaddr *)&rig.address.address, &rig.address.len),
		0);
	for (uint8_t worker = 0; worker < WORKERS; worker++) {
		_cleanup_fd_ int fd = client(&rig, "127.0.0.1:0", "127.0.0.1:1");

		make_v1(bytes, 42, worker);
		assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
		assert_in_range(worker_that_gets_it(&rig, &datagrams), 0, WORKERS - 1);
	}
	for (int i = 0; i < WORKERS; i++)
		close(rig.fds[i]);
}

static void group_of_another_is_not_joined(void **state)
{
	const struct rig *rig = *state;
	int fds[2] = {-7, -7};

	assert_int_equal(udp_group_open(&rig->address, 2, false, fds), -EADDRINUSE);
	assert_int_equal(fds[0], -7);
}

static void group_has_a_size(void **state _unused_)
{
	struct endpoint any = pair_endpoint("127.0.0.1:0");
	int fds[UDP_GROUP_MAX + 1];

	assert_int_equal(udp_group_open(&any, 0, true, fds), -EINVAL);
	assert_int_equal(udp_group_open(&any, UDP_GROUP_MAX + 1, false, fds), -EINVAL);
	assert_int_equal(udp_group_open(&any, UDP_GROUP_MAX, true, fds), 0);
	for (int i = 0; i <= UDP_GROUP_MAX; i++)
		close(fds[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(version_2_keeps_its_worker_whatever_the_address),
		TEST(version_1_has_a_socket_of_its_own),
		TEST(train_stays_together),
		TEST(anything_else_gets_to_some_worker),
		TEST(version_1_is_nothing_special_if_it_is_not_asked_for),
		TEST(group_of_another_is_not_joined),
		cmocka_unit_test(group_has_a_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
