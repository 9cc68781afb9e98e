// SPDX-License-Identifier: BSD-2-Clause
#include "event/key.h"
#include "store/internal.h"
#include "store/registry.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "NLam": tells our files from other programs' SQLite files; file(1) shows it too. */
#define APPLICATION_ID 0x4e4c616d

/*
 * One entry a version of the schema; entry i brings a file from PRAGMA user_version i to i + 1.
 * Entries are never edited once released, only added.
 *
 * Times are nanoseconds since the UNIX epoch. digest is a u64 kept as SQLite's signed integer. Rows
 * of alerts are numbered with AUTOINCREMENT, since a client that follows them must never see a
 * number again. The index on alerts' function is also one on row, which SQLite appends to each
 * index.
 */
static const char *const migrations[] = {
	"CREATE TABLE state("
	"  function TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
	"  PRIMARY KEY(function, key, name)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE marks("
	"  function TEXT NOT NULL, switch_id INTEGER NOT NULL, sequence INTEGER NOT NULL,"
	"  digest INTEGER NOT NULL, done INTEGER NOT NULL,"
	"  PRIMARY KEY(function, switch_id)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE alerts("
	"  row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
	"  function TEXT NOT NULL, time_ns INTEGER NOT NULL, raised_ns INTEGER NOT NULL,"
	"  switch_id INTEGER NOT NULL, event_id INTEGER NOT NULL, severity TEXT NOT NULL,"
	"  title TEXT NOT NULL, category TEXT, srcip TEXT, srcport INTEGER, dstip TEXT,"
	"  dstport INTEGER, protocol INTEGER, data TEXT) STRICT;"
	"CREATE INDEX alerts_raised ON alerts(raised_ns);"
	"CREATE INDEX alerts_function ON alerts(function);"
	"CREATE TABLE dead_letters("
	"  row INTEGER PRIMARY KEY AUTOINCREMENT, function TEXT NOT NULL,"
	"  time_ns INTEGER NOT NULL, switch_id INTEGER NOT NULL, event_id INTEGER NOT NULL,"
	"  sequence INTEGER NOT NULL, position INTEGER NOT NULL, attempts INTEGER NOT NULL,"
	"  reason TEXT NOT NULL, data TEXT) STRICT;"
	"CREATE INDEX dead_letters_function ON dead_letters(function);",

	registry_tables,

	/* State by partition: key_hash() is event/key.h's, as SQLite's signed integer. */
	"ALTER TABLE state RENAME TO state_1;"
	"CREATE TABLE state("
	"  function TEXT NOT NULL, hash INTEGER NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,"
	"  value TEXT NOT NULL, PRIMARY KEY(function, hash, key, name)) STRICT, WITHOUT ROWID;"
	"INSERT INTO state SELECT function, key_hash(key), key, name, value FROM state_1;"
	"DROP TABLE state_1;"
	/* Marks by partition: `positions` is PARTITIONS u64, little-endian. */
	"ALTER TABLE marks RENAME TO marks_1;"
	"CREATE TABLE marks("
	"  function TEXT NOT NULL, stream INTEGER NOT NULL, incarnation1 INTEGER NOT NULL,"
	"  incarnation2 INTEGER NOT NULL, positions BLOB NOT NULL,"
	"  PRIMARY KEY(function, stream)) STRICT, WITHOUT ROWID;"
	"INSERT INTO marks SELECT function, switch_id << 8 | 255, sequence, digest, positions(done)"
	"  FROM marks_1;"
	"DROP TABLE marks_1;"
	/*
	 * An agent of version 2: its incarnation. A stream is one of its lanes: all below `before` is
	 * processed, all ranges below `declared` are declared. Counts and marks are u64, as SQLite's
	 * signed integers. A loss without count has no end.
	 */
	"CREATE TABLE agents("
	"  switch_id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, epoch INTEGER NOT NULL,"
	"  since_ns INTEGER NOT NULL) STRICT;"
	"CREATE TABLE streams("
	"  stream INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, before INTEGER NOT NULL,"
	"  declared INTEGER NOT NULL) STRICT;"
	"CREATE TABLE losses("
	"  row INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL,"
	"  stream INTEGER NOT NULL, epoch INTEGER NOT NULL, cause TEXT NOT NULL,"
	"  sequence INTEGER NOT NULL, count INTEGER) STRICT;"
	"CREATE TABLE loss_sums("
	"  stream INTEGER NOT NULL, cause TEXT NOT NULL, ranges INTEGER NOT NULL,"
	"  events INTEGER NOT NULL, PRIMARY KEY(stream, cause)) STRICT, WITHOUT ROWID;"
	"ALTER TABLE dead_letters ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE dead_letters ADD COLUMN record BLOB;",

	/* What each function keeps, to the byte: bytes of keys, names and values. */
	"CREATE TABLE state_sums("
	"  function TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL)"
	"  STRICT, WITHOUT ROWID;"
	"INSERT INTO state_sums SELECT function, count(*), sum(length(CAST(key AS BLOB))"
	"    + length(CAST(name AS BLOB)) + length(CAST(value AS BLOB)))"
	"  FROM state GROUP BY function;",

	/*
	 * Marks by key: the names of its fields, joined by ",". Of those that are there it is not known, which is "?",
	 * until store_claim_marks() says it: no field is called so.
	 */
	"ALTER TABLE marks RENAME TO marks_4;"
	"CREATE TABLE marks("
	"  function TEXT NOT NULL, stream INTEGER NOT NULL, key TEXT NOT NULL,"
	"  incarnation1 INTEGER NOT NULL, incarnation2 INTEGER NOT NULL, positions BLOB NOT NULL,"
	"  PRIMARY KEY(function, stream, key)) STRICT, WITHOUT ROWID;"
	"INSERT INTO marks SELECT function, stream, '?', incarnation1, incarnation2, positions"
	"  FROM marks_4;"
	"DROP TABLE marks_4;",

	/* Functions that were removed with all that they remember: some of that is there yet. */
	"CREATE TABLE purges(function TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;",
};

#define SCHEMA_VERSION ((int64_t)ARRAY_SIZE(migrations))

/* Ours, or a new file (0: no tables and no id yet). */
static int schema_identify(struct store *store, int64_t *ret_version, char **ret_text)
{
	int64_t application = 0, version = 0, tables = 0;
	int r;

	r = store_get_int(store, "PRAGMA application_id", &application);
	if (r == 0)
		r = store_get_int(store, "PRAGMA user_version", &version);
	if (r == 0)
		r = store_get_int(store, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return r;
	if (application != APPLICATION_ID && (application != 0 || tables > 0)) {
		if (asprintf(ret_text,
			    "%s: expected a database of netlambda-server, found another "
			    "program's (application id %#llx); it was left as it is: name "
			    "another file",
			    store->path, (unsigned long long)application) < 0)
			*ret_text = NULL;
		return -EBADMSG;
	}
	*ret_version = version;
	return 0;
}

static int schema_refuse_version(struct store *store, int64_t version, char **ret_text)
{
	const char *advice = version > SCHEMA_VERSION
				     ? "a newer netlambda-server wrote it: upgrade this one"
				     : "start netlambda-server on it once, which upgrades it";

	if (asprintf(ret_text, "%s: expected schema version %lld, found %lld: %s", store->path,
		    (long long)SCHEMA_VERSION, (long long)version, advice) < 0)
		*ret_text = NULL;
	return -ENOTSUP;
}

static void sql_key_hash(sqlite3_context *context, int count _unused_, sqlite3_value **values)
{
	const unsigned char *key = sqlite3_value_text(values[0]);

	if (key)
		sqlite3_result_int64(context, (sqlite3_int64)key_hash_text((const char *)key));
	else
		sqlite3_result_error_nomem(context);
}

/* The same position in each partition, as a blob. */
static void sql_positions(sqlite3_context *context, int count _unused_, sqlite3_value **values)
{
	uint64_t positions[PARTITIONS];

	for (size_t i = 0; i < PARTITIONS; i++)
		positions[i] = htole64((uint64_t)sqlite3_value_int64(values[0]));
	sqlite3_result_blob(context, positions, sizeof(positions), SQLITE_TRANSIENT);
}

/* What migrations call. */
static int define_functions(struct store *store)
{
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
	int rc;

	rc = sqlite3_create_function_v2(
		store->db, "key_hash", 1, flags, NULL, sql_key_hash, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(
			store->db, "positions", 1, flags, NULL, sql_positions, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

/* All the steps are one transaction: a crash in the middle leaves the version that was there. */
static int schema_upgrade(struct store *store, int64_t version)
{
	char pragmas[96];
	int r;

	r = define_functions(store);
	if (r == 0)
		r = store_exec(store, "BEGIN IMMEDIATE");
	for (; r == 0 && version < SCHEMA_VERSION; version++)
		r = store_exec(store, migrations[version]);
	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		APPLICATION_ID, (int)SCHEMA_VERSION);
	if (r == 0)
		r = store_exec(store, pragmas);
	if (r == 0)
		r = store_exec(store, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		/* The first failure is the one to tell of. */
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

/*
 * Walks all b-trees: some 3 ms a megabyte, once at start, and a damaged file is found before
 * anything is built on it.
 */
static int schema_check_damage(struct store *store)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	const char *verdict;
	int rc;

	rc = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (rc != SQLITE_OK)
		return store_fail(store, rc);
	rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW)
		return store_fail(store, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
	verdict = (const char *)sqlite3_column_text(statement, 0);
	if (verdict && strcmp(verdict, "ok") == 0)
		return 0;
	snprintf(store->error, sizeof(store->error), "%s", verdict ? verdict : "out of memory");
	return verdict ? -EBADMSG : -ENOMEM;
}

int schema_prepare(struct store *store, bool read_only, char **ret_text)
{
	int64_t version;
	int r;

	r = schema_identify(store, &version, ret_text);
	if (r < 0)
		return r;
	if (version > SCHEMA_VERSION || (read_only && version < SCHEMA_VERSION))
		return schema_refuse_version(store, version, ret_text);
	if (read_only)
		return 0;
	r = schema_check_damage(store);
	if (r < 0)
		return r;
	/* Not possible inside a transaction; what it sets lasts in the file. */
	r = store_exec(store, "PRAGMA journal_mode = WAL");
	if (r == 0 && version < SCHEMA_VERSION)
		r = schema_upgrade(store, version);
	return r;
}
