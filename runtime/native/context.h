/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_CONTEXT_H
#define NATIVE_CONTEXT_H

/*
 * What a function in C is called with: behind the opaque struct of <netlambda/function.h>, of which
 * api*.c are the functions. A context is one event's; several of them succeed or fail together when a
 * batch handler is called.
 */

#define LAMBDA_RUNTIME
#include "netlambda/function.h"
#include "scratch.h"
#include "state.h"

#include <jansson.h>

#define CONTEXT_ERROR_MAX 500 /* bytes */

/* Of an event whose handler's return value somebody waits for. */
struct call {
	bool waits;
	const char *key,
		*data; /* beside its record, borrowed from the frame; NULL: the record says them */
	char *reply;   /* JSON; NULL: none */
};

/* What the contexts of events that run together have in common. */
struct surroundings {
	const json_t *config; /* an object */
	struct scratch scratch;
	struct pipe_buffer
		alerts; /* of each the event's index (u32) and JSON (text), as in a RESULT */
	uint32_t alert_count;
	bool together;    /* several events run: what is too much for one is not */
	struct call call; /* of the event that is alone in its batch */
};

struct lambda_context {
	struct surroundings *around;
	const struct pipe_event *event; /* NULL in an _init handler */
	struct state_view view;         /* without a state in an _init handler */
	uint32_t index;                 /* of the event, in the RESULT that comes next */
	uint32_t alerts;                /* that it has raised */
	bool failed;
	const char *error; /* why; lives as long as the scratch */
};

/* The event fails; the first reason counts. */
void context_refuse(struct lambda_context *context, const char *format, ...) _printf_(2, 3);

/* Sorts what events that ran together have raised, by event. 0 or -ENOMEM. */
int alerts_sort(struct surroundings *around) _must_check_;

#endif
