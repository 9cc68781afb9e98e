/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_CALLERS_H
#define SERVER_CALLERS_H

/*
 * Those who wait for what a function at work returns for an event: the client of a request, or of a
 * live call. They hear once, after the event's commit; or when it is put aside, dropped, or not done in
 * time. An event that still waits then is taken back and never runs; one that runs goes on, and nobody
 * hears what it returns.
 *
 * A caller is an event's origin in the engine, as a stream or a letter is (commits.h).
 */

#include "engine/engine.h"

#define CALLERS_MAX 256

enum call_end {
	CALL_DONE,    /* `text`: the JSON that the handler returned; NULL: nothing */
	CALL_FAILED,  /* `text`: why */
	CALL_NOT_RUN, /* it had no effect, and will have none */
	CALL_LATE,    /* it may have an effect yet */
};

/* `text` is borrowed. */
typedef void (*caller_done_fn)(void *user, enum call_end end, const char *text);

struct callers;

struct caller {
	struct callers *callers;
	struct function *function; /* NULL: free */
	caller_done_fn done;       /* NULL: it has heard, or does not want to any more */
	void *user;
	struct loop_timer deadline;
};

struct callers {
	struct loop *loop;
	uint64_t number;   /* of the newest event */
	uint64_t timeouts; /* that nobody heard the end of in time */
	struct caller items[CALLERS_MAX];
};

/*
 * An event as somebody asks for it. Of a schema's record, or, if `data` is not "", of a JSON text and its key
 * (struct event_call).
 */
struct called_event {
	uint32_t event_id;
	const void *record;
	size_t record_size;
	struct event_call call;
	uint64_t wait_ns; /* so long */
	uint64_t time_ns; /* of the event; 0: now */
};

/*
 * Gives a function an event; `done` is called later. 0; -EBUSY: there are too many callers, or its queue
 * is full. `ret_caller`: for caller_leave(), until `done` is called.
 */
int callers_call(struct callers *callers, struct function *function,
	const struct called_event *event, caller_done_fn done, void *user,
	struct caller **ret_caller) _must_check_;

/* It does not wait any more; `done` is not called. */
void caller_leave(struct caller *caller);

/* Whether an event's origin is a caller. `callers` may be NULL. */
bool callers_own(const struct callers *callers, const void *origin);

/* The event is committed, as it says; or was dropped. */
void callers_finish(const struct finished_event *event, bool dropped);

/* All that wait hear CALL_LATE. */
void callers_stop(struct callers *callers);

#endif
