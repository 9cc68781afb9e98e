/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_COURIER_H
#define REPLAY_COURIER_H

/*
 * From the switch of a replay to its server: keeps a period's events and sends them with version 1
 * of the protocol, as the agent's uplink does, but in memory and at one point of the capture's time.
 * What wants an acknowledgement goes first, one transaction after the other; nothing is shed. The
 * order is the events' own, so it is the same each time.
 */

#include "netlambda/event.h"
#include "replay/backend.h"

#include <stdbool.h>
#include <stdint.h>

struct courier;

/* What a switch sent of one kind of event. */
struct courier_tally {
	uint64_t events;
	uint64_t packets; /* that the events account for */
	uint64_t bytes;   /* likewise; not of port events */
};

int courier_new(uint32_t switch_id, struct courier **ret_courier) _must_check_;
void courier_free(struct courier *courier);
DEFINE_CLEANUP(struct courier, courier_free)

/* Keeps a copy of the event (probe_options.event). 0 or -ENOMEM. */
int courier_take(struct courier *courier, uint32_t event_id, const void *record,
	bool wants_ack) _must_check_;

/* Delivers all that was taken. 0, or as of the backend's calls that wait. */
int courier_deliver(struct courier *courier, struct backend *backend, uint64_t now_ns) _must_check_;

/* An answer of the server (backend_options.reply). */
void courier_answer(struct courier *courier, const void *bytes, size_t size);

/* Counters that did not fit version 1's fields. */
uint64_t courier_clamped(const struct courier *courier);
const struct courier_tally *courier_tally(const struct courier *courier, uint32_t event_id);

#endif
