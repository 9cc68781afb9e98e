/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_UPLINK_V2_PRIVATE_H
#define AGENT_UPLINK_V2_PRIVATE_H

/* What uplink_v2.c (events and datagrams) and uplink_control.c (sessions) know of each other. */

#include "agent/class_tally.h"
#include "agent/uplink_v2.h"
#include "base/random.h"
#include "net/control_client.h"
#include "net/udp_receiver.h"
#include "net/udp_sender.h"
#include "wire/v2_sender.h"

struct uplink_v2 {
	struct uplink base;
	struct loop *loop;
	struct spool *spool;
	struct random_stream random;
	struct v2_sender sender;
	struct class_tally updates; /* in the lane of updates */
	uint64_t shed_told
		[SPOOL_CLASSES]; /* of the updates that the spool shed, what was declared */
	uint64_t abandoned;      /* events that were lost with incarnations */
	struct uplink_stats stats;

	/* Datagrams. */
	int fds[2]; /* of IPv4 and IPv6; -1: none of the server's addresses is */
	struct loop_io io;
	struct loop_timer send_timer;
	struct udp_receiver *receiver;
	struct udp_sender *out;
	struct endpoint peer;
	uint64_t peer_set_ns; /* when the socket was connected */
	uint64_t refused;     /* datagrams that the system would not send, then */
	bool blocked;         /* the socket is full */

	/* Sessions. */
	struct endpoint_list server;
	struct key_log *key_log;
	struct tls_context *context;
	struct control_client *control;
	struct loop_timer tick;
	uint64_t ask_at_ns, ask_pause_ns; /* not before; and how long until the next */
	bool heard;                       /* a datagram of this session */
	uint64_t unheard_ns;              /* since when there are sessions without one; 0: not */
	uint64_t said_ns;                 /* when that was last said */
	enum tls_end failed;              /* why the last attempt to connect failed */
	uint64_t failed_ns;               /* when that was last said; 0: it did not */
};

/* ---- uplink_v2.c ---- */

/* A session was opened to this address: its datagrams go there. 0 or a negative errno. */
int uplink_datagrams_to(struct uplink_v2 *uplink, const struct endpoint *address) _must_check_;
/* Nothing comes back: our address may have changed. */
void uplink_datagrams_anew(struct uplink_v2 *uplink);
/* Sends what may be sent now, and sees when to go on. */
void uplink_drive(struct uplink_v2 *uplink);
/* The incarnation is given up. Returns how many events are lost by that. */
uint64_t uplink_restart(struct uplink_v2 *uplink);

/* ---- uplink_control.c ---- */

int uplink_control_open(struct uplink_v2 *uplink, const struct uplink_v2_options *options,
	char **ret_error) _must_check_;
/* Says goodbye. */
void uplink_control_close(struct uplink_v2 *uplink);
/* A datagram of the session came. */
void uplink_control_heard(struct uplink_v2 *uplink);
/* The server sent in its session what none may: that is closed. */
void uplink_control_broken(struct uplink_v2 *uplink, enum v2_error error);
void uplink_control_get_stats(const struct uplink_v2 *uplink, struct uplink_session *session);

/* Which schema a class's records are of: their place in the HELLO. */
uint16_t uplink_schema(enum spool_class class);
int uplink_schemas(struct v2_schemas *ret_schemas) _must_check_;

#endif
