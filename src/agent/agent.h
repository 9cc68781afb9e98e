/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

/*
 * netlambda-agent. Two threads (thesis 5.1.3): one collects (counting.h), this one sends
 *(uplink.h), takes signals and keeps the statistics. Between them is the spool (spool.h),
 *lock-free.
 *
 *	XDP -> maps -> collector -> flows -> spool -> uplink -> server
 */

#include "agent/options.h"

/*
 * Runs until SIGTERM or SIGINT. Returns 0; -EINTR: a second signal cut the end short; another
 * negative errno: it could not start, which has been logged. Nothing is attached any more when it
 * returns, but what is pinned and was not to end.
 */
int agent_run(const struct agent_options *options) _must_check_;

/*
 * Detaches and removes what an agent left pinned there, and logs what was not collected. Returns 0 or
 * a negative errno, which has been logged.
 */
int agent_unpin(const char *directory) _must_check_;

#endif
