/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_REHEARSAL_H
#define SERVER_REHEARSAL_H

/*
 * Calls a function on one event, for its author: in a trial worker, which remembers nothing and
 * whose outcome is shown instead of made durable. The function at work, and what it remembers, are
 * not touched.
 */

#include "server/api.h"
#include "server/log_ring.h"
#include "server/trial.h"

struct rehearsal;

struct stage {
	struct loop *loop;
	struct engine *engine;
	struct log_rings *logs;
	struct rehearsal *rehearsals; /* those under way */
};

/* Takes an API_CALL about a function of that configuration. */
void rehearse(struct stage *stage, const struct function_config *config, struct api_call *call);

/* Takes an engine's result if it is of a rehearsal. */
bool stage_take_result(struct stage *stage, struct result *result);

/* Ends all. */
void stage_clear(struct stage *stage);

#endif
