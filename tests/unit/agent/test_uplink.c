// SPDX-License-Identifier: BSD-2-Clause
/* The uplink against a receiver on the loopback interface that loses what it is told to lose. */
#include "agent/uplink_v1.h"
#include "base/clock.h"
#include "base/fd.h"
#include "net/udp_receiver.h"
#include "tests/unit/test.h"
#include "wire/v1.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define SWITCH_ID   42
#define RESEND_NS   (2 * NS_PER_MS)
#define PATIENCE_NS (60 * NS_PER_SEC)
#define EVENTS      2000

/* What the server's side does: strict parser, duplicate detection, answers. */
struct server {
	struct loop_io io;
	struct loop *loop;
	int fd;
	struct endpoint endpoint;
	struct udp_receiver *receiver;
	struct v1_receiver history;
	unsigned int loss_percent; /* each way */
	uint32_t random;
	uint64_t seen[EVENTS + 1]; /* times that port event number i was taken */
	uint64_t ports, flow_ends, flows, interfaces;
	uint64_t datagrams, lost;
};

struct rig {
	struct loop *loop;
	struct spool *spool;
	struct uplink *uplink;
	struct server server;
	struct loop_timer deadline;
};

static bool is_lost(struct server *server)
{
	server->random = server->random * 1103515245 + 12345;
	if ((server->random >> 16) % 100 >= server->loss_percent)
		return false;
	server->lost++;
	return true;
}

static void take_events(struct server *server, struct v1_transaction *transaction)
{
	struct v1_event event;

	while (v1_next_event(transaction, &event)) {
		if (event.event_id == EVENT_PORT) {
			assert_in_range(event.record.port.syn, 1, EVENTS);
			server->seen[event.record.port.syn]++;
			server->ports++;
		} else if (event.event_id == EVENT_INTERFACE) {
			server->interfaces++;
		} else if (transaction->wants_ack) {
			server->flow_ends++;
		} else {
			server->flows++;
		}
	}
}

static void answer(struct server *server, const struct datagram *datagram, uint32_t sequence)
{
	uint8_t ack[V1_ACK_BYTES];
	size_t size = v1_encode_ack(sequence, ack);

	if (is_lost(server))
		return;
	assert_int_equal(
		sendto(server->fd, ack, size, 0, (const struct sockaddr *)&datagram->from->address,
			datagram->from->len),
		size);
}

static void take_datagram(struct server *server, const struct datagram *datagram)
{
	struct v1_transaction transaction;
	enum v1_verdict verdict;
	uint64_t digest;

	server->datagrams++;
	assert_int_equal(v1_decode(datagram->bytes, datagram->size, &transaction), V1_OK);
	assert_int_equal(transaction.switch_id, SWITCH_ID);
	if (!transaction.wants_ack) {
		take_events(server, &transaction);
		return;
	}
	digest = v1_digest(datagram->bytes, datagram->size);
	verdict = v1_receiver_check(&server->history, transaction.sequence, digest);
	if (verdict == V1_NEW) {
		v1_receiver_begin(&server->history, transaction.sequence, digest);
		take_events(server, &transaction);
		v1_receiver_commit(&server->history);
	} else {
		assert_int_equal(verdict, V1_DUPLICATE);
	}
	answer(server, datagram, transaction.sequence);
}

static void on_server_readable(struct loop_io *io, uint32_t events _unused_)
{
	struct server *server = io->user;
	struct datagram datagram;

	assert_true(udp_receive(server->receiver, server->fd) >= 0);
	while (udp_receiver_next(server->receiver, &datagram))
		if (!is_lost(server))
			take_datagram(server, &datagram);
}

static void server_init(struct server *server, struct loop *loop)
{
	socklen_t len = sizeof(server->endpoint.address);
	char *error = NULL;

	*server = (struct server){.loop = loop, .random = 1};
	assert_int_equal(endpoint_parse("127.0.0.1:0", &server->endpoint, &error), 0);
	server->fd = udp_listen(&server->endpoint);
	assert_true(server->fd >= 0);
	assert_int_equal(
		getsockname(server->fd, (struct sockaddr *)&server->endpoint.address, &len), 0);
	assert_int_equal(udp_receiver_new(UDP_MESSAGES_MAX, &server->receiver), 0);
	server->io = (struct loop_io){.fn = on_server_readable, .user = server};
	assert_int_equal(loop_add_io(loop, &server->io, server->fd, EPOLLIN), 0);
}

static void on_deadline(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	loop_stop(timer->loop);
}

static void on_done(void *user)
{
	loop_stop(user);
}

static int setup(void **state)
{
	static struct rig rig;
	struct uplink_v1_options options = {.switch_id = SWITCH_ID, .resend_ns = RESEND_NS};

	rig = (struct rig){.deadline = {.fn = on_deadline}};
	assert_int_equal(loop_new(&rig.loop), 0);
	assert_int_equal(spool_new(4096, NULL, NULL, &rig.spool), 0);
	server_init(&rig.server, rig.loop);
	options.server = rig.server.endpoint;
	assert_int_equal(uplink_v1_new(rig.loop, rig.spool, &options, &rig.uplink), 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	uplink_free(rig->uplink);
	loop_remove_io(&rig->server.io);
	udp_receiver_free(rig->server.receiver);
	close(rig->server.fd);
	spool_free(rig->spool);
	loop_free(rig->loop);
	return 0;
}

/* Pumps until all is answered, or for so long. */
static void run(struct rig *rig, uint64_t for_ns)
{
	uplink_on_done(rig->uplink, on_done, rig->loop);
	loop_arm_timer(rig->loop, &rig->deadline, clock_monotonic_ns() + for_ns);
	uplink_pump(rig->uplink);
	assert_int_equal(loop_run(rig->loop), 0);
	loop_disarm_timer(&rig->deadline);
}

/* What is on its way when the uplink is done, until nothing comes any more: it waits for no answer to these. */
static void settle(struct rig *rig)
{
	uint64_t before;

	uplink_on_done(rig->uplink, NULL, NULL);
	do {
		before = rig->server.datagrams;
		loop_arm_timer(rig->loop, &rig->deadline, clock_monotonic_ns() + 20 * NS_PER_MS);
		assert_int_equal(loop_run(rig->loop), 0);
	} while (rig->server.datagrams != before);
}

static void push_ports(struct rig *rig, uint32_t count)
{
	for (uint32_t i = 1; i <= count; i++) {
		const struct port_event port = {.srcip.bytes = {[10] = 0xff, [11] = 0xff},
			.dstip.bytes = {[10] = 0xff, [11] = 0xff},
			.protocol = 6,
			.syn = i};

		spool_push(rig->spool, SPOOL_PORT, &port);
	}
}

static void push_flows(struct rig *rig, enum spool_class class, uint32_t count)
{
	for (uint32_t i = 1; i <= count; i++) {
		const struct flow_event flow = {.protocol = 17, .count = i};

		spool_push(rig->spool, class, &flow);
	}
}

static void assert_each_port_event_once(const struct server *server)
{
	for (uint32_t i = 1; i <= EVENTS; i++)
		if (server->seen[i] != 1)
			fail_msg(
				"event %u came %llu times", i, (unsigned long long)server->seen[i]);
}

static void acknowledged_events_arrive_once_without_loss(void **state)
{
	struct rig *rig = *state;
	struct uplink_stats stats;

	push_ports(rig, EVENTS);
	run(rig, PATIENCE_NS);
	assert_true(uplink_is_done(rig->uplink));
	assert_each_port_event_once(&rig->server);
	uplink_get_stats(rig->uplink, &stats);
	assert_int_equal(stats.sent[SPOOL_PORT], EVENTS);
	assert_true(stats.rtt_ns > 0);
}

static void acknowledged_events_arrive_once_with_loss_both_ways(void **state)
{
	struct rig *rig = *state;
	struct uplink_stats stats;

	rig->server.loss_percent = 30;
	push_ports(rig, EVENTS);
	push_flows(rig, SPOOL_FLOW_END, 500);
	run(rig, PATIENCE_NS);
	assert_true(uplink_is_done(rig->uplink));
	assert_each_port_event_once(&rig->server);
	assert_int_equal(rig->server.flow_ends, 500);
	uplink_get_stats(rig->uplink, &stats);
	assert_int_equal(stats.sent[SPOOL_PORT], EVENTS);
	assert_int_equal(stats.sent[SPOOL_FLOW_END], 500);
	assert_true(rig->server.lost > 0);
	assert_true(stats.resends >= rig->server.lost);
}

static void unacknowledged_events_are_sent_once_whatever_happens(void **state)
{
	struct rig *rig = *state;
	const struct interface_event totals = {.ifindex = 1};
	struct uplink_stats stats;

	push_flows(rig, SPOOL_FLOW, 4000);
	spool_push(rig->spool, SPOOL_INTERFACE, &totals);
	run(rig, PATIENCE_NS);
	settle(rig);
	uplink_get_stats(rig->uplink, &stats);
	assert_int_equal(stats.sent[SPOOL_FLOW], 4000);
	assert_int_equal(stats.sent[SPOOL_INTERFACE], 1);
	assert_int_equal(rig->server.flows, 4000);
	assert_int_equal(rig->server.interfaces, 1);
	assert_int_equal(stats.resends, 0);
	assert_int_equal(stats.datagrams, rig->server.datagrams);
}

static void silent_server_keeps_one_transaction_and_the_spool(void **state)
{
	struct rig *rig = *state;
	struct uplink_stats stats;

	rig->server.loss_percent = 100;
	push_ports(rig, EVENTS);
	do {
		run(rig, 50 * NS_PER_MS);
		uplink_get_stats(rig->uplink, &stats);
	} while (stats.resends < 3);
	assert_false(uplink_is_done(rig->uplink));
	assert_int_equal(stats.sent[SPOOL_PORT], 0);
	assert_int_equal(
		uplink_outstanding(rig->uplink, SPOOL_PORT) + spool_count(rig->spool, SPOOL_PORT),
		EVENTS);

	rig->server.loss_percent = 0;
	run(rig, PATIENCE_NS);
	assert_each_port_event_once(&rig->server);
}

static void other_datagrams_from_the_server_are_counted(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_in agent;
	socklen_t len = sizeof(agent);
	struct uplink_stats stats;
	uint8_t ack[V1_ACK_BYTES];
	uint8_t byte;

	push_flows(rig, SPOOL_FLOW, 1);
	uplink_pump(rig->uplink);
	assert_int_equal(recvfrom(rig->server.fd, &byte, 1, 0, (struct sockaddr *)&agent, &len), 1);
	assert_int_equal(sendto(rig->server.fd, "hello", 5, 0, (struct sockaddr *)&agent, len), 5);
	assert_int_equal(sendto(rig->server.fd, ack, v1_encode_ack(77, ack), 0,
				 (struct sockaddr *)&agent, len),
		V1_ACK_BYTES);
	settle(rig);
	uplink_get_stats(rig->uplink, &stats);
	assert_int_equal(stats.strange, 1);
	assert_int_equal(stats.stale_acks, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			acknowledged_events_arrive_once_without_loss, setup, teardown),
		cmocka_unit_test_setup_teardown(
			acknowledged_events_arrive_once_with_loss_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(
			unacknowledged_events_are_sent_once_whatever_happens, setup, teardown),
		cmocka_unit_test_setup_teardown(
			silent_server_keeps_one_transaction_and_the_spool, setup, teardown),
		cmocka_unit_test_setup_teardown(
			other_datagrams_from_the_server_are_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
