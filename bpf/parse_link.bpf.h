/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_LINK_BPF_H
#define BPF_PARSE_LINK_BPF_H

/* From the Ethernet header to the EtherType of the network header: tags, PPPoE, MPLS. */

#include "parse_cursor.bpf.h"

#include <stddef.h>

#define PARSE_TAGS_MAX   3
#define PARSE_LABELS_MAX 8

#define PPPOE_VERSION_TYPE 0x11
#define PPPOE_SESSION_DATA 0
#define PPP_IPV4           0x0021
#define PPP_IPV6           0x0057
#define MPLS_BOTTOM        0x100

struct ethernet_header {
	__u8 dst[6];
	__u8 src[6];
	wire_u16 type;
};

struct vlan_tag {
	wire_u16 tci;
	wire_u16 type;
};

struct pppoe_header {
	__u8 version_type;
	__u8 code;
	wire_u16 session;
	wire_u16 length; /* from `protocol` on */
	wire_u16 protocol;
};

_Static_assert(sizeof(struct ethernet_header) == 14, "IEEE 802.3");
_Static_assert(sizeof(struct vlan_tag) == 4, "IEEE 802.1Q");
_Static_assert(sizeof(struct pppoe_header) == 8, "RFC 2516 4 and RFC 1661 2");

static __always_inline bool type_is_ip(__u16 type)
{
	return type == ETH_P_IP || type == ETH_P_IPV6;
}

static __always_inline bool type_is_tag(__u16 type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

static __always_inline enum parse_verdict parse_ethernet(struct parse *p)
{
	const struct ethernet_header *eth = p->at;

	if (!parse_has(p, sizeof(*eth)))
		return PARSE_TRUNCATED_ETHERNET;
	p->type = bpf_ntohs(eth->type);
	parse_skip(p, sizeof(*eth));
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_tags(struct parse *p)
{
	for (int i = 0; i < PARSE_TAGS_MAX; i++) {
		const struct vlan_tag *tag = p->at;

		if (!type_is_tag(p->type))
			return PARSE_OK;
		if (!parse_has(p, sizeof(*tag)))
			return PARSE_TRUNCATED_VLAN;
		p->type = bpf_ntohs(tag->type);
		parse_skip(p, sizeof(*tag));
	}
	return type_is_tag(p->type) ? PARSE_TOO_MANY_TAGS : PARSE_OK;
}

/* PPP's own control protocols (LCP, IPCP ...) are not IP, nor is protocol field compression read.
 */
static __always_inline enum parse_verdict parse_pppoe(struct parse *p)
{
	const struct pppoe_header *pppoe = p->at;
	__u64 length;

	if (!parse_has(p, sizeof(*pppoe)))
		return PARSE_TRUNCATED_PPPOE;
	length = bpf_ntohs(pppoe->length) + offsetof(struct pppoe_header, protocol);
	if (pppoe->version_type != PPPOE_VERSION_TYPE || pppoe->code != PPPOE_SESSION_DATA ||
		length < sizeof(*pppoe) || length > parse_left(p))
		return PARSE_BAD_PPPOE;
	p->type = 0;
	if (bpf_ntohs(pppoe->protocol) == PPP_IPV4)
		p->type = ETH_P_IP;
	else if (bpf_ntohs(pppoe->protocol) == PPP_IPV6)
		p->type = ETH_P_IPV6;
	parse_confine(p, length);
	parse_skip(p, sizeof(*pppoe));
	return PARSE_OK;
}

/* The label stack does not name what it carries. A pseudowire begins with a nibble 0: not IP. */
static __always_inline enum parse_verdict parse_mpls_payload(struct parse *p)
{
	if (!parse_has(p, 1))
		return PARSE_TRUNCATED_MPLS;
	p->type = ip_type_by_version(*(const __u8 *)p->at);
	return PARSE_OK;
}

static __always_inline enum parse_verdict parse_mpls(struct parse *p)
{
	for (int i = 0; i < PARSE_LABELS_MAX; i++) {
		const wire_u32 *entry = p->at;
		bool bottom;

		if (!parse_has(p, sizeof(*entry)))
			return PARSE_TRUNCATED_MPLS;
		bottom = *entry & bpf_htonl(MPLS_BOTTOM);
		parse_skip(p, sizeof(*entry));
		if (bottom)
			return parse_mpls_payload(p);
	}
	return PARSE_TOO_MANY_LABELS;
}

/* Everything but untagged IP. */
static __always_inline enum parse_verdict parse_encapsulation(struct parse *p)
{
	enum parse_verdict verdict = parse_tags(p);

	if (verdict != PARSE_OK)
		return verdict;
	if (p->type == ETH_P_PPP_SES)
		verdict = parse_pppoe(p);
	else if (p->type == ETH_P_MPLS_UC || p->type == ETH_P_MPLS_MC)
		verdict = parse_mpls(p);
	if (verdict == PARSE_OK && !parse_settle(p))
		return PARSE_TOO_MANY_EXTENSIONS;
	return verdict;
}

/* On PARSE_OK `type` is ETH_P_IP, ETH_P_IPV6, or something that is not IP. */
static __always_inline enum parse_verdict parse_link(struct parse *p)
{
	enum parse_verdict verdict = parse_ethernet(p);

	if (verdict != PARSE_OK || type_is_ip(p->type))
		return verdict;
	return parse_encapsulation(p);
}

#endif
