/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_CONNECTION_LIMIT_H
#define NET_CONNECTION_LIMIT_H

/*
 * How often connections may come, before anything is known of a peer but its address: of one machine,
 * of one network, and in all. Where a switch was believed before is apart from that: such an address has
 * a bucket of its own, as large as it has switches (there may be many behind one), and no number of
 * strangers empties it, those in the same network included. A switch makes one address known, where it
 * was last.
 *
 * A machine is an IPv4 address or an IPv6 /64, its network the IPv4 /24 or IPv6 /48. Buckets of machines
 * and networks are found by a keyed hash, in tables of fixed size; where more come than there is room
 * for, those go that are nearest to full, so that who forgets them gives away least. Nothing is
 * allocated but in connection_limit_learn(), for each switch once. No clock, no I/O; one thread.
 */

#include "base/rate.h"
#include "net/endpoint.h"

/* Whose connections are counted together. IPv4 as IPv6 has it, ::ffff:0:0/96. */
struct source {
	uint8_t bytes[16];
};
struct source source_address(const struct endpoint *address); /* alone, whatever its port */
struct source source_machine(const struct endpoint *address);
struct source source_network(const struct endpoint *address);
bool source_equal(const struct source *a, const struct source *b);

struct connection_rates {
	struct rate machine; /* of strangers, and of each switch at an address that is known */
	struct rate network; /* of strangers */
	struct rate all;     /* of strangers */
};

/* Why a connection is turned away. */
enum connection_excess {
	EXCESS_NONE,
	EXCESS_KNOWN_RATE, /* too often, of an address with a switch */
	EXCESS_MACHINE_RATE,
	EXCESS_NETWORK_RATE,
	EXCESS_RATE,           /* in all */
	EXCESS_MACHINE_PLACES, /* too many at a time */
	EXCESS_NETWORK_PLACES,
	EXCESS_PLACES, /* in all */
	EXCESS_COUNT,
};
/* "known-rate", "machine-rate" ...: for metrics. */
const char *connection_excess_name(enum connection_excess excess);

struct connection_limit;

/* `switches_max` are remembered; the others are strangers. 0, -ENOMEM or getrandom(2)'s negative errno. */
int connection_limit_new(const struct connection_rates *rates, unsigned int switches_max,
	struct connection_limit **ret_limit) _must_check_;
void connection_limit_free(struct connection_limit *limit);
/* Others from now on: where they differ, nobody has come too often yet. */
void connection_limit_set(struct connection_limit *limit, const struct connection_rates *rates);
DEFINE_CLEANUP(struct connection_limit, connection_limit_free)

/* A connection has come: whether it is too often, and whether a switch is known there. */
enum connection_excess connection_limit_take(struct connection_limit *limit,
	const struct endpoint *address, uint64_t now_ns, bool *ret_known);
/* A switch was believed there. */
void connection_limit_learn(
	struct connection_limit *limit, uint32_t switch_id, const struct endpoint *address);

#endif
