/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_BPF_PACKET_H
#define TESTS_BPF_PACKET_H

/*
 * Builds frames header by header, outermost first:
 *
 *	struct frame f;
 *
 *	frame_init(&f);
 *	frame_ethernet(&f);
 *	frame_vlan(&f, ETH_P_8021Q, 7);
 *	frame_ipv4(&f, "10.0.0.1", "10.0.0.2");
 *	frame_tcp(&f, 40000, 80, TCP_SYN);
 *	frame_payload(&f, 100);
 *	frame_finish(&f);
 *
 * Each call fills in the type field of the header before it; frame_finish() fills in lengths and
 * IPv4 header checksums (transport checksums stay 0). What a call returns is its header, in place,
 * so that a test can then bend a field: in a header that frame_finish() fills in, after it.
 *
 * A frame that would not fit, or an address that is none, aborts: the test is wrong.
 */

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX        2048
#define FRAME_LAYERS_MAX 24

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

/* Which field of the last header names the next one. */
enum frame_next {
	FRAME_NEXT_NONE, /* it has no such field */
	FRAME_NEXT_ETHERTYPE,
	FRAME_NEXT_PROTOCOL,
	FRAME_NEXT_PPP,
};

struct frame_length {
	size_t at;   /* where the 16-bit length is */
	size_t from; /* counted from here to the frame's end */
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t size;
	enum frame_next next;
	size_t next_at;
	size_t mpls_at; /* the last label, whose bottom-of-stack bit is set at the end; 0 = none */
	struct frame_length lengths[FRAME_LAYERS_MAX];
	size_t length_count;
	size_t ipv4_at[FRAME_LAYERS_MAX];
	size_t ipv4_count;
};

void frame_init(struct frame *f);
/* Sets lengths and checksums. To be called once, before padding. */
void frame_finish(struct frame *f);
/* Appends zeros up to `size` bytes, which no header's length counts. */
void frame_pad(struct frame *f, size_t size);
/* Appends any bytes; `bytes` may be NULL for a pattern. */
uint8_t *frame_append(struct frame *f, const void *bytes, size_t size);
uint8_t *frame_payload(struct frame *f, size_t size);

uint8_t *frame_ethernet(struct frame *f);
/* Overwrites the type field that the next header would fill in (ARP, say). */
void frame_set_next(struct frame *f, uint16_t type);
uint8_t *frame_vlan(struct frame *f, uint16_t tpid, uint16_t vid);
uint8_t *frame_mpls(struct frame *f, uint32_t label);
uint8_t *frame_pppoe(struct frame *f);

uint8_t *frame_ipv4(struct frame *f, const char *src, const char *dst);
/* `options` is a multiple of 4, at most 40 bytes, filled with no-operation. */
uint8_t *frame_ipv4_options(struct frame *f, const char *src, const char *dst, size_t options);
/* As in the header: offset in 8-byte units. Call before frame_finish(). */
void frame_ipv4_fragment(uint8_t *ipv4, unsigned int offset, int more);
uint8_t *frame_ipv6(struct frame *f, const char *src, const char *dst);
/* A hop-by-hop (0), routing (43) or destination (60) header of 8 * (1 + units) bytes. */
uint8_t *frame_extension(struct frame *f, uint8_t type, uint8_t units);
uint8_t *frame_fragment(struct frame *f, unsigned int offset, int more);
/* An authentication header with an ICV of `icv` bytes, a multiple of 4. */
uint8_t *frame_ah(struct frame *f, size_t icv);

uint8_t *frame_tcp(struct frame *f, uint16_t sport, uint16_t dport, uint8_t flags);
uint8_t *frame_udp(struct frame *f, uint16_t sport, uint16_t dport);
uint8_t *frame_udplite(struct frame *f, uint16_t sport, uint16_t dport);
uint8_t *frame_sctp(struct frame *f, uint16_t sport, uint16_t dport);
uint8_t *frame_dccp(struct frame *f, uint16_t sport, uint16_t dport);
uint8_t *frame_icmp(struct frame *f, uint8_t type, uint8_t code);
uint8_t *frame_icmpv6(struct frame *f, uint8_t type, uint8_t code);
/* A header of `size` pattern bytes of any other IP protocol. */
uint8_t *frame_protocol(struct frame *f, uint8_t protocol, size_t size);

/* Tunnels; the next header is what is inside. `flags`: of the first 16 bits (RFC 2784, 2890). */
uint8_t *frame_gre(struct frame *f, uint16_t flags);
/* These begin with their UDP header. */
uint8_t *frame_vxlan(struct frame *f, uint32_t vni);
uint8_t *frame_geneve(struct frame *f, uint32_t vni, size_t options);
/* `extended`: with sequence number and one extension header. */
uint8_t *frame_gtpu(struct frame *f, uint32_t teid, int extended);

#endif
