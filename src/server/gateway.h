/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_GATEWAY_H
#define SERVER_GATEWAY_H

/*
 * HTTP triggers: a request becomes an event of a function, and what the handler returns the response, after
 * the event's commit. Runs on the server's loop, apart from the API: another socket, other clients, no way to
 * change anything but by functions.
 *
 * A request takes effect at most once: we never send it again. If its connection is lost before the
 * response, the client cannot tell whether it did.
 */

#include "server/callers.h"
#include "server/http_config.h"
#include "server/metrics.h"
#include "server/units.h"

struct gateway;

/* Of all gateways that there were. Responses by the first digit of the status code. */
struct gateway_counts {
	uint64_t responses[6];
	uint64_t connections_refused; /* its client had as many as one may have */
};

/* All but the settings are borrowed for as long as the gateway lives. */
struct gateway_options {
	struct loop *loop;
	const struct http_settings *settings; /* with a `listen` */
	const struct http_triggers *triggers; /* those in force: they may change */
	struct callers *callers;
	struct units *units;
	struct gateway_counts *counts;
};

/*
 * Listens: by the socket of `before`, if that has the same address; NULL: there is none. 0, or a negative errno
 * with a message in `ret_error` (to be freed).
 */
int gateway_new(const struct gateway_options *options, const struct gateway *before,
	struct gateway **ret_gateway, char **ret_error) _must_check_;
/* Whoever still waits is answered 504: the function may be done with it yet. */
void gateway_free(struct gateway *gateway);
DEFINE_CLEANUP(struct gateway, gateway_free)

/* Whether one that is made with these settings now would be another, by the files' contents, too. As gateway_new(). */
int gateway_differs(const struct gateway *gateway, const struct http_settings *settings,
	bool *ret_differs, char **ret_error) _must_check_;

/* Takes no more connections, and no more requests; those that it has it answers. */
void gateway_retire(struct gateway *gateway);
/* Whether a retired one has done that. */
bool gateway_is_done(const struct gateway *gateway);

void gateway_put_metrics(const struct gateway_counts *counts, struct metrics *metrics);

#endif
