/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_RECEIVE_WORKER_H
#define SERVER_RECEIVE_WORKER_H

/*
 * A thread that takes datagrams of version 2: it has a socket of the group (net/udp_group.h), a loop, and
 * the receivers of its agents, and shares nothing with the other workers. It opens what is sealed, puts
 * lanes in order, and answers. What a session's numbers say brings an agent's datagrams here, whatever
 * address they come from; anything else is counted by cause, and never answered.
 *
 * The control thread decides: which sessions there are, and what becomes of events (server/session.h).
 * Without lock and allocation for an event, both ways.
 *
 *     when `wake` was called, on the control thread:
 *         receive_worker_begin()
 *         while ((update = receive_worker_update(worker))) ..., receive_worker_updated(worker)
 *         while ((session = receive_worker_session(worker))) look at opened, broken, and the feeds
 */

#include "base/loop.h"
#include "server/session.h"
#include "server/update_ring.h"

#define RECEIVE_WORKERS_MAX 64

struct receive_worker_options {
	unsigned int index; /* in the group, and the last octet of its sessions' numbers */
	int fd;             /* taken, also on failure */
	size_t sessions_max;
	size_t update_bytes;      /* of updates that wait for the control thread */
	double drop_rate;         /* for tests: this share of datagrams is thrown away */
	void (*wake)(void *user); /* on the worker's thread */
	void *user;
};

/* Counters since its start. */
struct receive_worker_stats {
	uint64_t datagrams, bytes;
	uint64_t errors[V2_ERROR_COUNT]; /* datagrams that were not taken, by cause */
	uint64_t version1;               /* datagrams of version 1, which is off */
	uint64_t answers, answer_failures;
	uint64_t events[2]; /* received, each once: [0] unacknowledged, [1] acknowledged */
	uint64_t no_room;   /* updates that the control thread was too slow for */
	uint64_t receive_failures, simulated_drops;
	uint64_t socket_drops; /* datagrams that found the socket's buffer full */
	uint64_t busy_ns;      /* computing */
	uint32_t sessions;     /* open ones, now */
};

/* Starts the thread. 0 or a negative errno. */
int receive_worker_new(const struct receive_worker_options *options,
	struct receive_worker **ret_worker) _must_check_;
/* Ends the thread. The first step: after it nothing of the worker moves any more. */
void receive_worker_stop(struct receive_worker *worker);
/* Why its thread ended by itself, a negative errno; 0: it did not. Any thread. */
int receive_worker_error(const struct receive_worker *worker);
/* When its sessions were freed. */
void receive_worker_free(struct receive_worker *worker);
DEFINE_CLEANUP(struct receive_worker, receive_worker_free)

/* Sets what each receiver of the worker's has in common. */
void receive_worker_configure(
	const struct receive_worker *worker, struct v2_receiver_config *config);
/* A number for a session that is to be opened, another one than before: the worker finds it by that. */
uint64_t receive_worker_number(
	const struct receive_worker *worker, struct session *session, uint64_t random);

/* ---- the control thread says ---- */

/* Takes `opening`; if the one before was not looked at yet, that is forgotten. */
void session_open(struct session *session, struct opening *opening);
void session_close(struct session *session, uint64_t number);
/* Of the epoch of the session that was opened last. */
void session_processed(struct session *session, uint8_t lane, uint64_t before);
/* Before a session of another epoch is opened: what was said of lanes is of the old one. */
void session_forget_processed(struct session *session);
/* A feed was full, and is not any more. */
void session_has_room(struct session *session);
/* Wakes the worker, if anything was said. */
void receive_worker_ring(struct receive_worker *worker);

/* ---- the worker says ---- */

void receive_worker_begin(struct receive_worker *worker);
const struct update *receive_worker_update(struct receive_worker *worker);
void receive_worker_updated(struct receive_worker *worker);
struct session *receive_worker_session(struct receive_worker *worker);

/* The control thread, also when the worker has ended. */
void receive_worker_get_stats(
	struct receive_worker *worker, struct receive_worker_stats *ret_stats);

#endif
