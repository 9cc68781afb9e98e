/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_LEFTOVERS_H
#define AGENT_LEFTOVERS_H

/*
 * Sets of pinned maps (agent/pins.h) that another one replaces, because the options or the agent itself
 * changed: what is in them still, and the end of them. First the links get the new programs; when no
 * old one runs any more, what was counted till then is collected, to the last packet, and the sets are
 * removed. One thread.
 */

#include "agent/collect.h"
#include "agent/pins.h"

struct leftovers;

/* All sets but `present`. Returns 0 or a negative errno. */
int leftovers_open(
	struct pins *pins, struct pin_set *present, struct leftovers **ret_leftovers) _must_check_;
/* Closes them; they stay as they are. */
void leftovers_close(struct leftovers *leftovers);
DEFINE_CLEANUP(struct leftovers, leftovers_close)

unsigned int leftovers_count(const struct leftovers *leftovers);
/* NULL: nothing of it can be read. */
const struct collector *leftovers_collector(const struct leftovers *leftovers, unsigned int index);

/* As collector_settle(), of all: adds to `unknown`. */
void leftovers_settle(const struct leftovers *leftovers, const struct collect_sink *sink,
	struct collector_unknown *unknown);

/*
 * Hands on what is in them. What cannot be read, since it has another layout, is said in the log.
 * Returns 0 or a negative errno; nothing is lost then.
 */
int leftovers_collect(
	const struct leftovers *leftovers, const struct collect_sink *sink) _must_check_;
/* Removes the sets, and closes. */
void leftovers_remove(struct leftovers *leftovers);

#endif
