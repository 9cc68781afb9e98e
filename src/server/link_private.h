/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_LINK_PRIVATE_H
#define SERVER_LINK_PRIVATE_H

/* The link's parts, for link.c, control.c and link_status.c. */

#include "base/random.h"
#include "base/rate.h"
#include "net/control_server.h"
#include "server/interface_table.h"
#include "server/link.h"
#include "server/receive_worker.h"

/* An agent as the control thread has it: agent->user, and its session's. */
struct client {
	struct link *link;
	struct agent *agent;
	struct session *session;   /* its receiver: lives as long as the server */
	struct v2_schemas schemas; /* of its incarnation */

	uint64_t hellos_full_at_ns; /* of the bucket of HELLOs, base/rate.h */

	/* A HELLO that waits for an answer. */
	uint64_t asking; /* its ticket; 0: none does */
	uint8_t asked_cipher;
	struct v2_hello asked_hello;

	uint64_t epoch; /* of the session that was opened last */

	/* The open session. */
	uint64_t number; /* 0: none */
	uint8_t cipher;
	uint64_t opened_ns; /* UNIX epoch */
	bool deaf;          /* whether a datagram has come since was looked at, and said if not */
	struct endpoint control_address; /* of the connection that a session was last asked on */

	char name[IDENTITY_NAME_MAX];
	char serial[CERTIFICATE_SERIAL_MAX];
	int64_t until_s;                      /* of its certificate */
	uint64_t first_seen_ns, last_seen_ns; /* since the server started; UNIX epoch, 0: never */
	uint64_t sessions, takeovers, broken; /* counters */
	struct interface_table interfaces;
};

struct link {
	struct loop *loop;
	const struct config *config;
	struct agents *agents;
	struct client **clients; /* beside agents_at() */
	size_t client_count;
	struct receive_worker *workers[RECEIVE_WORKERS_MAX];
	unsigned int worker_count;
	size_t slots[RECEIVE_WORKERS_MAX]; /* of each worker's table, in use */

	struct key_log *key_log;
	struct tls_context *context;
	struct control_server *control;
	struct rate hello_rate; /* of each agent */
	struct loop_timer look_timer;
	struct random_stream random;
	struct v2_schemas schemas; /* that functions take, by event */
	uint64_t hellos_put_off;
	uint64_t turned_away,
		flood_said_ns; /* connections, when a line was last made of them; 0: never */
	char *description;
	bool stopping;
};

/* ---- control.c ---- */

int control_open(struct link *link, const struct endpoint *local, char **ret_error) _must_check_;
void control_stop(struct link *link);
void control_close(struct link *link);

/* agents_ops.admitted */
void control_admitted(struct client *client, const struct v2_mark *mark);
/* The worker has answered session_open(); takes it. */
void control_opened(struct client *client, struct opening *opening);
/* The worker has closed a session whose agent is broken. */
void control_broken(struct client *client, uint64_t number, enum v2_error error);

/* ---- link.c ---- */

/* The client of a switch, made if need be. NULL: there are too many, or no memory. */
struct client *link_client(struct link *link, uint32_t switch_id);

#endif
