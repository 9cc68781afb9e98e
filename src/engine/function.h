/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_FUNCTION_H
#define ENGINE_FUNCTION_H

/*
 * A function inside the engine. engine.c keeps them and checks what they are made from; function.c
 * runs them: a state machine over one worker at a time.
 *
 *   WAITING --start--> STARTING --READY frame--> READY <--> BUSY
 *      ^                  |                        ^          |  an event failed
 *      |                  |                        +- PAUSED <+
 *      +------------- ENDING <- killed, in any of them
 */

#include "engine/builder.h"
#include "engine/worker.h"

#define FUNCTION_NAME_MAX 64 /* with the NUL */
#define FUNCTION_KEYS_MAX 8

struct engine {
	struct loop *loop;
	const struct engine_ops *ops;
	void *user;
	char *runtime_dir;
	char *node;
	struct worker_pool pool;
	struct function *functions;
};

enum function_phase {
	FUNCTION_WAITING,  /* no worker: a pause, or results that must come back first */
	FUNCTION_STARTING, /* a worker loads the handler */
	FUNCTION_READY,
	FUNCTION_BUSY,   /* a batch runs */
	FUNCTION_PAUSED, /* before a failed event is tried again */
	FUNCTION_ENDING, /* killed, not yet gone */
};

struct function {
	struct engine *engine;
	struct function *next;
	char name[FUNCTION_NAME_MAX];
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

	size_t batch; /* events of the batch that runs */
	uint64_t batch_start_ns;
	size_t batch_limit; /* halved by a lost batch, one more with each full one that succeeds */
	size_t suspects;    /* events of a lost batch, from queue.decided on: they run alone */
	unsigned int front_attempts; /* of the event at queue.decided, alone */
	unsigned int failures; /* ends of workers since the last progress; decides the pause */
	bool start_due;        /* the pause is over, results are still out */
	bool load_failed;      /* the last worker could not load the handler */
	bool removed;          /* only a result under way still holds it */

	struct builder *gathering;  /* NULL if nothing is decided that is not under commit */
	struct builder *committing; /* with the server */

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
