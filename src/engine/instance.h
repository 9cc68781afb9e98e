/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_INSTANCE_H
#define ENGINE_INSTANCE_H

/*
 * An instance of a function: a place for one worker process at a time, and the partitions that it
 * has.
 *
 *   WAITING --start--> STARTING --READY frame--> READY
 *      ^                  |                        |
 *      +------------- ENDING <- killed, in any of them
 *
 * Under load the worker has several batches: while it runs one, the next are on their way, so that
 * neither side waits for the other. While a culprit is looked for, one event is out at a time.
 *
 * What has changed comes with the results that the engine asks it for (`collect`): each time while
 * there is little to do, every few milliseconds under load, so that a value that changes often is
 * written once. Events that are done and not collected are lost with the worker, and run again.
 */

#include "engine/function.h"

#define INSTANCE_IN_FLIGHT 3

enum instance_phase {
	INSTANCE_WAITING,  /* no worker: a pause */
	INSTANCE_STARTING, /* a worker loads the handler */
	INSTANCE_READY,
	INSTANCE_ENDING, /* killed, not yet gone */
};

struct batch {
	uint32_t left; /* events without a result */
	bool collect;
	bool full;    /* it had as many events as it might */
	bool alone;   /* it has one event, a suspect, and no other is to be out */
	bool request; /* it has one event, whose reply is wanted */
};

struct instance {
	struct function *function;
	enum instance_phase phase;
	struct worker *worker;
	bool held; /* its worker: what it says has to wait, and its deadline does not run */
	struct loop_timer timer;   /* the phase's deadline or pause */
	struct pipe_buffer buffer; /* frames being written */

	struct event_list waiting;
	struct event_list sent;                   /* with the worker; the oldest batch's first */
	struct event_list done;                   /* run, what has changed is not collected */
	struct batch batches[INSTANCE_IN_FLIGHT]; /* oldest first */
	unsigned int batch_count;
	uint64_t batches_sent, batches_done;
	/* Up to which batch what has changed is in a result, with the store, and committed. */
	uint64_t gathered, submitted, durable;
	uint64_t batch_start_ns;   /* of the oldest */
	uint64_t linger_until_ns;  /* monotonic: before, only a full batch is sent */
	uint64_t collect_after_ns; /* monotonic: under load, not before */
	bool collect_wanted;       /* with the next batch in any case */
	bool some_are_void; /* an event failed, and what was sent behind it may be with the worker */
	size_t batch_limit; /* halved by a lost batch, one more with each full one that succeeds */

	struct partition *loading; /* its state is on the way to the worker */
	struct state_place loaded; /* the last row that is */

	unsigned int failures; /* ends of workers since the last progress; decides the pause */
	bool load_failed;      /* the last worker could not load the handler */
	bool leaving;          /* it is gone when it has no partition any more */
};

int instance_new(struct function *function, struct instance **ret_instance) _must_check_;
/* Its events must have been taken out, or are freed with their function. The worker gets a second to end. */
void instance_free(struct instance *instance);

static inline bool instance_is_up(const struct instance *instance)
{
	return instance->phase == INSTANCE_STARTING || instance->phase == INSTANCE_READY;
}

/* ---- loading.c ---- */

/* Reads on in the state of its partitions, so much that the loop is not held up for long. */
void instance_load(struct instance *instance);

/* A result says what has changed, of `partitions` (bit p): these keys are in memory. */
void instance_note_changes(
	struct instance *instance, struct result_frame result, uint16_t partitions);

/*
 * Before a batch of the first `most` events that wait: what there is of their keys comes to the worker, and
 * other keys leave it. Returns how many of the events may go; 0: it cannot be read, and the worker goes.
 */
size_t instance_fetch(struct instance *instance, size_t most);

/* ---- results.c ---- */

/* A RESULT frame. 0, or a negative errno: it makes no sense, the worker is to be killed. */
int instance_on_result(struct instance *instance, const struct pipe_frame *frame) _must_check_;

/* ---- instance.c ---- */

/* The deadline of the oldest batch begins: the one before it is back. */
void instance_watch(struct instance *instance);

/* What waits is to wait for company: the worker was given something a moment ago. */
bool instance_lingers(const struct instance *instance);

/* The worker's end is reported later; what it had not decided runs again then. */
void instance_kill(struct instance *instance, enum worker_end end, const char *reason);

/* Sends what may be sent now: state that is to be loaded, then events. */
void instance_dispatch(struct instance *instance);

/* While so much waits for the store that what its worker has to say must wait, too. */
void instance_hold(struct instance *instance, bool held);

/* What has changed by the events that are done is asked for. */
void instance_collect(struct instance *instance);

/* The worker is to forget a partition. */
void instance_drop(struct instance *instance, struct partition *partition);

/* All its events wait again, and its partitions are to be loaded anew: the worker is gone, or goes. */
void instance_give_back(struct instance *instance);

/* Ends the worker for no fault of its own; another one starts. What it had is taken back at once. */
void instance_replace(struct instance *instance, const char *reason);

#endif
