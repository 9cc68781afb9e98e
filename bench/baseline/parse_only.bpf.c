// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The parser alone: what is left of a program's cost is its tables. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "parse.bpf.h"

__u64 sink; /* or the compiler would leave out what nobody reads */

SEC("xdp")
int parse_only(struct xdp_md *ctx)
{
	struct packet pkt;

	if (packet_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &pkt) == PARSE_OK) {
		const __u64 *words = (const void *)&pkt;

		sink = words[0] ^ words[1] ^ words[2] ^ words[3] ^ words[4];
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
