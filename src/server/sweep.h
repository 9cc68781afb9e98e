/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SWEEP_H
#define SERVER_SWEEP_H

/*
 * Deletes from the store what has expired of functions' state. What a worker has in memory it deletes by
 * itself, sooner; this is for the rest: keys that left memory, functions that do not run. An hour later than
 * it might, so that no event that is tried again can miss what it found before. And not by a clock that was
 * set ahead while the server ran.
 */

#include "server/commits.h"
#include "server/jumps.h"
#include "store/expire.h"

struct sweeper {
	struct loop *loop;
	struct commits *commits;
	struct engine *engine; /* which is told that state went */
	struct loop_timer timer;
	struct commit_request request;
	struct expire_round round;
	uint64_t time_ms, count; /* of the piece under way */
	struct clock_origin started;
	uint64_t swept; /* rows, since the start */
};

/* All is borrowed until sweeper_stop(). */
void sweeper_start(
	struct sweeper *sweeper, struct loop *loop, struct commits *commits, struct engine *engine);
void sweeper_stop(struct sweeper *sweeper);

#endif
