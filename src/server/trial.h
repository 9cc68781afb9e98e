/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_TRIAL_H
#define SERVER_TRIAL_H

/*
 * Finds out whether a function can be loaded: a worker like any other, in the same sandbox, with
 * nothing to remember and no events, loads the handler. It is gone when the answer is there.
 */

#include "engine/engine.h"
#include "server/function_config.h"

struct trial {
	struct engine *engine;
	struct loop *loop;
	struct function *function; /* NULL: not running */
	struct loop_timer timer;
	bool keep;                   /* it stays when it is loaded, until trial_stop() */
	struct function_stats stats; /* when it is loaded; what they borrow is gone */
	/* `error`: why it does not load, in words; NULL: it does. */
	void (*done)(struct trial *trial, const char *error);
};

/*
 * `done` is called later. On failure it is not: -EINVAL or -ENOENT with a message in `ret_error`
 * (to be freed), or another negative errno.
 */
int trial_start(struct trial *trial, struct engine *engine, struct loop *loop,
	const struct function_config *config, char **ret_error) _must_check_;

/* Ends it, if it runs; `done` is not called any more. */
void trial_stop(struct trial *trial);

#endif
