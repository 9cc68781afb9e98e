/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

/*
 * What the files of src/store share: the connection, and how SQLite's results become ours. Tables
 * are in schema.c, writing in store.c, reading in query.c.
 */

#include "base/attr.h"
#include "store/letter_limit.h"
#include "store/store.h"

#include <sqlite3.h>

enum store_statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_PUT_STATE,
	STATEMENT_DELETE_STATE,
	STATEMENT_ADD_SUM,
	STATEMENT_GET_SUM,
	STATEMENT_COUNT_PAGES,
	STATEMENT_COUNT_FREE,
	STATEMENT_PUT_MARK,
	STATEMENT_SWEEP_MARKS,
	STATEMENT_PUT_STREAM_MARK,
	STATEMENT_ADD_ALERT,
	STATEMENT_ADD_DEAD_LETTER,
	STATEMENT_SETTLE_DEAD_LETTER,
	STATEMENT_COUNT,
};

struct store {
	sqlite3 *db;
	int lock_fd; /* of PATH-lock; -1 when read only */
	char *path;
	char error[256];
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* NULL when read only */
	sqlite3_stmt *load;     /* of store_load_state(); NULL before its first time */
	_Atomic uint64_t limit; /* bytes; 0: none */
	uint64_t page_bytes;
	_Atomic uint64_t letters_max; /* of each function; 0: any number */
	struct letter_counts letters;
	int64_t replaced; /* bytes of the value that the last change of state found; -1: none */
};

static inline void statement_finalizep(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

#define _cleanup_statement_ _cleanup_(statement_finalizep)

/*
 * Remembers what SQLite said about `rc`, for store_error(), and returns the errno for it: -ENOSPC,
 * -EBADMSG (damaged or not a database), -EACCES, -EBUSY, -ENOMEM, or -EIO.
 */
int store_fail(struct store *store, int rc) _must_check_;

/* Runs statements that give no rows. 0 or as of store_fail(). */
int store_exec(struct store *store, const char *sql) _must_check_;

/* The first column of the first row of a query that always has one. */
int store_get_int(struct store *store, const char *sql, int64_t *ret_value) _must_check_;

/*
 * Finds out what the file is, and creates or upgrades the tables. `text` gets a message for the
 * operator when it returns -EBADMSG or -ENOTSUP on its own account.
 */
int schema_prepare(struct store *store, bool read_only, char **ret_text) _must_check_;

#endif
