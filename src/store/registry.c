// SPDX-License-Identifier: BSD-2-Clause
#include "store/registry.h"

#include "store/action.h"

#include <errno.h>

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

int registry_remove(struct store *store, const char *function, bool purge)
{
	static const char *const deletions[] = {
		"DELETE FROM functions WHERE name = ?",
		"DELETE FROM function_versions WHERE name = ?",
		"DELETE FROM state WHERE function = ?",
		"DELETE FROM state_sums WHERE function = ?",
		"DELETE FROM marks WHERE function = ?",
		"DELETE FROM dead_letters WHERE function = ?",
	};
	int r = store_exec(store, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	letters_recount(&store->letters);
	for (size_t i = 0; r == 0 && i < (purge ? ARRAY_SIZE(deletions) : 2U); i++) {
		struct action action = action_begin(store, deletions[i]);

		action_text(&action, function);
		r = action_run(store, &action, NULL);
	}
	return action_end(store, r);
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
