/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_INGEST_H
#define SERVER_INGEST_H

/*
 * Protocol version 1: from a datagram to the functions' queues, and from committed events to the
 * acknowledgement. A datagram is taken or refused as a whole; what is refused is counted by cause and
 * changes nothing.
 *
 * An acknowledged transaction stays under way until each of its events is committed by each function
 * that takes it; then it is acknowledged. If a queue is too full for some of its events, no answer is
 * given, the switch sends it again, and each function then gets what it has not had. Unacknowledged
 * events that a queue has no room for are shed and counted.
 *
 * A switch that has spoken version 2 proves who it is there, and is not believed in the clear any more,
 * unless it is among those allowed by name.
 *
 * No socket and no clock in here: datagrams and times come in, answers go out through `reply`.
 */

#include "net/endpoint.h"
#include "server/switches.h"
#include "server/units.h"
#include "wire/v1.h"

#include <stdint.h>

struct agents;

struct ingest_counters {
	uint64_t datagrams;
	uint64_t bytes;
	uint64_t malformed[V1_ERROR_COUNT]; /* by cause; [V1_OK] stays 0 */
	uint64_t too_many_switches;
	uint64_t foreign_switches; /* that are not among those allowed, or speak version 2 */
	uint64_t acks;             /* sent */
	uint64_t events[2]; /* in accepted transactions: [0] unacknowledged, [1] acknowledged */
	uint64_t unrouted;  /* of these, events that no trigger names */
	uint64_t shed;      /* of these, unacknowledged ones that a full queue refused */
	uint64_t
		put_off; /* transactions that a full queue kept from being taken whole; they come again */
	uint64_t pending_resends; /* resends of what is being processed */
};

struct ingest {
	struct switches *switches;
	struct units *units;
	const uint32_t *allowed; /* ids of switches, sorted */
	size_t allowed_count;    /* 0: any that does not speak version 2 */
	struct agents *agents;   /* NULL: none speaks version 2 */
	void (*reply)(void *user, const struct endpoint *to, const void *bytes, size_t size);
	void *user;
	struct ingest_counters counters;
};

/* `now_ns` is the UNIX time of arrival: version 1 carries no event times. */
void ingest_datagram(struct ingest *ingest, const struct endpoint *from, const void *bytes,
	size_t size, uint64_t now_ns);

/* More of a switch's stream is processed, durably: its transaction may be done. */
void ingest_processed(struct ingest *ingest, struct stream *stream);

/* A unit gives up an event that it had not committed; if it is `replaced` its successor is to have it. */
void ingest_drop(
	struct ingest *ingest, size_t slot, const struct finished_event *event, bool replaced);
/* It is gone. */
void ingest_forget_unit(struct ingest *ingest, size_t slot);

#endif
