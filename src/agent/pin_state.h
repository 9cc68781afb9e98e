/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_PIN_STATE_H
#define AGENT_PIN_STATE_H

/*
 * What an agent leaves beside its pinned maps, so that the next one can go on where it ended, also if
 * it was killed: it lies in two maps of its own, "agent_state" and "agent_slots", which both agents
 * map into memory. Whatever is written there is there for the next agent, at once.
 *
 * A change of these structs takes a new PIN_STATE_VERSION: an agent that finds another one takes the
 * links over and gives up what is in the maps, which it says.
 */

#include "account.h"
#include "agent/collect.h"
#include "agent/drain.h"
#include "flow_slots.h"

#define PIN_STATE_VERSION 2

/* Maps that are read and replaced together. */
enum pin_group {
	PIN_FLOWS,
	PIN_PORTS,
	PIN_INTERFACES,
	PIN_FANOUT,
	PIN_HANDSHAKES,
	PIN_GROUPS,
};

/*
 * Fingerprints. `whole`: all maps with their sizes, and which slot is whose: maps whose layout is the
 * same are gone on with. `shapes`: by group, what kinds of map and which structs are in them: maps
 * whose shape is the same can be read.
 */
struct pin_layout {
	uint64_t whole;
	uint64_t shapes[PIN_GROUPS];
};

/*
 * Packets of flow increments that went from the maps into an agent's memory, and how many of them are known
 * to be sent: what an agent that is killed takes with it is no more than the difference.
 */
struct pin_ledger {
	uint64_t taken_packets, sent_packets;
};

struct pin_state {
	uint32_t version;
	uint32_t complete; /* all maps are pinned */
	uint32_t slot_count;
	uint32_t pid;   /* of the agent that has them, or had them last */
	uint64_t netns; /* its network namespace: the links' interfaces are there */
	struct pin_layout layout;
	struct flow_settings flow_settings;
	struct handshake_settings handshake_settings;
	struct fanout_settings fanout_settings;
	uint64_t collected_tick; /* of the last collection */
	uint64_t window_ends_ns; /* monotonic: sources and targets */
	struct pin_ledger ledger;
	struct drain_state ports;      /* into the journal */
	struct drain_state window_end; /* likewise, of sources and targets */
	struct fanout_taking fanout_taking;
};

/* An interface: which, since when, and what its counters were at that time. */
struct pin_slot {
	uint32_t ifindex;    /* 0: the slot is free */
	uint32_t is_pending; /* what older sets have for it is to be added */
	uint64_t since_ns;   /* UNIX epoch */
	struct interface_event base;
	struct unparsed unparsed_base;
};

_Static_assert(sizeof(struct pin_state) == 480, "a change takes a new version");
_Static_assert(sizeof(struct pin_slot) == 16 + 64 + 16 * PARSE_VERDICTS, "likewise");

#endif
