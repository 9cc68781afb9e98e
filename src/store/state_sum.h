/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_STATE_SUM_H
#define STORE_STATE_SUM_H

/*
 * How much each function keeps, to the byte. The sums are rows of their own (table state_sums), changed in the
 * transaction that changes the state; so they are there at once at a start, and nothing is ever counted
 * through. What a change takes the place of is found out by SQLite while it makes the change, by an SQL
 * function of ours: there is no look-up for it.
 */

#include "store/internal.h"

#define STATE_ROW_BYTES                                                                            \
	"length(CAST(key AS BLOB)) + length(CAST(name AS BLOB)) + length(CAST(value AS BLOB))"

/* What changes by some writes. */
struct state_change {
	int64_t entries;
	int64_t bytes;
};

/*
 * Defines replacing(VALUE, RESULT), which notes the length of VALUE in store->replaced and gives RESULT.
 * 0 or as of store_fail().
 */
int state_sum_prepare(struct store *store) _must_check_;

/* Adds one write; `replaced`: the bytes of the value that it took the place of; -1: there was none. */
void state_change_note(
	struct state_change *change, const struct state_row *write, int64_t replaced);

/* Of a row of entries and bytes; NULL: there is none. */
struct state_sum state_sum_row(sqlite3_stmt *row);

/* Takes away from a function's sum what was removed of its state. 0 or as of store_fail(). */
int state_sum_subtract(
	struct store *store, const char *function, const struct state_sum *removed) _must_check_;

#endif
