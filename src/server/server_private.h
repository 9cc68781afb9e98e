/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SERVER_PRIVATE_H
#define SERVER_SERVER_PRIVATE_H

/* The server's parts, for server.c and for server_status.c, which shows them to the API. */

#include "engine/engine.h"
#include "server/alert_log.h"
#include "server/api.h"
#include "server/callers.h"
#include "server/commits.h"
#include "server/deploy.h"
#include "server/gateways.h"
#include "server/ingest.h"
#include "server/letters.h"
#include "server/link.h"
#include "server/live_call.h"
#include "server/log_ring.h"
#include "server/prune.h"
#include "server/rehearsal.h"
#include "server/server.h"
#include "server/sweep.h"
#include "server/switches.h"
#include "server/timers.h"
#include "server/units.h"
#include "server/version1.h"
#include "store/committer.h"
#include "store/store.h"

struct server {
	struct loop *loop; /* borrowed */
	struct config *config;
	struct server_options options;
	uint64_t started_ns; /* UNIX epoch */
	unsigned int reloads, reload_failures;
	bool stopping;

	struct link *link;         /* version 2 */
	struct version1 *version1; /* NULL: it is off */

	struct store *store;  /* for writing; NULL once the committer has it */
	struct store *reader; /* this thread's */
	struct committer *committer;
	struct switches *switches;
	struct units *units;
	struct engine *engine;
	struct ingest ingest;
	struct commits commits;
	struct alert_log *alert_log;
	struct api *api;
	struct log_rings *logs;
	struct letters letters;
	struct registry registry;
	struct deployer deployer;
	struct stage stage;
	struct pruner pruner;
	struct sweeper sweeper;

	struct loop_timer settle_timer; /* armed while a unit is retired */
	struct loop_timer stop_timer;
	struct callers callers;
	struct gateways gateways;
	struct http_triggers paths; /* in force */
	struct timers timers;
	struct loop_timer schedule_timer; /* armed while there are timers */
};

extern const struct api_ops server_api_ops;

/* A unit as GET /v1/functions shows it. */
json_t *server_function_json(const struct server *server, const struct unit *unit);

/* Answers API_CALL, and API_DESCRIBE. */
void server_call(struct server *server, struct api_call *call);
void server_describe(struct server *server, struct api_call *call);

#endif
