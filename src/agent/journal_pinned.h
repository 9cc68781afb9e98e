/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_JOURNAL_PINNED_H
#define AGENT_JOURNAL_PINNED_H

/*
 * A journal (agent/journal.h) in a map of its own, pinned beside the sets of maps and not in one: it
 * outlives their layout. The kernel allocates all of it at once.
 */

#include "agent/journal.h"
#include "agent/pins.h"

struct pinned_journal {
	struct journal *journal;
	struct journal_past past;
	void *memory;
	size_t bytes;
};

/*
 * Goes on with the journal that is there, as far as it can be; what cannot be is said in the log. 0 or a
 * negative errno with a message for the operator in `ret_error` (to be freed).
 */
int pinned_journal_open(const struct pins *pins, const struct journal_options *options,
	struct pinned_journal *ret_pinned, char **ret_error) _must_check_;
/*
 * The one that is there, of whatever capacity. -ENOENT: none is; or another negative errno: it cannot be
 * read, and `past` says what is lost by that.
 */
int pinned_journal_find(const struct pins *pins, const struct journal_options *options,
	struct pinned_journal *ret_pinned) _must_check_;
/* It stays where it is pinned. */
void pinned_journal_close(struct pinned_journal *pinned);

#endif
