/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_LETTER_LIMIT_H
#define STORE_LETTER_LIMIT_H

/*
 * How many dead letters there are of each function, so that of too many the oldest leave, in the transaction that
 * brings the newest. They are counted through once, and then the count is kept in memory, until something else
 * removes letters or a commit fails.
 */

#include "event/outcome.h"

#include <stddef.h>
#include <stdint.h>

struct store;

struct letter_counts {
	struct letter_count {
		char function[64];
		uint64_t letters;
	} items[128];
	size_t count;
};

/* What there is is not as it was counted. */
void letters_recount(struct letter_counts *counts);

/*
 * Inside a transaction: the outcome's letters are written, and `settled` others removed. Removes the oldest above
 * `max`, and says how many in the outcome. Those that are above it already, since it was another, go piece by piece.
 * 0 or as of store_fail().
 */
int letters_keep(struct store *store, const struct outcome *outcome, uint64_t settled,
	uint64_t max) _must_check_;

#endif
