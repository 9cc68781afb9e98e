/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BENCH_BASELINE_TUPLE_BPF_H
#define BENCH_BASELINE_TUPLE_BPF_H

/*
 * What the baselines know of a packet: Ethernet, IPv4 or IPv6, TCP or UDP, no options, tags or
 * extension headers (thesis 5.1.2). All baselines parse alike, so that they differ by their table.
 */

#include "tuple.h"

#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

static __always_inline bool tuple_parse_ports(void *l4, void *data_end, struct tuple *t)
{
	if (t->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > data_end)
			return false;
		t->srcport = tcp->source;
		t->dstport = tcp->dest;
		return true;
	}
	if (t->protocol == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		if ((void *)(udp + 1) > data_end)
			return false;
		t->srcport = udp->source;
		t->dstport = udp->dest;
		return true;
	}
	return false;
}

static __always_inline bool tuple_parse(void *data, void *data_end, struct tuple *t)
{
	struct ethhdr *eth = data;

	__builtin_memset(t, 0, sizeof(*t));
	if ((void *)(eth + 1) > data_end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end)
			return false;
		t->src.words[0] = ip->saddr;
		t->dst.words[0] = ip->daddr;
		t->protocol = ip->protocol;
		return tuple_parse_ports(ip + 1, data_end, t);
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end)
			return false;
		__builtin_memcpy(&t->src, &ip->saddr, 16);
		__builtin_memcpy(&t->dst, &ip->daddr, 16);
		t->protocol = ip->nexthdr;
		t->is_ip6 = 1;
		return tuple_parse_ports(ip + 1, data_end, t);
	}
	return false;
}

static __always_inline bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4];
}

#endif
