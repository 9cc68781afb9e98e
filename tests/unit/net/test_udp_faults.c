// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each call by which src/net/udp* asks the system for something fails, one after the other: what was
 * asked for fails with that errno, leaves its outputs alone and nothing behind; where it may go on,
 * it does.
 */
#include "net/udp_group.h"
#include "net/udp_receiver.h"
#include "net/udp_sender.h"
#include "tests/unit/net/pair.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#define CALLS_MAX 200
#define UNTOUCHED (-77)

static unsigned int calls, fail_at; /* the how manieth fails; 0: none */
static int fail_errno;

static bool fails(void)
{
	if (++calls != fail_at)
		return false;
	errno = fail_errno;
	return true;
}

/* The linker puts __wrap_f() in the place of f(). */
#define WRAP(type, failure, name, parameters, arguments)                                           \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails() ? (failure) : __real_##name arguments;                              \
	}

WRAP(void *, NULL, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, NULL, malloc, (size_t size), (size))
WRAP(int, -1, socket, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, -1, bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))
WRAP(int, -1, connect, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))
WRAP(int, -1, getsockname, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))
WRAP(int, -1, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
	(fd, level, name, value, len))
WRAP(int, -1, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
	(fd, level, name, value, len))
WRAP(int, -1, recvmmsg,
	(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout),
	(fd, messages, count, flags, timeout))

static int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* What is tried: 0 or a negative errno; closes again what it opened. */
typedef int (*attempt_fn)(const char *address);

static int listen_once(const char *address)
{
	struct endpoint endpoint = pair_endpoint(address);
	int fd;

	calls = 0;
	fd = udp_listen(&endpoint);
	if (fd >= 0)
		close(fd);
	return MIN(fd, 0);
}

static int connect_once(const char *address)
{
	struct endpoint endpoint = pair_endpoint(address);
	int fd;

	((struct sockaddr_in6 *)&endpoint.address)->sin6_port = htons(9);
	calls = 0;
	fd = udp_connect(&endpoint);
	if (fd >= 0)
		close(fd);
	return MIN(fd, 0);
}

static int open_group_once(const char *address)
{
	struct endpoint endpoint = pair_endpoint(address);
	int fds[3] = {UNTOUCHED, UNTOUCHED, UNTOUCHED}, r;

	calls = 0;
	r = udp_group_open(&endpoint, ARRAY_SIZE(fds) - 1, true, fds);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (r == 0)
			close(fds[i]);
		else
			assert_int_equal(fds[i], UNTOUCHED);
	return r;
}

static int new_receiver_once(const char *address _unused_)
{
	struct udp_receiver *receiver = NULL;
	int r;

	calls = 0;
	r = udp_receiver_new(8, &receiver);
	assert_int_equal(receiver == NULL, r < 0);
	udp_receiver_free(receiver);
	return r;
}

static int new_sender_once(const char *address _unused_)
{
	struct udp_sender *sender = NULL;
	int r;

	calls = 0;
	r = udp_sender_new(0, &sender);
	assert_int_equal(sender == NULL, r < 0);
	udp_sender_free(sender);
	return r;
}

/* Returns how many of the calls, each failing in its turn, could be gone without. */
static unsigned int fail_each(attempt_fn attempt, const char *address, int error)
{
	unsigned int survived = 0, tried;
	int before = open_descriptors();

	fail_errno = error;
	for (tried = 1; tried < CALLS_MAX; tried++) {
		int r;

		fail_at = tried;
		r = attempt(address);
		fail_at = 0;
		assert_int_equal(open_descriptors(), before);
		if (calls < tried)
			break;
		if (r == 0)
			survived++;
		else
			assert_int_equal(r, -error);
	}
	assert_int_equal(attempt(address), 0);
	assert_true(tried > 1 && tried < CALLS_MAX);
	return survived;
}

static void socket_that_cannot_be_had_is_an_error(void **state _unused_)
{
	/* Without: the forced and the plain receive buffer, each of both ways; GRO. */
	assert_int_equal(fail_each(listen_once, "127.0.0.1:0", EPERM), 3);
	assert_int_equal(fail_each(listen_once, "[::1]:0", EPERM), 3);
	assert_int_equal(fail_each(listen_once, "0", EPERM), 3);
	assert_int_equal(fail_each(connect_once, "127.0.0.1:0", EPERM), 3);
	/* Three sockets, and the one that looks whether the address is free. */
	assert_int_equal(fail_each(open_group_once, "127.0.0.1:0", EPERM), 4 * 3);
}

static void host_without_ipv6_listens_on_ipv4(void **state _unused_)
{
	/* Any address falls back whatever call says so; and then some were needless anyway. */
	assert_int_equal(fail_each(listen_once, "[::1]:0", EAFNOSUPPORT), 3);
	assert_true(fail_each(listen_once, "0", EAFNOSUPPORT) > 3);
	assert_true(fail_each(open_group_once, "0", EAFNOSUPPORT) > 3);
}

static void buffers_that_cannot_be_had_are_an_error(void **state _unused_)
{
	assert_int_equal(fail_each(new_receiver_once, "", ENOMEM), 0);
	assert_int_equal(fail_each(new_sender_once, "", ENOMEM), 0);
}

static void memory_that_cannot_be_read_is_an_error(void **state _unused_)
{
	struct udp_memory memory = {.drops = 77};
	struct pair pair;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	calls = 0;
	fail_at = 1;
	fail_errno = ENOPROTOOPT;
	assert_int_equal(udp_get_memory(pair.server, &memory), -ENOPROTOOPT);
	fail_at = 0;
	assert_int_equal(memory.drops, 77);
	assert_int_equal(udp_get_memory(pair.server, &memory), 0);
	assert_int_equal(memory.drops, 0);
	pair_close(&pair);
}

static void receive_that_fails_takes_nothing_and_loses_nothing(void **state _unused_)
{
	static const struct {
		int error, expected;
	} cases[] = {
		{EINTR, 1}, /* made again */
		{EAGAIN, 0},
		{ENOMEM, -ENOMEM},
		{ECONNREFUSED, -ECONNREFUSED},
		{EBADF, -EBADF},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct datagram datagram;
		struct pair pair;

		pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
		assert_int_equal(send(pair.client, "x", 1, 0), 1);
		calls = 0;
		fail_at = 1;
		fail_errno = cases[i].error;
		assert_int_equal(udp_receive(pair.receiver, pair.server), cases[i].expected);
		fail_at = 0;
		if (cases[i].expected != 1) {
			assert_false(udp_receiver_next(pair.receiver, &datagram));
			assert_int_equal(udp_receive(pair.receiver, pair.server), 1);
		}
		assert_true(udp_receiver_next(pair.receiver, &datagram));
		assert_int_equal(datagram.size, 1);
		pair_close(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socket_that_cannot_be_had_is_an_error),
		cmocka_unit_test(host_without_ipv6_listens_on_ipv4),
		cmocka_unit_test(buffers_that_cannot_be_had_are_an_error),
		cmocka_unit_test(memory_that_cannot_be_read_is_an_error),
		cmocka_unit_test(receive_that_fails_takes_nothing_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
