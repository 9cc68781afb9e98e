/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_FUNCTION_H
#define ENGINE_FUNCTION_H

/*
 * A function inside the engine. engine.c keeps them and checks what they are made from. The others
 * run them: function.c takes events in and hands results over to be committed; partition.c says where
 * each event waits, and moves partitions from one worker to another; instance.c runs one worker, with
 * the partitions that it has, and results.c takes what that says.
 *
 * An event is in one list at a time:
 *
 *   pushed -> instance.waiting -> sent -> done -> function.gathering -> committing -> freed
 *                  ^  |            |
 *          partition.hold <--------+ failed, or skipped since one before it failed
 *
 * What of `sent` and `done` was with a worker that ends waits again, and so does all of a function
 * when a commit is refused.
 */

#include "engine/builder.h"
#include "engine/event_pool.h"
#include "engine/isolation.h"
#include "engine/latency.h"
#include "engine/residents.h"
#include "engine/runtime.h"
#include "engine/scaler.h"
#include "engine/spare.h"
#include "engine/worker.h"

#define FUNCTION_NAME_MAX 64 /* with the NUL */

struct engine {
	struct loop *loop;
	const struct engine_ops *ops;
	void *user;
	struct runtimes runtimes;
	char *launcher;
	struct isolation_level level; /* what this system has */
	bool level_is_given;          /* by our user: it is not asked */
	char *level_error;            /* why it could not be asked, or NULL */
	struct worker_pool pool;
	struct spares spares;
	struct loop_timer sweep;   /* ends spares that no function would use */
	struct siphash_key secret; /* of tables over what events can choose */
	struct function *functions;
};

struct instance;

/* A part of a function's events and state. */
struct partition {
	struct instance *owner; /* whose worker runs it */
	struct instance *next;  /* where it is moving to; NULL: it stays */
	bool loaded;            /* the owner's worker has its state */
	bool held;              /* its events wait in `hold` instead of with the owner */
	struct event_list hold;
	uint64_t retry_at_ns; /* monotonic: a failed event waits until then; 0: none */
	bool shut;            /* what waits is put aside until then */
	/* Monotonic: by then all failures are forgiven; and all that ended the worker. */
	uint64_t forgiven_ns[2];
	uint32_t queued;     /* events that are not done */
	uint32_t sent, done; /* of these, in the owner's lists */
	uint32_t undurable;  /* events in results */
	uint8_t generation; /* of events to be sent: one more with each failure, as the worker counts */
	uint64_t since;     /* the owner's `batches_sent` when it got the partition */
	struct residents residents; /* keys that the owner's worker has: loaded, or changed */
	bool is_tracked; /* so many that some have to go: each event of theirs is noted ... */
	uint64_t tracked_since; /* ... from the owner's batch after that on */
	bool is_partial;        /* the store has keys that the worker has not */
	uint64_t looked_at;     /* the owner's `durable` plus 1 when too few could leave */
};

struct function {
	struct engine *engine;
	struct function *next;
	char name[FUNCTION_NAME_MAX];
	const struct runtime *runtime;
	char *handler;
	char *dir;
	char *config;
	char *key[KEY_FIELDS_MAX + 1];
	enum isolation isolation;
	uint32_t layers;        /* of its workers */
	bool prepared;          /* its handler's file was there, and its layers are chosen */
	unsigned int memory_mb; /* of a worker; 0: RUNTIME_MEMORY_MB */
	unsigned int cpu;       /* hundredths of a processor; 0: no limit */
	char **network;         /* what it may reach */
	char **environment;     /* "NAME=value" */
	uint64_t timeout_ns;
	unsigned int attempts;
	unsigned int batch_max;
	uint64_t linger_ns;
	size_t queue_max;
	size_t state_keys;    /* in memory; 0: all */
	uint64_t state_bytes; /* committed; 0: no limit */
	bool warned_full;     /* it was said that it has come to that */
	unsigned int tracked_partitions;

	struct key_plan plans[EVENT_USER_MIN]; /* by event id */
	struct event_pool events;
	size_t queued;
	uint32_t arrivals; /* of events, modulo 2^32 */
	struct partition partitions[PARTITIONS];
	struct instance *instances[PARTITIONS];
	unsigned int instance_count;
	struct loop_timer
		dispatch;        /* at the end of the loop's round: what came in it goes together */
	struct loop_timer retry; /* when the first partition's pause is over */
	struct loop_timer look;  /* whether anything gets done, while events wait */
	uint64_t patience_ns;
	uint64_t
		success_ns; /* monotonic: when an event succeeded, or came and found none waiting */
	bool stalled;
	struct log_limit output_limit, failure_limit;
	bool removed; /* only a result under way still holds it */

	struct builder *gathering;  /* NULL if nothing is decided that is not under commit */
	struct builder *committing; /* with the server */
	unsigned int refusals;      /* of commits, one after the other */
	struct loop_timer submit;   /* ends the gathering */
	uint64_t submit_after_ns;   /* monotonic: gathers until then, if more is coming */
	uint64_t collect_after_ns;  /* monotonic: changes are not asked for before, under load */

	struct loop_timer scale; /* whether there are workers enough */
	struct scaler scaler;
	struct latency latency;
	struct function_stats stats;
	char *error;
	uint64_t error_ns; /* UNIX epoch */
};

static inline const struct schema *event_schema(const struct event *event)
{
	return schema_builtin(le32toh(event->pipe.event_id));
}

static inline uint64_t event_position(const struct event *event)
{
	return event->pipe.epoch != 0 ? le64toh(event->pipe.sequence) : le16toh(event->pipe.index);
}

static inline struct finished_event finished_event(const struct event *event)
{
	return (struct finished_event){
		.origin = event->origin,
		.position = event_position(event),
		.partition = event->partition,
		.event_id = le32toh(event->pipe.event_id),
		.switch_id = le32toh(event->pipe.switch_id),
		.time_ns = le64toh(event->pipe.time_ns),
		.record = event->record,
		.reply = event->request ? event->request->reply : NULL,
		.reason = event->request ? event->request->reason : NULL,
	};
}

static inline unsigned int function_memory_mb(const struct function *function)
{
	return function->memory_mb > 0 ? function->memory_mb : RUNTIME_MEMORY_MB;
}

/* What its workers are; once it is prepared. */
static inline struct worker_kind function_kind(const struct function *function)
{
	return (struct worker_kind){
		.runtime = function->runtime,
		.layers = function->layers,
		.memory_mb = worker_kind_memory(function->runtime, function_memory_mb(function)),
		.network = (const char *const *)function->network,
		.environment = (const char *const *)function->environment,
	};
}

/* ---- function.c ---- */

/*
 * Looks for what its workers need and the operator may bring: its handler's file, and isolation. 0, or
 * a negative errno with a message.
 */
int function_prepare(struct function *function, char **ret_error) _must_check_;
/* Begins to run a function whose options are filled in. 0 or -ENOMEM. */
int function_begin(struct function *function, const struct scaler_bounds *bounds) _must_check_;
/* Tells of all its events but those under commit that they will not be done. */
void function_drop_events(struct function *function);
/* Stops it; frees it now, or when the result under way comes back. */
void function_end(struct function *function);
/* Also takes it off its engine's list. */
void function_free(struct function *function);

/* What went wrong, for the operator: kept, and logged at a bounded rate. */
void function_set_error(struct function *function, const char *what, const char *detail);
/* The pause before something that failed so many times is tried again. */
uint64_t function_pause_ns(uint64_t base, unsigned int failures, uint64_t max);

/* The builder in which results gather, or NULL: no memory. */
struct builder *function_gather(struct function *function);
/* Hands over what has gathered, unless a result is under way: then it goes when that comes back. */
void function_submit(struct function *function);
/* True while so much waits for the store that nothing more should run. */
bool function_is_choked(const struct function *function);
/* What workers say waits as long as it is choked. */
void function_hold_workers(struct function *function);
/* After this round of the loop, sends what waits; or that much later, unless something comes before. */
void function_dispatch_soon(struct function *function);
void function_dispatch_later(struct function *function, uint64_t after_ns);

/* Tells of an event, which is in no list, that it will not be done, and frees it. */
void function_drop(struct function *function, struct event *event);

/* ---- state_limit.c ---- */

static inline bool function_is_full(const struct function *function)
{
	return function->state_bytes > 0 && function->stats.kept.bytes >= function->state_bytes;
}

/* What it keeps now. */
void function_note_state(struct function *function, const struct state_sum *sum);
/* Asks what it keeps. */
void function_sum_state(struct function *function);

/* ---- crew.c ---- */

/* Has so many workers, and more or fewer later. */
void function_crew_begin(struct function *function, const struct scaler_bounds *bounds);
/* An event came. */
void function_crew_note_event(struct function *function);
/* Frees instances that were to leave and have nothing any more. */
void function_let_workers_go(struct function *function);

/* ---- patience.c ---- */

/* Counts a failed attempt of an event, which is in no list. Takes it: a dead letter, or held. */
void function_blame(
	struct function *function, struct event *event, const char *reason, bool ended_worker);
void function_patience_begin(struct function *function);
/* An event came, or one succeeded. */
void function_note_event(struct function *function);
void function_note_success(struct function *function);
/* Until then (monotonic) it waits for the store, and is not to blame. */
void function_excuse(struct function *function, uint64_t until_ns);
/* Goes on with what is to be put aside. */
void function_put_aside_more(struct function *function);

/* ---- partition.c ---- */

/* Puts an event where it waits, behind all others of its partition. */
void partition_push(struct partition *partition, struct event *event);
/* From now on its events wait apart. */
void partition_hold(struct partition *partition);
/* Takes back events that were with the worker: they wait, before all that came later. */
void partition_return(struct partition *partition, struct event_list *events);
/* The same for events of any partition. */
void partitions_return(struct function *function, struct event_list *events);
/* Its worker is gone, or is to get it anew. */
void partition_unload(struct partition *partition);
/* True if its state is to be read from the store now. */
bool partition_may_load(const struct function *function, const struct partition *partition);
/* Goes on with a move, with loading, or with its events, as far as that is possible now. */
void partition_advance(struct function *function, struct partition *partition);
void partitions_advance(struct function *function);
/* Shares the partitions out among the instances that stay, evenly; as few as possible move. */
void partitions_balance(struct function *function);

static inline unsigned int partition_number(
	const struct function *function, const struct partition *partition)
{
	return (unsigned int)(partition - function->partitions);
}

#endif
