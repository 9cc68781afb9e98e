/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_TYPES_BPF_H
#define BPF_PARSE_TYPES_BPF_H

/* What the parser says about a frame: a verdict, and if that is PARSE_OK, a struct packet. */

#include "netlambda/event.h"

#include <stdbool.h>

#include <bpf/bpf_endian.h>

/* bpf_helpers.h says the same; <linux/stddef.h> only says `inline`, which may stay a call. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

/*
 * Why a frame has no key. Counted by cause, so the order may grow at the end only. "Truncated": the
 * frame, or what its enclosing header says of its length, ends before the header does. "Bad": the
 * header contradicts itself or what encloses it.
 */
enum parse_verdict {
	PARSE_OK,
	PARSE_NOT_IP, /* whole, but neither IPv4 nor IPv6 (ARP, LLDP, LLC ...) */
	PARSE_TRUNCATED_ETHERNET,
	PARSE_TRUNCATED_VLAN,
	PARSE_TOO_MANY_TAGS,
	PARSE_TRUNCATED_MPLS,
	PARSE_TOO_MANY_LABELS,
	PARSE_TRUNCATED_PPPOE,
	PARSE_BAD_PPPOE,
	PARSE_TRUNCATED_IPV4,
	PARSE_BAD_IPV4,
	PARSE_TRUNCATED_IPV6,
	PARSE_BAD_IPV6,
	PARSE_TRUNCATED_EXTENSION, /* an IPv6 extension header, or AH in IPv4 */
	PARSE_TOO_MANY_EXTENSIONS,
	PARSE_IP_BEYOND_FRAME, /* the IP header promises more bytes than there are */
	PARSE_TRUNCATED_L4,
	PARSE_BAD_TCP,
	PARSE_BAD_UDP,
	PARSE_BAD_DCCP,
	PARSE_SHORT_FRAGMENT, /* a first one without its transport header (RFC 1858, 7112) */
	PARSE_TRUNCATED_TUNNEL,
	PARSE_VERDICTS, /* how many there are */
};

enum fragment_kind {
	FRAGMENT_NONE,
	FRAGMENT_FIRST, /* has the transport header, and more is to come */
	FRAGMENT_LATER, /* has no ports, flags or ICMP type: they are 0. Addresses and protocol hold
			 */
};

/* What the addresses and ports were found inside; the bits of the parameter `inside`. */
enum tunnel_kind {
	TUNNEL_NONE = 0,
	TUNNEL_IPIP = 1 << 0, /* IPv4 in IP: protocol 4 (RFC 2003, 2473) */
	TUNNEL_6IN4 = 1 << 1, /* IPv6 in IP: protocol 41 (RFC 4213, 2473) */
	TUNNEL_GRE = 1 << 2,
	TUNNEL_VXLAN = 1 << 3,
	TUNNEL_GENEVE = 1 << 4,
	TUNNEL_GTPU = 1 << 5,
	TUNNEL_ALL = (1 << 6) - 1,
};

/*
 * One packet's key and what the counters need of its headers. It begins like struct flow_event.
 * There is no hidden padding, and PARSE_OK says that each byte is written, so a struct may be
 * copied and compared whole. Ports are host order; protocols without ports have 0.
 */
struct packet {
	ip_addr srcip;
	ip_addr dstip;
	port_num srcport;
	port_num dstport;
	ip_proto protocol; /* behind the extension headers */
	tcp_flags flags;   /* 0 unless TCP */
	__u8 icmp_type;    /* 0 unless ICMP or ICMPv6 */
	__u8 icmp_code;
	__u8 fragment; /* enum fragment_kind */
	__u8 tunnel;   /* enum tunnel_kind */
	__u8 payload_known;
	__u8 seq_is_zero;    /* TCP's sequence number; 0 unless TCP */
	__u32 payload_bytes; /* behind the transport header, without Ethernet padding; 0 if unknown
			      */
} __attribute__((aligned(8)));

_Static_assert(sizeof(struct packet) == 48, "struct packet has no hidden padding");

/* An ip_addr of a struct packet as words: aligned there, and may_alias makes the access legal. */
typedef __u64 __attribute__((may_alias)) addr_u64;
typedef __u32 __attribute__((may_alias)) addr_u32;

/* Of a parsed packet: an IPv6 header with a v4-mapped address is not PARSE_OK. */
static __always_inline bool packet_is_ipv4(const struct packet *pkt)
{
	return *(const addr_u64 *)&pkt->srcip.bytes[0] == 0 &&
	       *(const addr_u32 *)&pkt->srcip.bytes[8] == bpf_htonl(0xffff);
}

/* What scanners of UDP ports send: the flag is exact, since Ethernet padding does not count. */
static __always_inline bool packet_is_empty_udp(const struct packet *pkt)
{
	return pkt->protocol == 17 && pkt->payload_known && pkt->payload_bytes == 0;
}

/* A metric's label, for each verdict below PARSE_VERDICTS; NULL otherwise. */
static __always_inline const char *parse_verdict_name(unsigned int verdict)
{
	switch (verdict) {
	case PARSE_OK:
		return "ok";
	case PARSE_NOT_IP:
		return "not_ip";
	case PARSE_TRUNCATED_ETHERNET:
		return "truncated_ethernet";
	case PARSE_TRUNCATED_VLAN:
		return "truncated_vlan";
	case PARSE_TOO_MANY_TAGS:
		return "too_many_tags";
	case PARSE_TRUNCATED_MPLS:
		return "truncated_mpls";
	case PARSE_TOO_MANY_LABELS:
		return "too_many_labels";
	case PARSE_TRUNCATED_PPPOE:
		return "truncated_pppoe";
	case PARSE_BAD_PPPOE:
		return "bad_pppoe";
	case PARSE_TRUNCATED_IPV4:
		return "truncated_ipv4";
	case PARSE_BAD_IPV4:
		return "bad_ipv4";
	case PARSE_TRUNCATED_IPV6:
		return "truncated_ipv6";
	case PARSE_BAD_IPV6:
		return "bad_ipv6";
	case PARSE_TRUNCATED_EXTENSION:
		return "truncated_extension";
	case PARSE_TOO_MANY_EXTENSIONS:
		return "too_many_extensions";
	case PARSE_IP_BEYOND_FRAME:
		return "ip_beyond_frame";
	case PARSE_TRUNCATED_L4:
		return "truncated_l4";
	case PARSE_BAD_TCP:
		return "bad_tcp";
	case PARSE_BAD_UDP:
		return "bad_udp";
	case PARSE_BAD_DCCP:
		return "bad_dccp";
	case PARSE_SHORT_FRAGMENT:
		return "short_fragment";
	case PARSE_TRUNCATED_TUNNEL:
		return "truncated_tunnel";
	default:
		return 0;
	}
}

#endif
