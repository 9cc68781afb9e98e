/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/*
 * Where functions run. The server pushes events to a function; the engine runs them, in order, at
 * least once, and hands back outcomes: what to make durable for a run of events from the front of the
 * function's queue. Only when the server reports that an outcome is committed are its events done.
 * An event that keeps failing becomes a dead letter inside an outcome, so every event pushed ends in
 * exactly one outcome.
 *
 * Failure never reorders the queue: the events of a batch that crashes or overruns its deadline are tried
 * again one by one, so the culprit ends up alone; after `attempts` it is put aside. The size of batches is
 * halved by such a loss, and grows back with success.
 *
 * One thread (the loop's) calls all of this. The engine never touches the store or the network: state
 * comes in through ops->load_state and goes out in outcomes. Nothing here assumes that functions run
 * on this machine.
 */

#include "base/loop.h"
#include "event/outcome.h"
#include "event/schema.h"

#include <stdint.h>

struct engine;
struct function;

/* Who sent an event; the server's own bookkeeping hangs on `origin`. */
struct event_ref {
	uint32_t event_id;
	uint32_t switch_id;
	uint32_t sequence; /* of its transaction */
	uint16_t index;    /* in its transaction */
	uint64_t time_ns;  /* event time, UNIX epoch */
	const void *
		record; /* schema_builtin(event_id)->record_size bytes, copied by function_push() */
	void *origin;   /* opaque; returned in the result */
};

/* A finished run of events. Owned by the engine until engine_committed(). */
struct result {
	struct function *function;
	struct outcome outcome;         /* marks are left empty */
	const struct event_ref *events; /* the events that this finishes, oldest first */
	size_t event_count;             /* at least 1 */
};

struct engine_ops {
	/*
	 * Make result->outcome durable, then call engine_committed() (never from inside this call).
	 * Results of one function come in order, one at a time: what finishes during a commit gathers
	 * in the next result. So when one is refused, nothing that builds on it was made durable.
	 */
	void (*commit)(void *user, struct result *result);

	/*
	 * Calls `row` for the committed rows of a range, in the order of struct state_place. Returns
	 * their number; less than range->limit: there are no more; a negative errno: retried later.
	 */
	int (*load_state)(void *user, const struct state_range *range, state_row_fn row, void *arg);

	/* A line that a function printed, borrowed; NULL: the log has it, at a bounded rate. */
	void (*output)(void *user, const char *function, const char *line);

	/* The UNIX time at which an alert of `event` is raised; NULL: now. */
	uint64_t (*raised_ns)(void *user, const struct event_ref *event);
};

struct function_options {
	const char *name;       /* [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most 63, as a DNS label */
	const char *runtime;    /* "nodejs" or "python" */
	const char *handler;    /* "file.function", as Kubeless has it */
	const char *dir;        /* absolute; where the handler's file is */
	const char *config;     /* a JSON object, for the function as context.config; NULL = {} */
	const char *const *key; /* field names whose values make the state key; NULL-terminated */
	uint64_t timeout_ns;    /* for one batch */
	unsigned int attempts;  /* at least 1 */
	unsigned int batch_max; /* events */
	size_t queue_max;       /* events; function_push() refuses above it */
};

struct function_stats {
	uint64_t events; /* committed, dead letters included */
	uint64_t batches;
	uint64_t failures; /* events whose call threw, attempts counted */
	uint64_t crashes;  /* workers that ended by themselves or broke the protocol */
	uint64_t timeouts; /* workers killed for overrunning the deadline */
	uint64_t dead_letters;
	uint64_t alerts;
	uint64_t refused;  /* events that function_push() refused */
	uint64_t busy_ns;  /* sum over batches, dispatch to result */
	size_t queued;     /* events now waiting or running */
	int worker_pid;    /* 0: no worker is up */
	const char *state; /* "starting", "ready", "busy", "backoff", "failed" */
	const char *error; /* the last failure in words, or NULL */
};

struct engine_options {
	const char *runtime_dir; /* absolute; holds nodejs/worker.js and python/worker.py */
	const char *node;        /* an interpreter other than the "node" in PATH; NULL: that one */
};

/* Returns 0, -ENOMEM. `ops` and `loop` are borrowed; `options` are copied. */
int engine_new(struct loop *loop, const struct engine_options *options,
	const struct engine_ops *ops, void *user, struct engine **ret_engine) _must_check_;

/*
 * Stops all workers: closes their pipes, waits up to a second for them to go, then kills them.
 * Pending events are dropped; the server did not acknowledge them, so they will come again. Results under
 * commit must have come back to the server's hands: they are freed, and not to be reported any more.
 */
void engine_free(struct engine *engine);
DEFINE_CLEANUP(struct engine, engine_free)

/*
 * Adds a function and starts its worker. Returns 0; -EEXIST; -EINVAL with a message for the operator
 * in `ret_error` (to be freed): bad name, unknown runtime, unknown key field; -ENOENT likewise: the
 * handler's file is not there. A handler that does not load shows in function_stats and the log, and
 * is tried again with growing pauses.
 */
int engine_add(struct engine *engine, const struct function_options *options,
	struct function **ret_function, char **ret_error) _must_check_;

/*
 * Stops one function; its pending events are dropped. A result under commit still comes back through
 * engine_committed(); a new function of that name starts after that. Not from inside ops->commit.
 */
void engine_remove(struct function *function);

/* RFC 1123 2.1: a DNS label. */
bool engine_name_is_valid(const char *name);

const char *function_name(const struct function *function);
void function_stats(const struct function *function, struct function_stats *ret_stats);

/*
 * Copies the event into the function's queue. 0; -ENOBUFS: the queue is full, push again later;
 * -EINVAL: no schema for its event id.
 */
int function_push(struct function *function, const struct event_ref *event) _must_check_;

/*
 * The end of ops->commit: `error` 0, or why the store refused (the worker is then restarted from
 * committed state and the events run again).
 */
void engine_committed(struct result *result, int error);

#endif
