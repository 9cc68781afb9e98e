/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPLAY_BACKEND_H
#define REPLAY_BACKEND_H

/*
 * The server of a replay: the lambda server's parts (ingest, units, engine, commits, store) without
 * its sockets and its clock. Datagrams are handed over in memory with the time at which they arrive;
 * nothing is ever refused for want of room, since whoever delivers waits for it. Runs on the thread
 * of its loop; only the calls that say so wait, and run the loop while they do.
 */

#include "base/loop.h"
#include "server/callers.h"
#include "server/config.h"
#include "server/units.h"
#include "store/store.h"

#include <signal.h>
#include <stdint.h>

struct backend;

struct backend_options {
	/* Takes an answer to the switch. Called from inside the calls that wait, and deliveries. */
	void (*reply)(void *user, const void *bytes, size_t size);
	/* Called every now and then while waiting. */
	void (*waiting)(void *user);
	/* Not 0: what waits ends. A signal handler may set it. */
	const volatile sig_atomic_t *interrupted;
	void *user;
};

/* What became of one function's events of one id. */
struct backend_row {
	uint32_t event_id;
	const char *function;
	uint64_t events; /* done with, dead letters included */
	uint64_t alerts;
	uint64_t dead_letters;
};

/*
 * Takes `config`, whose store is created. Returns 0, or a negative errno with a message for the
 * operator in `ret_error` (to be freed; NULL when out of memory).
 */
int backend_new(struct loop *loop, struct config *config, const struct backend_options *options,
	struct backend **ret_backend, char **ret_error) _must_check_;
void backend_free(struct backend *backend);
DEFINE_CLEANUP(struct backend, backend_free)

/*
 * The calls that wait return 0; -EINTR when `interrupted`; or another negative errno: a
 * function or the store failed for good, and backend_error() says why.
 */
int backend_wait_ready(struct backend *backend) _must_check_;
/* A datagram of at most 255 events arrives at `now_ns` (UNIX epoch). Waits for room before. */
int backend_deliver(
	struct backend *backend, const void *bytes, size_t size, uint64_t now_ns) _must_check_;
/* Waits until *done, which `reply` sets. */
int backend_wait_for(struct backend *backend, const bool *done) _must_check_;
/* Waits until every event delivered is committed. -EPROTO: some were not taken. */
int backend_drain(struct backend *backend) _must_check_;

/* Who has the requests with that path; NULL: nobody. */
const struct unit *backend_find_path(const struct backend *backend, const char *path);
/* Whoever calls a function through them waits by backend_wait_for(). */
struct callers *backend_callers(struct backend *backend);

/* Lets the functions' processes and the committer get on with it. Does not wait. */
int backend_pump(struct backend *backend) _must_check_;

/* To be freed; NULL if nothing is known. */
char *backend_take_error(struct backend *backend);

uint64_t backend_alerts(const struct backend *backend);
/* One row for each trigger, by id and then by name. Borrowed until the next call. */
const struct backend_row *backend_rows(struct backend *backend, size_t *ret_count);
/* To read what was committed. Borrowed. */
struct store *backend_store(const struct backend *backend);

#endif
