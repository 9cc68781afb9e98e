/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_IP_BPF_H
#define BPF_PARSE_IP_BPF_H

/*
 * IPv4 and IPv6: addresses, protocol, fragments, and how many bytes belong to the packet. The
 * IPv4 header's checksum is not verified: the interface did that, and a wrong one changes no key
 * that a right one could not have.
 */

#include "parse_cursor.bpf.h"

#include <linux/in.h>
#include <linux/in6.h>

#define PARSE_EXTENSIONS_MAX 6

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET_MASK    0x1fff
#define IPV6_MORE_FRAGMENTS 0x0001
#define IPV6_OFFSET_MASK    0xfff8

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

struct ipv6_fragment_header {
	__u8 next_header;
	__u8 reserved;
	wire_u16 offset;
	wire_u32 id;
};

/* What hop-by-hop, routing and destination options headers and AH have in common. */
struct extension_header {
	__u8 next_header;
	__u8 length; /* in units that depend on the header, without its first ones */
};

_Static_assert(sizeof(struct ipv4_header) == 20, "RFC 791 3.1");
_Static_assert(sizeof(struct ipv6_header) == 40, "RFC 8200 3");
_Static_assert(sizeof(struct ipv6_fragment_header) == 8, "RFC 8200 4.5");

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

static __always_inline bool protocol_is_extension(__u16 protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
		return true;
	default:
		return false;
	}
}

/* An "atomic" fragment (RFC 6946), the whole packet in one, is none. */
static __always_inline enum parse_verdict parse_fragment(struct parse *p, struct packet *pkt)
{
	const struct ipv6_fragment_header *fragment = p->at;
	__u16 offset;

	if (!parse_has(p, sizeof(*fragment)))
		return PARSE_TRUNCATED_EXTENSION;
	offset = bpf_ntohs(fragment->offset);
	if (offset & IPV6_OFFSET_MASK)
		pkt->fragment = FRAGMENT_LATER;
	else if (offset & IPV6_MORE_FRAGMENTS)
		pkt->fragment = FRAGMENT_FIRST;
	p->type = fragment->next_header;
	parse_skip(p, sizeof(*fragment));
	return PARSE_OK;
}

/* AH counts in 4-byte units less 2 (RFC 4302 2.2), the others in 8-byte units less 1. */
static __always_inline enum parse_verdict parse_extension(struct parse *p)
{
	const struct extension_header *ext = p->at;
	__u64 bytes;

	if (!parse_has(p, sizeof(*ext)))
		return PARSE_TRUNCATED_EXTENSION;
	bytes = p->type == IPPROTO_AH ? (ext->length + 2) * 4 : (ext->length + 1) * 8;
	if (bytes > parse_left(p))
		return PARSE_TRUNCATED_EXTENSION;
	p->type = ext->next_header;
	parse_jump(p, bytes);
	return PARSE_OK;
}

static __always_inline bool extension_follows(const struct parse *p, const struct packet *pkt)
{
	return protocol_is_extension(p->type) && pkt->fragment != FRAGMENT_LATER;
}

/*
 * Walks to the transport header, in any order of headers: we count what is sent, not what a host
 * would accept. Behind the header of a later fragment there is only data.
 */
static __always_inline enum parse_verdict parse_extensions(struct parse *p, struct packet *pkt)
{
	for (int i = 0; i < PARSE_EXTENSIONS_MAX; i++) {
		enum parse_verdict verdict;

		if (!extension_follows(p, pkt))
			break;
		if (p->type == IPPROTO_FRAGMENT)
			verdict = parse_fragment(p, pkt);
		else
			verdict = parse_extension(p);
		if (verdict != PARSE_OK)
			return verdict;
		pkt->fragment = parse_forget(p, pkt->fragment);
		if (!parse_settle(p))
			return PARSE_TOO_MANY_EXTENSIONS;
	}
	return extension_follows(p, pkt) ? PARSE_TOO_MANY_EXTENSIONS : PARSE_OK;
}

/* IPv4 has no extension headers but AH, which serves as one. */
static __always_inline enum parse_verdict parse_ipv4_ah(struct parse *p, const struct packet *pkt)
{
	if (p->type != IPPROTO_AH || pkt->fragment == FRAGMENT_LATER)
		return PARSE_OK;
	return parse_extension(p);
}

static __always_inline enum parse_verdict parse_ipv4(struct parse *p, struct packet *pkt)
{
	const struct ipv4_header *ip = p->at;
	__u64 header_bytes, total;
	__u16 fragment;

	if (!parse_has(p, sizeof(*ip)))
		return PARSE_TRUNCATED_IPV4;
	header_bytes = (ip->version_ihl & 0xf) * 4;
	total = bpf_ntohs(ip->total_length);
	if (ip->version_ihl >> 4 != 4 || header_bytes < sizeof(*ip) || total < header_bytes)
		return PARSE_BAD_IPV4;
	if (total > parse_left(p))
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
	parse_confine(p, total);
	parse_jump(p, header_bytes);
	return parse_ipv4_ah(p, pkt);
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
	__u64 payload;

	if (!parse_has(p, sizeof(*ip)))
		return PARSE_TRUNCATED_IPV6;
	if (ip->version >> 4 != 6 || addr_is_mapped(ip->src) || addr_is_mapped(ip->dst))
		return PARSE_BAD_IPV6;
	payload = bpf_ntohs(ip->payload_length);
	if (payload > parse_left(p) - sizeof(*ip))
		return PARSE_IP_BEYOND_FRAME;

	addr_set_v6(&pkt->srcip, ip->src);
	addr_set_v6(&pkt->dstip, ip->dst);
	packet_clear_rest(pkt);
	p->type = ip->next_header;
	parse_skip(p, sizeof(*ip));
	parse_confine(p, payload);
	return parse_extensions(p, pkt);
}

static __always_inline enum parse_verdict parse_ip(struct parse *p, struct packet *pkt)
{
	if (p->type == ETH_P_IP)
		return parse_ipv4(p, pkt);
	if (p->type == ETH_P_IPV6)
		return parse_ipv6(p, pkt);
	return PARSE_NOT_IP;
}

#endif
