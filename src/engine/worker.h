/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

/*
 * One worker process and its pipe: frames in, frames out, output to the log, and its end. It is started
 * first, and gets its function then, at once or much later (spare.h). Nothing here blocks but
 * worker_pool_done(). A worker belongs to its pool; its user holds a pointer until `ended` is called or
 * worker_retire() was. The end is only reported once the process is gone, so a successor never runs
 * beside it.
 */

#include "base/log.h"
#include "base/loop.h"
#include "engine/output.h"
#include "engine/pipe.h"
#include "engine/spawn.h"

#include <sys/types.h>

struct worker;

/* All workers of an engine, those too that nobody uses any more but that have not gone yet. */
struct worker_pool {
	struct loop *loop;
	struct worker *workers;
	struct output_listener listener; /* to what they print */
};

enum worker_end {
	WORKER_CRASHED,  /* ended by itself, or broke the protocol */
	WORKER_TIMEOUT,  /* killed with this cause */
	WORKER_REPLACED, /* killed with this cause: no fault of its own */
};

struct worker_ops {
	/* A frame came. A negative errno: it makes no sense, the worker is to be killed. */
	int (*frame)(void *user, const struct pipe_frame *frame);
	/* `reason` is in words. The worker is freed after the call. */
	void (*ended)(void *user, enum worker_end end, const char *reason);
};

/* Who uses it. `ops` is borrowed. */
struct worker_user {
	const struct worker_ops *ops;
	void *user;
};

/* Returns 0 or a negative errno. */
int worker_start(struct worker_pool *pool, const struct spawn_options *options,
	const struct worker_user *user, struct worker **ret_worker) _must_check_;

struct worker_function {
	const char *name;               /* copied */
	struct control_specialise home; /* its folder, and its limits */
	struct log_limit *limit; /* of its output; borrowed until `ended` or worker_retire() */
};

/*
 * Gives it its function, once, and another user. 0, or a negative errno: it has ended, or is about to.
 * Then it is the caller's still.
 */
int worker_specialise(struct worker *worker, const struct worker_function *function,
	const struct worker_user *user) _must_check_;

/* The runtime's process; 0 until it runs. */
pid_t worker_pid(const struct worker *worker);

/*
 * Sends whole frames. Takes the buffer's bytes and leaves it empty, to be filled again. Errors show as
 * the worker's end.
 */
void worker_send(struct worker *worker, struct pipe_buffer *buffer);

/* Bytes that the worker has not taken yet. */
size_t worker_unsent(const struct worker *worker);

/* While it is held no frame of it is delivered, and little is read of what it says. */
void worker_hold(struct worker *worker, bool held);

/* SIGKILL to all its processes; no frame is delivered after this. `ended` is called later. */
void worker_kill(struct worker *worker, enum worker_end end, const char *reason);

/* Its user is done with it: nothing is reported any more. It gets a second to end by itself. */
void worker_retire(struct worker *worker);

/* Retires all, waits up to a second, kills what is left, and waits for that. */
void worker_pool_done(struct worker_pool *pool);

#endif
