// SPDX-License-Identifier: BSD-2-Clause
#include "base/fd.h"
#include "net/udp.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

static struct endpoint parse(const char *text)
{
	struct endpoint endpoint;
	char *error = NULL;

	if (endpoint_parse(text, &endpoint, &error) < 0)
		fail_msg("%s", error);
	return endpoint;
}

static void endpoint_is_rendered_as_it_was_written(void **state _unused_)
{
	static const char *const texts[] = {
		"127.0.0.1:5000",
		"10.1.2.3:0",
		"[::1]:65535",
		"[2001:db8::1]:1",
	};
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct endpoint endpoint = parse(texts[i]);

		assert_string_equal(endpoint_render(&endpoint, text), texts[i]);
	}
}

static void bare_port_is_any_address(void **state _unused_)
{
	struct endpoint endpoint = parse("5000");
	char text[ENDPOINT_TEXT_MAX];

	assert_string_equal(endpoint_render(&endpoint, text), "[::]:5000");
}

static void host_name_is_resolved(void **state _unused_)
{
	struct endpoint endpoint = parse("localhost:7");
	char text[ENDPOINT_TEXT_MAX];

	endpoint_render(&endpoint, text);
	assert_true(strcmp(text, "127.0.0.1:7") == 0 || strcmp(text, "[::1]:7") == 0);
}

static void malformed_endpoint_is_refused_in_words(void **state _unused_)
{
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{"", "expected HOST:PORT"},
		{"host", "expected HOST:PORT"},
		{"127.0.0.1", "expected HOST:PORT"},
		{"127.0.0.1:", "expected HOST:PORT"},
		{"127.0.0.1:65536", "0 to 65535"},
		{"127.0.0.1:+5", "expected HOST:PORT"},
		{"127.0.0.1:5 ", "expected HOST:PORT"},
		{"127.0.0.1:000005", "expected HOST:PORT"},
		{":5000", "expected a host"},
		{"::1:5000", "brackets"},
		{"[::1]", "]:PORT"},
		{"[::1]5000", "]:PORT"},
		{"[]:5000", "]:PORT"},
		{"[::1:5000", "]:PORT"},
		{"[localhost]:5000", "\"[localhost]:5000\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_free_ char *error = NULL;
		struct endpoint endpoint = {.len = 77};

		if (endpoint_parse(wrong[i].text, &endpoint, &error) != -EINVAL)
			fail_msg("\"%s\" is taken", wrong[i].text);
		assert_non_null(error);
		if (!strstr(error, wrong[i].why))
			fail_msg("\"%s\": found \"%s\", expected \"%s\"", wrong[i].text, error,
				wrong[i].why);
		assert_int_equal(endpoint.len, 77);
	}
}

static void endless_host_name_is_refused(void **state _unused_)
{
	_cleanup_free_ char *error = NULL;
	struct endpoint endpoint;
	char text[400];

	memset(text, 'a', sizeof(text));
	strcpy(text + sizeof(text) - 4, ":12");
	assert_int_equal(endpoint_parse(text, &endpoint, &error), -EINVAL);
	assert_non_null(strstr(error, "too long"));
}

/* A listening socket on a port that the kernel chooses, and a socket connected to it. */
struct pair {
	int server, client;
	struct udp_receiver *receiver;
};

static void pair_open(struct pair *pair, const char *local, const char *remote)
{
	struct endpoint endpoint = parse(local), to = parse(remote);
	struct sockaddr_in6 bound;
	socklen_t len = sizeof(bound);

	pair->server = udp_listen(&endpoint);
	assert_true(pair->server >= 0);
	assert_int_equal(getsockname(pair->server, (struct sockaddr *)&bound, &len), 0);
	/* The port is at the same place in both families. */
	((struct sockaddr_in6 *)&to.address)->sin6_port = bound.sin6_port;
	pair->client = udp_connect(&to);
	assert_true(pair->client >= 0);
	assert_int_equal(udp_receiver_new(&pair->receiver), 0);
}

static void pair_close(struct pair *pair)
{
	close(pair->server);
	close(pair->client);
	udp_receiver_free(pair->receiver);
}

static int receive_waiting(struct pair *pair, const struct datagram **ret_datagrams)
{
	struct pollfd ready = {.fd = pair->server, .events = POLLIN};

	assert_int_equal(poll(&ready, 1, 5000), 1);
	return udp_receive(pair->receiver, pair->server, ret_datagrams);
}

static void sockets_do_not_block(void **state _unused_)
{
	struct pair pair;
	const struct datagram *datagrams;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_true(fcntl(pair.server, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(pair.client, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(pair.server, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(udp_receive(pair.receiver, pair.server, &datagrams), 0);
	pair_close(&pair);
}

static void datagrams_come_in_batches_with_their_sender(void **state _unused_)
{
	const struct datagram *datagrams;
	struct sockaddr_in client;
	socklen_t len = sizeof(client);
	struct pair pair;
	int received = 0;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(getsockname(pair.client, (struct sockaddr *)&client, &len), 0);
	for (uint8_t i = 0; i < UDP_BATCH + 6; i++)
		assert_int_equal(send(pair.client, &i, i % 2, 0), i % 2);
	while (received < UDP_BATCH + 6) {
		int n = receive_waiting(&pair, &datagrams);

		assert_true(n > 0 && n <= UDP_BATCH);
		for (int i = 0; i < n; i++, received++) {
			const struct sockaddr_in *from =
				(const struct sockaddr_in *)&datagrams[i].from.address;

			assert_int_equal(datagrams[i].size, received % 2);
			if (datagrams[i].size > 0)
				assert_int_equal(datagrams[i].bytes[0], received);
			assert_false(datagrams[i].truncated);
			assert_int_equal(datagrams[i].from.len, sizeof(*from));
			assert_int_equal(from->sin_port, client.sin_port);
		}
	}
	assert_int_equal(udp_receive(pair.receiver, pair.server, &datagrams), 0);
	pair_close(&pair);
}

static void too_long_a_datagram_is_marked_truncated(void **state _unused_)
{
	static const uint8_t bytes[UDP_DATAGRAM_MAX + 1];
	const struct datagram *datagrams;
	struct pair pair;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	assert_int_equal(send(pair.client, bytes, UDP_DATAGRAM_MAX, 0), UDP_DATAGRAM_MAX);
	assert_int_equal(receive_waiting(&pair, &datagrams), 1);
	assert_false(datagrams[0].truncated);
	assert_int_equal(datagrams[0].size, UDP_DATAGRAM_MAX);
	assert_int_equal(send(pair.client, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(receive_waiting(&pair, &datagrams), 1);
	assert_true(datagrams[0].truncated);
	assert_int_equal(datagrams[0].size, UDP_DATAGRAM_MAX);
	pair_close(&pair);
}

static void any_address_hears_ipv4_and_answers_it(void **state _unused_)
{
	const struct datagram *datagrams;
	char text[ENDPOINT_TEXT_MAX], answer[4];
	struct pair pair;
	struct pollfd ready;

	pair_open(&pair, "0", "127.0.0.1:1");
	assert_int_equal(send(pair.client, "ping", 4, 0), 4);
	assert_int_equal(receive_waiting(&pair, &datagrams), 1);
	assert_memory_equal(endpoint_render(&datagrams[0].from, text), "127.0.0.1:", 10);
	assert_int_equal(
		sendto(pair.server, "pong", 4, 0,
			(const struct sockaddr *)&datagrams[0].from.address, datagrams[0].from.len),
		4);
	ready = (struct pollfd){.fd = pair.client, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 5000), 1);
	assert_int_equal(recv(pair.client, answer, sizeof(answer), 0), 4);
	assert_memory_equal(answer, "pong", 4);
	pair_close(&pair);
}

static void peer_that_is_down_shows_as_refused(void **state _unused_)
{
	const struct datagram *datagrams;
	struct pollfd ready;
	struct pair pair;

	pair_open(&pair, "127.0.0.1:0", "127.0.0.1:1");
	close(pair.server);
	assert_int_equal(send(pair.client, "ping", 4, 0), 4);
	ready = (struct pollfd){.fd = pair.client, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 5000), 1);
	assert_int_equal(udp_receive(pair.receiver, pair.client, &datagrams), -ECONNREFUSED);
	pair.server = dup(pair.client);
	pair_close(&pair);
}

static void port_in_use_is_an_error(void **state _unused_)
{
	struct endpoint endpoint = parse("127.0.0.1:0");
	socklen_t len = sizeof(endpoint.address);
	_cleanup_fd_ int fd = udp_listen(&endpoint);

	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&endpoint.address, &len), 0);
	assert_int_equal(udp_listen(&endpoint), -EADDRINUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoint_is_rendered_as_it_was_written),
		cmocka_unit_test(bare_port_is_any_address),
		cmocka_unit_test(host_name_is_resolved),
		cmocka_unit_test(malformed_endpoint_is_refused_in_words),
		cmocka_unit_test(endless_host_name_is_refused),
		cmocka_unit_test(sockets_do_not_block),
		cmocka_unit_test(datagrams_come_in_batches_with_their_sender),
		cmocka_unit_test(too_long_a_datagram_is_marked_truncated),
		cmocka_unit_test(any_address_hears_ipv4_and_answers_it),
		cmocka_unit_test(peer_that_is_down_shows_as_refused),
		cmocka_unit_test(port_in_use_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
