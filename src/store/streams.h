/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_STREAMS_H
#define STORE_STREAMS_H

/*
 * What is kept of the streams of version 2's agents (docs/protocol-2.md, 6.2): which incarnation is
 * theirs, how far each lane is processed, and what was lost and why. Each call that changes something
 * is one database transaction, and is for the committing thread (committer.h, tasks); marks of streams
 * that functions make progress in come with their outcomes.
 */

#include "store/store.h"

#define STREAM_LANES      4
#define STREAM_LOSSES_MAX 10000 /* ranges that are kept, and the sums of all */

struct loss {
	uint64_t stream;
	uint64_t epoch;
	uint64_t sequence; /* of the first */
	uint64_t count;    /* 0: without an end */
	uint64_t time_ns;  /* when it was declared, UNIX epoch */
	const char *cause;
};

/* Marks of streams, and losses, each above what its stream had declared and in order of sequence. */
struct stream_progress {
	const struct stream_mark *marks;
	const struct loss *losses;
	size_t mark_count, loss_count;
	/* Beside these: what is of another epoch than the agent's, and was left out. */
	bool *marks_stale, *losses_stale;
};

/* In one transaction; what is stale fails alone. 0 or a negative errno, and then nothing is written. */
int streams_progress(struct store *store, const struct stream_progress *progress) _must_check_;

struct agent_row {
	uint32_t switch_id;
	uint64_t boot, epoch;
	uint64_t since_ns; /* of this incarnation, UNIX epoch */
	uint64_t before[STREAM_LANES], declared[STREAM_LANES];
};

/*
 * An agent's new incarnation, with the end of the one before: `losses` are of that. -ESTALE: there is
 * another one already, its epoch is not one more than that which is kept.
 */
int streams_admit(struct store *store, const struct agent_row *agent, const struct loss *losses,
	size_t loss_count) _must_check_;

/* By switch. If `fn` returns non-zero that ends it and is returned. */
int streams_each_agent(struct store *store, int (*fn)(void *user, const struct agent_row *agent),
	void *user) _must_check_;

/* What is committed of a stream of version 1 by the functions named: no mark of it is left. */
int streams_forget(struct store *store, uint64_t stream, const char *const *functions,
	size_t function_count) _must_check_;

struct loss_sum {
	uint64_t stream;
	const char *cause;
	uint64_t ranges, events; /* at most INT64_MAX; ranges without an end count no events */
};

int streams_each_loss_sum(struct store *store, int (*fn)(void *user, const struct loss_sum *sum),
	void *user) _must_check_;

/* The newest `limit`, oldest first; of all switches if `switch_id` is 0. */
int streams_each_loss(struct store *store, uint32_t switch_id, unsigned int limit,
	int (*fn)(void *user, uint64_t row, const struct loss *loss), void *user) _must_check_;

#endif
