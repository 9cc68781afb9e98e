// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * BPF_PROG_TEST_RUN gives a program the same packet again and again. This one makes each of them
 * another flow's: it takes the next number of a sequence that user space wrote, puts it into the
 * source address and port of the packet, and goes on to the program that is measured. What it costs
 * itself is measured by going on to a program that does nothing.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include "xdp_shuffle.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SEQUENCE_LENGTH / SEQUENCE_CHUNK);
	__type(key, __u32);
	__type(value, __u32[SEQUENCE_CHUNK]);
} sequence SEC(".maps");

__u32 position;

SEC("xdp")
int shuffle(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	const __u32 at = position++ % SEQUENCE_LENGTH;
	const __u32 chunk_at = at / SEQUENCE_CHUNK;
	const __u32 *chunk = bpf_map_lookup_elem(&sequence, &chunk_at);
	__u32 flow;

	if (!chunk || (void *)(tcp + 1) > data_end)
		return XDP_ABORTED;
	flow = chunk[at % SEQUENCE_CHUNK];
	ip->saddr = bpf_htonl(FLOW_ADDRESS(flow));
	tcp->source = bpf_htons(FLOW_PORT(flow));
	bpf_tail_call_static(ctx, &measured, 0);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
