/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_LINK_BPF_H
#define BPF_PARSE_LINK_BPF_H

/* From the Ethernet header to the EtherType of what it carries. */

#include "parse_cursor.bpf.h"

#include <linux/if_ether.h>

#define PARSE_TAGS_MAX 3

struct ethernet_header {
	__u8 dst[6];
	__u8 src[6];
	wire_u16 type;
};

struct vlan_tag {
	wire_u16 tci;
	wire_u16 type;
};

_Static_assert(sizeof(struct ethernet_header) == 14, "IEEE 802.3");
_Static_assert(sizeof(struct vlan_tag) == 4, "IEEE 802.1Q");

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
#pragma GCC unroll 3
	for (int i = 0; i < PARSE_TAGS_MAX && type_is_tag(p->type); i++) {
		const struct vlan_tag *tag = p->at;

		if (!parse_has(p, sizeof(*tag)))
			return PARSE_TRUNCATED_VLAN;
		p->type = bpf_ntohs(tag->type);
		parse_skip(p, sizeof(*tag));
	}
	return type_is_tag(p->type) ? PARSE_TOO_MANY_TAGS : PARSE_OK;
}

static __always_inline enum parse_verdict parse_link(struct parse *p)
{
	enum parse_verdict verdict = parse_ethernet(p);

	if (verdict != PARSE_OK)
		return verdict;
	return parse_tags(p);
}

#endif
