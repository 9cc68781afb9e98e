// SPDX-License-Identifier: BSD-2-Clause
/* The uplink of version 2 against a server of the control channel, with a network that fails. */
#include "agent/uplink_v2.h"

#include "base/clock.h"
#include "base/fd.h"
#include "event/schema.h"
#include "net/udp.h"
#include "tests/unit/net/control_rig.h"

#include <errno.h>
#include <sys/socket.h>

/* ---- a network without a route for datagrams ---- */

static bool unreachable;
static unsigned int refused_connects;

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
	socklen_t type_len = sizeof(int);
	int type = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len), 0);
	if (!unreachable || type != SOCK_DGRAM || address->sa_family == AF_UNSPEC)
		return __real_connect(fd, address, len);
	refused_connects++;
	errno = ENETUNREACH;
	return -1;
}

/* ---- the rig: control_rig's server, and an agent's uplink instead of its agent ---- */

static uint64_t counter(void *user _unused_)
{
	static uint64_t count;

	return ++count;
}

static void start_server(struct control_rig *c)
{
	const struct v2_receiver_config receiver = {
		.window = {8, 256, 8}, .record_max = V2_RECORD_MAX, .random = counter};

	v2_receiver_done(&c->receiver);
	assert_int_equal(v2_receiver_init(&c->receiver, &receiver), 0);
	c->direct = c->schema_known = true;
	control_start_server(c);
}

static struct uplink *new_uplink(const struct control_rig *c, struct spool *spool)
{
	struct endpoint_list server = {.host = "localhost", .endpoints = {c->address}, .count = 1};
	const struct uplink_v2_options options = {
		.server = &server, .files = {.credentials = "switch.pem"}, .lane_events = 64};
	_cleanup_free_ char *error = NULL;
	struct uplink *uplink;

	assert_int_equal(uplink_v2_new(c->rig->loop, spool, &options, &uplink, &error), 0);
	return uplink;
}

/* ---- tests ---- */

static bool datagram_came(void *user)
{
	uint8_t byte;

	return recv(*(const int *)user, &byte, 1, MSG_DONTWAIT) >= 0;
}

static void session_without_a_route_sends_as_soon_as_there_is_one(void **state)
{
	struct control_rig *c = *state;
	const struct port_event port = {.protocol = 6, .syn = 1};
	_cleanup_(spool_freep) struct spool *spool = NULL;
	_cleanup_(uplink_freep) struct uplink *uplink = NULL;
	_cleanup_fd_ int fd = -1;

	start_server(c);
	fd = udp_listen(&c->address);
	assert_true(fd >= 0);
	assert_int_equal(spool_new(64, NULL, NULL, &spool), 0);
	uplink = new_uplink(c, spool);
	spool_push(spool, SPOOL_PORT, &port);
	uplink_pump(uplink);
	unreachable = true;
	refused_connects = 0;
	rig_wait_count(c->rig, &c->welcomed, 1);
	rig_wait_count(c->rig, &refused_connects, 2); /* it does not leave it at one attempt */
	unreachable = false;
	rig_wait(c->rig, datagram_came, &fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			session_without_a_route_sends_as_soon_as_there_is_one, control_rig_new,
			control_rig_free),
	};

	assert_int_equal(schema_init(), 0);
	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
