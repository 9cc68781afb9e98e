/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_RECEIVE_WORKER_PRIVATE_H
#define SERVER_RECEIVE_WORKER_PRIVATE_H

/*
 * Inside a receive worker. receive_worker.c has its life, and both ends of the mail between it and the control
 * thread; receive_thread.c takes datagrams, answers, and hands over what is in order.
 */

#include "base/log.h"
#include "base/random.h"
#include "net/udp_receiver.h"
#include "net/udp_sender.h"
#include "server/receive_worker.h"

#include <pthread.h>

/* A session's number: random bits, the place in the table, the worker. */
#define NUMBER_SLOT_SHIFT   8
#define NUMBER_RANDOM_SHIFT 24

struct receive_worker {
	struct receive_worker_options options;
	pthread_t thread;
	bool started;
	uint64_t busy_ns; /* when the thread was last asked */
	atomic_bool stopping;
	atomic_int error; /* that the thread ended with */
	struct mailbox in, out;
	struct update_ring *updates;
	struct snapshot snapshot;
	_Atomic uint64_t view[SNAPSHOT_WORDS(struct receive_worker_stats)];

	/* The thread's. */
	struct loop *loop;
	struct loop_io io;
	struct loop_timer due_timer;
	struct udp_receiver *receiver;
	struct udp_sender *sender;
	struct random_stream random;
	struct siphash_key address_key;
	struct session **table; /* by slot */
	struct session *touched, *due;
	uint64_t now_ns, wall_ns, event_ns; /* monotonic, of day, of events */
	const struct endpoint *from;        /* of the datagram before, in the same batch ... */
	uint64_t from_digest; /* ... so that this need not be computed for each of a train */
	struct log_limit refused_limit, version1_limit, receive_limit;
	struct receive_worker_stats stats;
};

/* What is called on the worker's thread. */
void receive_on_datagrams(struct loop_io *io, uint32_t events);
void receive_on_due(struct loop_timer *timer, uint64_t now_ns);

/* There is news of a session for the control thread. */
void receive_post(struct receive_worker *w, struct session *s);
/* After the last of some datagrams: hands over what is in order, answers, and shows how it does. */
void receive_settle(struct receive_worker *w, struct session *s);
/* Before sleeping: what was sent and said so far goes on its way. */
void receive_finish_round(struct receive_worker *w);
/* Its number is over. */
void receive_close_session(struct receive_worker *w, struct session *s);

#endif
