/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_MTU_H
#define WIRE_V2_MTU_H

/*
 * How large a datagram the path carries (RFC 8899): found by probes, never by fragments. The floor
 * is carried by every path; a path that carries less than before is noticed by what it loses.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct v2_mtu {
	uint32_t size;    /* UDP payload that is known to pass, bytes */
	uint32_t ceiling; /* more is known not to */
	uint32_t probing; /* the size that flies; 0: none */
	bool halving;     /* the ceiling did not pass at once: search between */
	unsigned int failures;
	unsigned int large_lost; /* datagrams above the floor, since one was acknowledged */
	uint64_t large_acked;    /* the newest packet above the floor that was, plus one */
	uint64_t next_at_ns;
};

void v2_mtu_init(struct v2_mtu *mtu, uint32_t ceiling);
bool v2_mtu_probe_due(const struct v2_mtu *mtu, uint64_t now_ns);
/* The size of the probe that leaves now. */
uint32_t v2_mtu_probe(struct v2_mtu *mtu);
/* What became of a packet. */
struct v2_mtu_news {
	uint64_t packet;
	uint32_t bytes;
	bool probe;
};

void v2_mtu_acked(struct v2_mtu *mtu, const struct v2_mtu_news *news);
/* True if the path does not carry the size any more: go back to the floor. */
bool v2_mtu_lost(struct v2_mtu *mtu, const struct v2_mtu_news *news);
/* A datagram of `bytes` cannot even leave: the search ends below. */
void v2_mtu_refused(struct v2_mtu *mtu, uint32_t bytes);
/* Begins again at the floor, and probes after a long while. */
void v2_mtu_fall(struct v2_mtu *mtu, uint64_t now_ns);

#endif
