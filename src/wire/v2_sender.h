/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_SENDER_H
#define WIRE_V2_SENDER_H

/*
 * The agent's end of version 2. Events are pushed into lanes at any time, also without a session,
 * and stay until the server calls them processed. The caller opens sessions over the control
 * channel, hands in what the socket received, asks for datagrams until there are none, and asks when
 * to come back. `now_ns` is monotonic; should it go back, it is taken as standing still.
 *
 *   while (v2_sender_wants_session(s, now)) send v2_sender_hello(), hand the answer to
 *       v2_sender_welcome() and v2_sender_open(); on V2_ACTION_RESTART: v2_sender_restart()
 *   while ((size = v2_sender_poll(s, now, bytes, sizeof(bytes), &segment)) > 0) send the train
 *   sleep until v2_sender_next_time(s, now), or until something arrives or is pushed
 */

#include "wire/v2_bits.h"
#include "wire/v2_congestion.h"
#include "wire/v2_control.h"
#include "wire/v2_mtu.h"
#include "wire/v2_seal.h"
#include "wire/v2_spool.h"

#define V2_REFS  4  /* frames of events or ranges in a packet */
#define V2_TRAIN 64 /* datagrams in a train, at most */

struct v2_sender_config {
	size_t capacity[V2_LANES]; /* events */
	uint16_t record_max;
	uint32_t packets;      /* that may be outstanding, a power of two of 64 or more */
	uint16_t datagram_max; /* probing ends here */
	struct v2_schemas schemas;
	uint64_t (*random)(void *user); /* for grease; need not be secret */
	void *random_user;
};

/* An incarnation whose agent was killed, as what outlived it tells. */
struct v2_life {
	uint64_t boot;
	uint64_t epoch;              /* 0: it never had a session, or sent nothing in any */
	uint64_t first[V2_LANES];    /* sequence of the next event that is pushed */
	uint64_t sent_end[V2_LANES]; /* what it may have sent lies below; `first` or more */
};

enum v2_sent_state {
	V2_SENT_NONE, /* wants no acknowledgement */
	V2_SENT_FLYING,
	V2_SENT_ACKED,
	V2_SENT_LOST,
};

/* A packet that was sent, and the slots of the spools that it carried: a line of the cache. */
struct v2_sent {
	uint64_t at_ns;
	uint16_t bytes;
	uint8_t state;
	uint8_t ref_count : 4;
	bool mtu_probe : 1;
	bool requeued : 1; /* its slots were given back; later packets answer for them */
	uint8_t lane[V2_REFS];
	uint16_t count[V2_REFS];
	uint64_t first[V2_REFS];
};

struct v2_sender {
	struct v2_sender_config config;
	struct v2_spool lanes[V2_LANES];
	uint16_t record_min;      /* of the schemas */
	uint64_t limit[V2_LANES]; /* credit */
	struct v2_sent *sent;     /* a ring */
	struct v2_bits open;      /* packets in it that may yet be acknowledged */
	uint64_t open_from;       /* none of them is older */
	uint64_t oldest;          /* packets below are settled */
	uint64_t next_packet;
	uint64_t acked_end; /* the newest that the server acknowledged, plus one */
	struct v2_congestion congestion;
	struct v2_mtu mtu;
	struct v2_replay replay; /* of what the server sent */
	struct v2_seal seal;
	uint64_t boot, epoch;
	uint64_t session; /* 0: none */
	uint64_t grease;  /* the state of a generator; seeded with the session */
	uint64_t now_ns;
	uint64_t heard_ns;     /* when the server was last heard, or the session began */
	uint64_t eliciting_ns; /* when a packet that wants an answer was last sent */
	uint64_t loss_at_ns;   /* when the next packet counts as lost; UINT64_MAX: none */
	unsigned int backoff;  /* probe timeouts in a row */
	unsigned int probes;   /* packets to send whatever the window says */
	bool respond;          /* to the server's path challenge */
	uint64_t challenge;
	struct {
		uint64_t packets, events, events_again, probes, lost, spurious;
		uint64_t sessions, restarts, abandoned; /* events given up with an incarnation */
		uint64_t black_holes, errors[V2_ERROR_COUNT];
	} stats;
};

/* 0, -EINVAL or -ENOMEM. `boot` is random and not 0. */
int v2_sender_init(struct v2_sender *sender, const struct v2_sender_config *config,
	uint64_t boot) _must_check_;
void v2_sender_done(struct v2_sender *sender);
/*
 * Goes on with an incarnation instead of beginning one: straight after v2_sender_init(). Its events
 * from `first` on are pushed again, in order, and the ranges that were shed between them told with
 * v2_sender_shed(), one by one while there is room: all of them get the sequences that they had. What
 * the server turns out to have processed is passed over. The caller keeps for the next life, each
 * before v2_sender_poll() may send what hangs on it: `boot`; `epoch`, when a session is opened; of an
 * acknowledged lane all from its `processed` on; of updates the lane's `next_sequence`. 0 or -EINVAL.
 */
int v2_sender_resume(struct v2_sender *sender, const struct v2_life *life) _must_check_;

/*
 * Accepts events of one schema, whose records lie one behind the other. Returns how many it took: the
 * lane was full for the others, which are declared as shed.
 */
uint64_t v2_sender_push(struct v2_sender *sender, enum v2_lane_id lane, uint16_t schema,
	const void *records, uint64_t count);

/* So many events would be taken, none of them shed. */
uint64_t v2_sender_room(const struct v2_sender *sender, enum v2_lane_id lane);
/*
 * Events that the caller had no room for itself: they are declared as shed, behind what was pushed. A
 * range of its own if there is room, else one with those before and after it.
 */
void v2_sender_shed(struct v2_sender *sender, enum v2_lane_id lane, uint64_t count);

/* ---- sessions ---- */

/* True if there is none, or the server has been silent for too long while it owes an answer. */
bool v2_sender_wants_session(const struct v2_sender *sender, uint64_t now_ns);
void v2_sender_hello(const struct v2_sender *sender, struct v2_hello *ret_hello);
/*
 * Begins the session of a WELCOME; `seal` has its keys. V2_ROLLED_BACK: the marks are not of what
 * this incarnation sent (the server was put back to an older state).
 */
enum v2_error v2_sender_open(struct v2_sender *sender, const struct v2_welcome *welcome,
	const struct v2_seal *seal, uint64_t now_ns) _must_check_;
/* Ends the session: its time is over (v2_lease.h). What is not processed waits for the next. */
void v2_sender_close(struct v2_sender *sender);
/* Gives up the incarnation and all it holds, after V2_ACTION_RESTART. `boot` is fresh. */
void v2_sender_restart(struct v2_sender *sender, uint64_t boot);

/* ---- datagrams ---- */

/* What the socket received; decrypted in place. Errors are counted; V2_ACTION_CLOSE was taken. */
enum v2_error v2_sender_receive(
	struct v2_sender *sender, uint64_t now_ns, uint8_t *bytes, size_t size);
/*
 * Writes a train of datagrams, one behind the other, if any are to leave now: each has `ret_segment`
 * bytes, but the last may be shorter. `size` is room for it, at least the configured datagram_max.
 * Returns the bytes of the train; 0: none. What is written counts as sent.
 */
size_t v2_sender_poll(struct v2_sender *sender, uint64_t now_ns, uint8_t *bytes, size_t size,
	size_t *ret_segment);
/*
 * The interface does not take datagrams of `bytes`, 0 if it takes all (EMSGSIZE; see
 * udp_sender_too_long()): probing ends below. Those that were sent are lost in the usual way.
 */
void v2_sender_too_long(struct v2_sender *sender, uint32_t bytes);
/* When to poll again at the latest; UINT64_MAX: not before something comes or is pushed. */
uint64_t v2_sender_next_time(struct v2_sender *sender, uint64_t now_ns);

/* Nothing is owed: all acknowledged lanes are empty. */
bool v2_sender_idle(const struct v2_sender *sender);

#endif
