// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts what an interface receives: flows (event 2), port counters (event 1), and the interface's
 * own totals (event 5). It changes no packet and drops none.
 *
 * Flows are counted in the flow table (flow_table.bpf.h). For ports, a collecting period has its own
 * table: user space puts an empty one in the place of the one in use, waits until no program can hold
 * the old one any more (the update of a map of maps does that), and then has it for itself, so that
 * reading and clearing it loses nothing. The program is loaded once for each interface, all of them
 * sharing the tables.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "account.h"
#include "alone.bpf.h"
#include "clock.bpf.h"
#include "fanout.bpf.h"
#include "flow_table.bpf.h"
#include "full.bpf.h"
#include "handshake.bpf.h"
#include "parse.bpf.h"
#include "port_news.bpf.h"

const volatile __u32 interface_slot; /* which of `interfaces` is this program's */
const volatile bool has_frags;       /* frames may have more than a linear part (Linux 5.18) */
const volatile __u32 look_inside;    /* tunnels to look into, bits of enum tunnel_kind */

/* The size is set before loading. Two: one in use, one being read. */
struct port_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct port_key);
	__type(value, struct port_counters);
} ports_a SEC(".maps"), ports_b SEC(".maps");

/* The one place holds the table of the present period. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct port_table);
} ports SEC(".maps") = {.values = {&ports_a}};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* as many as interfaces, set before loading */
	__type(key, __u32);
	__type(value, struct interface_counters);
} interfaces SEC(".maps");

/* The key's counters, made if there are none. NULL: the table is full. */
static __always_inline struct port_counters *port_get(const struct port_key *key, __u64 now)
{
	const struct port_counters fresh = {.first = now};
	const __u32 zero = 0;
	void *table = bpf_map_lookup_elem(&ports, &zero);
	struct port_counters *port;

	if (!table)
		return NULL;
	port = bpf_map_lookup_elem(table, key);
	if (port || full_is_known(FULL_PORTS, table, now))
		return port;
	/* Another CPU may make them at the same moment, then its are taken. */
	bpf_map_update_elem(table, key, &fresh, BPF_NOEXIST);
	port = bpf_map_lookup_elem(table, key);
	if (!port)
		full_note(FULL_PORTS, table, now);
	return port;
}

/* The record of the packet's source and service. */
static __always_inline void port_key_of(const struct packet *pkt, struct port_key *ret_key)
{
	*ret_key = (struct port_key){
		.srcip = pkt->srcip,
		.dstip = pkt->dstip,
		.dstport = pkt->dstport,
		.protocol = pkt->protocol,
	};
}

/* Counts the news, bits of enum port_news, in the key's record. */
static __always_inline bool port_count(const struct port_key *key, __u32 news, __u64 now)
{
	struct port_counters *port = port_get(key, now);

	if (!port)
		return false;
	if (news & NEWS_SYN)
		__sync_fetch_and_add(&port->syn, 1);
	if (news & NEWS_RST)
		__sync_fetch_and_add(&port->rst, 1);
	if (news & NEWS_UDP)
		__sync_fetch_and_add(&port->udp, 1);
	if (news & NEWS_COMPLETED)
		__sync_fetch_and_add(&port->completed, 1);
	if (news & NEWS_REFUSED)
		__sync_fetch_and_add(&port->refused, 1);
	port->last = now;
	return true;
}

/*
 * A refusal is news of two records: an RST of its source, and a refusal that its destination met. Not
 * inlined, to keep what is rare out of the way of what is frequent. Gives how many were shed.
 */
__noinline __u32 port_take(const struct packet *pkt, __u32 news, __u64 now)
{
	struct port_key key; /* one for both: stack is scarce */
	__u32 shed = 0;

	if (!pkt)
		return 0;
	if (news & NEWS_SYN)
		handshake_begin(pkt);
	port_key_of(pkt, &key);
	if (news & ~NEWS_REFUSED)
		shed += !port_count(&key, news & ~NEWS_REFUSED, now);
	if (news & NEWS_REFUSED) {
		const struct packet asked = packet_reversed(pkt);

		port_key_of(&asked, &key);
		shed += !port_count(&key, NEWS_REFUSED, now);
	}
	return shed;
}

/* Bytes from the Ethernet header on, of all fragments of a jumbo frame. */
static __always_inline __u64 frame_size(struct xdp_md *ctx)
{
	return has_frags ? bpf_xdp_get_buff_len(ctx) : ctx->data_end - ctx->data;
}

static __always_inline void count_unparsed(
	struct interface_counters *total, enum parse_verdict verdict, __u64 size)
{
	if (verdict >= PARSE_VERDICTS) /* never: the verifier must see it */
		return;
	total->unparsed[verdict].packets++;
	total->unparsed[verdict].bytes += size;
}

static __always_inline int count_frame(struct xdp_md *ctx)
{
	const __u32 slot = interface_slot;
	struct interface_counters *total = bpf_map_lookup_elem(&interfaces, &slot);
	const __u64 size = frame_size(ctx);
	enum parse_verdict verdict;
	tcp_flags before;
	struct packet pkt;
	__u32 news;
	__u64 now;

	if (!total)
		return XDP_PASS;
	total->packets++;
	total->size += size;
	verdict = packet_parse_with((const void *)(long)ctx->data,
		(const void *)(long)ctx->data_end, size, look_inside, &pkt);
	if (verdict != PARSE_OK) {
		count_unparsed(total, verdict, size);
		return XDP_PASS;
	}
	if (!flow_account(&pkt, size, clock_tick(), &before))
		total->flow_shed++;
	news = port_news(&pkt);
	if (pkt.protocol == IPPROTO_TCP && tcp_may_complete(pkt.flags, before) &&
		handshake_complete(&pkt))
		news |= NEWS_COMPLETED;
	if (!news)
		return XDP_PASS;
	now = clock_now();
	total->port_shed += port_take(&pkt, news, now);
	if (fanout_concerns(news))
		fanout_take(&pkt, news, size, now);
	return XDP_PASS;
}

/* Of these two one is loaded: see alone.bpf.h. */
SEC("xdp.frags")
int netlambda_count(struct xdp_md *ctx)
{
	return count_frame(ctx);
}

/* Global, so that the verifier need not remember for each way through it that the CPU is taken. */
__noinline int count_frame_alone(struct xdp_md *ctx)
{
	return count_frame(ctx);
}

SEC("xdp.frags")
int netlambda_alone(struct xdp_md *ctx)
{
	const __u32 slot = interface_slot;
	struct interface_counters *total;

	if (alone_begin()) {
		count_frame_alone(ctx);
		alone_end();
		return XDP_PASS;
	}
	total = bpf_map_lookup_elem(&interfaces, &slot);
	if (total)
		alone_count_crowded(total, frame_size(ctx));
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
