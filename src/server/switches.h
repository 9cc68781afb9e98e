/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SWITCHES_H
#define SERVER_SWITCHES_H

/*
 * What the server knows of each switch: where it is, what it sent, how far its acknowledged
 * transactions have come, and the one transaction that is under way (version 1 is stop-and-wait).
 * Bounded: a peer can invent switch ids, so there is a cap.
 */

#include "base/attr.h"
#include "net/endpoint.h"
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
	struct endpoint address;
	struct v1_receiver receiver;
	struct switch_counters counters;
	struct transaction transaction; /* under way while receiver.pending */
	struct stream stream;           /* of its acknowledged events */
	struct interface_counters {
		uint32_t ifindex; /* 0 = free */
		struct interface_event last;
	} interfaces[64];
	uint64_t interfaces_ignored; /* events of interfaces beyond these */
};

int switches_new(unsigned int max, struct switches **ret_switches) _must_check_;
void switches_free(struct switches *switches);
DEFINE_CLEANUP(struct switches, switches_free)

/* The switch of that id, made if need be; NULL when there are too many (or no memory). */
struct switch_ *switches_get(struct switches *switches, uint32_t id);

/* In the order they were first seen. */
size_t switches_count(const struct switches *switches);
struct switch_ *switches_at(struct switches *switches, size_t index);

/* Keeps the newest state of an interface, from its event. */
void switch_note_interface(struct switch_ *sw, const struct interface_event *event);

#endif
