// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Somebody else's program in libxdp's dispatcher: counts, and does with the packet what it is told. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 verdict = XDP_PASS;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} other_packets SEC(".maps");

SEC("xdp")
int other(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	__u64 *packets = bpf_map_lookup_elem(&other_packets, &zero);

	if (packets)
		++*packets;
	return verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
