/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_FEED_H
#define SERVER_FEED_H

/*
 * The runs of one acknowledged lane, in order, from the receive worker's thread to the control thread,
 * without a lock. Records are not copied: they lie in the lane's window (wire/v2_order.h), and stay there
 * until they are processed. So does a run here: what a function gave up is offered again from here.
 *
 * Where it is full the worker puts no more until some were released; what gathers meanwhile is one run.
 */

#include "wire/v2_order.h"

#include <stdatomic.h>

#define FEED_RUNS 128 /* a power of two */

struct feed_run {
	uint64_t epoch;
	uint64_t time_ns; /* when it was put in order, UNIX epoch */
	struct v2_taken taken;
};

struct feed {
	_Alignas(64) _Atomic uint64_t head; /* the worker's; counts runs */
	atomic_bool wanting;                /* it found the feed full */
	_Alignas(64) _Atomic uint64_t tail; /* the control thread's */
	uint64_t at;                        /* the first that may not be offered yet */
	struct feed_run runs[FEED_RUNS];
};

/* The worker. False: it is full, and will say when it is not any more. */
bool feed_has_room(struct feed *feed);
void feed_put(struct feed *feed, const struct feed_run *run);

/*
 * The control thread. What ends at or below `before`, or is of another epoch, is released. True: the
 * worker waits for that.
 */
bool feed_release(struct feed *feed, uint64_t epoch, uint64_t before) _must_check_;
/* The run of this epoch that has the sequence `next`, or the first beyond it; NULL: it is not here yet. */
const struct feed_run *feed_find(struct feed *feed, uint64_t epoch, uint64_t next);

#endif
