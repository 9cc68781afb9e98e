/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_BPF_H
#define BPF_PARSE_BPF_H

/*
 * The parser: from a frame's bytes to its key. Inline stages, one a header, each of which checks
 * its header, takes what it needs, and moves on to the next (parse_link, parse_ip,
 * parse_transport). They use no map, helper or clock, so the same source compiles natively, where
 * it is tested and fuzzed against itself in the kernel.
 *
 * A length field is trusted no further than what encloses it: neither the frame's padding nor bytes
 * behind the IP packet are ever read as headers.
 *
 * Loading needs CAP_PERFMON beside CAP_BPF: the frame's length is a difference of packet pointers.
 */

#include "parse_ip.bpf.h"
#include "parse_link.bpf.h"
#include "parse_transport.bpf.h"

static __always_inline enum parse_verdict parse_ip(struct parse *p, struct packet *pkt)
{
	if (p->type == ETH_P_IP)
		return parse_ipv4(p, pkt);
	if (p->type == ETH_P_IPV6)
		return parse_ipv6(p, pkt);
	return PARSE_NOT_IP;
}

/*
 * Parses the frame at [data, data_end), which is `frame_bytes` long: the headers must lie in there,
 * the payload may go on behind (xdp.frags). Unless PARSE_OK is returned, `pkt` holds nothing of use
 * and may be partly written.
 */
static __always_inline enum parse_verdict packet_parse_head(
	const void *data, const void *data_end, __u64 frame_bytes, struct packet *pkt)
{
	struct parse p = {
		.at = data,
		.end = data_end,
		.left = frame_bytes,
	};
	enum parse_verdict verdict = parse_link(&p);

	if (verdict == PARSE_OK)
		verdict = parse_ip(&p, pkt);
	if (verdict == PARSE_OK)
		verdict = parse_transport(&p, pkt);
	return verdict;
}

/* The same for a frame that is all there. */
static __always_inline enum parse_verdict packet_parse(
	const void *data, const void *data_end, struct packet *pkt)
{
	const __u64 frame_bytes = (const __u8 *)data_end - (const __u8 *)data;

	return packet_parse_head(data, data_end, frame_bytes, pkt);
}

#endif
