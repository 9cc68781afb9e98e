/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_TUNNEL_BPF_H
#define BPF_PARSE_TUNNEL_BPF_H

/*
 * Tunnel headers, for those who want the key of what is inside. A stage either moves `p` to what is
 * inside and sets its `type` (ETH_P_TEB for an Ethernet frame), or leaves `type` 0: then the key is
 * the tunnel's own. VXLAN, Geneve and GTP-U are known by their UDP port only, so whatever does not
 * look like them is taken for plain UDP, never for malformed. Fragments are not looked into.
 */

#include "parse_cursor.bpf.h"
#include "parse_link.bpf.h"
#include "parse_transport.bpf.h"

#define PORT_VXLAN  4789
#define PORT_GENEVE 6081
#define PORT_GTPU   2152

#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING  0x4000
#define GRE_KEY      0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_VERSION  0x0007

#define VXLAN_VNI_VALID     0x08
#define GENEVE_VERSION      0xc0
#define GENEVE_OPTIONS      0x3f
#define GENEVE_CONTROL      0x80
#define GTPU_VERSION        0xf0 /* and the protocol type: 1 is GTP, 0 is GTP' */
#define GTPU_V1             0x30
#define GTPU_EXTENSION      0x04
#define GTPU_OPTIONAL       0x07 /* E, S or PN: the four optional bytes are there */
#define GTPU_G_PDU          255
#define GTPU_EXTENSIONS_MAX 4

struct gre_header {
	wire_u16 flags;
	wire_u16 type;
};

struct vxlan_header {
	__u8 flags;
	__u8 reserved[3];
	wire_u32 vni;
};

struct geneve_header {
	__u8 version_options;
	__u8 flags;
	wire_u16 type;
	wire_u32 vni;
};

struct gtpu_header {
	__u8 flags;
	__u8 message;
	wire_u16 length; /* behind this header, the optional part included */
	wire_u32 teid;
};

struct gtpu_optional {
	wire_u16 sequence;
	__u8 npdu;
	__u8 next_extension;
};

_Static_assert(sizeof(struct gre_header) == 4, "RFC 2784 2.1");
_Static_assert(sizeof(struct vxlan_header) == 8, "RFC 7348 5");
_Static_assert(sizeof(struct geneve_header) == 8, "RFC 8926 3.4");
_Static_assert(sizeof(struct gtpu_header) == 8, "3GPP TS 29.281 5.1");
_Static_assert(sizeof(struct gtpu_optional) == 4, "3GPP TS 29.281 5.1");

static __always_inline bool type_is_looked_into(__u16 type)
{
	return type_is_ip(type) || type == ETH_P_TEB || type == ETH_P_MPLS_UC ||
	       type == ETH_P_MPLS_MC;
}

/* Version 0 (RFC 2784, 2890), with Ethernet also NVGRE; version 1 is PPTP's. */
static __always_inline enum parse_verdict parse_gre(struct parse *p)
{
	const struct gre_header *gre = p->at;
	__u64 bytes = sizeof(*gre);
	__u16 flags;

	if (!parse_has(p, sizeof(*gre)))
		return PARSE_TRUNCATED_TUNNEL;
	flags = bpf_ntohs(gre->flags);
	if (flags & (GRE_VERSION | GRE_ROUTING) || !type_is_looked_into(bpf_ntohs(gre->type)))
		return PARSE_OK;
	bytes += flags & GRE_CHECKSUM ? 4 : 0;
	bytes += flags & GRE_KEY ? 4 : 0;
	bytes += flags & GRE_SEQUENCE ? 4 : 0;
	if (bytes > parse_left(p))
		return PARSE_TRUNCATED_TUNNEL;
	p->type = bpf_ntohs(gre->type);
	parse_jump(p, bytes);
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_vxlan(struct parse *p)
{
	const struct vxlan_header *vxlan = p->at;

	if (parse_left(p) < sizeof(*vxlan) + sizeof(struct ethernet_header))
		return PARSE_OK;
	if (!parse_in_reach(p, sizeof(*vxlan)))
		return PARSE_TRUNCATED_TUNNEL;
	if (!(vxlan->flags & VXLAN_VNI_VALID))
		return PARSE_OK;
	p->type = ETH_P_TEB;
	parse_skip(p, sizeof(*vxlan));
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_geneve(struct parse *p)
{
	const struct geneve_header *geneve = p->at;
	__u64 bytes;

	if (parse_left(p) < sizeof(*geneve))
		return PARSE_OK;
	if (!parse_in_reach(p, sizeof(*geneve)))
		return PARSE_TRUNCATED_TUNNEL;
	bytes = sizeof(*geneve) + (geneve->version_options & GENEVE_OPTIONS) * 4;
	if (geneve->version_options & GENEVE_VERSION || geneve->flags & GENEVE_CONTROL ||
		!type_is_looked_into(bpf_ntohs(geneve->type)) || bytes > parse_left(p))
		return PARSE_OK;
	p->type = bpf_ntohs(geneve->type);
	parse_jump(p, bytes);
	return PARSE_OK;
}

/*
 * An extension header is `length` times 4 bytes, the last of which names the next one (TS 29.281
 * 5.2.1). Steps to the last word before reading it: the verifier knows no bytes before `at`.
 */
static __always_inline enum parse_verdict parse_gtpu_extensions(struct parse *p, __u8 next)
{
	for (int i = 0; i < GTPU_EXTENSIONS_MAX; i++) {
		const __u8 *word = p->at;
		__u64 bytes;

		if (!next)
			return PARSE_OK;
		if (!parse_has(p, 4))
			return PARSE_TRUNCATED_TUNNEL;
		bytes = word[0] * 4;
		if (bytes == 0 || bytes > parse_left(p))
			return PARSE_TRUNCATED_TUNNEL;
		parse_jump(p, bytes - 4);
		word = p->at;
		if (!parse_in_reach(p, 4))
			return PARSE_TRUNCATED_TUNNEL;
		next = word[3];
		parse_skip(p, 4);
	}
	return next ? PARSE_TOO_MANY_EXTENSIONS : PARSE_OK;
}

static __always_inline enum parse_verdict parse_gtpu_optional(struct parse *p, __u8 flags)
{
	const struct gtpu_optional *optional = p->at;

	if (!(flags & GTPU_OPTIONAL))
		return PARSE_OK;
	if (!parse_has(p, sizeof(*optional)))
		return PARSE_TRUNCATED_TUNNEL;
	parse_skip(p, sizeof(*optional));
	return parse_gtpu_extensions(p, flags & GTPU_EXTENSION ? optional->next_extension : 0);
}

/* A G-PDU says not what it carries; if it is not IP (a PDU session of Ethernet), the key is ours.
 */
static __always_inline enum parse_verdict parse_gtpu(struct parse *p)
{
	const struct gtpu_header *gtpu = p->at;
	enum parse_verdict verdict;
	__u64 length;

	if (parse_left(p) < sizeof(*gtpu))
		return PARSE_OK;
	if (!parse_in_reach(p, sizeof(*gtpu)))
		return PARSE_TRUNCATED_TUNNEL;
	length = bpf_ntohs(gtpu->length);
	if ((gtpu->flags & GTPU_VERSION) != GTPU_V1 || gtpu->message != GTPU_G_PDU ||
		length != parse_left(p) - sizeof(*gtpu))
		return PARSE_OK;
	parse_skip(p, sizeof(*gtpu));
	verdict = parse_gtpu_optional(p, gtpu->flags);
	if (verdict != PARSE_OK)
		return verdict;
	if (!parse_has(p, 1))
		return PARSE_TRUNCATED_TUNNEL;
	p->type = ip_type_by_version(*(const __u8 *)p->at);
	return PARSE_OK;
}

static __always_inline enum tunnel_kind tunnel_by_port(__u16 port)
{
	switch (port) {
	case PORT_VXLAN:
		return TUNNEL_VXLAN;
	case PORT_GENEVE:
		return TUNNEL_GENEVE;
	case PORT_GTPU:
		return TUNNEL_GTPU;
	default:
		return TUNNEL_NONE;
	}
}

/* What the outer packet's protocol and port promise. */
static __always_inline enum tunnel_kind tunnel_of(const struct packet *pkt)
{
	if (pkt->fragment != FRAGMENT_NONE)
		return TUNNEL_NONE;
	switch (pkt->protocol) {
	case IPPROTO_IPIP:
		return TUNNEL_IPIP;
	case IPPROTO_IPV6:
		return TUNNEL_6IN4;
	case IPPROTO_GRE:
		return TUNNEL_GRE;
	case IPPROTO_UDP:
		return tunnel_by_port(pkt->dstport);
	default:
		return TUNNEL_NONE;
	}
}

/* `p` is at the transport header that made `pkt`. */
static __always_inline enum parse_verdict parse_tunnel(
	struct parse *p, const struct packet *pkt, enum tunnel_kind kind)
{
	p->type = 0;
	if (kind == TUNNEL_IPIP || kind == TUNNEL_6IN4) {
		p->type = kind == TUNNEL_IPIP ? ETH_P_IP : ETH_P_IPV6;
		return PARSE_OK;
	}
	if (kind == TUNNEL_GRE)
		return parse_gre(p);

	parse_skip(p, sizeof(struct udp_header));
	parse_confine(p, pkt->payload_bytes);
	if (kind == TUNNEL_VXLAN)
		return parse_vxlan(p);
	return kind == TUNNEL_GENEVE ? parse_geneve(p) : parse_gtpu(p);
}

#endif
