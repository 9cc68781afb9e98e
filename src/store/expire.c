// SPDX-License-Identifier: BSD-2-Clause
#include "store/expire.h"

#include "event/expiry.h"
#include "store/action.h"
#include "store/state_sum.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* What went of one function. */
struct removal {
	char function[64];
	struct state_sum sum;
};

static int removal_settle(struct store *store, struct removal *removal)
{
	int r = 0;

	if (removal->sum.entries > 0)
		r = state_sum_subtract(store, removal->function, &removal->sum);
	removal->sum = (struct state_sum){0};
	return r;
}

/* Deletes by a statement that gives function and bytes of each row that goes. */
static int run_deletion(struct store *store, sqlite3_stmt *statement, uint64_t *ret_count)
{
	struct removal removal = {0};
	uint64_t count = 0;
	int rc = SQLITE_DONE, r = 0;

	while (r == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *function = (const char *)sqlite3_column_text(statement, 0);

		if (!function || strcmp(function, removal.function) != 0)
			r = removal_settle(store, &removal);
		snprintf(
			removal.function, sizeof(removal.function), "%s", function ? function : "");
		removal.sum.entries++;
		removal.sum.bytes += (uint64_t)sqlite3_column_int64(statement, 1);
		count++;
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = store_fail(store, rc);
	if (r == 0)
		r = removal_settle(store, &removal);
	*ret_count = count;
	return r;
}

static int delete_between(struct store *store, const struct expire_round *round,
	const struct expire_round *end, uint64_t time_ms, uint64_t *ret_count)
{
	struct action action = action_begin(store,
		end ? "DELETE FROM state WHERE " PLACE " > " PLACE_1 " AND " PLACE " <= " PLACE_2
		      " AND expires(value) <= ?9 RETURNING function, " STATE_ROW_BYTES
		    : "DELETE FROM state WHERE " PLACE " > " PLACE_1
		      " AND expires(value) <= ?5 RETURNING function, " STATE_ROW_BYTES);
	int r = store_exec(store, "BEGIN IMMEDIATE");

	action_place(&action, round);
	if (end)
		action_place(&action, end);
	action_int(&action, MIN(time_ms, (uint64_t)INT64_MAX));
	if (r == 0 && action.rc != SQLITE_OK)
		r = store_fail(store, action.rc);
	if (r == 0)
		r = run_deletion(store, action.statement, ret_count);
	sqlite3_finalize(action.statement);
	return action_end(store, r);
}

int store_expire(struct store *store, struct expire_round *round, uint64_t time_ms,
	unsigned int limit, uint64_t *ret_count)
{
	struct expire_round end = {0};
	uint64_t count = 0;
	int r = define_function(store), more;

	if (r < 0)
		return r;
	more = find_end(store, round, limit, &end);
	if (more < 0)
		return more;
	r = delete_between(store, round, more ? &end : NULL, time_ms, &count);
	if (r < 0)
		return r;
	*ret_count = count;
	*round = end;
	return 0;
}
