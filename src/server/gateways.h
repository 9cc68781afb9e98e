/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_GATEWAYS_H
#define SERVER_GATEWAYS_H

/*
 * The gateway that takes requests, and those before it that are still answering some. New settings are a new
 * gateway: it is made before anything is given up, so settings that cannot be had change nothing, and the old one
 * finishes what it has begun.
 */

#include "server/gateway.h"

#define GATEWAYS_RETIRED_MAX 8

struct gateways {
	struct gateway_options options; /* but the settings and counts; set by the owner */
	struct gateway *now;            /* NULL: no requests are taken */
	struct gateway *retired[GATEWAYS_RETIRED_MAX]; /* NULL: free */
	uint64_t retired_ns[GATEWAYS_RETIRED_MAX];
	struct gateway_counts counts;
	struct loop_timer timer;
};

/* What new settings lead to. */
struct gateway_change {
	bool changes;
	struct gateway *next; /* NULL: no more requests are taken */
};

/* Makes what is needed. To be given to gateways_shift() or gateways_drop(). As gateway_new(). */
int gateways_prepare(struct gateways *gateways, const struct http_settings *settings,
	struct gateway_change *ret_change, char **ret_error) _must_check_;
void gateways_shift(struct gateways *gateways, const struct gateway_change *change);
void gateways_drop(const struct gateway_change *change);

void gateways_done(struct gateways *gateways);

#endif
