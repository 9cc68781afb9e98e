/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PARSE_BPF_H
#define BPF_PARSE_BPF_H

/*
 * The parser: from a frame's bytes to its key. Inline stages, one a header, each of which checks
 * its header, takes what it needs, and moves on to the next (parse_link, parse_ip,
 * parse_transport, parse_tunnel). They use no map, helper or clock, so the same source compiles
 * natively, where it is tested and fuzzed beside itself in the kernel.
 *
 * A length field is trusted no further than what encloses it: neither the frame's padding nor bytes
 * behind the IP packet are ever read as headers. docs/data-plane.md, "What is parsed", is the text
 * for users.
 *
 * Loading needs CAP_PERFMON beside CAP_BPF: the frame's length is a difference of packet pointers.
 */

#include "parse_ip.bpf.h"
#include "parse_link.bpf.h"
#include "parse_transport.bpf.h"
#include "parse_tunnel.bpf.h"

static __always_inline enum parse_verdict parse_network(struct parse *p, struct packet *pkt)
{
	enum parse_verdict verdict = parse_ip(p, pkt);

	return verdict == PARSE_OK ? parse_transport(p, pkt) : verdict;
}

static __always_inline enum parse_verdict parse_frame(struct parse *p, struct packet *pkt)
{
	enum parse_verdict verdict = parse_link(p);

	return verdict == PARSE_OK ? parse_network(p, pkt) : verdict;
}

/* The tunnels' headers all lead here, so their paths are made one. */
static __always_inline enum parse_verdict parse_inner(struct parse *p, struct packet *pkt)
{
	enum parse_verdict verdict = PARSE_OK;

	if (p->type == ETH_P_TEB)
		verdict = parse_link(p);
	else if (p->type == ETH_P_MPLS_UC || p->type == ETH_P_MPLS_MC)
		verdict = parse_mpls(p);
	if (verdict != PARSE_OK)
		return verdict;
	if (!parse_settle(p))
		return PARSE_TOO_MANY_EXTENSIONS;
	p->type = parse_forget(p, p->type);
	return parse_network(p, pkt);
}

/*
 * `pkt` is the outer packet's, and stays so if what is inside is not IP. What is inside and
 * malformed makes the frame malformed: else cutting a frame would give it another key.
 */
static __always_inline enum parse_verdict parse_inside(
	struct parse *p, __u32 inside, struct packet *pkt)
{
	enum tunnel_kind kind = tunnel_of(pkt);
	enum parse_verdict verdict;
	struct packet inner;

	if (!(kind & inside))
		return PARSE_OK;
	if (!parse_settle(p))
		return PARSE_TOO_MANY_EXTENSIONS;
	p->limit = parse_forget(p, p->limit);
	verdict = parse_tunnel(p, pkt, kind);
	if (verdict != PARSE_OK)
		return verdict;
	if (!parse_settle(p))
		return PARSE_TOO_MANY_EXTENSIONS;
	p->limit = parse_forget(p, p->limit);
	p->type = parse_forget(p, p->type);
	kind = parse_forget(p, kind);
	packet_forget(p->data, pkt);
	verdict = parse_inner(p, &inner);
	if (verdict != PARSE_OK)
		return verdict == PARSE_NOT_IP ? PARSE_OK : verdict;
	*pkt = inner;
	pkt->tunnel = kind;
	return PARSE_OK;
}

/*
 * Parses the frame at [data, data_end), which is `frame_bytes` long. Unless PARSE_OK is returned,
 * `pkt` holds nothing of use and may be partly written.
 *
 * In an xdp.frags program, or with a packet that a capture cut, `frame_bytes` is more than is
 * there: bpf_xdp_get_buff_len(ctx). Length fields are then checked against the whole frame, and
 * "truncated" means "beyond data_end". A caller that wants those headers too copies the first
 * bytes (bpf_xdp_load_bytes) and parses the copy with the same `frame_bytes`.
 *
 * `inside`: tunnels to look into, bits of enum tunnel_kind. From a `const volatile` setting, the
 * verifier removes the code of those that are off.
 */
static __always_inline enum parse_verdict packet_parse_with(
	const void *data, const void *data_end, __u64 frame_bytes, __u32 inside, struct packet *pkt)
{
	enum parse_verdict verdict;
	struct parse p;

	parse_init(&p, data, data_end, frame_bytes);
	verdict = parse_frame(&p, pkt);
	if (verdict == PARSE_OK && inside)
		verdict = parse_inside(&p, inside, pkt);
	if (verdict == PARSE_OK && inside)
		packet_forget(data, pkt);
	return verdict;
}

/* The outermost IP packet is what counts. */
static __always_inline enum parse_verdict packet_parse_head(
	const void *data, const void *data_end, __u64 frame_bytes, struct packet *pkt)
{
	return packet_parse_with(data, data_end, frame_bytes, 0, pkt);
}

/* The same for a frame that is all there. */
static __always_inline enum parse_verdict packet_parse(
	const void *data, const void *data_end, struct packet *pkt)
{
	return packet_parse_head(data, data_end, parse_distance(data, data_end), pkt);
}

#endif
