/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_FLOW_CLOCK_H
#define AGENT_FLOW_CLOCK_H

/*
 * What tick it is. The kernel's programs take time from the tick counter (jiffies), which costs them
 * nothing, but which user space cannot read. It goes with the monotonic clock, so it is enough to find
 * out once when a tick began. For the agent's controllers; cores take struct flow_time.
 */

#include "agent/flow_table.h"
#include "base/attr.h"

#include <stdint.h>

struct flow_clock {
	uint64_t tick;         /* began at ... */
	uint64_t monotonic_ns; /* ... this */
	uint64_t tick_ns;
};

/*
 * Watches the kernel's counter for a tick's beginning: some milliseconds, more on a machine that has
 * no CPU to spare. Needs what loading a program needs. Returns 0 or a negative errno.
 */
int flow_clock_open(struct flow_clock *ret_clock) _must_check_;

/* Now; of the tick, perhaps one too few. */
struct flow_time flow_clock_now(const struct flow_clock *clock);

#endif
