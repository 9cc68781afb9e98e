/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

/*
 * What the server has of one agent of version 2, from its first HELLO on: its receiver, which belongs to
 * the thread of a receive worker, and the mail between that and the control thread. Each member says
 * whose it is; what both see is atomic, or goes from hand to hand by one that is.
 *
 *   the control thread says            open: a session that was admitted, with its keys
 *                                      close: this session is over
 *                                      processed: how far each lane is, durably
 *   the worker says                    opened: what became of it, and the WELCOME
 *                                      broken: the agent sent what no agent sends; its session is closed
 *                                      the lanes' feeds
 *                                      a view of it all, for people
 */

#include "base/snapshot.h"
#include "net/udp.h"
#include "server/feed.h"
#include "server/mailbox.h"
#include "wire/v2_aead.h"
#include "wire/v2_receiver.h"

struct receive_worker;

/* A HELLO that was admitted, on its way to the worker and back. */
struct opening {
	uint64_t ticket; /* control_server.h's */
	uint64_t number; /* the session's */
	uint8_t cipher;
	struct v2_mark mark;
	struct v2_hello hello;
	struct v2_aead *aead; /* the worker's, if it opens the session */
	/* The answer. */
	enum v2_error error;
	struct v2_welcome welcome;
};

struct opening *opening_free(struct opening *opening);

/* Of an agent's addresses those that answers may go to. */
#define SESSION_PATHS 3

struct session_path {
	uint64_t digest; /* 0: none */
	struct endpoint to;
	struct udp_local from;
};

/* For people, as it was after the last datagrams. */
struct session_view {
	uint64_t number;           /* 0: no session */
	uint64_t heard_ns;         /* when its last datagram came, UNIX epoch */
	uint64_t datagrams, bytes; /* that were authentic */
	uint64_t refused;          /* that were not taken, for whatever reason */
	uint64_t answers;
	uint64_t path_changes;
	uint64_t events[V2_LANES]; /* received, each once */
	uint64_t shed[V2_LANES];   /* that the agent declared */
	uint64_t duplicates;       /* events of the acknowledged lanes that came again */
	uint64_t lost;             /* updates, on the way */
	uint64_t no_room;          /* updates that the control thread was too slow for */
	uint32_t datagram_bytes;   /* the longest */
	bool validated;            /* the address */
	struct endpoint address;   /* len 0: not known yet */
};

struct session {
	/* Never changes. */
	uint32_t switch_id;
	uint16_t slot; /* in the worker's table, and in its sessions' numbers */
	struct receive_worker *worker;
	void *user; /* of the control thread */

	uint64_t numbered; /* the control thread's: the number that was drawn last */

	/* Mail. */
	struct mail to_worker, to_control;
	_Atomic(struct opening *) open, opened;
	_Atomic uint64_t close; /* the number of a session */
	_Atomic uint64_t processed[V2_LANES];
	_Atomic uint64_t broken; /* the number of a session; why: */
	_Atomic uint32_t broken_error;
	struct feed feeds[V2_LANES_ACKED];
	struct snapshot snapshot;
	_Atomic uint64_t view[SNAPSHOT_WORDS(struct session_view)];

	/* The worker's. */
	struct v2_receiver receiver;
	struct v2_aead *aead;
	struct session_path paths[SESSION_PATHS];
	struct session_view counted;
	uint64_t unsaid_from, unsaid_count; /* updates that found no room, until that can be said */
	struct session *next_touched, *next_due;
	bool touched, due; /* is in one of the worker's lists */
};

struct session_options {
	uint32_t switch_id;
	uint16_t slot;
	size_t window[V2_LANES_ACKED]; /* events */
	uint16_t record_max;
};

/* The control thread, before the worker knows of it. 0, -EINVAL or -ENOMEM. */
int session_new(struct receive_worker *worker, const struct session_options *options,
	struct session **ret_session) _must_check_;
/* When the worker has ended. */
void session_free(struct session *session);

/* Any thread. */
void session_get_view(const struct session *session, struct session_view *ret_view);

#endif
