/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_TRAFFIC_COUNTED_H
#define BENCH_TRAFFIC_COUNTED_H

/*
 * The agent's own program on an interface, and its own collector behind it in a thread, each with the
 * defaults of netlambda-agent's command line: what counts in production, without spool and uplink.
 * Owned by one thread; the sink is called on the collecting one. If it takes sources and targets, these
 * are counted.
 */

#include "agent/collect.h"
#include "base/attr.h"

struct counted;

/* Loads. Returns 0 or a negative errno: -EPERM without the capabilities. */
int counted_new(const struct collect_sink *sink, struct counted **ret_counted) _must_check_;
void counted_free(struct counted *counted);
DEFINE_CLEANUP(struct counted, counted_free)

/* From the next counted_attach() on nothing is collected before counted_detach(): a reader that stopped. */
void counted_set_stopped(struct counted *counted, bool stopped);

/*
 * Attaches in native mode and begins to collect. NULL: collects only, and who has the program runs it.
 * A negative errno was said on standard error.
 */
int counted_attach(struct counted *counted, const char *interface) _must_check_;
int counted_program_fd(const struct counted *counted);

/*
 * Detaches, and collects what is left: when it returns, the sink has had everything. The first error
 * of any collection.
 */
int counted_detach(struct counted *counted) _must_check_;

/* Since counted_new(). */
int counted_read(const struct counted *counted, struct interface_event *ret_totals) _must_check_;

#endif
