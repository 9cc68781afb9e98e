// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What one would write first: the kernel's own hash maps, the key is the whole tuple. Shared by all
 * CPUs with atomic counters, or one a CPU with the least recently used entry thrown away.
 */
#include "tuple.bpf.h"

#define FLOWS 1048576

struct counters {
	__u64 count, bytes, first, last;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOWS);
	__type(key, struct tuple);
	__type(value, struct counters);
} hash_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, FLOWS);
	__type(key, struct tuple);
	__type(value, struct counters);
} lru_flows SEC(".maps");

SEC("xdp")
int hash(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	const __u64 now = bpf_jiffies64();
	struct counters *flow;
	struct tuple t;

	if (!tuple_parse(data, data_end, &t))
		return XDP_PASS;
	flow = bpf_map_lookup_elem(&hash_flows, &t);
	if (flow) {
		__sync_fetch_and_add(&flow->count, 1);
		__sync_fetch_and_add(&flow->bytes, data_end - data);
		flow->last = now;
	} else {
		const struct counters fresh = {1, data_end - data, now, now};

		bpf_map_update_elem(&hash_flows, &t, &fresh, BPF_NOEXIST);
	}
	return XDP_PASS;
}

SEC("xdp")
int percpu_lru(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	const __u64 now = bpf_jiffies64();
	struct counters *flow;
	struct tuple t;

	if (!tuple_parse(data, data_end, &t))
		return XDP_PASS;
	flow = bpf_map_lookup_elem(&lru_flows, &t);
	if (flow) {
		flow->count++;
		flow->bytes += data_end - data;
		flow->last = now;
	} else {
		const struct counters fresh = {1, data_end - data, now, now};

		bpf_map_update_elem(&lru_flows, &t, &fresh, BPF_NOEXIST);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
