/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NATIVE_RUNNER_H
#define NATIVE_RUNNER_H

/*
 * Runs batches: calls the function event by event, or with many at once, and writes results. Knows nothing
 * of pipes; worker.c gives it payloads and sends what it writes.
 */

#include "context.h"
#include "schemas.h"

struct runner {
	struct surroundings around;
	const struct schemas *schemas;
	struct state *state;
	lambda_handler *handler; /* one of the two */
	lambda_batch_handler *batch_handler;
	uint8_t generations
		[PARTITIONS]; /* one more with each failure: what was sent before it is not run */

	/* The result that is being gathered. */
	uint32_t covered; /* events */
	uint32_t exception_count;
	struct pipe_buffer exceptions;
	bool failed;
	struct pipe_buffer *out; /* where it goes, as a frame */
	uint64_t told;           /* how many entries were given up when that was last said */

	struct many *many; /* for a batch handler */
};

/* A BATCH payload, aligned to 8 bytes; RESULT frames are appended to `out`. 0, -EBADMSG or -ENOMEM. */
int runner_run(struct runner *runner, const uint8_t *payload, size_t size,
	struct pipe_buffer *out) _must_check_;

/* Forgets partitions (bit p), which another worker has now. */
void runner_drop(struct runner *runner, uint32_t partitions);

void runner_done(struct runner *runner);

/* ---- for those who call handlers ---- */

/* One event of a batch. */
struct occurrence {
	const struct pipe_event *event;
	const struct event_form *form;
	struct key_words words;
	uint64_t place; /* state_hash_key() of them */
};

/* Takes the next event of a batch apart. 0 or -EBADMSG. */
int occurrence_read(
	struct occurrence *occurrence, const struct runner *runner, struct cursor *c) _must_check_;
unsigned int occurrence_partition(const struct occurrence *occurrence);
void occurrence_show(const struct occurrence *occurrence, struct lambda_event *ret_event);
/* A context for it. `index`: in the result. */
void occurrence_open(const struct occurrence *occurrence, struct runner *runner, uint32_t index,
	struct lambda_context *ret_context);

/* The event with that index has failed, or was not run; indexes ascend. Its partition's generation is the caller's. */
void runner_fail(struct runner *runner, uint32_t index, const char *reason);
void runner_skip(struct runner *runner, uint32_t index);

/*
 * If the result that is being gathered is large, or has so many alerts, it goes out and the next one begins. It
 * is not, if it covers no event yet: changes of batches before this one go with its first.
 */
void runner_make_room(struct runner *runner, uint32_t alerts_due);

/* A batch handler's events: count of them, from the cursor on. 0, -EBADMSG or -ENOMEM. */
int many_run(struct runner *runner, struct cursor *c, uint32_t count) _must_check_;
void many_free(struct many *many);

#endif
