// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The parser in the kernel, for tests: what it says of a frame is left in globals. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "parse.bpf.h"

__u32 inside;  /* given: tunnels to look into */
__u64 beyond;  /* given: bytes of the frame that the test did not pass on */
__u32 verdict; /* returned */
struct packet parsed;

static __always_inline __u64 frame_bytes(const struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data + beyond;
}

/* As data planes do that look into no tunnel: the code of tunnels is not even there. */
SEC("xdp")
int parse_outer(struct xdp_md *ctx)
{
	struct packet pkt;

	verdict = packet_parse_head((const void *)(long)ctx->data,
		(const void *)(long)ctx->data_end, frame_bytes(ctx), &pkt);
	if (verdict == PARSE_OK)
		parsed = pkt;
	return XDP_PASS;
}

SEC("xdp")
int parse_tunnels(struct xdp_md *ctx)
{
	struct packet pkt;

	verdict = packet_parse_with((const void *)(long)ctx->data,
		(const void *)(long)ctx->data_end, frame_bytes(ctx), inside, &pkt);
	if (verdict == PARSE_OK)
		parsed = pkt;
	return XDP_PASS;
}

/* A jumbo frame's payload goes on behind data_end. */
SEC("xdp.frags")
int parse_frags(struct xdp_md *ctx)
{
	struct packet pkt;

	verdict = packet_parse_head((const void *)(long)ctx->data,
		(const void *)(long)ctx->data_end, bpf_xdp_get_buff_len(ctx), &pkt);
	if (verdict == PARSE_OK)
		parsed = pkt;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
