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

struct gateway_options {
	struct loop *loop;
	const struct http_settings *settings; /* with a `listen`; copied as far as needed */
	struct callers *callers;              /* borrowed, as is the next one */
	struct units *units;
};

/* Listens. 0, or a negative errno with a message in `ret_error` (to be freed). */
int gateway_new(const struct gateway_options *options, struct gateway **ret_gateway,
	char **ret_error) _must_check_;
void gateway_free(struct gateway *gateway);
DEFINE_CLEANUP(struct gateway, gateway_free)

/* From now on these are the triggers. 0 or -ENOMEM with nothing changed. */
int gateway_configure(struct gateway *gateway, const struct http_triggers *triggers) _must_check_;

/* NULL: no requests are taken. */
void gateway_put_metrics(const struct gateway *gateway, struct metrics *metrics);

#endif
