// SPDX-License-Identifier: BSD-2-Clause
#include "replay/link.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <pcap/dlt.h>
#include <string.h>

/* The EtherType of a packet; 0 = none. */
typedef uint16_t (*ethertype_fn)(const uint8_t *packet, size_t size);

struct link_type {
	int dlt;
	size_t header_bytes;
	ethertype_fn ethertype;
};

static uint16_t read_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint16_t of_ethernet(const uint8_t *packet, size_t size _unused_)
{
	return read_be16(packet + 12);
}

static uint16_t of_ip(const uint8_t *packet, size_t size)
{
	return size > 0 && packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP;
}

/* "Linux cooked": the device "any". */
static uint16_t of_sll(const uint8_t *packet, size_t size _unused_)
{
	return read_be16(packet + 14);
}

static uint16_t of_sll2(const uint8_t *packet, size_t size _unused_)
{
	return read_be16(packet);
}

/*
 * BSD loopback: an address family of the machine that captured, in its byte order. AF_INET is 2
 * everywhere, AF_INET6 is not the same on any two systems.
 */
static uint16_t of_loopback(const uint8_t *packet, size_t size _unused_)
{
	switch (packet[0] | packet[3]) {
	case 2:
		return ETH_P_IP;
	case 10:
	case 24:
	case 28:
	case 30:
		return ETH_P_IPV6;
	default:
		return 0;
	}
}

static const struct link_type types[] = {
	{DLT_EN10MB, LINK_ETHERNET_BYTES, of_ethernet},
	{DLT_RAW, 0, of_ip},
	{DLT_IPV4, 0, of_ip},
	{DLT_IPV6, 0, of_ip},
	{DLT_LINUX_SLL, 16, of_sll},
	{DLT_LINUX_SLL2, 20, of_sll2},
	{DLT_NULL, 4, of_loopback},
	{DLT_LOOP, 4, of_loopback},
};

const struct link_type *link_find(int dlt)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].dlt == dlt)
			return &types[i];
	return NULL;
}

size_t link_header_bytes(const struct link_type *type)
{
	return type->header_bytes;
}

int link_make_ethernet(const struct link_type *type, const uint8_t *packet, size_t size,
	uint8_t header[static LINK_ETHERNET_BYTES])
{
	uint16_t ethertype = type->ethertype(packet, size);

	if (ethertype == 0)
		return -EPROTO;
	memset(header, 0, LINK_ETHERNET_BYTES);
	header[12] = (uint8_t)(ethertype >> 8);
	header[13] = (uint8_t)ethertype;
	return 0;
}
