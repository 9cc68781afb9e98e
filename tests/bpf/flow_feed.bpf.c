// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Each run of the program is one packet of its CPU's feed; the packet it is given is not looked at. */
#include "tests/bpf/flow_feed.h"
#include "flow_table.bpf.h"

#include <bpf/bpf_endian.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct feed);
} feeds SEC(".maps");

volatile __u64 tick; /* what time it is */

static __always_inline void set_address(ip_addr *address, bool is_ip6, __u32 low)
{
	__u32 *words = (void *)address;

	words[0] = is_ip6 ? bpf_htonl(0x20010db8) : 0;
	words[1] = 0;
	words[2] = is_ip6 ? 0 : bpf_htonl(0xffff);
	words[3] = bpf_htonl(low);
}

SEC("xdp")
int feed_one(struct xdp_md *ctx)
{
	const __u32 cpu = bpf_get_smp_processor_id();
	struct feed *feed = bpf_map_lookup_elem(&feeds, &cpu);
	struct packet pkt = {.protocol = 6};
	tcp_flags before;
	__u64 flow, number;
	__u32 bytes;

	if (!feed || feed->flows == 0)
		return XDP_ABORTED;
	number = feed->next++;
	flow = feed_flow(feed, number);
	bytes = feed_bytes(flow, number);
	set_address(&pkt.srcip, feed->is_ip6, 0x0a000000 + (__u32)flow);
	set_address(&pkt.dstip, feed->is_ip6, 0xc0a80001 + (__u32)feed_target(feed, flow));
	pkt.srcport = 1024 + flow % 60000;
	pkt.dstport = 443;
	pkt.flags = feed->flags;
	feed->sent_packets++;
	feed->sent_bytes += bytes;
	if (!flow_account(&pkt, bytes, tick, &before)) {
		feed->shed_packets++;
		feed->shed_bytes += bytes;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
