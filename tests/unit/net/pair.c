// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/net/pair.h"

#include "tests/unit/test.h"

#include <poll.h>
#include <unistd.h>

struct endpoint pair_endpoint(const char *text)
{
	struct endpoint endpoint;
	char *error = NULL;

	if (endpoint_parse(text, &endpoint, &error) < 0)
		fail_msg("%s", error);
	return endpoint;
}

void pair_open(struct pair *pair, const char *local, const char *remote)
{
	struct endpoint endpoint = pair_endpoint(local);
	struct sockaddr_in6 bound;
	socklen_t len = sizeof(bound);

	pair->address = pair_endpoint(remote);
	pair->server = udp_listen(&endpoint);
	assert_true(pair->server >= 0);
	assert_int_equal(getsockname(pair->server, (struct sockaddr *)&bound, &len), 0);
	/* The port is at the same place in both families. */
	((struct sockaddr_in6 *)&pair->address.address)->sin6_port = bound.sin6_port;
	pair->client = udp_connect(&pair->address);
	assert_true(pair->client >= 0);
	assert_int_equal(udp_receiver_new(UDP_MESSAGES_MAX, &pair->receiver), 0);
}

void pair_close(struct pair *pair)
{
	close(pair->server);
	close(pair->client);
	udp_receiver_free(pair->receiver);
}

void pair_wait(int fd, short events)
{
	struct pollfd ready = {.fd = fd, .events = events};

	assert_int_equal(poll(&ready, 1, 60000), 1);
}
