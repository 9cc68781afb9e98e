/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_HTTP_DAEMON_H
#define SERVER_HTTP_DAEMON_H

/*
 * libmicrohttpd on the server's loop: its own epoll descriptor is readable when it has something to do,
 * and its timeout becomes a timer. A connection has a fixed memory pool, out of which request line and
 * headers come; what does not fit is refused by the library (414, 431). Connections can be suspended.
 */

#include "base/loop.h"

#include <microhttpd.h>

struct http_daemon {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer timer;
	struct MHD_Daemon *daemon; /* NULL: it does not run */
};

struct http_daemon_options {
	int listen_fd; /* the library's, once `daemon` is set, also on failure */
	unsigned int connections_max;
	MHD_AcceptPolicyCallback accept;        /* NULL: any connection */
	MHD_NotifyConnectionCallback connected; /* of connections that come and go; NULL: nobody */
	MHD_AccessHandlerCallback answer;
	MHD_RequestCompletedCallback completed;
	void *user;
	const char *certificate, *key; /* PEM texts, borrowed for the daemon's life; NULL: no TLS */
};

/* 0, or a negative errno: -EOPNOTSUPP: the library has no TLS; -EIO: it does not start. */
int http_daemon_start(struct http_daemon *daemon, struct loop *loop,
	const struct http_daemon_options *options) _must_check_;

/* Lets the library run after this round of callbacks: it does not notice resumed connections. */
void http_daemon_run_soon(struct http_daemon *daemon);

/* Takes no connection from now on. Those that there are go on. */
void http_daemon_close_door(struct http_daemon *daemon);
unsigned int http_daemon_connections(const struct http_daemon *daemon);

/* Nothing may be suspended any more. */
void http_daemon_stop(struct http_daemon *daemon);

#endif
