// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The traffic generator's kernel side: run by BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, it
 * makes each frame that the kernel hands it the next packet of its stream (traffic_plan.h), counts
 * it, and sends it into a veth. A frame's page comes back as its last receiver left it (a VLAN tag
 * taken out, say), so all headers are written each time.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "traffic_plan.h"

const volatile struct traffic_settings settings;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic_stream);
} streams SEC(".maps");

#define IP_DF 0x4000

/* The part of a frame that is being written. */
struct place {
	void *at;
	void *end;
};

/* The next `bytes`, or NULL. */
static __always_inline void *take(struct place *place, __u32 bytes)
{
	void *at = place->at;

	if (at + bytes > place->end)
		return NULL;
	place->at = at + bytes;
	return at;
}

struct tag {
	__be16 tci;
	__be16 type;
};

static __always_inline bool write_ethernet(struct place *place)
{
	static const __u8 dst[ETH_ALEN] = {2, 0, 0, 0, 0, 2}, src[ETH_ALEN] = {2, 0, 0, 0, 0, 1};
	struct ethhdr *eth = take(place, sizeof(*eth));
	__be16 *type;

	if (!eth)
		return false;
	__builtin_memcpy(eth->h_dest, dst, ETH_ALEN);
	__builtin_memcpy(eth->h_source, src, ETH_ALEN);
	type = (void *)eth + 2 * ETH_ALEN;
	for (__u32 i = 0; i < TRAFFIC_TAGS_MAX && i < settings.tags; i++) {
		struct tag *tag = take(place, sizeof(*tag));

		if (!tag)
			return false;
		*type = bpf_htons(settings.tags - i > 1 ? ETH_P_8021AD : ETH_P_8021Q);
		tag->tci = bpf_htons(100 + i);
		type = &tag->type;
	}
	*type = bpf_htons(settings.family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	return true;
}

static __always_inline __u32 l4_bytes(void)
{
	return settings.kind == TRAFFIC_UDP ? sizeof(struct udphdr) : sizeof(struct tcphdr);
}

static __always_inline __u8 protocol(void)
{
	return settings.kind == TRAFFIC_UDP ? IPPROTO_UDP : IPPROTO_TCP;
}

/* RFC 791 3.1 over the words of the header, which are known. */
static __always_inline __u16 ipv4_checksum(__u32 total, __u32 src, __u32 dst)
{
	__u32 sum = 0x4500 + total + IP_DF + (64 << 8 | protocol());

	sum += (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return ~sum;
}

static __always_inline bool write_ipv4(struct place *place, __u32 src, __u32 dst, __u32 payload)
{
	const __u32 total = sizeof(struct iphdr) + l4_bytes() + payload;
	struct iphdr *ip = take(place, sizeof(*ip));

	if (!ip)
		return false;
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(total);
	ip->id = 0;
	ip->frag_off = bpf_htons(IP_DF);
	ip->ttl = 64;
	ip->protocol = protocol();
	ip->check = bpf_htons(ipv4_checksum(total, src, dst));
	ip->saddr = bpf_htonl(src);
	ip->daddr = bpf_htonl(dst);
	return true;
}

/* 2001:db8::/32 (RFC 3849), the IPv4 address behind it. */
static __always_inline void set_ipv6(struct in6_addr *address, __u32 v4)
{
	address->s6_addr32[0] = bpf_htonl(0x20010db8);
	address->s6_addr32[1] = 0;
	address->s6_addr32[2] = 0;
	address->s6_addr32[3] = bpf_htonl(v4);
}

static __always_inline bool write_ipv6(struct place *place, __u32 src, __u32 dst, __u32 payload)
{
	struct ipv6hdr *ip = take(place, sizeof(*ip));

	if (!ip)
		return false;
	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(l4_bytes() + payload);
	ip->nexthdr = protocol();
	ip->hop_limit = 64;
	set_ipv6(&ip->saddr, src);
	set_ipv6(&ip->daddr, dst);
	return true;
}

/* Checksums are left out: 0 says so in UDP over IPv4, and nobody receives the others. */
static __always_inline bool write_l4(
	struct place *place, const struct traffic_packet *p, const __u16 ports[2], __u32 payload)
{
	const __be16 from = bpf_htons(ports[0]), to = bpf_htons(ports[1]);

	if (settings.kind == TRAFFIC_UDP) {
		struct udphdr *udp = take(place, sizeof(*udp));

		if (!udp)
			return false;
		*udp = (struct udphdr){from, to, bpf_htons(sizeof(*udp) + payload), 0};
	} else {
		struct tcphdr *tcp = take(place, sizeof(*tcp));

		if (!tcp)
			return false;
		__builtin_memset(tcp, 0, sizeof(*tcp));
		tcp->source = from;
		tcp->dest = to;
		((__u8 *)tcp)[12] = sizeof(*tcp) / 4 << 4;
		((__u8 *)tcp)[13] = p->tcp_flags;
		tcp->window = bpf_htons(65535);
	}
	return true;
}

static __always_inline bool write_ip(struct place *place, const struct traffic_packet *p)
{
	const __u32 headers =
		sizeof(struct ethhdr) + settings.tags * sizeof(struct tag) +
		(settings.family == 6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + l4_bytes();
	/* What follows the headers of a packet without data is Ethernet's padding. */
	const __u32 payload = p->has_data ? p->size - headers : 0;
	struct traffic_source source;
	__u32 src, dst;
	__u16 ports[2];

	traffic_source_of(p->flow, &source);
	src = p->reply ? TRAFFIC_TARGET : source.address;
	dst = p->reply ? source.address : TRAFFIC_TARGET;
	ports[0] = p->reply ? TRAFFIC_TARGET_PORT : source.port;
	ports[1] = p->reply ? source.port : TRAFFIC_TARGET_PORT;
	if (settings.family == 6 ? !write_ipv6(place, src, dst, payload)
				 : !write_ipv4(place, src, dst, payload))
		return false;
	return write_l4(place, p, ports, payload);
}

/* The kernel's frame is as long as the longest; the kernel undoes the cut before it comes again. */
static __always_inline bool cut(struct xdp_md *ctx, __u32 size)
{
	const __u32 longest = settings.size_max;

	return size == longest || bpf_xdp_adjust_tail(ctx, (int)size - (int)longest) == 0;
}

SEC("xdp")
int traffic(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	struct traffic_stream *stream = bpf_map_lookup_elem(&streams, &zero);
	struct traffic_packet packet;
	struct place place;

	if (!stream)
		return XDP_ABORTED;
	traffic_choose(&settings, stream->index, stream->next, &packet);
	if (!cut(ctx, packet.size))
		goto fail;
	place = (struct place){(void *)(long)ctx->data, (void *)(long)ctx->data_end};
	if (!write_ethernet(&place) || !write_ip(&place, &packet))
		goto fail;
	stream->next++;
	if (packet.class < TRAFFIC_CLASSES) {
		stream->sent[packet.class].packets++;
		stream->sent[packet.class].bytes += packet.size;
	}
	return bpf_redirect(settings.ifindex, 0);
fail:
	stream->errors++;
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
