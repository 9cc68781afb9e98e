/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_TRANSPORT_BPF_H
#define BPF_PARSE_TRANSPORT_BPF_H

/* Ports, TCP flags, ICMP type and code, and how much payload follows. */

#include "parse_cursor.bpf.h"

#include <linux/in.h>
#include <linux/in6.h>

#define SCTP_HEADER_BYTES 12 /* RFC 9260 3.1 */

struct tcp_header {
	wire_u16 source, dest;
	wire_u32 seq, ack;
	__u8 data_offset;
	__u8 flags;
	wire_u16 window, checksum, urgent;
};

struct udp_header {
	wire_u16 source, dest;
	wire_u16 length;
	wire_u16 checksum;
};

struct ports {
	wire_u16 source, dest;
};

struct dccp_header {
	wire_u16 source, dest;
	__u8 data_offset; /* in words */
	__u8 ccval_cscov;
	wire_u16 checksum;
	__u8 type;
	__u8 sequence_high;
	wire_u16 sequence;
};

struct icmp_header {
	__u8 type, code;
	wire_u16 checksum;
};

_Static_assert(sizeof(struct tcp_header) == 20, "RFC 9293 3.1");
_Static_assert(sizeof(struct udp_header) == 8, "RFC 768");
_Static_assert(sizeof(struct dccp_header) == 12, "RFC 4340 5.1");
_Static_assert(sizeof(struct icmp_header) == 4, "RFC 792, RFC 4443 2.1");

static __always_inline enum parse_verdict transport_too_short(const struct packet *pkt)
{
	return pkt->fragment == FRAGMENT_FIRST ? PARSE_SHORT_FRAGMENT : PARSE_TRUNCATED_L4;
}

/* Of a fragmented datagram only the UDP header knows how much payload there is in all. */
static __always_inline void set_payload(struct packet *pkt, __u64 bytes)
{
	if (pkt->fragment != FRAGMENT_NONE)
		return;
	pkt->payload_bytes = bytes;
	pkt->payload_known = 1;
}

/* SCTP, UDP, TCP, DCCP and UDP-Lite all begin with them. */
static __always_inline void set_ports(struct packet *pkt, const void *header)
{
	const struct ports *ports = header;

	pkt->srcport = bpf_ntohs(ports->source);
	pkt->dstport = bpf_ntohs(ports->dest);
}

static __always_inline enum parse_verdict parse_tcp(struct parse *p, struct packet *pkt)
{
	const struct tcp_header *tcp = p->at;
	__u64 bytes;

	if (!parse_has(p, sizeof(*tcp)))
		return transport_too_short(pkt);
	bytes = (tcp->data_offset >> 4) * 4;
	if (bytes < sizeof(*tcp) || (bytes > parse_left(p) && pkt->fragment == FRAGMENT_NONE))
		return PARSE_BAD_TCP;
	set_ports(pkt, tcp);
	pkt->flags = tcp->flags;
	pkt->seq_is_zero = tcp->seq == 0;
	set_payload(pkt, parse_left(p) - bytes);
	return PARSE_OK;
}

/* UDP-Lite (RFC 3828) and SCTP (RFC 9260): ports, and a header of fixed size. */
static __always_inline enum parse_verdict parse_ports(
	struct parse *p, struct packet *pkt, __u64 header_bytes)
{
	if (!parse_has(p, header_bytes))
		return transport_too_short(pkt);
	set_ports(pkt, p->at);
	set_payload(pkt, parse_left(p) - header_bytes);
	return PARSE_OK;
}

/*
 * Length 0 is "as long as the IPv6 packet" (RFC 2675 4): meant for jumbograms, but Linux takes it
 * from any IPv6 packet, so it is counted to its port.
 */
static __always_inline enum parse_verdict parse_udp(struct parse *p, struct packet *pkt)
{
	const struct udp_header *udp = p->at;
	__u64 bytes;

	if (!parse_has(p, sizeof(*udp)))
		return transport_too_short(pkt);
	bytes = bpf_ntohs(udp->length);
	if (bytes == 0 && !packet_is_ipv4(pkt))
		return parse_ports(p, pkt, sizeof(*udp));
	if (bytes < sizeof(*udp) || (bytes > parse_left(p) && pkt->fragment == FRAGMENT_NONE))
		return PARSE_BAD_UDP;
	set_ports(pkt, udp);
	pkt->payload_bytes = bytes - sizeof(*udp);
	pkt->payload_known = 1;
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_dccp(struct parse *p, struct packet *pkt)
{
	const struct dccp_header *dccp = p->at;
	__u64 bytes;

	if (!parse_has(p, sizeof(*dccp)))
		return transport_too_short(pkt);
	bytes = dccp->data_offset * 4;
	if (bytes < sizeof(*dccp) || (bytes > parse_left(p) && pkt->fragment == FRAGMENT_NONE))
		return PARSE_BAD_DCCP;
	set_ports(pkt, dccp);
	set_payload(pkt, parse_left(p) - bytes);
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_icmp(struct parse *p, struct packet *pkt)
{
	const struct icmp_header *icmp = p->at;

	if (!parse_has(p, sizeof(*icmp)))
		return transport_too_short(pkt);
	pkt->icmp_type = icmp->type;
	pkt->icmp_code = icmp->code;
	set_payload(pkt, parse_left(p) - sizeof(*icmp));
	return PARSE_OK;
}

/* Protocols that are not listed (ESP, OSPF, GRE ...) have a key without ports. */
static __always_inline enum parse_verdict parse_transport(struct parse *p, struct packet *pkt)
{
	pkt->protocol = p->type;
	if (pkt->fragment == FRAGMENT_LATER)
		return PARSE_OK;
	switch (p->type) {
	case IPPROTO_TCP:
		return parse_tcp(p, pkt);
	case IPPROTO_UDP:
		return parse_udp(p, pkt);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return parse_icmp(p, pkt);
	case IPPROTO_UDPLITE:
		return parse_ports(p, pkt, sizeof(struct udp_header));
	case IPPROTO_SCTP:
		return parse_ports(p, pkt, SCTP_HEADER_BYTES);
	case IPPROTO_DCCP:
		return parse_dccp(p, pkt);
	default:
		return PARSE_OK;
	}
}

#endif
