// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_VXLAN  4789
#define PORT_GENEVE 6081
#define PORT_GTPU   2152

static void give_up(const char *what)
{
	fprintf(stderr, "packet builder: %s\n", what);
	abort();
}

static void put_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_be32(uint8_t *at, uint32_t value)
{
	put_be16(at, (uint16_t)(value >> 16));
	put_be16(at + 2, (uint16_t)value);
}

void frame_init(struct frame *f)
{
	memset(f, 0, sizeof(*f));
}

static uint8_t *frame_header(struct frame *f, size_t size)
{
	uint8_t *at = f->bytes + f->size;

	if (size > sizeof(f->bytes) - f->size)
		give_up("the frame is longer than FRAME_MAX");
	f->size += size;
	return at;
}

static size_t frame_offset(const struct frame *f, const uint8_t *at)
{
	return (size_t)(at - f->bytes);
}

uint8_t *frame_append(struct frame *f, const void *bytes, size_t size)
{
	uint8_t *at = frame_header(f, size);

	for (size_t i = 0; i < size; i++)
		at[i] = bytes ? ((const uint8_t *)bytes)[i] : (uint8_t)(0xa5 ^ i);
	return at;
}

uint8_t *frame_payload(struct frame *f, size_t size)
{
	return frame_append(f, NULL, size);
}

void frame_pad(struct frame *f, size_t size)
{
	if (f->size < size)
		(void)frame_header(f, size - f->size);
}

void frame_set_next(struct frame *f, uint16_t type)
{
	if (f->next == FRAME_NEXT_PROTOCOL)
		f->bytes[f->next_at] = (uint8_t)type;
	else if (f->next != FRAME_NEXT_NONE)
		put_be16(f->bytes + f->next_at, type);
	f->next = FRAME_NEXT_NONE;
}

/* Tells the header before this one what follows, by the name that header has for it. */
static void frame_announce(struct frame *f, uint16_t ethertype, int protocol, uint16_t ppp)
{
	if (f->next == FRAME_NEXT_ETHERTYPE)
		frame_set_next(f, ethertype);
	else if (f->next == FRAME_NEXT_PROTOCOL)
		frame_set_next(f, (uint16_t)protocol);
	else if (f->next == FRAME_NEXT_PPP)
		frame_set_next(f, ppp);
}

static void frame_expect(struct frame *f, enum frame_next next, const uint8_t *at)
{
	f->next = next;
	f->next_at = frame_offset(f, at);
}

static void frame_add_length(struct frame *f, const uint8_t *at, const uint8_t *from)
{
	if (f->length_count == FRAME_LAYERS_MAX)
		give_up("more than FRAME_LAYERS_MAX headers");
	f->lengths[f->length_count++] =
		(struct frame_length){frame_offset(f, at), frame_offset(f, from)};
}

uint8_t *frame_ethernet(struct frame *f)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	uint8_t *eth;

	frame_announce(f, ETH_P_TEB, 143, 0); /* 143: Ethernet in IPv6 (RFC 8986) */
	eth = frame_append(f, macs, sizeof(macs));
	frame_expect(f, FRAME_NEXT_ETHERTYPE, frame_header(f, 2));
	return eth;
}

uint8_t *frame_vlan(struct frame *f, uint16_t tpid, uint16_t vid)
{
	uint8_t *tag;

	frame_announce(f, tpid, 0, 0);
	tag = frame_header(f, 4);
	put_be16(tag, vid);
	frame_expect(f, FRAME_NEXT_ETHERTYPE, tag + 2);
	return tag;
}

uint8_t *frame_mpls(struct frame *f, uint32_t label)
{
	uint8_t *entry;

	frame_announce(f, ETH_P_MPLS_UC, 137, 0x0281);
	if (f->mpls_at)
		f->bytes[f->mpls_at + 2] &= 0xfe;
	entry = frame_header(f, 4);
	put_be32(entry, label << 12 | 1 << 8 | 64);
	f->mpls_at = frame_offset(f, entry);
	f->next = FRAME_NEXT_NONE;
	return entry;
}

uint8_t *frame_pppoe(struct frame *f)
{
	uint8_t *pppoe;

	frame_announce(f, ETH_P_PPP_SES, 0, 0);
	pppoe = frame_header(f, 8);
	pppoe[0] = 0x11;
	put_be16(pppoe + 2, 1);
	frame_add_length(f, pppoe + 4, pppoe + 6);
	frame_expect(f, FRAME_NEXT_PPP, pppoe + 6);
	return pppoe;
}

uint8_t *frame_ipv4(struct frame *f, const char *src, const char *dst)
{
	return frame_ipv4_options(f, src, dst, 0);
}

uint8_t *frame_ipv4_options(struct frame *f, const char *src, const char *dst, size_t options)
{
	uint8_t *ip;

	if (options % 4 || options > 40)
		give_up("IPv4 options are a multiple of 4, at most 40 bytes");
	frame_announce(f, ETH_P_IP, IPPROTO_IPIP, 0x0021);
	f->mpls_at = 0;
	ip = frame_header(f, 20 + options);
	ip[0] = (uint8_t)(0x45 + options / 4);
	ip[8] = 64;
	memset(ip + 20, 1, options);
	if (inet_pton(AF_INET, src, ip + 12) != 1 || inet_pton(AF_INET, dst, ip + 16) != 1)
		give_up("not an IPv4 address");
	frame_add_length(f, ip + 2, ip);
	f->ipv4_at[f->ipv4_count++] = frame_offset(f, ip);
	frame_expect(f, FRAME_NEXT_PROTOCOL, ip + 9);
	return ip;
}

void frame_ipv4_fragment(uint8_t *ipv4, unsigned int offset, int more)
{
	put_be16(ipv4 + 6, (uint16_t)(offset | (more ? 0x2000 : 0)));
}

uint8_t *frame_ipv6(struct frame *f, const char *src, const char *dst)
{
	uint8_t *ip;

	frame_announce(f, ETH_P_IPV6, IPPROTO_IPV6, 0x0057);
	f->mpls_at = 0;
	ip = frame_header(f, 40);
	ip[0] = 0x60;
	ip[7] = 64;
	if (inet_pton(AF_INET6, src, ip + 8) != 1 || inet_pton(AF_INET6, dst, ip + 24) != 1)
		give_up("not an IPv6 address");
	frame_add_length(f, ip + 4, ip + 40);
	frame_expect(f, FRAME_NEXT_PROTOCOL, ip + 6);
	return ip;
}

uint8_t *frame_extension(struct frame *f, uint8_t type, uint8_t units)
{
	uint8_t *ext;

	frame_announce(f, 0, type, 0);
	ext = frame_header(f, 8 * (1U + units));
	ext[1] = units;
	frame_expect(f, FRAME_NEXT_PROTOCOL, ext);
	return ext;
}

uint8_t *frame_fragment(struct frame *f, unsigned int offset, int more)
{
	uint8_t *fragment = frame_extension(f, IPPROTO_FRAGMENT, 0);

	put_be16(fragment + 2, (uint16_t)(offset << 3 | (more ? 1 : 0)));
	put_be32(fragment + 4, 0x01020304);
	return fragment;
}

uint8_t *frame_ah(struct frame *f, size_t icv)
{
	uint8_t *ah;

	if (icv % 4)
		give_up("an ICV is a multiple of 4 bytes");
	frame_announce(f, 0, IPPROTO_AH, 0);
	ah = frame_header(f, 12 + icv);
	ah[1] = (uint8_t)((12 + icv) / 4 - 2);
	frame_expect(f, FRAME_NEXT_PROTOCOL, ah);
	return ah;
}

uint8_t *frame_protocol(struct frame *f, uint8_t protocol, size_t size)
{
	frame_announce(f, 0, protocol, 0);
	return frame_append(f, NULL, size);
}

static uint8_t *frame_ports(
	struct frame *f, uint8_t protocol, size_t size, uint16_t sport, uint16_t dport)
{
	uint8_t *header;

	frame_announce(f, 0, protocol, 0);
	header = frame_header(f, size);
	put_be16(header, sport);
	put_be16(header + 2, dport);
	return header;
}

uint8_t *frame_tcp(struct frame *f, uint16_t sport, uint16_t dport, uint8_t flags)
{
	uint8_t *tcp = frame_ports(f, IPPROTO_TCP, 20, sport, dport);

	put_be32(tcp + 4, 1);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put_be16(tcp + 14, 0xffff);
	return tcp;
}

uint8_t *frame_udp(struct frame *f, uint16_t sport, uint16_t dport)
{
	uint8_t *udp = frame_ports(f, IPPROTO_UDP, 8, sport, dport);

	frame_add_length(f, udp + 4, udp);
	return udp;
}

uint8_t *frame_udplite(struct frame *f, uint16_t sport, uint16_t dport)
{
	uint8_t *udp = frame_ports(f, IPPROTO_UDPLITE, 8, sport, dport);

	put_be16(udp + 4, 8); /* the checksum covers the header only */
	return udp;
}

uint8_t *frame_sctp(struct frame *f, uint16_t sport, uint16_t dport)
{
	return frame_ports(f, IPPROTO_SCTP, 12, sport, dport);
}

uint8_t *frame_dccp(struct frame *f, uint16_t sport, uint16_t dport)
{
	uint8_t *dccp = frame_ports(f, IPPROTO_DCCP, 16, sport, dport);

	dccp[4] = 4;          /* data offset in words */
	dccp[8] = 2 << 1 | 1; /* Data, with a 48-bit sequence number */
	return dccp;
}

uint8_t *frame_icmp(struct frame *f, uint8_t type, uint8_t code)
{
	uint8_t *icmp;

	frame_announce(f, 0, IPPROTO_ICMP, 0);
	icmp = frame_header(f, 8);
	icmp[0] = type;
	icmp[1] = code;
	return icmp;
}

uint8_t *frame_icmpv6(struct frame *f, uint8_t type, uint8_t code)
{
	uint8_t *icmp;

	frame_announce(f, 0, IPPROTO_ICMPV6, 0);
	icmp = frame_header(f, 8);
	icmp[0] = type;
	icmp[1] = code;
	return icmp;
}

uint8_t *frame_gre(struct frame *f, uint16_t flags)
{
	size_t words = !!(flags & 0x8000) + !!(flags & 0x2000) + !!(flags & 0x1000);
	uint8_t *gre;

	frame_announce(f, 0, IPPROTO_GRE, 0);
	gre = frame_header(f, 4 + 4 * words);
	put_be16(gre, flags);
	frame_expect(f, FRAME_NEXT_ETHERTYPE, gre + 2);
	return gre;
}

uint8_t *frame_vxlan(struct frame *f, uint32_t vni)
{
	uint8_t *udp = frame_udp(f, 50000, PORT_VXLAN);
	uint8_t *vxlan = frame_header(f, 8);

	vxlan[0] = 0x08;
	put_be32(vxlan + 4, vni << 8);
	f->next = FRAME_NEXT_NONE;
	return udp;
}

uint8_t *frame_geneve(struct frame *f, uint32_t vni, size_t options)
{
	uint8_t *udp = frame_udp(f, 50000, PORT_GENEVE);
	uint8_t *geneve = frame_header(f, 8 + options);

	if (options % 4 || options > 252)
		give_up("Geneve options are a multiple of 4, at most 252 bytes");
	geneve[0] = (uint8_t)(options / 4);
	put_be32(geneve + 4, vni << 8);
	frame_expect(f, FRAME_NEXT_ETHERTYPE, geneve + 2);
	return udp;
}

uint8_t *frame_gtpu(struct frame *f, uint32_t teid, int extended)
{
	uint8_t *udp = frame_udp(f, PORT_GTPU, PORT_GTPU);
	uint8_t *gtp = frame_header(f, extended ? 16 : 8);

	gtp[0] = extended ? 0x36 : 0x30; /* version 1, GTP; with E and S */
	gtp[1] = 255;                    /* G-PDU */
	put_be32(gtp + 4, teid);
	frame_add_length(f, gtp + 2, gtp + 8);
	if (extended) {
		gtp[11] = 0x85; /* PDU session container, 4 bytes, the last one */
		gtp[12] = 1;
	}
	f->next = FRAME_NEXT_NONE;
	return udp;
}

static void ipv4_set_checksum(uint8_t *ip)
{
	uint32_t sum = 0;

	put_be16(ip + 10, 0);
	for (size_t i = 0; i < (ip[0] & 0xfU) * 4; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_be16(ip + 10, (uint16_t)~sum);
}

void frame_finish(struct frame *f)
{
	for (size_t i = 0; i < f->length_count; i++) {
		const struct frame_length *length = &f->lengths[i];

		put_be16(f->bytes + length->at, (uint16_t)(f->size - length->from));
	}
	for (size_t i = 0; i < f->ipv4_count; i++)
		ipv4_set_checksum(f->bytes + f->ipv4_at[i]);
}
