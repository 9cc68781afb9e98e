/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/*
 * Where functions run. The server pushes events to a function; the engine runs them, at least once,
 * and hands back outcomes: what to make durable for a number of its events. Only when the server
 * reports that an outcome is committed are its events done. An event that keeps failing becomes a dead
 * letter inside an outcome, so every event pushed ends in exactly one outcome, or is dropped with its
 * function.
 *
 * A function's events are divided into PARTITIONS by their key (event/key.h). Those of one partition
 * run in the order in which they were pushed, and are done in that order; so the events and the state of
 * one key are never in two places. Each partition belongs to one worker at a time, and can move to
 * another: what is out of it is committed, then the other worker gets its state from the store. The
 * other partitions do not wait for that. The state of at most `state_keys` keys is in the memory of workers;
 * that of the others is in the store, and comes back before their next event (loading.c).
 *
 * What a function keeps altogether is bounded, too: from `state_bytes` of committed state on, its workers are
 * told to refuse what would make it larger. An event that needs that fails, as one that throws does; what
 * is there can be changed and deleted as ever, and all other events go on (state_limit.c).
 *
 * Failure never reorders a partition, and holds up no other for long. An event that failed is tried
 * again after a pause, in which its partition waits. The events of a batch that crashes its worker or
 * overruns its deadline are tried again one by one, so the culprit ends up alone; after `attempts` it
 * is put aside.
 *
 * A function that gets nothing done must not hold up those who wait for its events for ever (they may
 * wait for others, too). Rules (patience.c):
 *
 * - A partition whose events fail again and again gets no second attempts: more than 10 in a row are
 *   not forgiven, and one is, every half second (5 s if it ended the worker). If they end the worker, all
 *   its events are put aside for 10 s without being run.
 * - If no event has succeeded for `patience`, and two deadlines, while some wait, all that wait are put
 *   aside as dead letters, or dropped if nobody waits for them, but for one, with which it is found out
 *   when the function works again.
 *
 * One thread (the loop's) calls all of this. The engine never touches the store or the network: state
 * comes in through ops->load_state and goes out in outcomes. Nothing here assumes that functions run
 * on this machine.
 */

#include "base/histogram.h"
#include "base/loop.h"
#include "engine/isolation.h"
#include "engine/runtime.h"
#include "event/key.h"
#include "event/outcome.h"
#include "event/schema.h"

#include <stdint.h>

#define SPARES_MAX 16

struct engine;
struct function;
struct event;

/*
 * A call: an event whose handler's return value somebody waits for. Where an event says more than
 * fits a record, `data` has it, a JSON text that the handler finds as its event's data; then `key` is
 * the text of its key (event/key.h). Both "": the record says it.
 */
struct event_call {
	const char *key;
	const char *data;
};

/*
 * Events of one kind that follow each other: record i has the position `position + i`, by which its
 * sender's events are counted. Records are copied.
 */
struct event_run {
	uint32_t event_id;
	uint32_t switch_id;
	uint32_t epoch;      /* of the switch's agent; 0: version 1 */
	uint64_t sequence;   /* version 1: of the transaction; else the position */
	uint16_t index;      /* version 1: the position; else the lane */
	uint64_t time_ns;    /* event time, UNIX epoch */
	const void *records; /* each of schema_builtin(event_id)->record_size bytes ... */
	size_t stride;       /* ... and so many from one to the next */
	size_t count;
	/* Who waits for them: returned for each with its position when it is done. NULL: nobody. */
	void *origin;
	/*
	 * The positions, one a partition, below which the function has had all events of the partition
	 * already: those are left out. NULL: none.
	 */
	const uint64_t *done;
	/* One is added for each event that is taken. NULL: not wanted. */
	uint8_t *waits;
	bool droppable; /* unacknowledged: if the function gets nothing done they are dropped */
	/* What the handler returns is wanted; then there is one event. NULL: it is not. Copied. */
	const struct event_call *call;
};

/* Finished events of one function. Owned by the engine until engine_committed(). */
struct result {
	struct function *function;
	struct outcome outcome; /* marks are left empty */
	size_t event_count;     /* at least 1 */
	const struct event *events;
};

struct finished_event {
	void *origin;
	uint64_t position;
	uint64_t time_ns;
	uint32_t event_id;
	uint32_t switch_id;
	unsigned int partition;
	const void *record; /* borrowed, of the schema's size */
	/* Of a call, borrowed: what the handler returned, JSON; NULL: nothing. And why it was put aside. */
	const char *reply;
	const char *reason;
};

struct result_iterator {
	const struct event *next;
	size_t left;
};

/* The events that a result finishes; those of a partition in their order. False: no more. */
void result_iterate(const struct result *result, struct result_iterator *ret_iterator);
bool result_next(struct result_iterator *iterator, struct finished_event *ret_event);

struct engine_ops {
	/*
	 * Make result->outcome durable, then call engine_committed() (never from inside this call). What
	 * the function keeps then is to be in outcome.sum; left alone, it is as before.
	 * Results of one function come one at a time: what finishes during a commit gathers in the
	 * next result. So when one is refused, nothing that builds on it was made durable.
	 */
	void (*commit)(void *user, struct result *result);

	/*
	 * What a function keeps, as committed: 0, or a negative errno, and it counts as nothing until its
	 * next commit says more. NULL: nothing was kept before.
	 */
	int (*sum_state)(void *user, const char *function, struct state_sum *ret_sum);

	/*
	 * Calls `row` for the committed rows of a range, in the order of struct state_place. Returns
	 * their number; less than range->limit: there are no more; a negative errno: retried later.
	 */
	int (*load_state)(void *user, const struct state_range *range, state_row_fn row, void *arg);

	/* A line that a function printed, borrowed; NULL: the log has it, at a bounded rate. */
	void (*output)(void *user, const char *function, const char *line);

	/*
	 * A function will not do an event that it took: it is removed, or was told to forget it. NULL:
	 * nobody wants to know.
	 */
	void (*dropped)(void *user, struct function *function, const struct finished_event *event);

	/* The UNIX time at which an alert of an event of that time is raised; NULL: now. */
	uint64_t (*raised_ns)(void *user, uint64_t event_time_ns);
};

struct function_options {
	const char *name;       /* [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most 63, as a DNS label */
	const char *runtime;    /* "nodejs", "python", "native", or of engine_options */
	const char *handler;    /* "file.function", as Kubeless has it */
	const char *dir;        /* absolute; where the handler's file is */
	const char *config;     /* a JSON object, for the function as context.config; NULL = {} */
	const char *const *key; /* field names whose values make the state key; NULL-terminated */
	uint64_t timeout_ns;    /* for one batch */
	unsigned int attempts;  /* at least 1 */
	unsigned int batch_max; /* events */
	/* A batch that is not full begins so long after the one before at the earliest; 0: at once. */
	uint64_t linger_ns;
	size_t queue_max;      /* events; function_push() refuses above it */
	unsigned int min, max; /* workers, at most PARTITIONS; max 0: one, always */
	uint64_t
		idle_ns; /* with nothing to do for so long it has `min` of them; 0: SCALER_IDLE_NS */
	/* Keys whose state workers have in memory, at most; the others' is in the store. 0: no limit. */
	size_t state_keys;
	uint64_t state_bytes; /* that it may keep, committed: keys, names, values. 0: no limit */
	uint64_t patience_ns; /* 0: for ever; none of its rules holds */
	enum isolation isolation;
	/* That its file is not there, or isolation is lacking, is no error, but shows and may change. */
	bool keep_trying;
	/* Of a worker: what is given is promised, as isolation has it. */
	unsigned int memory_mb; /* 0: RUNTIME_MEMORY_MB */
	unsigned int cpu;       /* hundredths of a processor; 0: no limit */
	/* The hosts and ports that it may reach, as of launcher/door.h; NULL: none. NULL-terminated. */
	const char *const *network;
	/* "NAME=value", besides what every worker has; NULL: nothing. NULL-terminated. */
	const char *const *environment;
};

/* Of what was committed in the last half to whole minute: from arrival to commit. */
struct latency_summary {
	uint64_t events;
	uint64_t span_ns; /* that they came in */
	uint64_t p50_ns, p90_ns, p99_ns, max_ns;
};

struct function_stats {
	uint64_t events; /* committed, dead letters included */
	uint64_t batches;
	uint64_t failures; /* events whose call threw, attempts counted */
	uint64_t crashes;  /* workers that ended by themselves or broke the protocol */
	uint64_t timeouts; /* workers killed for overrunning the deadline */
	uint64_t dead_letters;
	uint64_t dropped; /* unacknowledged events, since the function got nothing done */
	uint64_t alerts;
	uint64_t refused;      /* events that function_push() refused */
	uint64_t moves;        /* of partitions from one worker to another */
	uint64_t keys_evicted; /* that left the memory of workers ... */
	uint64_t keys_fetched; /* ... and came back */
	size_t keys;           /* that are there, if there is a limit to that */
	struct state_sum kept; /* committed */
	uint64_t kept_max;     /* bytes; 0: no limit */
	uint64_t fills;        /* times that it came to the limit */
	bool full;             /* it is there: what would make its state larger is refused */
	uint64_t busy_ns;      /* sum over batches, dispatch to result */
	size_t queued;         /* events now waiting or running */
	unsigned int workers;  /* that are ready */
	unsigned int workers_wanted;
	int worker_pids[PARTITIONS]; /* of workers that run, 0 after the last */
	struct latency_summary latency;
	bool stalled; /* it gets nothing done: what waits is put aside */
	/* "idle" (without a worker), "starting", "ready", "busy", "full", "backoff", "failed", "stalled" */
	const char *state;
	const char *error; /* the last failure in words, or NULL */
	uint64_t error_ns; /* when that was, UNIX epoch; 0: not known */
	enum isolation isolation;
	uint32_t layers;    /* LAYER_BIT()s that are in force for its workers */
	bool layers_chosen; /* false, and none of them: no worker could be begun yet */
};

struct engine_options {
	const char *runtime_dir; /* absolute; holds nodejs/worker.js and python/worker.py */
	const struct runtime_options *runtimes; /* beside ours, or instead of them */
	size_t runtime_count;
	/* Workers to be started before they are needed, at most SPARES_MAX: one of each kind in use. */
	unsigned int spares;
	/* Instead of what this system is found to have, for tests; NULL: that. */
	const struct isolation_level *level;
};

/* Returns 0, -ENOMEM, or an error of runtimes_add(). `ops` and `loop` are borrowed; `options` are copied. */
int engine_new(struct loop *loop, const struct engine_options *options,
	const struct engine_ops *ops, void *user, struct engine **ret_engine) _must_check_;

/*
 * Stops all workers: closes their pipes, waits up to a second for them to go, then kills them.
 * Pending events are dropped; the server did not acknowledge them, so they will come again. Results under
 * commit must have come back to the server's hands: they are freed, and not to be reported any more.
 */
void engine_free(struct engine *engine);
DEFINE_CLEANUP(struct engine, engine_free)

/* What this system has to isolate functions, as it was last seen. The engine's. */
const struct isolation_level *engine_level(const struct engine *engine);

/*
 * Adds a function and starts its workers. Returns 0; -EEXIST; -EINVAL with a message for the operator
 * in `ret_error` (to be freed): bad name, unknown runtime, unknown key field, a network or an
 * environment that makes no sense; -ENOENT likewise: the handler's file is not there; -EPERM likewise:
 * this system lacks what its isolation promises. A handler that does not load shows in function_stats
 * and the log, and is tried again with growing pauses.
 */
int engine_add(struct engine *engine, const struct function_options *options,
	struct function **ret_function, char **ret_error) _must_check_;

/*
 * Stops one function; its pending events are dropped. A result under commit still comes back through
 * engine_committed(); a new function of that name starts after that. Not from inside ops->commit.
 */
void engine_remove(struct function *function);

/* Its failures are over: what comes next is another version, though nothing of it differs. */
void function_forget_error(struct function *function);

/* RFC 1123 2.1: a DNS label. */
bool engine_name_is_valid(const char *name);

const char *function_name(const struct function *function);
void function_stats(const struct function *function, struct function_stats *ret_stats);

/* Something else than their results has changed what functions keep: it is asked for anew. */
void engine_sum_state(struct engine *engine);

/* Of the worker number `number`, from 0; 0: it is not up, or there are not so many. */
int function_worker_pid(const struct function *function, unsigned int number);

/* Of the spare worker number `number`, from 0; 0: there are not so many. */
int engine_spare_pid(const struct engine *engine, unsigned int number);

#define LATENCY_TICK_NS 4096ULL

/* Of all events since the start, from arrival to commit, in ticks of LATENCY_TICK_NS. */
void function_latency(const struct function *function, struct histogram *ret_latency);

/*
 * Drops (ops->dropped) all its events of an origin that wait. Those that its workers have are done, or
 * wait again if they fail.
 */
void function_forget(struct function *function, const void *origin);

/*
 * How many workers share its partitions from now on, until that changes with what they have to do
 * (scaler.h); 0 only while nothing is to be done.
 */
void function_set_workers(struct function *function, unsigned int workers);

/*
 * Takes events from the front of a run. Returns how many it took, or left out as done; less than all:
 * the queue is full or no memory is left, push the rest again later. 0 as well for an event id without
 * schema.
 */
size_t function_push(struct function *function, const struct event_run *run) _must_check_;

/*
 * The end of ops->commit: `error` 0, or why the store refused (the workers are then restarted from
 * committed state and the events run again).
 */
void engine_committed(struct result *result, int error);

#endif
