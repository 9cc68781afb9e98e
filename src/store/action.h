/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_ACTION_H
#define STORE_ACTION_H

/* Statements that are run once, with what is bound to ?1, ?2, ... in turn; the first failure sticks. */

#include "store/internal.h"

struct action {
	sqlite3_stmt *statement;
	int column;
	int rc;
};

struct action action_begin(struct store *store, const char *sql);
void action_text(struct action *action, const char *text);
void action_int(struct action *action, uint64_t value);

/*
 * Runs and ends it. `ret_value`: the first column of its row; NULL: it gives none. 0; -ENOENT: there is
 * no row; or as of store_fail().
 */
int action_run(struct store *store, struct action *action, int64_t *ret_value) _must_check_;

/* Ends a transaction: commits it if `r` is 0, else takes it back. Returns what came of it. */
int action_end(struct store *store, int r) _must_check_;

#endif
