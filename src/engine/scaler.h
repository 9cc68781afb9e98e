/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_SCALER_H
#define ENGINE_SCALER_H

/*
 * How many workers a function should have, from how much they have to do. It looks from time to time,
 * and knows no clock but what it is told:
 *
 *   - `min` when there was nothing to do for `idle_ns`; if that is none, one as soon as there is something;
 *   - twice as many when events wait for longer than 50 ms and all workers have been busy, in three
 *     looks one after the other; but no more than there are partitions with something to do, since more
 *     would have nothing;
 *   - fewer when the most that was to do in the last 15 to 30 seconds is little for them: as many as are
 *     busy for 60 % of the time then.
 *
 * After each change it waits for a second before it adds more: new workers have to start, and load
 * their state.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCALER_LOOK_NS (NS_PER_SEC / 10) /* while there is something to do */
#define SCALER_REST_NS NS_PER_SEC        /* while there is not */

#define SCALER_IDLE_NS (60 * NS_PER_SEC) /* unless something else is wanted */

struct scaler_bounds {
	unsigned int min, max;
	uint64_t idle_ns;
};

struct scaler {
	struct scaler_bounds bounds;
	unsigned int workers;      /* wanted now */
	unsigned int hot;          /* looks in a row that found too few */
	uint64_t look_ns, busy_ns; /* at the last look */
	uint64_t changed_ns;
	uint64_t active_ns; /* when there was last something to do */
	/* The most that was to do in a look, in thousandths of a worker: in this half of the window, and the last. */
	uint64_t half_ns;
	uint32_t most[2];
};

struct scaler_load {
	uint64_t now_ns;         /* monotonic */
	size_t queued;           /* events that are not done */
	unsigned int partitions; /* that have some */
	uint64_t waited_ns;      /* since the oldest that waits for a worker came; 0: none does */
	uint64_t busy_ns;        /* of all workers, since ever */
	unsigned int up;         /* workers that can take events */
};

void scaler_init(struct scaler *scaler, const struct scaler_bounds *bounds, uint64_t now_ns);

/* How many there shall be from now on. */
unsigned int scaler_look(struct scaler *scaler, const struct scaler_load *load);

/* When to look again; 0: when something comes. */
uint64_t scaler_next_ns(const struct scaler *scaler, const struct scaler_load *load);

#endif
