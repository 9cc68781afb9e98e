/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_PRUNE_H
#define SERVER_PRUNE_H

/*
 * Takes out of the store what nobody needs any more: dead letters that are asked for, alerts and
 * dead letters that were kept as long as the configuration says, and marks of streams that are
 * forgotten. Piece by piece, so that commits never wait long.
 */

#include "server/commits.h"
#include "server/jumps.h"
#include "server/letters.h"

/* Answers API_DROP with {"dropped": N}, when they are gone. */
void prune_letters(struct commits *commits, struct api_call *call);

/* Marks of a stream of version 1, by the functions there are. If it cannot be done they stay. */
void prune_stream(struct commits *commits, uint64_t stream);

struct pruner {
	struct loop *loop;
	struct commits *commits;
	const struct config *config; /* as it is now */
	struct loop_timer timer;
	struct clock_origin started;
	struct commit_request request;
	uint64_t alerts_before_ns, letters_before_ns; /* of the piece under way */
	uint64_t count;                               /* in it */
	uint64_t pruned;                              /* since start */
};

void pruner_start(struct pruner *pruner, struct loop *loop, struct commits *commits,
	const struct config *config);
void pruner_stop(struct pruner *pruner);

#endif
