// SPDX-License-Identifier: BSD-2-Clause
#include "decrypt/captured.h"

#include "base/cursor.h"

#include <netinet/in.h>
#include <pcap/dlt.h>

#define ETHERTYPE_V4     0x0800
#define ETHERTYPE_V6     0x86dd
#define ETHERTYPE_VLAN   0x8100
#define ETHERTYPE_QINQ   0x88a8
#define VLANS_MAX        4
#define EXTENSIONS_MAX   8
#define UDP_HEADER_BYTES 8
#define FRAGMENT_MASK    0x3fff /* more fragments, or an offset */

static void skip(struct cursor *c, size_t bytes)
{
	(void)cursor_get(c, bytes);
}

static uint16_t ethernet_type(struct cursor *c)
{
	uint16_t type;

	skip(c, 12);
	type = cursor_get_be16(c);
	for (int i = 0; i < VLANS_MAX && (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ); i++) {
		skip(c, 2);
		type = cursor_get_be16(c);
	}
	return type;
}

/* Of an IP packet without a header before it. */
static uint16_t type_of_version(const struct cursor *c)
{
	uint8_t version = cursor_left(c) > 0 ? c->in[c->pos] >> 4 : 0;

	return version == 4 ? ETHERTYPE_V4 : (version == 6 ? ETHERTYPE_V6 : 0);
}

/* Takes the link layer's header; the EtherType of what follows, 0: it cannot be told. */
static uint16_t link_header(struct cursor *c, int link_type)
{
	uint16_t type;

	switch (link_type) {
	case DLT_EN10MB:
		return ethernet_type(c);
	case DLT_LINUX_SLL:
		skip(c, 14);
		return cursor_get_be16(c);
	case DLT_LINUX_SLL2:
		type = cursor_get_be16(c);
		skip(c, 18);
		return type;
	case DLT_NULL:
	case DLT_LOOP:
		skip(c, 4);
		return type_of_version(c);
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return type_of_version(c);
	default:
		return 0;
	}
}

bool captured_knows(int link_type)
{
	switch (link_type) {
	case DLT_EN10MB:
	case DLT_LINUX_SLL:
	case DLT_LINUX_SLL2:
	case DLT_NULL:
	case DLT_LOOP:
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return true;
	default:
		return false;
	}
}

/* Takes an IPv4 header; false: what follows is not a whole UDP datagram. */
static bool v4_header(struct cursor *c, struct captured *captured)
{
	uint8_t *begin = (uint8_t *)c->in + c->pos;
	uint8_t first = cursor_get_u8(c);
	size_t header = (first & 0x0f) * 4U, total;

	skip(c, 1);
	total = cursor_get_be16(c);
	skip(c, 2);
	if ((cursor_get_be16(c) & FRAGMENT_MASK) != 0 || header < 20)
		return false;
	skip(c, 1);
	if (cursor_get_u8(c) != IPPROTO_UDP)
		return false;
	skip(c, 10 + header - 20);
	captured->addresses = begin + 12;
	captured->address_bytes = 4;
	return cursor_ok(c) && total >= header && total - header <= cursor_left(c);
}

static bool v6_header(struct cursor *c, struct captured *captured)
{
	uint8_t *begin = (uint8_t *)c->in + c->pos, next;

	skip(c, 6);
	next = cursor_get_u8(c);
	skip(c, 33);
	captured->addresses = begin + 8;
	captured->address_bytes = 16;
	for (int i = 0; i < EXTENSIONS_MAX && cursor_ok(c); i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS)
			break;
		next = cursor_get_u8(c);
		skip(c, cursor_get_u8(c) * 8U + 6);
	}
	return cursor_ok(c) && next == IPPROTO_UDP;
}

bool captured_find(int link_type, uint8_t *packet, size_t size, struct captured *ret_captured)
{
	struct captured found = {0};
	struct cursor c;
	uint16_t type;
	size_t length;
	bool udp;

	cursor_read_init(&c, packet, size);
	type = link_header(&c, link_type);
	udp = type == ETHERTYPE_V4 ? v4_header(&c, &found)
				   : type == ETHERTYPE_V6 && v6_header(&c, &found);
	if (!udp || cursor_left(&c) < UDP_HEADER_BYTES)
		return false;
	found.udp = packet + c.pos;
	skip(&c, 4);
	length = cursor_get_be16(&c);
	skip(&c, 2);
	if (length < UDP_HEADER_BYTES || length - UDP_HEADER_BYTES > cursor_left(&c))
		return false;
	found.payload = packet + c.pos;
	found.size = length - UDP_HEADER_BYTES;
	*ret_captured = found;
	return true;
}

static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return size % 2 ? sum + ((uint32_t)bytes[size - 1] << 8) : sum;
}

/* RFC 768, RFC 8200 8.1: over addresses, length, protocol, header and payload. */
void captured_fix_checksum(const struct captured *captured)
{
	uint8_t *checksum = captured->udp + 6;
	size_t length = UDP_HEADER_BYTES + captured->size;
	uint32_t sum = IPPROTO_UDP + (uint32_t)length;

	if (checksum[0] == 0 && checksum[1] == 0)
		return;
	checksum[0] = checksum[1] = 0;
	sum = add_words(sum, captured->addresses, 2 * captured->address_bytes);
	sum = add_words(sum, captured->udp, length);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = sum == 0xffff ? sum : ~sum & 0xffff;
	checksum[0] = (uint8_t)(sum >> 8);
	checksum[1] = (uint8_t)sum;
}
