/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_TRANSPORT_BPF_H
#define BPF_PARSE_TRANSPORT_BPF_H

/* Ports, TCP flags, ICMP type and code, and how much payload follows. */

#include "parse_cursor.bpf.h"

#include <linux/in.h>
#include <linux/in6.h>

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

struct icmp_header {
	__u8 type, code;
	wire_u16 checksum;
};

_Static_assert(sizeof(struct tcp_header) == 20, "RFC 9293 3.1");
_Static_assert(sizeof(struct udp_header) == 8, "RFC 768");
_Static_assert(sizeof(struct icmp_header) == 4, "RFC 792, RFC 4443 2.1");

static __always_inline enum parse_verdict transport_too_short(const struct packet *pkt)
{
	return pkt->fragment == FRAGMENT_FIRST ? PARSE_SHORT_FRAGMENT : PARSE_TRUNCATED_L4;
}

/* Of a fragmented datagram only the UDP header knows how much payload there is in all. */
static __always_inline void set_payload(struct packet *pkt, __u32 bytes)
{
	if (pkt->fragment != FRAGMENT_NONE)
		return;
	pkt->payload_bytes = bytes;
	pkt->payload_known = 1;
}

static __always_inline enum parse_verdict parse_tcp(struct parse *p, struct packet *pkt)
{
	const struct tcp_header *tcp = p->at;
	__u32 header_bytes;

	if (!parse_has(p, sizeof(*tcp)))
		return transport_too_short(pkt);
	header_bytes = (tcp->data_offset >> 4) * 4;
	if (header_bytes < sizeof(*tcp) || header_bytes > p->left)
		return PARSE_BAD_TCP;
	pkt->srcport = bpf_ntohs(tcp->source);
	pkt->dstport = bpf_ntohs(tcp->dest);
	pkt->flags = tcp->flags;
	set_payload(pkt, p->left - header_bytes);
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_udp(struct parse *p, struct packet *pkt)
{
	const struct udp_header *udp = p->at;
	__u32 bytes;

	if (!parse_has(p, sizeof(*udp)))
		return transport_too_short(pkt);
	bytes = bpf_ntohs(udp->length);
	if (bytes < sizeof(*udp) || (bytes > p->left && pkt->fragment == FRAGMENT_NONE))
		return PARSE_BAD_UDP;
	pkt->srcport = bpf_ntohs(udp->source);
	pkt->dstport = bpf_ntohs(udp->dest);
	pkt->payload_bytes = bytes - sizeof(*udp);
	pkt->payload_known = 1;
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_icmp(struct parse *p, struct packet *pkt)
{
	const struct icmp_header *icmp = p->at;

	if (!parse_has(p, sizeof(*icmp)))
		return transport_too_short(pkt);
	pkt->icmp_type = icmp->type;
	pkt->icmp_code = icmp->code;
	set_payload(pkt, p->left - sizeof(*icmp));
	return PARSE_OK;
}

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
	default:
		return PARSE_OK;
	}
}

#endif
