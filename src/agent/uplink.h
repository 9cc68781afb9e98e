/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

/*
 * From the spool to the server, with one of the protocol's versions. Belongs to its loop's thread,
 * where it is the spool's consumer.
 *
 *   uplink_v2.h   sealed and windowed; an event stays here until the server has processed it
 *   uplink_v1.h   the thesis's protocol: stop-and-wait, in the clear
 */

#include "agent/spool.h"
#include "wire/v2.h"

#include <stdbool.h>

/* What version 2 has beside. */
struct uplink_session {
	bool connected; /* the control connection is up */
	bool open;      /* there is a session */
	uint64_t epoch;
	uint64_t connects, connect_failures;
	uint64_t sessions;  /* opened */
	uint64_t restarts;  /* incarnations given up since the server said so */
	uint64_t abandoned; /* events lost with them */
	uint64_t packets_lost, spurious, probe_timeouts, black_holes;
	uint64_t refused;        /* datagrams of the server's that were not taken */
	uint32_t datagram_bytes; /* that the path is known to carry */
	uint64_t window_bytes, flying_bytes;
	int64_t certificate_until_s; /* since the UNIX epoch */
	struct {
		uint64_t waiting;   /* events, not processed yet */
		uint64_t processed; /* sequences below are */
		uint64_t shed;      /* events that are declared as given up */
	} lanes[V2_LANES];
};

struct uplink_stats {
	/* Events, each once; of acknowledged classes those that were answered, or processed. */
	uint64_t sent[SPOOL_CLASSES];
	uint64_t lost[SPOOL_CLASSES]; /* events that could not be sent, and will not be again */
	uint64_t datagrams;           /* resends included */
	uint64_t resends;             /* transactions; version 2: events */
	uint64_t send_errors;
	uint64_t rtt_ns;     /* 0 = not known yet */
	uint64_t stale_acks; /* version 1: answers to what was not asked */
	uint64_t strange;    /* version 1: datagrams that are no answer */
	uint64_t clamped;    /* version 1: counters too large for their field */
	bool has_session;    /* version 2: the rest is of use */
	struct uplink_session session;
};

struct uplink;

struct uplink_ops {
	void (*free)(struct uplink *uplink);
	void (*pump)(struct uplink *uplink);
	bool (*is_done)(const struct uplink *uplink);
	uint64_t (*outstanding)(const struct uplink *uplink, enum spool_class class);
	void (*get_stats)(const struct uplink *uplink, struct uplink_stats *ret_stats);
};

/* The first member of each. */
struct uplink {
	const struct uplink_ops *ops;
	void (*done_fn)(void *user);
	void *done_user;
};

static inline void uplink_free(struct uplink *uplink)
{
	if (uplink)
		uplink->ops->free(uplink);
}

DEFINE_CLEANUP(struct uplink, uplink_free)

/* Sends what the spool holds, as far as may be sent now; goes on by itself. Call when it got more. */
static inline void uplink_pump(struct uplink *uplink)
{
	uplink->ops->pump(uplink);
}

/* True when the spool is empty and nothing waits for an answer. */
static inline bool uplink_is_done(const struct uplink *uplink)
{
	return uplink->ops->is_done(uplink);
}

/* Calls `fn` from the loop, each time that uplink_is_done() has become true. */
static inline void uplink_on_done(struct uplink *uplink, void (*fn)(void *user), void *user)
{
	uplink->done_fn = fn;
	uplink->done_user = user;
}

/* Events of a class that left the spool, and were not sent yet. */
static inline uint64_t uplink_outstanding(const struct uplink *uplink, enum spool_class class)
{
	return uplink->ops->outstanding(uplink, class);
}

static inline void uplink_get_stats(const struct uplink *uplink, struct uplink_stats *ret_stats)
{
	uplink->ops->get_stats(uplink, ret_stats);
}

/* For the implementations: says that it is done, if it is. */
static inline void uplink_tell_done(struct uplink *uplink)
{
	if (uplink->done_fn && uplink_is_done(uplink))
		uplink->done_fn(uplink->done_user);
}

#endif
