/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_AGENTS_PRIVATE_H
#define SERVER_AGENTS_PRIVATE_H

/* What agents.c (who is admitted, what becomes of events) and agents_flush.c know of each other. */

#include "server/agents.h"
#include "store/streams.h"

#define LOSSES_MAX 1024 /* ranges that wait to be declared */

struct agents {
	struct agents_options options;
	struct agents_source source;
	struct agent **list; /* by age */
	size_t count;
	uint32_t *met; /* switches with an incarnation, sorted */
	size_t met_count;
	uint64_t put_off; /* incarnations */
	size_t blocked;   /* lanes */
	size_t turn;      /* the agent that is asked first */
	struct loop_timer flush_timer, close_timer;
	uint64_t flush_from_ns; /* not before: the store refused all of it */
	struct flush *flush;    /* under way */
	struct loss losses[LOSSES_MAX];
	struct stream *loss_streams[LOSSES_MAX]; /* beside `losses` */
	size_t loss_count;
};

/* ---- agents.c ---- */

struct agent *agents_owner(struct stream *stream);

/* ---- agents_flush.c: what is committed apart from functions' results ---- */

void agents_flush_init(struct agents *agents);
void agents_flush_done(struct agents *agents);
/* There may be something to tell of one lane, or of any: it is committed soon. */
void agents_flush_lane(struct agents *agents, const struct lane *lane);
void agents_flush_all(struct agents *agents);
/*
 * The range is declared with the next flush. False: too many wait, or the store refuses those that the
 * lane has already.
 */
bool agents_flush_loss(struct agents *agents, struct lane *lane, const struct loss *loss);
/* Ranges of the agent wait. */
bool agents_flush_has(const struct agents *agents, const struct agent *agent);

#endif
