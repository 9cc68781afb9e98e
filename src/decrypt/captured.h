/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DECRYPT_CAPTURED_H
#define DECRYPT_CAPTURED_H

/*
 * Finds the UDP datagram in a packet as captured: Ethernet (VLAN tags too), Linux cooked captures,
 * plain IP, loopback of the BSDs; IPv4 and IPv6, not fragmented.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct captured {
	uint8_t *payload; /* of UDP, all of it, within the packet */
	size_t size;
	uint8_t *udp;         /* its header */
	uint8_t *addresses;   /* source and destination */
	size_t address_bytes; /* of one: 4 or 16 */
};

/* `link_type` is libpcap's DLT_. False: it holds no whole datagram, or the link type is another. */
bool captured_find(int link_type, uint8_t *packet, size_t size, struct captured *ret_captured);
/* True for those that are known. */
bool captured_knows(int link_type);

/* Makes the checksum fit the payload again; where there was none it stays so. */
void captured_fix_checksum(const struct captured *captured);

#endif
