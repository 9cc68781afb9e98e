/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_IP_BPF_H
#define BPF_PARSE_IP_BPF_H

/*
 * IPv4 and IPv6: addresses, protocol, fragments, and how many bytes belong to the packet. The
 * IPv4 header's checksum is not verified: the interface did that, and a wrong one changes no key
 * that a right one could not have.
 */

#include "parse_cursor.bpf.h"

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET_MASK    0x1fff

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	wire_u16 total_length;
	wire_u16 id;
	wire_u16 fragment;
	__u8 ttl;
	__u8 protocol;
	wire_u16 checksum;
	wire_u32 src;
	wire_u32 dst;
};

struct ipv6_header {
	__u8 version;
	__u8 flow[3];
	wire_u16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	wire_u64 src[2];
	wire_u64 dst[2];
};

_Static_assert(sizeof(struct ipv4_header) == 20, "RFC 791 3.1");
_Static_assert(sizeof(struct ipv6_header) == 40, "RFC 8200 3");

/* An ip_addr of a struct packet as words: aligned there, and may_alias makes the access legal. */
typedef __u64 __attribute__((may_alias)) addr_u64;
typedef __u32 __attribute__((may_alias)) addr_u32;

static __always_inline void addr_set_v4(ip_addr *addr, __u32 be)
{
	*(addr_u64 *)&addr->bytes[0] = 0;
	*(addr_u32 *)&addr->bytes[8] = bpf_htonl(0xffff);
	*(addr_u32 *)&addr->bytes[12] = be;
}

static __always_inline void addr_set_v6(ip_addr *addr, const wire_u64 *words)
{
	*(addr_u64 *)&addr->bytes[0] = words[0];
	*(addr_u64 *)&addr->bytes[8] = words[1];
}

/* Everything behind the addresses: no ports, no flags, nothing known of the payload. */
static __always_inline void packet_clear_rest(struct packet *pkt)
{
	*(addr_u64 *)&pkt->srcport = 0;
	*(addr_u64 *)&pkt->fragment = 0;
}

static __always_inline enum parse_verdict parse_ipv4(struct parse *p, struct packet *pkt)
{
	const struct ipv4_header *ip = p->at;
	__u32 header_bytes, total;
	__u16 fragment;

	if (!parse_has(p, sizeof(*ip)))
		return PARSE_TRUNCATED_IPV4;
	header_bytes = (ip->version_ihl & 0xf) * 4;
	total = bpf_ntohs(ip->total_length);
	if (ip->version_ihl >> 4 != 4 || header_bytes < sizeof(*ip) || total < header_bytes)
		return PARSE_BAD_IPV4;
	if (total > p->left)
		return PARSE_IP_BEYOND_FRAME;

	addr_set_v4(&pkt->srcip, ip->src);
	addr_set_v4(&pkt->dstip, ip->dst);
	packet_clear_rest(pkt);
	fragment = bpf_ntohs(ip->fragment);
	if (fragment & IPV4_OFFSET_MASK)
		pkt->fragment = FRAGMENT_LATER;
	else if (fragment & IPV4_MORE_FRAGMENTS)
		pkt->fragment = FRAGMENT_FIRST;
	p->type = ip->protocol;
	p->left = total;
	parse_skip(p, header_bytes);
	return PARSE_OK;
}

/*
 * The kernel drops v4-mapped addresses in IPv6 headers, and so must a counter: they would be
 * counted to the IPv4 host of that address.
 */
static __always_inline bool addr_is_mapped(const wire_u64 *words)
{
	return words[0] == 0 && *(const wire_u32 *)&words[1] == bpf_htonl(0xffff);
}

static __always_inline enum parse_verdict parse_ipv6(struct parse *p, struct packet *pkt)
{
	const struct ipv6_header *ip = p->at;
	__u32 payload;

	if (!parse_has(p, sizeof(*ip)))
		return PARSE_TRUNCATED_IPV6;
	if (ip->version >> 4 != 6 || addr_is_mapped(ip->src) || addr_is_mapped(ip->dst))
		return PARSE_BAD_IPV6;
	payload = bpf_ntohs(ip->payload_length);
	if (payload > p->left - sizeof(*ip))
		return PARSE_IP_BEYOND_FRAME;

	addr_set_v6(&pkt->srcip, ip->src);
	addr_set_v6(&pkt->dstip, ip->dst);
	packet_clear_rest(pkt);
	p->type = ip->next_header;
	parse_skip(p, sizeof(*ip));
	p->left = payload;
	return PARSE_OK;
}

#endif
