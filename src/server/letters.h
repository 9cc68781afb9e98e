/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_LETTERS_H
#define SERVER_LETTERS_H

/*
 * Dead letters that are tried again. Such an event goes to its function as it first came, with the
 * identity it had. When it is done, with success or as a dead letter anew, the old letter goes in
 * the same database transaction as what the event led to: so it takes effect once, whatever ends in
 * between.
 *
 * An event's origin in the engine is a stream, or one of these.
 */

#include "server/api.h"
#include "server/units.h"
#include "store/store.h"

#define LETTERS_RETRIED_MAX 1024 /* at a time */

struct letter_retry {
	uint64_t row; /* 0: free */
};

struct letters {
	struct loop *loop;
	struct units *units;
	struct store *reader;      /* of this thread */
	size_t count;              /* that are with functions */
	struct retrying *retrying; /* calls that are under way */
	struct letter_retry retries[LETTERS_RETRIED_MAX];
};

/*
 * Answers API_RETRY: all letters that its filter takes are given to their functions, as far as
 * there is room. There may be very many, so they are read in pieces, between which the loop goes on.
 */
void letters_retry(struct letters *letters, struct api_call *call);
/* The server ends: what is under way is answered. */
void letters_stop(struct letters *letters);

/* Whether an event's origin is a letter; then its row. `letters` may be NULL. */
bool letters_own(const struct letters *letters, const void *origin, uint64_t *ret_row);

/*
 * The event is done with, and durable; or was dropped with its function, and its letter is as
 * before.
 */
void letters_release(struct letters *letters, void *origin);

/* What a call's body says of which letters: {"function", "row", "older_than_seconds", "all"}. */
struct letter_filter {
	const char *function; /* NULL: any */
	uint64_t row;         /* 0: any */
	uint64_t before_ns;   /* 0: any time */
};

/*
 * 0, or -EINVAL after refusing the call: it names no letters, and does not say that it means all.
 */
int letter_filter_read(struct api_call *call, struct letter_filter *ret_filter) _must_check_;

#endif
