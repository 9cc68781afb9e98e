/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BPF_PORT_NEWS_BPF_H
#define BPF_PORT_NEWS_BPF_H

/*
 * What a packet says about attempts to reach a service: the counters of struct port_event. Pure: no
 * map, helper or clock, so it compiles natively as well. docs/data-plane.md, "Port counters", is the
 * text for users.
 */

#include "parse_types.bpf.h"

enum tcp_flag {
	TCP_FLAG_FIN = 0x01,
	TCP_FLAG_SYN = 0x02,
	TCP_FLAG_RST = 0x04,
	TCP_FLAG_ACK = 0x10,
};

enum port_news {
	NEWS_UDP = 1 << 0, /* an empty datagram */
	NEWS_SYN = 1 << 1, /* asks for a connection */
	NEWS_RST = 1 << 2,
	NEWS_COMPLETED = 1 << 3, /* the client's answer to the server's SYN */
	NEWS_REFUSED = 1 << 4,   /* counts in the record of whom it answers: packet_reversed() */
};

/* Without those that ECN uses, in a SYN too (RFC 3168 6.1.1). */
#define TCP_FLAGS_STATE (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)

static __always_inline bool tcp_asks(tcp_flags flags)
{
	return (flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

/*
 * Whether the segment may be the third of a handshake: it has an ACK, and none of its flow's came
 * before, or the flow has ended since and may have begun anew. `before` are the flags of the flow's
 * packets up to this one, 0 if none is known. False for nearly all packets of a flow that is known.
 */
static __always_inline bool tcp_may_complete(tcp_flags flags, tcp_flags before)
{
	return (flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_ACK &&
	       (!(before & TCP_FLAG_ACK) || before & (TCP_FLAG_FIN | TCP_FLAG_RST));
}

/*
 * A host answers a segment without ACK (a SYN, or a scanner's FIN, say) to a port where nobody
 * listens with RST, ACK and the sequence number 0; any other RST has a sequence number of its
 * connection (RFC 9293 3.10.7.1), which is 0 once in 2^32.
 */
static __always_inline bool tcp_refuses(const struct packet *pkt)
{
	return pkt->seq_is_zero && (pkt->flags & TCP_FLAGS_STATE) == (TCP_FLAG_RST | TCP_FLAG_ACK);
}

/*
 * Bits of enum port_news; 0 for nearly all packets. NEWS_COMPLETED is left to who remembers
 * handshakes: tcp_may_complete() says when to ask.
 */
static __always_inline __u32 port_news(const struct packet *pkt)
{
	__u32 news = 0;

	if (pkt->protocol != 6)
		return packet_is_empty_udp(pkt) ? NEWS_UDP : 0;
	news |= tcp_asks(pkt->flags) ? NEWS_SYN : 0;
	news |= pkt->flags & TCP_FLAG_RST ? NEWS_RST : 0;
	news |= tcp_refuses(pkt) ? NEWS_REFUSED : 0;
	return news;
}

/* The packet that it may be an answer to, as far as the port counters' key goes. */
static __always_inline struct packet packet_reversed(const struct packet *pkt)
{
	return (struct packet){
		.srcip = pkt->dstip,
		.dstip = pkt->srcip,
		.srcport = pkt->dstport,
		.dstport = pkt->srcport,
		.protocol = pkt->protocol,
	};
}

#endif
