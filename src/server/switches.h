/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SWITCHES_H
#define SERVER_SWITCHES_H

/*
 * What the server knows of each switch: where it is, what it sent, how far its acknowledged
 * transactions have come, and the one transaction that is under way (version 1 is stop-and-wait).
 * Bounded: a peer can invent switch ids, so there is a cap. When it is reached, the switch that was not
 * heard of for longest is forgotten in favour of a new one, if that is some minutes and nothing of it is
 * under way.
 */

#include "base/attr.h"
#include "base/clock.h"
#include "net/endpoint.h"
#include "server/interface_table.h"
#include "server/stream.h"
#include "wire/v1.h"

struct switches;

/* The newest acknowledged transaction: an incarnation of the switch's stream. */
struct transaction {
	uint32_t sequence;
	uint64_t digest;
	uint16_t event_count;
	struct endpoint reply_to;
};

struct switch_counters {
	uint64_t datagrams;
	uint64_t transactions; /* accepted, resends not counted */
	uint64_t events;       /* in these */
	uint64_t shed;         /* unacknowledged events that a full queue refused */
	uint64_t refused;      /* acknowledged transactions put off because a queue was full */
};

struct switch_ {
	uint32_t id;
	uint64_t first_seen_ns; /* UNIX epoch */
	uint64_t last_seen_ns;
	uint64_t used_ns; /* when it was last asked for, UNIX epoch */
	struct endpoint address;
	struct v1_receiver receiver;
	struct switch_counters counters;
	struct transaction transaction; /* under way while receiver.pending */
	struct stream stream;           /* of its acknowledged events */
	struct interface_table interfaces;
};

#define SWITCH_IDLE_NS (600 * NS_PER_SEC) /* after which one may be forgotten */

int switches_new(unsigned int max, struct switches **ret_switches) _must_check_;
void switches_free(struct switches *switches);
DEFINE_CLEANUP(struct switches, switches_free)

/* `forgotten` is called for each switch that is forgotten, before it is freed. */
void switches_watch(struct switches *switches,
	void (*forgotten)(void *user, const struct switch_ *sw), void *user);

/* The switch of that id, made if need be; NULL when there are too many (or no memory). UNIX time. */
struct switch_ *switches_get(struct switches *switches, uint32_t id, uint64_t now_ns);

/* In the order they were first seen. */
size_t switches_count(const struct switches *switches);
struct switch_ *switches_at(struct switches *switches, size_t index);

#endif
