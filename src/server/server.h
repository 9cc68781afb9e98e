/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

/*
 * The lambda server (thesis 5.3): receives events, routes them to functions, and acknowledges what is
 * committed. The tour: link (version 2: TLS, receive workers, agents) and version1 (ingest, switches) ->
 * units (engine) -> commits (store) -> back to where they came from, which acknowledges. One thread runs
 * this on a loop; each receive worker has one of its own, and one more commits. The engine's functions are
 * processes of their own.
 */

#include "base/loop.h"
#include "server/config.h"

struct server;

struct server_options {
	double drop_rate; /* of received datagrams, thrown away at random (thesis 6.2.2); 0 to 1 */
	const char *key_log; /* where the secrets of sessions are written to; NULL: nowhere */
};

/*
 * Takes `config`. Opens everything and starts the functions. 0, or a negative errno with a message
 * for the operator in `ret_error` (to be freed; NULL when out of memory).
 */
int server_new(struct loop *loop, struct config *config, const struct server_options *options,
	struct server **ret_server, char **ret_error) _must_check_;
void server_free(struct server *server);
DEFINE_CLEANUP(struct server, server_free)

/* Reads the configuration again and reopens the alert file. A bad file is logged, changes nothing.
 */
void server_reload(struct server *server);

/* Stops receiving, lets what is being committed finish (at most two seconds), stops the loop. */
void server_stop(struct server *server);

#endif
