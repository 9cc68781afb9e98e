// SPDX-License-Identifier: BSD-2-Clause
/* The counting program, run on built packets by BPF_PROG_TEST_RUN, and read through the collector. */
#include "account.h"
#include "agent/collect.h"
#include "base/clock.h"
#include "base/fd.h"
#include "event/render.h"
#include "tests/bpf/lab.h"
#include "tests/unit/test.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define RECORDS_MAX 128

static const uint16_t web[2] = {40000, 80};

/* Everything that was collected. */
struct taken {
	struct flow_event flows[RECORDS_MAX];
	size_t flow_count; /* of all; the first RECORDS_MAX are kept */
	struct port_event ports[RECORDS_MAX];
	size_t port_count;
	uint64_t packets, bytes;
	uint64_t syn, rst, udp, completed, refused;
};

static void take_flow(void *user, const struct flow_event *flow)
{
	struct taken *taken = user;

	if (taken->flow_count < RECORDS_MAX)
		taken->flows[taken->flow_count] = *flow;
	taken->flow_count++;
	taken->packets += flow->count;
	taken->bytes += flow->size;
}

static void take_port(void *user, const struct port_event *port)
{
	struct taken *taken = user;

	if (taken->port_count < RECORDS_MAX)
		taken->ports[taken->port_count] = *port;
	taken->port_count++;
	taken->syn += port->syn;
	taken->rst += port->rst;
	taken->udp += port->udp;
	taken->completed += port->completed;
	taken->refused += port->refused;
}

static void collect(struct collector *collector, struct taken *taken)
{
	const struct collect_sink sink = {.flow = take_flow, .port = take_port, .user = taken};

	assert_int_equal(collector_collect(collector, &sink), 0);
}

static struct collector *make_collector(unsigned int interfaces, uint32_t flows, uint32_t ports)
{
	const struct collector_options options = {
		.interface_count = interfaces,
		.flow_max = flows,
		.port_max = ports,
	};
	struct collector *collector = NULL;

	assert_int_equal(collector_new(&options, &collector), 0);
	return collector;
}

static int run_program(int fd, const struct frame *frame, unsigned int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes,
		.data_size_in = (uint32_t)frame->size, .repeat = (int)repeat);
	int r = bpf_prog_test_run_opts(fd, &run);

	return r < 0 ? r : (int)run.retval;
}

/* Packets are never changed or dropped, whatever they are. */
static void run(struct collector *collector, const struct frame *frame, unsigned int repeat)
{
	assert_int_equal(run_program(collector_program_fd(collector, 0), frame, repeat), XDP_PASS);
}

static struct interface_event totals(const struct collector *collector, unsigned int slot)
{
	struct interface_event totals = {0};

	assert_int_equal(collector_read_interface(collector, slot, &totals), 0);
	return totals;
}

static void assert_ip(const ip_addr *ip, const char *expected)
{
	char text[IP_TEXT_MAX];

	assert_string_equal(ip_render(ip, text), expected);
}

static void flow_counts_packets_and_bytes(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct taken taken = {0};
	const struct flow_event *flow = &taken.flows[0];
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "198.51.100.2", web, TCP_ACK, 100);
	run(collector, &f, 7);
	lab_tcp4(&f, "192.0.2.1", "198.51.100.2", web, TCP_ACK | TCP_FIN, 0);
	run(collector, &f, 1);
	collect(collector, &taken);
	assert_int_equal(taken.flow_count, 1);
	assert_ip(&flow->srcip, "192.0.2.1");
	assert_ip(&flow->dstip, "198.51.100.2");
	assert_int_equal(flow->srcport, 40000);
	assert_int_equal(flow->dstport, 80);
	assert_int_equal(flow->protocol, IPPROTO_TCP);
	assert_int_equal(flow->flags, TCP_ACK | TCP_FIN);
	assert_int_equal(flow->ended, 0);
	assert_int_equal(flow->count, 8);
	/* Ethernet 14, IPv4 20, TCP 20. */
	assert_int_equal(flow->size, 7 * 154 + 54);
}

static void ipv6_is_counted_alike(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", web, TCP_SYN, 0);
	run(collector, &f, 3);
	collect(collector, &taken);
	assert_int_equal(taken.flow_count, 1);
	assert_ip(&taken.flows[0].srcip, "2001:db8::1");
	assert_ip(&taken.flows[0].dstip, "2001:db8::2");
	assert_int_equal(taken.flows[0].count, 3);
	assert_int_equal(taken.flows[0].size, 3 * 74);
	assert_int_equal(taken.port_count, 1);
	assert_ip(&taken.ports[0].dstip, "2001:db8::2");
	assert_int_equal(taken.ports[0].dstport, 80);
	assert_int_equal(taken.ports[0].syn, 3);
}

static void each_five_tuple_is_its_own_flow(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	for (uint16_t port = 0; port < 50; port++) {
		lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){1000, port}, 10);
		run(collector, &f, port + 1U);
	}
	collect(collector, &taken);
	assert_int_equal(taken.flow_count, 50);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(taken.flows[i].count, taken.flows[i].dstport + 1);
}

static void times_are_unix_times_of_first_and_last_packet(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	uint64_t before = clock_realtime_ns(), between, after;
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	run(collector, &f, 1);
	between = clock_realtime_ns();
	run(collector, &f, 1);
	after = clock_realtime_ns();
	collect(collector, &taken);
	/* A flow's times are ticks, of at most 10 ms. */
	assert_in_range(taken.flows[0].first, before - 20 * NS_PER_MS, between + 10 * NS_PER_MS);
	assert_in_range(taken.flows[0].last, between - 20 * NS_PER_MS, after + 10 * NS_PER_MS);
	/* A millisecond for what adjtime(3) may do in between. */
	assert_in_range(taken.ports[0].first, before - NS_PER_MS, between + NS_PER_MS);
	assert_in_range(taken.ports[0].last, between - NS_PER_MS, after + NS_PER_MS);
}

/* The flags of a TCP segment, and what they count as. */
static uint64_t tick_of(uint64_t ns)
{
	return ns >> CLOCK_TICK_SHIFT << CLOCK_TICK_SHIFT;
}

/* As a capture is replayed: in its own time, over several periods. */
static void a_driven_collector_counts_in_the_time_it_is_given(void **state _unused_)
{
	const struct collector_options options = {
		.interface_count = 1, .flow_max = 64, .port_max = 64, .driven = true};
	const uint64_t start = 1000000000123456789ULL;
	_cleanup_(collector_freep) struct collector *collector = NULL;
	struct frame f;

	assert_int_equal(collector_new(&options, &collector), 0);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	for (uint64_t period = 0; period < 3; period++) {
		struct taken taken = {0};

		collector_set_time(collector, start + period * NS_PER_SEC);
		run(collector, &f, 1);
		collector_set_time(collector, start + period * NS_PER_SEC + 1);
		run(collector, &f, 1);
		collect(collector, &taken);
		assert_int_equal(taken.flow_count, 1);
		assert_int_equal(taken.flows[0].count, 2);
		/* In ticks of 2^20 ns. A later increment begins after the collection before it. */
		assert_in_range(taken.flows[0].first,
			tick_of(start + (period ? period - 1 : 0) * NS_PER_SEC),
			start + period * NS_PER_SEC);
		assert_int_equal(taken.flows[0].last, tick_of(start + period * NS_PER_SEC + 1));
		assert_int_equal(taken.port_count, 1);
		assert_int_equal(taken.ports[0].syn, 2);
		assert_int_equal(taken.ports[0].last, start + period * NS_PER_SEC + 1);
	}
}

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
		_cleanup_(collector_freep) struct collector *collector = make_collector(1, 8, 8);
		struct taken taken = {0};
		struct frame f;

		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, cases[i].flags, 0);
		run(collector, &f, 5);
		collect(collector, &taken);
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
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct taken taken = {0};
	const struct port_event *asked;
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "198.51.100.2", (uint16_t[2]){40000, 23}, TCP_SYN, 0);
	run(collector, &f, 3);
	refusal(&f, "198.51.100.2", "192.0.2.1", 23);
	run(collector, &f, 3);
	collect(collector, &taken);
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
	assert_int_equal(totals(collector, 0).port_shed, 0);
}

static void refusal_in_a_full_table_is_shed_twice(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 1);
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.9", "198.51.100.9", web, TCP_SYN, 0);
	run(collector, &f, 1);
	refusal(&f, "198.51.100.2", "192.0.2.1", 23);
	run(collector, &f, 4);
	collect(collector, &taken);
	assert_int_equal(taken.syn, 1);
	assert_int_equal(taken.rst + taken.refused + totals(collector, 0).port_shed, 8);
}

static void tcp(struct collector *collector, uint16_t source, uint8_t flags)
{
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){source, 80}, flags, 0);
	run(collector, &f, 1);
}

static void handshake_is_completed_once(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	tcp(collector, 1000, TCP_SYN);
	tcp(collector, 1000, TCP_SYN); /* sent again */
	for (int i = 0; i < 5; i++)
		tcp(collector, 1000, TCP_ACK);
	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", web, TCP_SYN, 0);
	run(collector, &f, 1);
	lab_tcp6(&f, "2001:db8::1", "2001:db8::2", web, TCP_ACK | TCP_PSH, 10);
	run(collector, &f, 3);
	collect(collector, &taken);
	assert_int_equal(taken.port_count, 2);
	assert_int_equal(taken.syn, 3);
	assert_int_equal(taken.completed, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(taken.ports[i].completed, 1);
}

static void half_open_and_foreign_acks_complete_nothing(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct taken taken = {0};

	tcp(collector, 1000, TCP_SYN);
	tcp(collector, 1000, TCP_RST | TCP_ACK); /* nmap -sS: closes what the host opened */
	tcp(collector, 1001, TCP_ACK);           /* begun before anyone looked */
	tcp(collector, 1002, TCP_SYN | TCP_ACK);
	tcp(collector, 1002, TCP_ACK); /* the server's direction */
	collect(collector, &taken);
	assert_int_equal(taken.syn, 1);
	assert_int_equal(taken.completed, 0);
}

/* Each a connection: from a new port, or from the same one after the last has ended. */
static void honest_connections_complete_as_many_as_they_begin(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(2, 1024, 64);
	struct taken taken = {0};

	for (uint16_t i = 0; i < 300; i++) {
		uint16_t source = i < 200 ? 1000 + i : 999;

		tcp(collector, source, TCP_SYN);
		if (i % 7 == 0) /* a period ends between */
			collect(collector, &taken);
		tcp(collector, source, TCP_ACK);
		tcp(collector, source, TCP_ACK | TCP_PSH);
		tcp(collector, source, TCP_ACK | TCP_FIN);
		tcp(collector, source, TCP_ACK);
	}
	collect(collector, &taken);
	assert_int_equal(taken.syn, 300);
	assert_int_equal(taken.completed, 300);
}

/* As when a link is doubled, or the packets of one queue are steered elsewhere. */
static void syn_and_ack_may_come_in_on_different_interfaces(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(2, 64, 64);
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	assert_int_equal(run_program(collector_program_fd(collector, 0), &f, 1), XDP_PASS);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	assert_int_equal(run_program(collector_program_fd(collector, 1), &f, 1), XDP_PASS);
	collect(collector, &taken);
	assert_int_equal(taken.completed, 1);
}

static void only_empty_udp_is_counted_by_port(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 8, 8);
	struct taken taken = {0};
	struct frame f;

	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){5000, 53}, 0);
	frame_pad(&f, 60); /* as Ethernet does: padding is no payload */
	run(collector, &f, 4);
	lab_udp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){5000, 53}, 1);
	run(collector, &f, 9);
	lab_udp6(&f, "2001:db8::1", "2001:db8::2", (uint16_t[2]){5000, 123}, 0);
	run(collector, &f, 2);
	collect(collector, &taken);
	assert_int_equal(taken.port_count, 2);
	assert_int_equal(taken.udp, 6);
	assert_int_equal(taken.packets, 15);
}

static void source_ports_share_a_port_record(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct taken taken = {0};
	struct frame f;

	for (uint16_t port = 1; port <= 40; port++) {
		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){port, 443}, TCP_SYN, 0);
		run(collector, &f, 1);
	}
	collect(collector, &taken);
	assert_int_equal(taken.flow_count, 40);
	assert_int_equal(taken.port_count, 1);
	assert_int_equal(taken.ports[0].dstport, 443);
	assert_int_equal(taken.ports[0].protocol, IPPROTO_TCP);
	assert_int_equal(taken.ports[0].syn, 40);
}

static void a_period_begins_at_zero(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 64, 64);
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_SYN, 0);
	/* Both tables in turn, and again. */
	for (unsigned int period = 1; period <= 5; period++) {
		struct taken taken = {0};

		run(collector, &f, period);
		collect(collector, &taken);
		assert_int_equal(taken.flow_count, 1);
		assert_int_equal(taken.packets, period);
		assert_int_equal(taken.syn, period);
		taken = (struct taken){0};
		collect(collector, &taken);
		assert_int_equal(taken.flow_count + taken.port_count, 0);
	}
}

static void totals_say_what_is_not_ip_and_what_is_malformed(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 8, 8);
	struct taken taken = {0};
	struct interface_event sum;
	struct frame f;

	frame_init(&f);
	frame_ethernet(&f);
	frame_set_next(&f, 0x0806); /* ARP */
	frame_payload(&f, 46);
	frame_finish(&f);
	run(collector, &f, 3);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	run(collector, &f, 2);
	f.size -= 4; /* the IPv4 header promises more */
	run(collector, &f, 5);
	collect(collector, &taken);
	sum = totals(collector, 0);
	assert_int_equal(sum.packets, 10);
	assert_int_equal(sum.size, 3 * 60 + 2 * 54 + 5 * 50);
	assert_int_equal(sum.not_ip, 3);
	assert_int_equal(sum.malformed, 5);
	assert_int_equal(sum.flow_shed, 0);
	assert_int_equal(taken.packets, 2);
}

static void what_has_no_key_is_counted_by_cause(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 8, 8);
	struct unparsed unparsed;
	uint64_t packets = 0;
	struct frame f;

	frame_init(&f);
	frame_ethernet(&f);
	frame_set_next(&f, 0x0806); /* ARP */
	frame_payload(&f, 46);
	frame_finish(&f);
	run(collector, &f, 3);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	run(collector, &f, 2);
	f.bytes[14 + 20 + 12] = 0x40; /* TCP's data offset */
	run(collector, &f, 4);
	f.size -= 4;
	run(collector, &f, 5);
	assert_int_equal(collector_read_unparsed(collector, 0, &unparsed), 0);
	assert_int_equal(unparsed.causes[PARSE_NOT_IP].packets, 3);
	assert_int_equal(unparsed.causes[PARSE_NOT_IP].bytes, 3 * 60);
	assert_int_equal(unparsed.causes[PARSE_BAD_TCP].packets, 4);
	assert_int_equal(unparsed.causes[PARSE_BAD_TCP].bytes, 4 * 54);
	assert_int_equal(unparsed.causes[PARSE_IP_BEYOND_FRAME].packets, 5);
	assert_int_equal(unparsed.causes[PARSE_IP_BEYOND_FRAME].bytes, 5 * 50);
	for (int cause = 0; cause < PARSE_VERDICTS; cause++)
		packets += unparsed.causes[cause].packets;
	assert_int_equal(packets, 12);
	assert_int_equal(unparsed.causes[PARSE_OK].packets, 0);
}

/* The key of a flow in VXLAN, with and without looking for it. */
static void tunnels_are_looked_into_on_request(void **state _unused_)
{
	static const char *const sources[] = {"192.0.2.1", "10.9.0.1"};

	for (unsigned int look = 0; look < 2; look++) {
		const struct collector_options options = {
			.interface_count = 1,
			.flow_max = 64,
			.port_max = 8,
			.inside = look ? TUNNEL_GRE | TUNNEL_VXLAN : TUNNEL_GRE,
		};
		_cleanup_(collector_freep) struct collector *collector = NULL;
		struct taken taken = {0};
		struct frame f;

		assert_int_equal(collector_new(&options, &collector), 0);
		frame_init(&f);
		frame_ethernet(&f);
		frame_ipv4(&f, "192.0.2.1", "192.0.2.2");
		frame_vxlan(&f, 7);
		frame_ethernet(&f);
		frame_ipv4(&f, "10.9.0.1", "10.9.0.2");
		frame_tcp(&f, 40000, 80, TCP_SYN);
		frame_finish(&f);
		run(collector, &f, 2);
		collect(collector, &taken);
		assert_int_equal(taken.flow_count, 1);
		assert_ip(&taken.flows[0].srcip, sources[look]);
		assert_int_equal(taken.syn, look ? 2 : 0);
	}
}

/* A frame larger than a page comes in fragments, of which the program sees the first. */
static void jumbo_frame_is_counted_whole(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 8, 8);
	_cleanup_free_ uint8_t *bytes = calloc(1, 9000);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = 9000);
	struct taken taken = {0};
	struct frame f;

	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) != 1)
		skip();
	assert_non_null(bytes);
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	memcpy(bytes, f.bytes, f.size);
	bytes[16] = (9000 - 14) >> 8; /* IPv4 total length */
	bytes[17] = (9000 - 14) & 0xff;
	assert_int_equal(bpf_prog_test_run_opts(collector_program_fd(collector, 0), &options), 0);
	assert_int_equal(options.retval, XDP_PASS);
	collect(collector, &taken);
	assert_int_equal(totals(collector, 0).malformed, 0);
	assert_int_equal(taken.packets, 1);
	assert_int_equal(taken.bytes, 9000);
}

static void interfaces_have_their_own_totals_and_share_flows(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(3, 8, 8);
	struct taken taken = {0};
	struct frame f;

	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", web, TCP_ACK, 0);
	for (unsigned int slot = 0; slot < 3; slot++)
		assert_int_equal(
			run_program(collector_program_fd(collector, slot), &f, slot + 1), XDP_PASS);
	collect(collector, &taken);
	for (unsigned int slot = 0; slot < 3; slot++)
		assert_int_equal(totals(collector, slot).packets, slot + 1);
	assert_int_equal(taken.flow_count, 1);
	assert_int_equal(taken.packets, 6);
}

static void full_tables_shed_and_say_so(void **state _unused_)
{
	/* More than any CPU's slots and records, so that it does not matter how many there are. */
	const uint32_t flows = 2 * (512 + 8192) * (uint32_t)libbpf_num_possible_cpus();
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 16, 8);
	struct interface_event sum;
	struct taken taken = {0};
	struct frame f;

	for (uint32_t i = 0; i < flows; i++) {
		const uint16_t ports[2] = {(uint16_t)(1 + i / 60000), (uint16_t)(1 + i % 60000)};

		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", ports, TCP_SYN, 0);
		run(collector, &f, 1);
	}
	collect(collector, &taken);
	sum = totals(collector, 0);
	assert_int_equal(sum.packets, flows);
	assert_int_equal(taken.flow_count + sum.flow_shed, flows);
	assert_int_equal(taken.packets + sum.flow_shed, flows);
	assert_int_equal(taken.syn + sum.port_shed, flows);
	assert_in_range(taken.port_count, 1, 8);
	assert_true(sum.flow_shed >= flows / 2);
	assert_true(sum.port_shed >= flows - 8);

	/* And the next period has room again. */
	taken = (struct taken){0};
	lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){9, 9}, TCP_SYN, 0);
	run(collector, &f, 1);
	collect(collector, &taken);
	assert_int_equal(taken.packets, 1);
}

/* ---- the claim that swapping tables loses nothing ---- */

#define LOAD_THREADS 2
#define LOAD_FLOWS   32
#define LOAD_REPEAT  2000
#define LOAD_ROUNDS  100
#define LOAD_NS      (60 * NS_PER_SEC)

struct load {
	int fd;
	uint16_t number;
	atomic_uint_fast64_t sent;
	atomic_bool *stop;
};

static void *load_main(void *arg)
{
	struct load *load = arg;
	struct frame f;

	for (uint16_t i = 0; !atomic_load(load->stop); i++) {
		/* Half of the flows are the other thread's as well. */
		uint16_t source = i % 2 ? 7 : load->number;

		lab_tcp4(&f, "192.0.2.1", "192.0.2.2", (uint16_t[2]){source, i % LOAD_FLOWS},
			TCP_SYN, 0);
		if (run_program(load->fd, &f, LOAD_REPEAT) != XDP_PASS)
			return (void *)"BPF_PROG_TEST_RUN failed";
		atomic_fetch_add(&load->sent, LOAD_REPEAT);
	}
	return NULL;
}

static void swapping_under_load_is_exact(void **state _unused_)
{
	_cleanup_(collector_freep) struct collector *collector = make_collector(1, 256, 256);
	struct load loads[LOAD_THREADS];
	pthread_t threads[LOAD_THREADS];
	atomic_bool stop = false;
	struct taken taken = {0};
	unsigned int busy_rounds = 0;
	uint64_t deadline_ns;
	uint64_t sent = 0;

	for (uint16_t i = 0; i < LOAD_THREADS; i++) {
		loads[i].fd = collector_program_fd(collector, 0);
		loads[i].number = i;
		loads[i].stop = &stop;
		atomic_init(&loads[i].sent, 0);
		assert_int_equal(pthread_create(&threads[i], NULL, load_main, &loads[i]), 0);
	}
	for (int i = 0; i < LOAD_THREADS; i++)
		while (atomic_load(&loads[i].sent) == 0)
			sched_yield();
	deadline_ns = clock_monotonic_ns() + LOAD_NS;
	/* Only a swap that found something to collect proves anything. */
	while (busy_rounds < LOAD_ROUNDS && clock_monotonic_ns() < deadline_ns) {
		uint64_t before = taken.packets;

		collect(collector, &taken);
		busy_rounds += taken.packets > before;
	}
	atomic_store(&stop, true);
	for (int i = 0; i < LOAD_THREADS; i++) {
		void *failure;

		pthread_join(threads[i], &failure);
		assert_null(failure);
		sent += loads[i].sent;
	}
	collect(collector, &taken);
	print_message("%llu packets, %u swaps under load\n", (unsigned long long)sent, busy_rounds);
	assert_int_equal(busy_rounds, LOAD_ROUNDS);
	assert_int_equal(totals(collector, 0).packets, sent);
	assert_int_equal(totals(collector, 0).flow_shed, 0);
	assert_int_equal(totals(collector, 0).port_shed, 0);
	assert_int_equal(taken.packets, sent);
	assert_int_equal(taken.bytes, sent * 54);
	assert_int_equal(taken.syn, sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_counts_packets_and_bytes),
		cmocka_unit_test(ipv6_is_counted_alike),
		cmocka_unit_test(each_five_tuple_is_its_own_flow),
		cmocka_unit_test(times_are_unix_times_of_first_and_last_packet),
		cmocka_unit_test(a_driven_collector_counts_in_the_time_it_is_given),
		cmocka_unit_test(syn_without_ack_and_rst_are_counted_by_port),
		cmocka_unit_test(refusal_is_counted_to_whom_it_answers),
		cmocka_unit_test(refusal_in_a_full_table_is_shed_twice),
		cmocka_unit_test(handshake_is_completed_once),
		cmocka_unit_test(half_open_and_foreign_acks_complete_nothing),
		cmocka_unit_test(honest_connections_complete_as_many_as_they_begin),
		cmocka_unit_test(syn_and_ack_may_come_in_on_different_interfaces),
		cmocka_unit_test(only_empty_udp_is_counted_by_port),
		cmocka_unit_test(source_ports_share_a_port_record),
		cmocka_unit_test(a_period_begins_at_zero),
		cmocka_unit_test(totals_say_what_is_not_ip_and_what_is_malformed),
		cmocka_unit_test(what_has_no_key_is_counted_by_cause),
		cmocka_unit_test(tunnels_are_looked_into_on_request),
		cmocka_unit_test(jumbo_frame_is_counted_whole),
		cmocka_unit_test(interfaces_have_their_own_totals_and_share_flows),
		cmocka_unit_test(full_tables_shed_and_say_so),
		cmocka_unit_test(swapping_under_load_is_exact),
	};

	lab_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
