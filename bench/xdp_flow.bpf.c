// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Our parser and our flow table, and nothing else. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "flow_table.bpf.h"
#include "parse.bpf.h"

SEC("xdp")
int flow(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct packet pkt;
	tcp_flags before;

	if (packet_parse(data, data_end, &pkt) == PARSE_OK)
		flow_account(&pkt, data_end - data, bpf_jiffies64(), &before);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
