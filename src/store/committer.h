/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_COMMITTER_H
#define STORE_COMMITTER_H

/*
 * The committing thread. Requests that arrive while a commit is under way go together into the next
 * one (group commit), in order. It owns its struct store; the requests stay the caller's, untouched
 * by the caller until they come back through committer_collect() on the caller's thread.
 *
 * A function's later outcomes build on its earlier ones. So when a request is refused, all requests
 * of the same function that were submitted before the caller collects the refused one are refused
 * with it, with the same error.
 *
 * The marks of streams count on all that was submitted before. So they are left out of a request
 * (which is `stale` then) if anything was refused that its caller did not know of when it submitted it.
 */

#include "base/attr.h"
#include "event/outcome.h"
#include "store/store.h"

struct committer;

struct commit_request {
	struct outcome outcome;
	/* Not NULL: something else is to be done with the store, in its turn; the outcome is not looked at. */
	int (*task)(struct store *store, struct commit_request *request);
	void (*done)(struct commit_request *request); /* of a task, called by its collector */
	void *user;
	uint64_t known; /* requests that were refused and collected before it was submitted */
	bool stale;     /* when it comes back: its marks of streams do not hold */
	int error;      /* when it comes back: as of store_commit() */
	struct commit_request *next; /* the committer's */
};

/*
 * Takes `store` (on success: committer_free() closes it) and starts the thread. `on_done` is called
 * on the committing thread when requests are ready to be collected. 0 or a negative errno.
 */
int committer_new(struct store *store, void (*on_done)(void *user), void *user,
	struct committer **ret_committer) _must_check_;

/*
 * Commits what is queued, then ends the thread; nothing may be submitted after it. Collect once
 * more before freeing what is in it. committer_free() does this first, if it was not done.
 */
void committer_stop(struct committer *committer);
void committer_free(struct committer *committer);
DEFINE_CLEANUP(struct committer, committer_free)

/* As of store_limit() and store_limit_letters(). */
void committer_limit(struct committer *committer, uint64_t bytes);
void committer_limit_letters(struct committer *committer, uint64_t count);

void committer_submit(struct committer *committer, struct commit_request *request);

/* The finished requests, oldest first, linked by `next`; NULL if there are none. */
struct commit_request *committer_collect(struct committer *committer);

struct committer_stats {
	uint64_t commits; /* database transactions */
	uint64_t requests;
	uint64_t failures;   /* requests that were refused */
	uint64_t over_limit; /* of these, since the store would be larger than it may be */
	uint64_t busy_ns;
	char error[256]; /* why the store refuses; empty again when a commit succeeds */
};
void committer_get_stats(struct committer *committer, struct committer_stats *ret_stats);

#endif
