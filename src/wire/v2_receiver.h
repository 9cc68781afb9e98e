/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_RECEIVER_H
#define WIRE_V2_RECEIVER_H

/*
 * The server's end of version 2, for one agent. It puts the events of each lane in order, hands each
 * out once, and acknowledges twice: a packet when it is stored here ("received"), an event when the
 * caller says that its effects and the mark are committed ("processed"). Memory is bounded: the
 * sender has credit for a window of events beyond the last one processed. Updates are not kept here.
 *
 *   v2_receiver_receive() for each datagram, and v2_receiver_next_update() until there is none;
 *   v2_receiver_take() events in order, process them, commit their effects together with the mark
 *   (agent, epoch, lane, sequence), then v2_receiver_commit();
 *   v2_receiver_poll() for what is to be answered: after each batch of datagrams, and between them
 *   while v2_receiver_pressing().
 */

#include "wire/v2_control.h"
#include "wire/v2_order.h"
#include "wire/v2_seal.h"
#include "wire/v2_updates.h"

struct v2_receiver_config {
	size_t window[V2_LANES_ACKED]; /* events */
	uint16_t record_max;
	uint8_t worker; /* the last octet of its sessions' numbers: a socket group goes by it */
	uint64_t (*random)(void *user); /* for path challenges, which must not be guessed; grease */
	void *random_user;
};

/* An address is what the caller makes of it, a keyed hash say; equal if and only if it is. */
struct v2_path {
	uint64_t address;
	bool validated;
	uint64_t bytes_in, bytes_out; /* until it is validated */
	uint64_t challenge;
};

struct v2_ranges {
	uint8_t count;
	struct v2_range list[V2_ACK_RANGES]; /* of packet numbers, newest first */
};

/* Adds a number. True: it began a range; the oldest is forgotten where there are too many. */
bool v2_ranges_add(struct v2_ranges *ranges, uint64_t packet);

struct v2_receiver {
	struct v2_receiver_config config;
	struct v2_order lanes[V2_LANES_ACKED];
	struct v2_updates updates;
	struct v2_schemas schemas;
	struct v2_seal seal;
	struct v2_replay replay;
	struct v2_ranges ranges;
	struct v2_path path, previous; /* to answer to; and the one before */
	uint64_t epoch, session;       /* session 0: none */
	uint64_t next_session;         /* 0: not chosen yet */
	uint64_t next_packet;
	uint64_t now_ns;
	uint64_t newest_ns; /* when the highest packet number came */
	uint64_t ack_at_ns; /* UINT64_MAX: nothing to say */
	unsigned int unacked;
	uint8_t ranges_unacked; /* that were begun since the last ACK */
	bool starved;           /* what is to be said exceeds what the address may get */
	struct {
		uint64_t packets, answers, path_changes, errors[V2_ERROR_COUNT];
	} stats;
};

/* 0, -EINVAL or -ENOMEM. */
int v2_receiver_init(
	struct v2_receiver *receiver, const struct v2_receiver_config *config) _must_check_;
void v2_receiver_done(struct v2_receiver *receiver);

/*
 * The number of the session that v2_receiver_open() begins next: its keys are bound to it
 * (docs/protocol-2.md 5.4).
 */
uint64_t v2_receiver_next_session(struct v2_receiver *receiver);

/*
 * Begins a session for the incarnation in `mark`, which is committed. What was received in an
 * earlier session of the same incarnation is kept. Fills the WELCOME to send. V2_BAD_SCHEMA: the
 * incarnation announced others before, or one is longer than `record_max`; answer with REFUSED.
 */
enum v2_error v2_receiver_open(struct v2_receiver *receiver, const struct v2_mark *mark,
	const struct v2_hello *hello, const struct v2_seal *seal,
	struct v2_welcome *ret_welcome) _must_check_;

/* Ends the session: its peer is not to be heard any more, or its time is over (v2_lease.h). */
void v2_receiver_close(struct v2_receiver *receiver);

/* A datagram from `address`; decrypted in place. Errors are counted; V2_ACTION_CLOSE was taken. */
enum v2_error v2_receiver_receive(struct v2_receiver *receiver, uint64_t now_ns, uint64_t address,
	uint8_t *bytes, size_t size);

/*
 * The next updates, or the gap before them, of the datagram that was received last and where it lies:
 * what is not taken before the next one counts as lost.
 */
bool v2_receiver_next_update(struct v2_receiver *receiver, struct v2_taken *ret_taken);
/*
 * The next events of an acknowledged lane, at most `max` (1 or more), or a range, in order. The
 * records are valid until they are committed. False: there are none yet.
 */
bool v2_receiver_take(struct v2_receiver *receiver, enum v2_lane_id lane, uint64_t max,
	struct v2_taken *ret_taken);
/* What was taken and not committed will be taken again: its processing failed. Not of updates. */
void v2_receiver_abandon(struct v2_receiver *receiver, enum v2_lane_id lane);
/*
 * Everything below `before`, which was taken, is committed. False: it was of another incarnation,
 * and nothing happened (the store must refuse such a commit as well).
 */
bool v2_receiver_commit(struct v2_receiver *receiver, uint64_t epoch, enum v2_lane_id lane,
	uint64_t before, uint64_t now_ns);

/* True if an answer is due that should not wait for more datagrams: it has no room for more gaps. */
bool v2_receiver_pressing(const struct v2_receiver *receiver);
/* The next answer, to `ret_address`, if one is due. Returns its size or 0. */
size_t v2_receiver_poll(struct v2_receiver *receiver, uint64_t now_ns, uint64_t *ret_address,
	uint8_t *bytes, size_t size);
/* UINT64_MAX: not before something comes or is committed. */
uint64_t v2_receiver_next_time(const struct v2_receiver *receiver);

#endif
