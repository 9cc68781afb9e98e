/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_COMMITS_H
#define SERVER_COMMITS_H

/*
 * What the engine finished, on its way through the committer: a result gets the marks of the
 * streams that its events came by, is committed, and only then its alerts are published and its events
 * count as done. Runs on the loop's thread.
 */

#include "base/loop.h"
#include "server/alert_log.h"
#include "server/ingest.h"
#include "server/units.h"
#include "store/committer.h"

struct agents;
struct api;

struct commits {
	struct ingest *ingest;
	struct committer *committer;
	struct alert_log *alert_log; /* NULL: none is kept */
	struct api *api;             /* NULL until it is up */
	struct letters *letters;     /* that are tried again; NULL: none ever */
	struct callers *callers;     /* who wait for replies; NULL: nobody ever */
	struct agents *agents;       /* NULL: there are none of version 2 */
	bool closed; /* the committer is stopping: what comes now stays with the engine */
	size_t under_way;
	uint64_t number;       /* of the newest commit */
	uint64_t known;        /* requests that came back refused, tasks as well */
	uint64_t alerts;       /* published since start */
	uint64_t dead_letters; /* since start */
	uint64_t refused;      /* results that the store did not take; they are run again */
	uint64_t
		over_limit_ns; /* monotonic: when the last of these would have made it too large; 0: never */
	int last_error;      /* of the newest result: 0, or why the store refuses */
	int last_task_error; /* of the newest task, likewise */
};

/* What is to be done when the store refuses, to be put behind the error; "": the error says it. */
const char *commits_advice(int error);

/* Sends a result on its way (engine_ops.commit). */
void commits_submit(struct commits *commits, struct result *result);

/*
 * Has request->task run on the committing thread; request->done is called on this one, by
 * commits_collect(). -ESHUTDOWN: the committer is stopping.
 */
int commits_submit_task(struct commits *commits, struct commit_request *request) _must_check_;

/* Takes in what the committer has finished. */
void commits_collect(struct commits *commits);

#endif
