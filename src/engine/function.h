/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_FUNCTION_H
#define ENGINE_FUNCTION_H

/*
 * A function inside the engine. engine.c keeps them and checks what they are made from; function.c
 * runs them: a state machine over one worker at a time.
 *
 *   WAITING --start--> STARTING --READY frame--> READY <--> PAUSED, when an event failed
 *      ^                  |                        |
 *      +------------- ENDING <- killed, in any of them
 *
 * Under load the worker has two batches: while it runs one, the next is on its way, so that neither
 * side waits for the other. If the first ends early, what was sent on top of it is void: the worker
 * sees from its position that it is not what comes next, skips it, and says so; its events are sent
 * again. While a culprit is looked for, one event is out at a time.
 */

#include "engine/builder.h"
#include "engine/runtime.h"
#include "engine/worker.h"

#define FUNCTION_NAME_MAX 64 /* with the NUL */
#define FUNCTION_KEYS_MAX 8

struct engine {
	struct loop *loop;
	const struct engine_ops *ops;
	void *user;
	char *runtime_dir;
	char *node; /* NULL: searched for */
	struct worker_pool pool;
	struct siphash_key secret; /* of tables over what events can choose */
	struct function *functions;
};

enum function_phase {
	FUNCTION_WAITING,  /* no worker: a pause, or results that must come back first */
	FUNCTION_STARTING, /* a worker loads the handler */
	FUNCTION_READY,
	FUNCTION_PAUSED, /* before a failed event is tried again */
	FUNCTION_ENDING, /* killed, not yet gone */
};

#define FUNCTION_IN_FLIGHT 2

struct batch {
	uint32_t count;    /* events */
	uint32_t position; /* as pipe_begin_batch() has it */
};

struct function {
	struct engine *engine;
	struct function *next;
	char name[FUNCTION_NAME_MAX];
	const struct runtime *runtime;
	char *handler;
	char *dir;
	char *config;
	char *key[FUNCTION_KEYS_MAX + 1];
	uint64_t timeout_ns;
	unsigned int attempts;
	unsigned int batch_max;

	struct queue queue;
	enum function_phase phase;
	struct worker *worker;
	struct loop_timer timer; /* the phase's deadline or pause */
	struct loop_timer
		dispatch; /* at the end of the loop's round: what came in it goes together */
	struct pipe_buffer buffer; /* frames being written */
	struct log_limit output_limit, failure_limit;

	struct batch in_flight[FUNCTION_IN_FLIGHT]; /* with the worker, oldest first */
	unsigned int in_flight_count;
	uint32_t worker_done;    /* events that this worker has done, modulo 2^32 */
	uint64_t batch_start_ns; /* of the oldest */
	size_t batch_limit; /* halved by a lost batch, one more with each full one that succeeds */
	size_t suspects;    /* events of a lost batch, from queue.decided on: they run alone */
	unsigned int front_attempts; /* of the event at queue.decided, alone */
	unsigned int failures; /* ends of workers since the last progress; decides the pause */
	bool start_due;        /* the pause is over, results are still out */
	bool load_failed;      /* the last worker could not load the handler */
	bool removed;          /* only a result under way still holds it */

	struct builder *gathering;  /* NULL if nothing is decided that is not under commit */
	struct builder *committing; /* with the server */
	struct loop_timer submit;   /* ends the gathering */
	uint64_t submit_after_ns;   /* monotonic: gathers until then, if more is coming */

	struct function_stats stats;
	char *error;
};

/* Begins to run a function whose options are filled in. */
void function_begin(struct function *function);
/* Stops it; frees it now, or when the result under way comes back. */
void function_end(struct function *function);
/* Also takes it off its engine's list. */
void function_free(struct function *function);

#endif
