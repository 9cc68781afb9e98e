// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The thesis's flow program (5.1.2), without its debug prints: one array of 200,000 entries that
 * all CPUs share, indexed by a Jenkins hash of the tuple; atomic counters; the clock read twice a
 * packet. A collision overwrites an entry that was not modified for two seconds, and ignores the
 * new flow otherwise, so flows are forgotten.
 */
#include "tuple.bpf.h"

#define MAX_MAP_SIZE 200000
#define RECENT_NS    2000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_MAP_SIZE);
	__type(key, __u32);
	__type(value, struct flow_meta);
} flow_map SEC(".maps");

static __always_inline __u32 rotate(__u32 word, __u32 bits)
{
	return word << bits | word >> (32 - bits);
}

/* lookup3 (B. Jenkins, 2006): the three words are mixed after every three that are taken in. */
static __always_inline void jenkins_mix(__u32 s[3])
{
	static const __u8 by[6] = {4, 6, 8, 16, 19, 4};

#pragma unroll
	for (int i = 0; i < 6; i++) {
		const int a = i % 3, b = (i + 1) % 3, c = (i + 2) % 3;

		s[a] -= s[c];
		s[a] ^= rotate(s[c], by[i]);
		s[c] += s[b];
	}
}

static __always_inline __u32 jenkins_final(__u32 s[3])
{
	static const __u8 by[7] = {14, 11, 25, 16, 4, 14, 24};

#pragma unroll
	for (int i = 0; i < 7; i++) {
		const int to = (i + 2) % 3, from = (i + 1) % 3;

		s[to] ^= s[from];
		s[to] -= rotate(s[from], by[i]);
	}
	return s[2];
}

static __always_inline __u32 hash_tuple(const struct tuple *t)
{
	const __u32 *words = (const void *)t;
	const __u32 length = t->is_ip6 ? 10 : 3;
	const __u32 start = 0xdeadbeef + (length << 2);
	__u32 s[3] = {start, start, start};

	if (!t->is_ip6) {
		s[0] += t->src.words[0];
		s[1] += t->dst.words[0];
		s[2] += ((__u32)t->srcport << 16 | t->dstport) ^ t->protocol;
		return jenkins_final(s);
	}
#pragma unroll
	for (int i = 0; i < 9; i += 3) {
		s[0] += words[i];
		s[1] += words[i + 1];
		s[2] += words[i + 2];
		jenkins_mix(s);
	}
	s[0] += words[9];
	return jenkins_final(s);
}

static __always_inline void start_flow(struct flow_meta *flow, const struct tuple *t, __u64 bytes)
{
	flow->tuple = *t;
	flow->count = 1;
	flow->bytes = bytes;
	flow->modified = bpf_ktime_get_ns();
}

SEC("xdp")
int thesis(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct flow_meta *flow;
	struct tuple t;
	__u64 now;
	__u32 key;

	if (!tuple_parse(data, data_end, &t))
		return XDP_PASS;
	now = bpf_ktime_get_ns();
	key = hash_tuple(&t) % MAX_MAP_SIZE;
	flow = bpf_map_lookup_elem(&flow_map, &key);
	if (!flow)
		return XDP_PASS;
	if (tuple_equal(&flow->tuple, &t)) {
		__sync_fetch_and_add(&flow->count, 1);
		__sync_fetch_and_add(&flow->bytes, data_end - data);
		flow->modified = bpf_ktime_get_ns();
	} else if (now - flow->modified > RECENT_NS) {
		start_flow(flow, &t, data_end - data);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
