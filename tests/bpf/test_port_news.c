// SPDX-License-Identifier: BSD-2-Clause
/* What a packet counts as, in native code: the same source as in the XDP program. */
#include "port_news.bpf.h"
#include "tests/unit/test.h"

#define FIN TCP_FLAG_FIN
#define SYN TCP_FLAG_SYN
#define RST TCP_FLAG_RST
#define PSH 0x08
#define ACK TCP_FLAG_ACK
#define ECN 0xc0 /* ECE and CWR */

static struct packet segment(tcp_flags flags)
{
	return (struct packet){.protocol = 6, .flags = flags, .payload_known = 1};
}

static void assert_news(tcp_flags flags, uint32_t expected)
{
	const struct packet pkt = segment(flags);

	assert_int_equal(port_news(&pkt), expected);
}

static void syn_without_ack_asks(void **state _unused_)
{
	assert_news(SYN, NEWS_SYN);
	assert_news(SYN | ECN, NEWS_SYN);
	assert_news(SYN | PSH, NEWS_SYN); /* TCP Fast Open: with data */
	assert_news(SYN | ACK, 0);
	assert_news(SYN | RST, NEWS_SYN | NEWS_RST);
	assert_news(ACK, 0);
}

static void first_ack_of_a_flow_may_complete(void **state _unused_)
{
	assert_true(tcp_may_complete(ACK, 0)); /* nothing is known of what came before */
	assert_true(tcp_may_complete(ACK, SYN));
	assert_true(tcp_may_complete(ACK, SYN | ECN));
	assert_true(tcp_may_complete(ACK | PSH, SYN)); /* the pure ACK was lost */
	assert_true(tcp_may_complete(ACK | FIN, SYN));
	/* A connection after another one with the same ports. */
	assert_true(tcp_may_complete(ACK, SYN | ACK | FIN));
	assert_true(tcp_may_complete(ACK, SYN | ACK | RST));
}

static void other_segments_do_not(void **state _unused_)
{
	assert_false(tcp_may_complete(ACK, SYN | ACK)); /* an established connection */
	assert_false(tcp_may_complete(ACK, ACK));
	assert_false(tcp_may_complete(SYN, 0));
	assert_false(tcp_may_complete(SYN | ACK, SYN)); /* both asked at once (RFC 9293 3.5) */
	assert_false(tcp_may_complete(RST, SYN));
	assert_false(tcp_may_complete(RST | ACK, SYN));
	assert_false(tcp_may_complete(FIN, SYN));
	assert_false(tcp_may_complete(0, SYN));
}

static void rst_and_ack_with_sequence_number_0_refuses(void **state _unused_)
{
	struct packet pkt = segment(RST | ACK);

	assert_int_equal(port_news(&pkt), NEWS_RST);
	pkt.seq_is_zero = 1;
	assert_int_equal(port_news(&pkt), NEWS_RST | NEWS_REFUSED);
	pkt.flags = RST; /* answers a segment that had an ACK */
	assert_int_equal(port_news(&pkt), NEWS_RST);
	pkt.flags = RST | ACK | SYN;
	assert_int_equal(port_news(&pkt), NEWS_RST);
	pkt.flags = ACK;
	assert_int_equal(port_news(&pkt), 0);
}

static void only_tcp_and_empty_udp_are_news(void **state _unused_)
{
	struct packet pkt = {.protocol = 17, .payload_known = 1};

	assert_int_equal(port_news(&pkt), NEWS_UDP);
	pkt.payload_bytes = 1;
	assert_int_equal(port_news(&pkt), 0);
	pkt = (struct packet){.protocol = 17, .fragment = FRAGMENT_LATER};
	assert_int_equal(port_news(&pkt), 0);
	for (unsigned int protocol = 0; protocol < 256; protocol++) {
		pkt = (struct packet){.protocol = (ip_proto)protocol, .payload_known = 1};
		assert_int_equal(port_news(&pkt), protocol == 17 ? NEWS_UDP : 0);
	}
}

static void what_is_answered_has_both_ends_reversed(void **state _unused_)
{
	const struct packet pkt = {
		.srcip.bytes = {1, [15] = 2},
		.dstip.bytes = {3, [15] = 4},
		.srcport = 80,
		.dstport = 40000,
		.protocol = 6,
		.flags = RST | ACK,
	};
	const struct packet asked = packet_reversed(&pkt);

	assert_memory_equal(&asked.srcip, &pkt.dstip, sizeof(pkt.dstip));
	assert_memory_equal(&asked.dstip, &pkt.srcip, sizeof(pkt.srcip));
	assert_int_equal(asked.srcport, 40000);
	assert_int_equal(asked.dstport, 80);
	assert_int_equal(asked.protocol, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syn_without_ack_asks),
		cmocka_unit_test(first_ack_of_a_flow_may_complete),
		cmocka_unit_test(other_segments_do_not),
		cmocka_unit_test(rst_and_ack_with_sequence_number_0_refuses),
		cmocka_unit_test(only_tcp_and_empty_udp_are_news),
		cmocka_unit_test(what_is_answered_has_both_ends_reversed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
