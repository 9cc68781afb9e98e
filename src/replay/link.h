/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_LINK_H
#define REPLAY_LINK_H

/*
 * Link types of captures. The XDP program sees Ethernet; what was captured without an Ethernet
 * header but says what protocol follows gets one made up, with zero addresses. Pure.
 */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

#define LINK_ETHERNET_BYTES 14

struct link_type;

/* By its LINKTYPE_/DLT_ number as libpcap gives it; NULL: packets of this type cannot be replayed. */
const struct link_type *link_find(int dlt);

/* Bytes at a packet's front that stand in the place of the Ethernet header; 14 for Ethernet. */
size_t link_header_bytes(const struct link_type *type);

/*
 * Writes the Ethernet header of a packet that has at least link_header_bytes(). Returns 0, or
 * -EPROTO: there is no protocol number to be had (raw IP that is neither version 4 nor 6 is not such
 * a case: it is given as IPv4, for the parser to refuse).
 */
int link_make_ethernet(const struct link_type *type, const uint8_t *packet, size_t size,
	uint8_t header[static LINK_ETHERNET_BYTES]) _must_check_;

#endif
