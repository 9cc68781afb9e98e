/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_PROGRESS_H
#define SERVER_PROGRESS_H

/*
 * How far one unit has come with one stream (stream.h). A mark says it by partition, and what a partition is, the unit's
 * key says. When that changes, the mark so far becomes an earlier one, and stays true: an event is done if the mark says
 * so, or an earlier one does, each by its own key. So nothing need be done at a certain time: the server may end at any
 * point of a change, the key may change while it is down, or be changed back. Each mark has a row of its own in the store.
 * An earlier one is kept until the stream is processed up to its highest position, behind which it says nothing; the
 * next commit then sweeps its row away.
 */

#include "base/attr.h"
#include "engine/engine.h"
#include "event/outcome.h"
#include "server/divisions.h"

/* A mark by a key that the unit had before. */
struct earlier_mark {
	struct earlier_mark *next;
	const struct division *division;
	struct mark mark;
};

struct progress {
	uint64_t pushed; /* all below this position was given to the unit, or is not for it */
	const struct division *division;
	struct mark mark;             /* durable; by `division` */
	struct earlier_mark *earlier; /* as many as the unit had keys since, at most */
	bool swept;                   /* the store has no mark by another key */
};

/* Nothing is done. NULL: no memory. */
struct progress *progress_new(
	const struct division *division, uint64_t stream, const uint64_t incarnation[static 2]);
void progress_free(struct progress *progress);

/* Takes in a mark that the store has. 0 or -ENOMEM. */
int progress_restore(struct progress *progress, const struct division *division,
	const struct mark *mark) _must_check_;

/* Events are divided by another key from now on, or still by the same. 0; -ENOMEM, and nothing is changed. */
int progress_rekey(struct progress *progress, const struct division *division) _must_check_;

/* An incarnation begins: what marks of another say is forgotten. */
void progress_begin(
	struct progress *progress, const uint64_t incarnation[static 2], uint64_t position);

/* The stream is processed up to a position, durably, and nothing below is offered again. */
void progress_pass(struct progress *progress, uint64_t position);

/*
 * Of events that follow each other, from position `pushed` on: how many at the front are done by an earlier mark, or how
 * many are not, which `ret_done` says. The mark itself is not looked at: the engine does that (event_run.done).
 */
size_t progress_same(const struct progress *progress, const struct event_run *run, bool *ret_done);

/* The mark as it is now, to be added to and committed; and when it is. */
struct mark progress_mark(const struct progress *progress);
void progress_commit(struct progress *progress, const struct mark *mark);

#endif
