// SPDX-License-Identifier: BSD-2-Clause
/* What counts in port records: attempts, handshakes, refusals. */
#include "tests/bpf/count_rig.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

static const uint16_t web[2] = {40000, 80};

static void syn_without_ack_and_rst_are_counted_by_port(void **state _unused_)
{
	static const struct {
		uint8_t flags;
		uint32_t syn, rst;
	} cases[] = {
		{TCP_SYN, 1, 0},
		{TCP_SYN | TCP_ACK, 0, 0},
		{TCP_ACK, 0, 0},
		{TCP_RST, 0, 1},
		{TCP_RST | TCP_ACK, 0, 1},
		{TCP_SYN | TCP_RST, 1, 1},
		{TCP_FIN | TCP_PSH, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(collector_freep) struct collector *collector = count_new(1, 8, 8);
		struct taken taken = {0};
		struct frame f;

		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, cases[i].flags, 0);
		count_run(collector, &f, 5);
		count_collect(collector, &taken);
		assert_int_equal(taken.port_count, cases[i].syn || cases[i].rst);
		assert_int_equal(taken.syn, 5 * cases[i].syn);
		assert_int_equal(taken.rst, 5 * cases[i].rst);
		assert_int_equal(taken.udp, 0);
	}
}

/* As a scanned host answers: RFC 9293 3.10.7.1. */
static void refusal(struct frame *f, const char *server, const char *client, uint16_t port)
{
	frame_init(f);
	frame_ethernet(f);
	frame_ipv4(f, server, client);
	memset(frame_tcp(f, port, 40000, TCP_RST | TCP_ACK) + 4, 0, 4);
	frame_finish(f);
}

static void refusal_is_counted_to_whom_it_answers(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct taken taken = {0};
	const struct port_event *asked;
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "198.51.100.2", (uint16_t[2]){40000, 23}, TCP_SYN, 0);
	count_run(collector, &f, 3);
	refusal(&f, "198.51.100.2", "192.0.2.1", 23);
	count_run(collector, &f, 3);
	count_collect(collector, &taken);
	assert_int_equal(taken.port_count, 2);
	asked = &taken.ports[taken.ports[0].dstport == 23 ? 0 : 1];
	assert_ip(&asked->srcip, "192.0.2.1");
	assert_ip(&asked->dstip, "198.51.100.2");
	assert_int_equal(asked->dstport, 23);
	assert_int_equal(asked->syn, 3);
	assert_int_equal(asked->refused, 3);
	assert_int_equal(asked->rst, 0);
	assert_int_equal(taken.rst, 3);
	assert_int_equal(taken.refused, 3);
	assert_int_equal(count_totals(collector, 0).port_shed, 0);
}

static void refusal_in_a_full_table_is_shed_twice(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 1);
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.9", "198.51.100.9", web, TCP_SYN, 0);
	count_run(collector, &f, 1);
	refusal(&f, "198.51.100.2", "192.0.2.1", 23);
	count_run(collector, &f, 4);
	count_collect(collector, &taken);
	assert_int_equal(taken.syn, 1);
	assert_int_equal(taken.rst + taken.refused + count_totals(collector, 0).port_shed, 8);
}

static void tcp(struct collector *collector, uint16_t source, uint8_t flags)
{
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){source, 80}, flags, 0);
	count_run(collector, &f, 1);
}

static void handshake_is_completed_once(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	tcp(collector, 1000, TCP_SYN);
	tcp(collector, 1000, TCP_SYN); /* sent again */
	for (int i = 0; i < 5; i++)
		tcp(collector, 1000, TCP_ACK);
	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", web, TCP_SYN, 0);
	count_run(collector, &f, 1);
	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", web, TCP_ACK | TCP_PSH, 10);
	count_run(collector, &f, 3);
	count_collect(collector, &taken);
	assert_int_equal(taken.port_count, 2);
	assert_int_equal(taken.syn, 3);
	assert_int_equal(taken.completed, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(taken.ports[i].completed, 1);
}

static void half_open_and_foreign_acks_complete_nothing(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct taken taken = {0};

	tcp(collector, 1000, TCP_SYN);
	tcp(collector, 1000, TCP_RST | TCP_ACK); /* nmap -sS: closes what the host opened */
	tcp(collector, 1001, TCP_ACK);           /* begun before anyone looked */
	tcp(collector, 1002, TCP_SYN | TCP_ACK);
	tcp(collector, 1002, TCP_ACK); /* the server's direction */
	count_collect(collector, &taken);
	assert_int_equal(taken.syn, 1);
	assert_int_equal(taken.completed, 0);
}

/* Each a connection: from a new port, or from the same one after the last has ended. */
static void honest_connections_complete_as_many_as_they_begin(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(2, 1024, 64);
	struct taken taken = {0};

	for (uint16_t i = 0; i < 300; i++) {
		uint16_t source = i < 200 ? 1000 + i : 999;

		tcp(collector, source, TCP_SYN);
		if (i % 7 == 0) /* a period ends between */
			count_collect(collector, &taken);
		tcp(collector, source, TCP_ACK);
		tcp(collector, source, TCP_ACK | TCP_PSH);
		tcp(collector, source, TCP_ACK | TCP_FIN);
		tcp(collector, source, TCP_ACK);
	}
	count_collect(collector, &taken);
	assert_int_equal(taken.syn, 300);
	assert_int_equal(taken.completed, 300);
}

/* As when a link is doubled, or the packets of one queue are steered elsewhere. */
static void syn_and_ack_may_come_in_on_different_interfaces(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(2, 64, 64);
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	assert_int_equal(count_run_program(collector_program_fd(collector, 0), &f, 1), XDP_PASS);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	assert_int_equal(count_run_program(collector_program_fd(collector, 1), &f, 1), XDP_PASS);
	count_collect(collector, &taken);
	assert_int_equal(taken.completed, 1);
}

static void only_empty_udp_is_counted_by_port(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 8, 8);
	struct taken taken = {0};
	struct frame f;

	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){5000, 53}, 0);
	frame_pad(&f, 60); /* as Ethernet does: padding is no payload */
	count_run(collector, &f, 4);
	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){5000, 53}, 1);
	count_run(collector, &f, 9);
	lab_udp6(&f, "2001:db8::1", "2001:db8::2", (uint16_t[2]){5000, 123}, 0);
	count_run(collector, &f, 2);
	count_collect(collector, &taken);
	assert_int_equal(taken.port_count, 2);
	assert_int_equal(taken.udp, 6);
	assert_int_equal(taken.packets, 15);
}

static void source_ports_share_a_port_record(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = count_new(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	for (uint16_t port = 1; port <= 40; port++) {
		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){port, 443}, TCP_SYN, 0);
		count_run(collector, &f, 1);
	}
	count_collect(collector, &taken);
	assert_int_equal(taken.flow_count, 40);
	assert_int_equal(taken.port_count, 1);
	assert_int_equal(taken.ports[0].dstport, 443);
	assert_int_equal(taken.ports[0].protocol, IPPROTO_TCP);
	assert_int_equal(taken.ports[0].syn, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syn_without_ack_and_rst_are_counted_by_port),
		cmocka_unit_test(refusal_is_counted_to_whom_it_answers),
		cmocka_unit_test(refusal_in_a_full_table_is_shed_twice),
		cmocka_unit_test(handshake_is_completed_once),
		cmocka_unit_test(half_open_and_foreign_acks_complete_nothing),
		cmocka_unit_test(honest_connections_complete_as_many_as_they_begin),
		cmocka_unit_test(syn_and_ack_may_come_in_on_different_interfaces),
		cmocka_unit_test(only_empty_udp_is_counted_by_port),
		cmocka_unit_test(source_ports_share_a_port_record),
	};

	lab_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
