/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_FUNCTION_HTTP_H
#define BENCH_FUNCTION_HTTP_H

/* The way of Kubeless: a warm Node.js server that gets each event as one HTTP POST. */

#include "base/attr.h"

#include <stdint.h>

#define HTTP_CONNECTIONS 8 /* kept, each with one request under way */

struct http_load {
	uint64_t events;
	double seconds;
	double p50_us, p99_us, p999_us; /* from when it was due until it was answered */
};

struct http_server {
	int pid;
	int stdin_fd; /* closing it ends the server */
	uint16_t port;
};

/* Starts bench/function/server.js with a handler and waits until it listens. 0 or a negative errno. */
int http_server_start(const char *handler, struct http_server *ret_server) _must_check_;
void http_server_stop(struct http_server *server);

/* Posts events for `seconds`, `rate` a second, or as fast as they are answered (0). */
int http_load(const struct http_server *server, double seconds, double rate,
	struct http_load *ret_load) _must_check_;

/* How long `node -e 0` takes, in nanoseconds. 0 or a negative errno. */
int http_node_start(uint64_t *ret_ns) _must_check_;

#endif
