// SPDX-License-Identifier: BSD-2-Clause
#include "store/registry.h"

#include "store/action.h"
#include "store/state_sum.h"

#include <errno.h>
#include <stdio.h>

#define PURGE_BYTES (4U << 20) /* of state, in one piece, but for the last value */

#define STRING(x)    STRING_OF(x)
#define STRING_OF(x) #x

const char registry_tables[] =
	"CREATE TABLE functions("
	"  name TEXT PRIMARY KEY, active INTEGER NOT NULL, newest INTEGER NOT NULL)"
	"  STRICT, WITHOUT ROWID;"
	"CREATE TABLE function_versions("
	"  name TEXT NOT NULL, version INTEGER NOT NULL, code TEXT NOT NULL, spec TEXT NOT NULL,"
	"  deployed_ns INTEGER NOT NULL, deployed_by TEXT NOT NULL,"
	"  PRIMARY KEY(name, version)) STRICT, WITHOUT ROWID;";

static int next_version(struct store *store, const char *function, int64_t *ret_version)
{
	struct action action = action_begin(store,
		"INSERT INTO functions(name, active, newest) VALUES(?1, 1, 1) ON CONFLICT DO UPDATE"
		" SET newest = newest + 1, active = newest + 1 RETURNING newest");

	action_text(&action, function);
	return action_run(store, &action, ret_version);
}

/* Should one be left that could not be done: the function goes on with what is there. */
static int forget_purge(struct store *store, const char *function)
{
	struct action action = action_begin(store, "DELETE FROM purges WHERE function = ?1");

	action_text(&action, function);
	return action_run(store, &action, NULL);
}

static int insert_version(
	struct store *store, const struct function_version *version, int64_t number)
{
	struct action action = action_begin(store,
		"INSERT INTO function_versions(name, version, code, spec, deployed_ns, deployed_by)"
		" VALUES(?, ?, ?, ?, ?, ?)");

	action_text(&action, version->function);
	action_int(&action, (uint64_t)number);
	action_text(&action, version->code);
	action_text(&action, version->spec);
	action_int(&action, version->deployed_ns);
	action_text(&action, version->deployed_by);
	return action_run(store, &action, NULL);
}

static int forget_old_versions(struct store *store, const char *function)
{
	struct action action = action_begin(store,
		"DELETE FROM function_versions WHERE name = ?1 AND version NOT IN"
		" (SELECT version FROM function_versions WHERE name = ?1 ORDER BY version DESC"
		"  LIMIT " STRING(REGISTRY_VERSIONS_MAX) ")");

	action_text(&action, function);
	return action_run(store, &action, NULL);
}

int registry_add(
	struct store *store, const struct function_version *version, unsigned int *ret_version)
{
	int64_t number = 0;
	int r = store_exec(store, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	r = next_version(store, version->function, &number);
	if (r == 0)
		r = forget_purge(store, version->function);
	if (r == 0)
		r = insert_version(store, version, number);
	if (r == 0)
		r = forget_old_versions(store, version->function);
	r = action_end(store, r);
	if (r == 0)
		*ret_version = (unsigned int)number;
	return r;
}

int registry_activate(struct store *store, const char *function, unsigned int version)
{
	struct action action = action_begin(store,
		"UPDATE functions SET active = ?2 WHERE name = ?1 AND EXISTS"
		" (SELECT 1 FROM function_versions WHERE name = ?1 AND version = ?2)"
		" RETURNING active");
	int64_t active;

	action_text(&action, function);
	action_int(&action, version);
	return action_run(store, &action, &active);
}

/* Statements with the function's name as their only value. */
static int run_each(
	struct store *store, const char *const *statements, size_t count, const char *function)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct action action = action_begin(store, statements[i]);

		action_text(&action, function);
		r = action_run(store, &action, NULL);
	}
	return r;
}

int registry_remove(struct store *store, const char *function, bool purge)
{
	static const char *const statements[] = {
		"DELETE FROM functions WHERE name = ?",
		"DELETE FROM function_versions WHERE name = ?",
		"INSERT OR IGNORE INTO purges(function) VALUES(?)",
	};
	int r = store_exec(store, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	return action_end(store, run_each(store, statements, purge ? 3 : 2, function));
}

/* ---- what removed functions remember ---- */

/* Of a piece: how much goes of the state, row by row, since a value may be large. */
static int purge_state(
	struct store *store, const char *function, unsigned int limit, struct state_sum *ret_gone)
{
	struct action action = action_begin(store,
		"DELETE FROM state WHERE function = ?1 AND (hash, key, name) ="
		" (SELECT hash, key, name FROM state WHERE function = ?1 LIMIT 1)"
		" RETURNING " STATE_ROW_BYTES);
	struct state_sum gone = {0};
	int rc;

	action_text(&action, function);
	rc = action.rc == SQLITE_OK ? SQLITE_ROW : action.rc;
	while (rc == SQLITE_ROW && gone.entries < limit && gone.bytes < PURGE_BYTES) {
		rc = sqlite3_step(action.statement);
		if (rc != SQLITE_ROW)
			break;
		gone.entries++;
		gone.bytes += (uint64_t)sqlite3_column_int64(action.statement, 0);
		rc = sqlite3_reset(action.statement) == SQLITE_OK ? SQLITE_ROW : SQLITE_ERROR;
	}
	sqlite3_finalize(action.statement);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return store_fail(store, rc);
	*ret_gone = gone;
	return 0;
}

static int purge_letters(struct store *store, const char *function, unsigned int limit)
{
	struct action action =
		action_begin(store, "DELETE FROM dead_letters WHERE row IN"
				    " (SELECT row FROM dead_letters WHERE function = ?1 LIMIT ?2)");
	int r;

	letters_recount(&store->letters);
	action_text(&action, function);
	action_int(&action, limit);
	r = action_run(store, &action, NULL);
	return r < 0 ? r : sqlite3_changes(store->db);
}

/* What is not much, and with it that there is something to purge. */
static int purge_rest(struct store *store, const char *function)
{
	static const char *const statements[] = {
		"DELETE FROM state_sums WHERE function = ?",
		"DELETE FROM marks WHERE function = ?",
		"DELETE FROM purges WHERE function = ?",
	};

	return run_each(store, statements, ARRAY_SIZE(statements), function);
}

/* 1: there is more. */
static int purge_piece(struct store *store, const char *function, unsigned int limit)
{
	struct state_sum gone = {0};
	int r = purge_state(store, function, limit, &gone);

	if (r == 0 && gone.entries > 0) {
		r = state_sum_subtract(store, function, &gone);
		return r < 0 ? r : 1;
	}
	if (r == 0)
		r = purge_letters(store, function, limit);
	return r == 0 ? purge_rest(store, function) : MIN(r, 1);
}

int registry_purge(struct store *store, const char *function, unsigned int limit)
{
	int r = store_exec(store, "BEGIN IMMEDIATE"), ended;

	if (r < 0)
		return r;
	r = purge_piece(store, function, limit);
	ended = action_end(store, MIN(r, 0));
	return ended < 0 ? ended : r;
}

int registry_next_purge(struct store *store, char ret_function[static 64])
{
	struct action action = action_begin(store, "SELECT function FROM purges LIMIT 1");
	int rc = action.rc == SQLITE_OK ? sqlite3_step(action.statement) : action.rc;

	if (rc == SQLITE_ROW)
		snprintf(ret_function, 64, "%s",
			(const char *)sqlite3_column_text(action.statement, 0));
	sqlite3_finalize(action.statement);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return store_fail(store, rc);
}

int registry_each(struct store *store,
	int (*fn)(void *user, const struct function_version *version), void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int rc, r;

	rc = sqlite3_prepare_v2(store->db,
		"SELECT name, version, version = active, code, spec, deployed_ns, deployed_by"
		" FROM functions JOIN function_versions USING(name) ORDER BY name, version",
		-1, &statement, NULL);
	if (rc != SQLITE_OK)
		return store_fail(store, rc);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const struct function_version version = {
			.function = (const char *)sqlite3_column_text(statement, 0),
			.version = (unsigned int)sqlite3_column_int64(statement, 1),
			.active = sqlite3_column_int(statement, 2),
			.code = (const char *)sqlite3_column_text(statement, 3),
			.spec = (const char *)sqlite3_column_text(statement, 4),
			.deployed_ns = (uint64_t)sqlite3_column_int64(statement, 5),
			.deployed_by = (const char *)sqlite3_column_text(statement, 6),
		};

		r = fn(user, &version);
		if (r != 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fail(store, rc);
}
