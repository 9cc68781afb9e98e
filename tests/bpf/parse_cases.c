// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/parse_cases.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define A4    "10.0.0.1"
#define B4    "10.0.0.2"
#define A6    "2001:db8::1"
#define B6    "2001:db8::2"
#define OUT4A "192.0.2.1"
#define OUT4B "192.0.2.2"
#define OUT6A "2001:db8:ffff::1"
#define OUT6B "2001:db8:ffff::2"

static void plain_ipv4(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4(f, A4, B4);
}

static void plain_ipv6(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv6(f, A6, B6);
}

static void syn_4(struct frame *f)
{
	frame_tcp(f, 40000, 80, TCP_SYN);
	frame_payload(f, 4);
}

static void ipv4_syn(struct frame *f)
{
	plain_ipv4(f);
	syn_4(f);
}

static void inner_ipv4(struct frame *f)
{
	frame_ipv4(f, A4, B4);
	syn_4(f);
}

static void inner_ipv6(struct frame *f)
{
	frame_ipv6(f, A6, B6);
	syn_4(f);
}

static void ethernet_only(struct frame *f)
{
	frame_ethernet(f);
	frame_set_next(f, ETH_P_ARP);
	frame_payload(f, 28);
}

static void length_field(struct frame *f)
{
	frame_ethernet(f);
	frame_set_next(f, 38); /* 802.3 LLC */
	frame_payload(f, 38);
}

static void one_tag(struct frame *f)
{
	frame_ethernet(f);
	frame_vlan(f, ETH_P_8021Q, 7);
	inner_ipv4(f);
}

static void two_tags(struct frame *f)
{
	frame_ethernet(f);
	frame_vlan(f, ETH_P_8021AD, 9);
	frame_vlan(f, ETH_P_8021Q, 7);
	inner_ipv6(f);
}

static void three_tags(struct frame *f)
{
	frame_ethernet(f);
	frame_vlan(f, ETH_P_8021AD, 9);
	frame_vlan(f, ETH_P_8021AD, 8);
	frame_vlan(f, ETH_P_8021Q, 7);
	inner_ipv4(f);
}

static void four_tags(struct frame *f)
{
	frame_ethernet(f);
	for (uint16_t i = 0; i < 4; i++)
		frame_vlan(f, ETH_P_8021Q, i);
	inner_ipv4(f);
}

static void tagged_arp(struct frame *f)
{
	frame_ethernet(f);
	frame_vlan(f, ETH_P_8021Q, 7);
	frame_set_next(f, ETH_P_ARP);
	frame_payload(f, 28);
}

static void mpls_one(struct frame *f)
{
	frame_ethernet(f);
	frame_mpls(f, 100);
	inner_ipv4(f);
}

static void mpls_eight(struct frame *f)
{
	frame_ethernet(f);
	frame_vlan(f, ETH_P_8021Q, 7);
	for (uint32_t i = 0; i < 8; i++)
		frame_mpls(f, 100 + i);
	inner_ipv6(f);
}

static void mpls_nine(struct frame *f)
{
	frame_ethernet(f);
	for (uint32_t i = 0; i < 9; i++)
		frame_mpls(f, 100 + i);
	inner_ipv4(f);
}

static void mpls_pseudowire(struct frame *f)
{
	frame_ethernet(f);
	frame_mpls(f, 100);
	memset(frame_payload(f, 60), 0, 4);
}

static void pppoe_ipv4(struct frame *f)
{
	frame_ethernet(f);
	frame_pppoe(f);
	inner_ipv4(f);
}

static void pppoe_ipv6(struct frame *f)
{
	frame_ethernet(f);
	frame_vlan(f, ETH_P_8021Q, 7);
	frame_pppoe(f);
	inner_ipv6(f);
}

static void pppoe_lcp(struct frame *f)
{
	frame_ethernet(f);
	frame_pppoe(f);
	frame_set_next(f, 0xc021);
	frame_payload(f, 8);
}

static void pppoe_wrong_version(struct frame *f)
{
	frame_ethernet(f);
	frame_pppoe(f)[0] = 0x21;
	inner_ipv4(f);
}

static void pppoe_cuts_ip(struct frame *f)
{
	uint8_t *pppoe;

	frame_ethernet(f);
	pppoe = frame_pppoe(f);
	inner_ipv4(f);
	frame_finish(f);
	f->length_count = 0;
	pppoe[5] = 2 + 40; /* less than the IPv4 total length, 44 */
}

static void pppoe_length(struct frame *f, uint8_t length)
{
	uint8_t *pppoe;

	frame_ethernet(f);
	pppoe = frame_pppoe(f);
	frame_ipv4(f, A4, B4);
	syn_4(f);
	frame_finish(f);
	f->length_count = 0;
	pppoe[5] = length;
}

static void pppoe_length_1(struct frame *f)
{
	pppoe_length(f, 1);
}

static void pppoe_beyond_frame(struct frame *f)
{
	pppoe_length(f, 2 + 45);
}

static void pppoe_terminate(struct frame *f)
{
	frame_ethernet(f);
	frame_pppoe(f)[1] = 0xa7; /* PADT */
	inner_ipv4(f);
}

static void ipv4_options(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4_options(f, A4, B4, 40);
	syn_4(f);
}

static void ipv4_short_ihl(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4(f, A4, B4)[0] = 0x44;
	syn_4(f);
}

static void ipv4_version_6(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4(f, A4, B4)[0] = 0x65;
	syn_4(f);
}

/* Sets the total length, as frame_finish() would not. */
static void ipv4_total(struct frame *f, uint8_t total)
{
	uint8_t *ip;

	frame_ethernet(f);
	ip = frame_ipv4(f, A4, B4);
	syn_4(f);
	f->length_count = 0;
	ip[3] = total;
}

static void ipv4_total_below_header(struct frame *f)
{
	ipv4_total(f, 19);
}

static void ipv4_total_cuts_tcp(struct frame *f)
{
	ipv4_total(f, 39);
}

static void ipv4_total_beyond_frame(struct frame *f)
{
	ipv4_total(f, 200);
}

static void ipv4_first_fragment(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4_fragment(frame_ipv4(f, A4, B4), 0, 1);
	syn_4(f);
}

static void ipv4_last_fragment(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4_fragment(frame_ipv4(f, A4, B4), 185, 0);
	syn_4(f);
}

/* Only the highest bit of the offset is set. */
static void ipv4_far_fragment(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4_fragment(frame_ipv4(f, A4, B4), 0x1000, 1);
	syn_4(f);
}

static void ipv4_ah_fragment(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4_fragment(frame_ipv4(f, A4, B4), 100, 0);
	frame_protocol(f, IPPROTO_AH, 40);
}

static void ipv4_tiny_fragment(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4_fragment(frame_ipv4(f, A4, B4), 0, 1);
	frame_protocol(f, IPPROTO_TCP, 8);
}

static void ipv4_udp_first_fragment(struct frame *f)
{
	uint8_t *udp;

	frame_ethernet(f);
	frame_ipv4_fragment(frame_ipv4(f, A4, B4), 0, 1);
	udp = frame_udp(f, 53, 3333);
	f->length_count--;
	udp[4] = 0x07;
	udp[5] = 0xd8; /* 2008 in all */
	frame_payload(f, 64);
}

static void ipv4_ah(struct frame *f)
{
	plain_ipv4(f);
	frame_ah(f, 12);
	syn_4(f);
}

static void ipv6_syn(struct frame *f)
{
	plain_ipv6(f);
	syn_4(f);
}

static void ipv6_version_4(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv6(f, A6, B6)[0] = 0x40;
	syn_4(f);
}

static void ipv6_mapped(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv6(f, A6, "::ffff:10.0.0.2");
	syn_4(f);
}

static void ipv6_mapped_source(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv6(f, "::ffff:10.0.0.1", B6);
	syn_4(f);
}

static void ipv6_beyond_frame(struct frame *f)
{
	uint8_t *ip;

	frame_ethernet(f);
	ip = frame_ipv6(f, A6, B6);
	syn_4(f);
	f->length_count = 0;
	ip[5] = 200;
}

static void ipv6_all_extensions(struct frame *f)
{
	plain_ipv6(f);
	frame_extension(f, IPPROTO_HOPOPTS, 0);
	frame_extension(f, IPPROTO_DSTOPTS, 1);
	frame_extension(f, IPPROTO_ROUTING, 2);
	frame_fragment(f, 0, 0); /* atomic */
	frame_ah(f, 16);
	frame_extension(f, IPPROTO_DSTOPTS, 0);
	syn_4(f);
}

static void ipv6_seven_extensions(struct frame *f)
{
	plain_ipv6(f);
	for (int i = 0; i < 7; i++)
		frame_extension(f, IPPROTO_DSTOPTS, 0);
	syn_4(f);
}

static void ipv6_long_extension(struct frame *f)
{
	plain_ipv6(f);
	frame_extension(f, IPPROTO_HOPOPTS, 150);
	syn_4(f);
}

static void ipv6_extension_past_packet(struct frame *f)
{
	plain_ipv6(f);
	frame_extension(f, IPPROTO_HOPOPTS, 0)[1] = 20;
	syn_4(f);
}

static void ipv6_first_fragment(struct frame *f)
{
	plain_ipv6(f);
	frame_fragment(f, 0, 1);
	syn_4(f);
}

static void ipv6_later_fragment(struct frame *f)
{
	plain_ipv6(f);
	frame_extension(f, IPPROTO_HOPOPTS, 0);
	frame_fragment(f, 100, 1);
	frame_set_next(f, IPPROTO_UDP);
	frame_payload(f, 64);
}

static void ipv6_no_next(struct frame *f)
{
	plain_ipv6(f);
	frame_protocol(f, IPPROTO_NONE, 4);
}

static void tcp_flags_all(struct frame *f)
{
	plain_ipv4(f);
	frame_tcp(f, 1, 65535, 0xff);
}

static void tcp_options(struct frame *f)
{
	plain_ipv4(f);
	frame_tcp(f, 40000, 80, TCP_ACK)[12] = 0x80;
	frame_payload(f, 12 + 100);
}

static void tcp_offset_4(struct frame *f)
{
	plain_ipv4(f);
	frame_tcp(f, 40000, 80, TCP_ACK)[12] = 0x40;
}

static void tcp_offset_past_packet(struct frame *f)
{
	plain_ipv4(f);
	frame_tcp(f, 40000, 80, TCP_ACK)[12] = 0xf0;
}

static void udp_empty(struct frame *f)
{
	plain_ipv4(f);
	frame_udp(f, 40000, 161);
}

static void udp_full(struct frame *f)
{
	plain_ipv6(f);
	frame_udp(f, 40000, 53);
	frame_payload(f, 33);
}

/* The IP packet has 10 bytes more than the datagram. */
static void udp_with_trailer(struct frame *f)
{
	uint8_t *udp;

	plain_ipv4(f);
	udp = frame_udp(f, 40000, 53);
	f->length_count--;
	udp[5] = 8;
	frame_payload(f, 10);
}

static void udp_length(struct frame *f, uint8_t length)
{
	uint8_t *udp = frame_udp(f, 40000, 53);

	f->length_count--;
	udp[5] = length;
	frame_payload(f, 10);
}

static void udp_length_7(struct frame *f)
{
	plain_ipv4(f);
	udp_length(f, 7);
}

static void udp_length_past_packet(struct frame *f)
{
	plain_ipv4(f);
	udp_length(f, 19);
}

static void udp_length_0_ipv4(struct frame *f)
{
	plain_ipv4(f);
	udp_length(f, 0);
}

static void udp_length_0_ipv6(struct frame *f)
{
	plain_ipv6(f);
	udp_length(f, 0);
}

static void udplite(struct frame *f)
{
	plain_ipv4(f);
	frame_udplite(f, 1000, 2000);
	frame_payload(f, 5);
}

static void sctp(struct frame *f)
{
	plain_ipv6(f);
	frame_sctp(f, 2905, 2906);
	frame_payload(f, 16);
}

static void dccp(struct frame *f)
{
	plain_ipv4(f);
	frame_dccp(f, 5001, 5002);
	frame_payload(f, 9);
}

static void dccp_offset_2(struct frame *f)
{
	plain_ipv4(f);
	frame_dccp(f, 5001, 5002)[4] = 2;
}

static void icmp_echo(struct frame *f)
{
	plain_ipv4(f);
	frame_icmp(f, 8, 0);
	frame_payload(f, 56);
}

static void icmp_unreachable(struct frame *f)
{
	plain_ipv4(f);
	frame_icmp(f, 3, 13);
}

static void icmpv6_solicitation(struct frame *f)
{
	plain_ipv6(f);
	frame_icmpv6(f, 135, 0);
	frame_payload(f, 16);
}

static void esp(struct frame *f)
{
	plain_ipv4(f);
	frame_protocol(f, IPPROTO_ESP, 40);
}

static void outer_ipv4(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4(f, OUT4A, OUT4B);
}

static void outer_ipv6(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv6(f, OUT6A, OUT6B);
}

static void ipip(struct frame *f)
{
	outer_ipv4(f);
	inner_ipv4(f);
}

static void sixin4(struct frame *f)
{
	outer_ipv4(f);
	inner_ipv6(f);
}

static void ipv4_in_ipv6(struct frame *f)
{
	outer_ipv6(f);
	frame_extension(f, IPPROTO_DSTOPTS, 0); /* tunnel encapsulation limit */
	inner_ipv4(f);
}

static void ipip_inner_cut(struct frame *f)
{
	outer_ipv4(f);
	inner_ipv4(f);
	frame_finish(f);
	f->bytes[14 + 3] -= 1; /* outer total length */
	f->length_count = 0;
}

static void ipip_fragment(struct frame *f)
{
	frame_ethernet(f);
	frame_ipv4_fragment(frame_ipv4(f, OUT4A, OUT4B), 0, 1);
	inner_ipv4(f);
}

static void gre_plain(struct frame *f)
{
	outer_ipv4(f);
	frame_gre(f, 0);
	inner_ipv4(f);
}

static void gre_all_options(struct frame *f)
{
	outer_ipv6(f);
	frame_gre(f, 0xb000);
	inner_ipv6(f);
}

static void gre_ethernet(struct frame *f)
{
	outer_ipv4(f);
	frame_gre(f, 0x2000);
	frame_ethernet(f);
	frame_vlan(f, ETH_P_8021Q, 7);
	inner_ipv4(f);
}

static void gre_mpls(struct frame *f)
{
	outer_ipv4(f);
	frame_gre(f, 0);
	frame_mpls(f, 16);
	frame_mpls(f, 17);
	inner_ipv4(f);
}

static void gre_keepalive(struct frame *f)
{
	outer_ipv4(f);
	frame_gre(f, 0);
	frame_set_next(f, 0);
}

static void gre_pptp(struct frame *f)
{
	outer_ipv4(f);
	frame_gre(f, 0x2001);
	inner_ipv4(f);
}

static void vxlan_ipv4(struct frame *f)
{
	outer_ipv4(f);
	frame_vxlan(f, 42);
	frame_ethernet(f);
	inner_ipv4(f);
}

static void vxlan_ipv6(struct frame *f)
{
	outer_ipv6(f);
	frame_vxlan(f, 42);
	frame_ethernet(f);
	inner_ipv6(f);
}

static void vxlan_arp(struct frame *f)
{
	outer_ipv4(f);
	frame_vxlan(f, 42);
	ethernet_only(f);
}

static void vxlan_no_vni(struct frame *f)
{
	outer_ipv4(f);
	frame_vxlan(f, 42)[8] = 0;
	frame_ethernet(f);
	inner_ipv4(f);
}

static void geneve_ethernet(struct frame *f)
{
	outer_ipv4(f);
	frame_geneve(f, 42, 0);
	frame_ethernet(f);
	inner_ipv4(f);
}

static void geneve_options_ipv6(struct frame *f)
{
	outer_ipv6(f);
	frame_geneve(f, 42, 252);
	inner_ipv6(f);
}

static void geneve_control(struct frame *f)
{
	outer_ipv4(f);
	frame_geneve(f, 42, 0)[9] = 0x80;
	inner_ipv4(f);
}

static void geneve_version_1(struct frame *f)
{
	outer_ipv4(f);
	frame_geneve(f, 42, 0)[8] = 0x40;
	inner_ipv4(f);
}

/* The outer IP packet has a byte more than its datagram, and the inner one would reach into it. */
static void geneve_udp_cuts_ip(struct frame *f)
{
	uint8_t *udp;

	outer_ipv4(f);
	udp = frame_geneve(f, 42, 0);
	inner_ipv4(f);
	frame_finish(f);
	f->length_count = 0;
	udp[5] -= 1;
}

static void gtpu_ipv4(struct frame *f)
{
	outer_ipv4(f);
	frame_gtpu(f, 77, 0);
	inner_ipv4(f);
}

static void gtpu_extended_ipv6(struct frame *f)
{
	outer_ipv4(f);
	frame_gtpu(f, 77, 1);
	inner_ipv6(f);
}

static void gtpu_echo(struct frame *f)
{
	outer_ipv4(f);
	frame_gtpu(f, 0, 0)[9] = 1;
	inner_ipv4(f);
}

static void gtpu_short_length(struct frame *f)
{
	uint8_t *udp;

	outer_ipv4(f);
	udp = frame_gtpu(f, 77, 0);
	inner_ipv4(f);
	frame_finish(f);
	f->length_count = 0;
	udp[8 + 3] -= 1;
}

/* With a sequence number only, the byte that would name an extension means nothing (TS 29.281 5.1). */
static void gtpu_sequence(struct frame *f)
{
	uint8_t *gtp;

	outer_ipv4(f);
	gtp = frame_gtpu(f, 77, 0) + 8;
	gtp[0] |= 0x02;
	memset(frame_payload(f, 4), 0x85, 4);
	inner_ipv4(f);
}

/* `count` extension headers, each of 4 bytes but the last one of 8. */
static void gtpu_extensions(struct frame *f, size_t count)
{
	uint8_t *ext;

	outer_ipv4(f);
	ext = frame_gtpu(f, 77, 1) + 8 + 12;
	for (size_t i = 1; i < count; i++) {
		ext[3] = 0x85;
		ext = frame_payload(f, 4);
		ext[0] = 1;
		ext[3] = 0;
	}
	ext[0] = 2;
	ext[3] = 0xc0;
	ext = frame_payload(f, 4);
	ext[3] = 0;
	inner_ipv6(f);
}

static void gtpu_4_extensions(struct frame *f)
{
	gtpu_extensions(f, 4);
}

static void gtpu_5_extensions(struct frame *f)
{
	gtpu_extensions(f, 5);
}

static void gtpu_extension_of_0(struct frame *f)
{
	outer_ipv4(f);
	frame_gtpu(f, 77, 1)[8 + 12] = 0;
	inner_ipv4(f);
}

static void gtpu_extension_past_packet(struct frame *f)
{
	outer_ipv4(f);
	frame_gtpu(f, 77, 1)[8 + 12] = 200;
	inner_ipv4(f);
}

/* clang-format off */
#define SYN  .srcport = 40000, .dstport = 80, .protocol = IPPROTO_TCP, .flags = TCP_SYN
#define SYN4 {SYN, .payload_known = 1, .payload_bytes = 4}
#define INNER(kind) {SYN, .payload_known = 1, .payload_bytes = 4, .tunnel = (kind)}
#define KNOWN(n) .payload_known = 1, .payload_bytes = (n)

const struct parse_case parse_cases[] = {
	{"ethernet_arp", ethernet_only, 0, PARSE_NOT_IP},
	{"ethernet_llc", length_field, 0, PARSE_NOT_IP},
	{"vlan_1", one_tag, 0, PARSE_OK, A4, B4, SYN4},
	{"vlan_2", two_tags, 0, PARSE_OK, A6, B6, SYN4},
	{"vlan_3", three_tags, 0, PARSE_OK, A4, B4, SYN4},
	{"vlan_4", four_tags, 0, PARSE_TOO_MANY_TAGS},
	{"vlan_arp", tagged_arp, 0, PARSE_NOT_IP},
	{"mpls_1", mpls_one, 0, PARSE_OK, A4, B4, SYN4},
	{"mpls_8", mpls_eight, 0, PARSE_OK, A6, B6, SYN4},
	{"mpls_9", mpls_nine, 0, PARSE_TOO_MANY_LABELS},
	{"mpls_pseudowire", mpls_pseudowire, 0, PARSE_NOT_IP},
	{"pppoe_ipv4", pppoe_ipv4, 0, PARSE_OK, A4, B4, SYN4},
	{"pppoe_ipv6", pppoe_ipv6, 0, PARSE_OK, A6, B6, SYN4},
	{"pppoe_lcp", pppoe_lcp, 0, PARSE_NOT_IP},
	{"pppoe_wrong_version", pppoe_wrong_version, 0, PARSE_BAD_PPPOE},
	{"pppoe_cuts_ip", pppoe_cuts_ip, 0, PARSE_IP_BEYOND_FRAME},
	{"pppoe_length_1", pppoe_length_1, 0, PARSE_BAD_PPPOE},
	{"pppoe_beyond_frame", pppoe_beyond_frame, 0, PARSE_BAD_PPPOE},
	{"pppoe_terminate", pppoe_terminate, 0, PARSE_BAD_PPPOE},
	{"ipv4_tcp", ipv4_syn, 0, PARSE_OK, A4, B4, SYN4},
	{"ipv4_options", ipv4_options, 0, PARSE_OK, A4, B4, SYN4},
	{"ipv4_short_ihl", ipv4_short_ihl, 0, PARSE_BAD_IPV4},
	{"ipv4_version_6", ipv4_version_6, 0, PARSE_BAD_IPV4},
	{"ipv4_total_below_header", ipv4_total_below_header, 0, PARSE_BAD_IPV4},
	{"ipv4_total_cuts_tcp", ipv4_total_cuts_tcp, 0, PARSE_TRUNCATED_L4},
	{"ipv4_total_beyond_frame", ipv4_total_beyond_frame, 0, PARSE_IP_BEYOND_FRAME},
	{"ipv4_first_fragment", ipv4_first_fragment, 0, PARSE_OK, A4, B4,
		{SYN, .fragment = FRAGMENT_FIRST}},
	{"ipv4_last_fragment", ipv4_last_fragment, 0, PARSE_OK, A4, B4,
		{.protocol = IPPROTO_TCP, .fragment = FRAGMENT_LATER}},
	{"ipv4_far_fragment", ipv4_far_fragment, 0, PARSE_OK, A4, B4,
		{.protocol = IPPROTO_TCP, .fragment = FRAGMENT_LATER}},
	{"ipv4_ah_fragment", ipv4_ah_fragment, 0, PARSE_OK, A4, B4,
		{.protocol = IPPROTO_AH, .fragment = FRAGMENT_LATER}},
	{"ipv4_tiny_fragment", ipv4_tiny_fragment, 0, PARSE_SHORT_FRAGMENT},
	{"ipv4_udp_first_fragment", ipv4_udp_first_fragment, 0, PARSE_OK, A4, B4,
		{.srcport = 53, .dstport = 3333, .protocol = IPPROTO_UDP,
		 .fragment = FRAGMENT_FIRST, KNOWN(2000)}},
	{"ipv4_ah", ipv4_ah, 0, PARSE_OK, A4, B4, SYN4},
	{"ipv6_tcp", ipv6_syn, 0, PARSE_OK, A6, B6, SYN4},
	{"ipv6_version_4", ipv6_version_4, 0, PARSE_BAD_IPV6},
	{"ipv6_mapped", ipv6_mapped, 0, PARSE_BAD_IPV6},
	{"ipv6_mapped_source", ipv6_mapped_source, 0, PARSE_BAD_IPV6},
	{"ipv6_beyond_frame", ipv6_beyond_frame, 0, PARSE_IP_BEYOND_FRAME},
	{"ipv6_all_extensions", ipv6_all_extensions, 0, PARSE_OK, A6, B6, SYN4},
	{"ipv6_seven_extensions", ipv6_seven_extensions, 0, PARSE_TOO_MANY_EXTENSIONS},
	{"ipv6_long_extension", ipv6_long_extension, 0, PARSE_OK, A6, B6, SYN4},
	{"ipv6_extension_past_packet", ipv6_extension_past_packet, 0, PARSE_TRUNCATED_EXTENSION},
	{"ipv6_first_fragment", ipv6_first_fragment, 0, PARSE_OK, A6, B6,
		{SYN, .fragment = FRAGMENT_FIRST}},
	{"ipv6_later_fragment", ipv6_later_fragment, 0, PARSE_OK, A6, B6,
		{.protocol = IPPROTO_UDP, .fragment = FRAGMENT_LATER}},
	{"ipv6_no_next", ipv6_no_next, 0, PARSE_OK, A6, B6, {.protocol = IPPROTO_NONE}},
	{"tcp_flags", tcp_flags_all, 0, PARSE_OK, A4, B4,
		{.srcport = 1, .dstport = 65535, .protocol = IPPROTO_TCP, .flags = 0xff, KNOWN(0)}},
	{"tcp_options", tcp_options, 0, PARSE_OK, A4, B4,
		{.srcport = 40000, .dstport = 80, .protocol = IPPROTO_TCP, .flags = TCP_ACK, KNOWN(100)}},
	{"tcp_offset_4", tcp_offset_4, 0, PARSE_BAD_TCP},
	{"tcp_offset_past_packet", tcp_offset_past_packet, 0, PARSE_BAD_TCP},
	{"udp_empty", udp_empty, 0, PARSE_OK, A4, B4,
		{.srcport = 40000, .dstport = 161, .protocol = IPPROTO_UDP, KNOWN(0)}},
	{"udp", udp_full, 0, PARSE_OK, A6, B6,
		{.srcport = 40000, .dstport = 53, .protocol = IPPROTO_UDP, KNOWN(33)}},
	{"udp_with_trailer", udp_with_trailer, 0, PARSE_OK, A4, B4,
		{.srcport = 40000, .dstport = 53, .protocol = IPPROTO_UDP, KNOWN(0)}},
	{"udp_length_7", udp_length_7, 0, PARSE_BAD_UDP},
	{"udp_length_past_packet", udp_length_past_packet, 0, PARSE_BAD_UDP},
	{"udp_length_0_ipv4", udp_length_0_ipv4, 0, PARSE_BAD_UDP},
	{"udp_length_0_ipv6", udp_length_0_ipv6, 0, PARSE_OK, A6, B6,
		{.srcport = 40000, .dstport = 53, .protocol = IPPROTO_UDP, KNOWN(10)}},
	{"udplite", udplite, 0, PARSE_OK, A4, B4,
		{.srcport = 1000, .dstport = 2000, .protocol = IPPROTO_UDPLITE, KNOWN(5)}},
	{"sctp", sctp, 0, PARSE_OK, A6, B6,
		{.srcport = 2905, .dstport = 2906, .protocol = IPPROTO_SCTP, KNOWN(16)}},
	{"dccp", dccp, 0, PARSE_OK, A4, B4,
		{.srcport = 5001, .dstport = 5002, .protocol = IPPROTO_DCCP, KNOWN(9)}},
	{"dccp_offset_2", dccp_offset_2, 0, PARSE_BAD_DCCP},
	{"icmp_echo", icmp_echo, 0, PARSE_OK, A4, B4,
		{.protocol = IPPROTO_ICMP, .icmp_type = 8, KNOWN(60)}},
	{"icmp_unreachable", icmp_unreachable, 0, PARSE_OK, A4, B4,
		{.protocol = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 13, KNOWN(4)}},
	{"icmpv6_solicitation", icmpv6_solicitation, 0, PARSE_OK, A6, B6,
		{.protocol = IPPROTO_ICMPV6, .icmp_type = 135, KNOWN(20)}},
	{"esp", esp, 0, PARSE_OK, A4, B4, {.protocol = IPPROTO_ESP}},

	{"ipip", ipip, TUNNEL_ALL, PARSE_OK, A4, B4, INNER(TUNNEL_IPIP)},
	{"ipip_off", ipip, TUNNEL_ALL & ~TUNNEL_IPIP, PARSE_OK, OUT4A, OUT4B,
		{.protocol = IPPROTO_IPIP}},
	{"ipip_inner_cut", ipip_inner_cut, TUNNEL_IPIP, PARSE_IP_BEYOND_FRAME},
	{"ipip_fragment", ipip_fragment, TUNNEL_IPIP, PARSE_OK, OUT4A, OUT4B,
		{.protocol = IPPROTO_IPIP, .fragment = FRAGMENT_FIRST}},
	{"6in4", sixin4, TUNNEL_ALL, PARSE_OK, A6, B6, INNER(TUNNEL_6IN4)},
	{"ipv4_in_ipv6", ipv4_in_ipv6, TUNNEL_IPIP, PARSE_OK, A4, B4, INNER(TUNNEL_IPIP)},
	{"gre", gre_plain, TUNNEL_ALL, PARSE_OK, A4, B4, INNER(TUNNEL_GRE)},
	{"gre_off", gre_plain, 0, PARSE_OK, OUT4A, OUT4B, {.protocol = IPPROTO_GRE}},
	{"gre_all_options", gre_all_options, TUNNEL_GRE, PARSE_OK, A6, B6, INNER(TUNNEL_GRE)},
	{"gre_ethernet", gre_ethernet, TUNNEL_GRE, PARSE_OK, A4, B4, INNER(TUNNEL_GRE)},
	{"gre_mpls", gre_mpls, TUNNEL_GRE, PARSE_OK, A4, B4, INNER(TUNNEL_GRE)},
	{"gre_keepalive", gre_keepalive, TUNNEL_GRE, PARSE_OK, OUT4A, OUT4B,
		{.protocol = IPPROTO_GRE}},
	{"gre_pptp", gre_pptp, TUNNEL_GRE, PARSE_OK, OUT4A, OUT4B, {.protocol = IPPROTO_GRE}},
	{"vxlan_ipv4", vxlan_ipv4, TUNNEL_ALL, PARSE_OK, A4, B4, INNER(TUNNEL_VXLAN)},
	{"vxlan_ipv6", vxlan_ipv6, TUNNEL_VXLAN, PARSE_OK, A6, B6, INNER(TUNNEL_VXLAN)},
	{"vxlan_arp", vxlan_arp, TUNNEL_VXLAN, PARSE_OK, OUT4A, OUT4B,
		{.srcport = 50000, .dstport = 4789, .protocol = IPPROTO_UDP, KNOWN(8 + 14 + 28)}},
	{"vxlan_no_vni", vxlan_no_vni, TUNNEL_VXLAN, PARSE_OK, OUT4A, OUT4B,
		{.srcport = 50000, .dstport = 4789, .protocol = IPPROTO_UDP, KNOWN(8 + 14 + 44)}},
	{"geneve_ethernet", geneve_ethernet, TUNNEL_ALL, PARSE_OK, A4, B4, INNER(TUNNEL_GENEVE)},
	{"geneve_options", geneve_options_ipv6, TUNNEL_GENEVE, PARSE_OK, A6, B6,
		INNER(TUNNEL_GENEVE)},
	{"geneve_control", geneve_control, TUNNEL_GENEVE, PARSE_OK, OUT4A, OUT4B,
		{.srcport = 50000, .dstport = 6081, .protocol = IPPROTO_UDP, KNOWN(8 + 44)}},
	{"geneve_version_1", geneve_version_1, TUNNEL_GENEVE, PARSE_OK, OUT4A, OUT4B,
		{.srcport = 50000, .dstport = 6081, .protocol = IPPROTO_UDP, KNOWN(8 + 44)}},
	{"geneve_udp_cuts_ip", geneve_udp_cuts_ip, TUNNEL_GENEVE, PARSE_IP_BEYOND_FRAME},
	{"gtpu", gtpu_ipv4, TUNNEL_ALL, PARSE_OK, A4, B4, INNER(TUNNEL_GTPU)},
	{"gtpu_extended", gtpu_extended_ipv6, TUNNEL_GTPU, PARSE_OK, A6, B6, INNER(TUNNEL_GTPU)},
	{"gtpu_echo", gtpu_echo, TUNNEL_GTPU, PARSE_OK, OUT4A, OUT4B,
		{.srcport = 2152, .dstport = 2152, .protocol = IPPROTO_UDP, KNOWN(8 + 44)}},
	{"gtpu_short_length", gtpu_short_length, TUNNEL_GTPU, PARSE_OK, OUT4A, OUT4B,
		{.srcport = 2152, .dstport = 2152, .protocol = IPPROTO_UDP, KNOWN(8 + 44)}},
	{"gtpu_sequence", gtpu_sequence, TUNNEL_GTPU, PARSE_OK, A4, B4, INNER(TUNNEL_GTPU)},
	{"gtpu_4_extensions", gtpu_4_extensions, TUNNEL_GTPU, PARSE_OK, A6, B6,
		INNER(TUNNEL_GTPU)},
	{"gtpu_5_extensions", gtpu_5_extensions, TUNNEL_GTPU, PARSE_TOO_MANY_EXTENSIONS},
	{"gtpu_extension_of_0", gtpu_extension_of_0, TUNNEL_GTPU, PARSE_TRUNCATED_TUNNEL},
	{"gtpu_extension_past_packet", gtpu_extension_past_packet, TUNNEL_GTPU,
		PARSE_TRUNCATED_TUNNEL},
};
/* clang-format on */

const size_t parse_case_count = sizeof(parse_cases) / sizeof(parse_cases[0]);

void parse_case_build(const struct parse_case *c, struct frame *f)
{
	frame_init(f);
	c->build(f);
	frame_finish(f);
	frame_pad(f, 60);
}

static void put_addr(ip_addr *addr, const char *text)
{
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET6, text, addr->bytes) == 1)
		return;
	addr->bytes[10] = addr->bytes[11] = 0xff;
	if (inet_pton(AF_INET, text, addr->bytes + 12) != 1)
		abort();
}

void parse_case_expected(const struct parse_case *c, struct packet *ret_packet)
{
	*ret_packet = c->packet;
	if (c->verdict != PARSE_OK)
		return;
	put_addr(&ret_packet->srcip, c->src);
	put_addr(&ret_packet->dstip, c->dst);
}
