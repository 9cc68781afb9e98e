// SPDX-License-Identifier: BSD-2-Clause
#include "store/expire.h"

#include "event/expiry.h"
#include "store/action.h"
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>

#define PLACE   "(function, hash, key, name)"
#define PLACE_1 "(?1, ?2, ?3, ?4)"
#define PLACE_2 "(?5, ?6, ?7, ?8)"

static void sql_expires(sqlite3_context *context, int count _unused_, sqlite3_value **values)
{
	const unsigned char *value = sqlite3_value_text(values[0]);
	uint64_t ms = value ? expiry_ms((const char *)value) : EXPIRY_NEVER;

	if (ms > INT64_MAX)
		sqlite3_result_null(context);
	else
		sqlite3_result_int64(context, (sqlite3_int64)ms);
}

static int define_function(struct store *store)
{
	int rc = sqlite3_create_function_v2(store->db, "expires", 1,
		SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sql_expires, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

static void action_place(struct action *action, const struct expire_round *round)
{
	action_text(action, round->function);
	action_int(action, round->place.hash);
	action_text(action, round->place.key);
	action_text(action, round->place.name);
}

/* The last row of the piece. 1: there is one; 0: fewer than `limit` are left; or as of store_fail(). */
static int find_end(struct store *store, const struct expire_round *round, unsigned int limit,
	struct expire_round *ret_end)
{
	struct action action = action_begin(store,
		"SELECT function, hash, key, name FROM state WHERE " PLACE " > " PLACE_1
		" ORDER BY function, hash, key, name LIMIT 1 OFFSET ?5");
	int rc;

	action_place(&action, round);
	action_int(&action, limit - 1);
	rc = action.rc == SQLITE_OK ? sqlite3_step(action.statement) : action.rc;
	if (rc == SQLITE_ROW) {
		sqlite3_stmt *row = action.statement;

		snprintf(ret_end->function, sizeof(ret_end->function), "%s",
			(const char *)sqlite3_column_text(row, 0));
		ret_end->place.hash = (uint64_t)sqlite3_column_int64(row, 1);
		snprintf(ret_end->place.key, sizeof(ret_end->place.key), "%s",
			(const char *)sqlite3_column_text(row, 2));
		snprintf(ret_end->place.name, sizeof(ret_end->place.name), "%s",
			(const char *)sqlite3_column_text(row, 3));
	}
	sqlite3_finalize(action.statement);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return store_fail(store, rc);
}

static int delete_between(struct store *store, const struct expire_round *round,
	const struct expire_round *end, uint64_t time_ms)
{
	struct action action = action_begin(store,
		end ? "DELETE FROM state WHERE " PLACE " > " PLACE_1 " AND " PLACE " <= " PLACE_2
		      " AND expires(value) <= ?9"
		    : "DELETE FROM state WHERE " PLACE " > " PLACE_1 " AND expires(value) <= ?5");

	action_place(&action, round);
	if (end)
		action_place(&action, end);
	action_int(&action, MIN(time_ms, (uint64_t)INT64_MAX));
	return action_run(store, &action, NULL);
}

int store_expire(struct store *store, struct expire_round *round, uint64_t time_ms,
	unsigned int limit, uint64_t *ret_count)
{
	struct expire_round end = {0};
	int r = define_function(store), more;

	if (r < 0)
		return r;
	more = find_end(store, round, limit, &end);
	if (more < 0)
		return more;
	r = delete_between(store, round, more ? &end : NULL, time_ms);
	if (r < 0)
		return r;
	*ret_count = (uint64_t)sqlite3_changes(store->db);
	*round = end;
	return 0;
}
