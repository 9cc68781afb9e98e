// SPDX-License-Identifier: BSD-2-Clause
#include "event/key.h"
#include "store/internal.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

static const char *column_text(sqlite3_stmt *statement, int column)
{
	return (const char *)sqlite3_column_text(statement, column);
}

static int column_optional(sqlite3_stmt *statement, int column)
{
	if (sqlite3_column_type(statement, column) == SQLITE_NULL)
		return -1;
	return sqlite3_column_int(statement, column);
}

/* A query's statement, with `function` (which may be NULL) bound to ?1. */
static int query_prepare(
	struct store *store, const char *sql, const char *function, sqlite3_stmt **ret_statement)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int rc;

	rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
	if (rc == SQLITE_OK && function)
		rc = sqlite3_bind_text(statement, 1, function, -1, SQLITE_STATIC);
	if (rc != SQLITE_OK)
		return store_fail(store, rc);
	*ret_statement = TAKE_PTR(statement);
	return 0;
}

/* 1: there is a row; 0: there are no more; or negative. */
static int query_step(struct store *store, sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : store_fail(store, rc);
}

/* ---- state ---- */

/* Calls `fn` for the statement's rows. Returns their number. */
static int each_state_row(struct store *store, sqlite3_stmt *statement, state_row_fn fn, void *user)
{
	int r, count = 0;

	while ((r = query_step(store, statement)) > 0) {
		const struct state_row row = {
			.hash = (uint64_t)sqlite3_column_int64(statement, 0),
			.key = column_text(statement, 1),
			.name = column_text(statement, 2),
			.value = column_text(statement, 3),
			.value_len = (size_t)sqlite3_column_bytes(statement, 3),
		};

		r = fn(user, &row);
		if (r < 0)
			return r;
		count++;
	}
	return r < 0 ? r : count;
}

int store_each_state(struct store *store, const char *function, state_row_fn fn, void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r;

	r = query_prepare(store, "SELECT hash, key, name, value FROM state WHERE function = ?1",
		function, &statement);
	if (r == 0)
		r = each_state_row(store, statement, fn, user);
	return MIN(r, 0);
}

/* A partition's hashes differ in their lower bits only, so they lie together for SQLite, too. */
static int bind_range(struct store *store, sqlite3_stmt *statement, const struct state_range *range)
{
	const uint64_t start = (uint64_t)range->partition << (64 - KEY_PARTITION_BITS);
	const uint64_t first = range->hash ? *range->hash : start;
	const uint64_t last = range->hash ? first : start | UINT64_MAX >> KEY_PARTITION_BITS;
	const struct state_place *after = range->after;
	int rc = sqlite3_bind_text(statement, 1, range->function, -1, SQLITE_STATIC);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 2, (sqlite3_int64)last);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 3, (sqlite3_int64)(after ? after->hash : first));
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(statement, 4, after ? after->key : "", -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(statement, 5, after ? after->name : "", -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 6, range->limit);
	return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

int store_load_state(
	struct store *store, const struct state_range *range, state_row_fn fn, void *user)
{
	int r = 0;

	/* A name is never empty, so ("", "") is in front of all. */
	if (!store->load)
		r = query_prepare(store,
			"SELECT hash, key, name, value FROM state WHERE function = ?1"
			" AND hash <= ?2 AND (hash, key, name) > (?3, ?4, ?5)"
			" ORDER BY hash, key, name LIMIT ?6",
			NULL, &store->load);
	if (r == 0)
		r = bind_range(store, store->load, range);
	if (r == 0)
		r = each_state_row(store, store->load, fn, user);
	sqlite3_reset(store->load);
	return r;
}

/* ---- marks ---- */

/* What is not there is 0: nothing of that partition is committed. */
static void read_positions(
	sqlite3_stmt *statement, int column, uint64_t positions[static PARTITIONS])
{
	const void *bytes = sqlite3_column_blob(statement, column);
	size_t size = (size_t)sqlite3_column_bytes(statement, column);

	memset(positions, 0, PARTITIONS * sizeof(positions[0]));
	if (bytes)
		memcpy(positions, bytes, MIN(size, PARTITIONS * sizeof(positions[0])));
	for (size_t i = 0; i < PARTITIONS; i++)
		positions[i] = le64toh(positions[i]);
}

#define MARKS "SELECT function, stream, key, incarnation1, incarnation2, positions FROM marks"

int store_each_mark(struct store *store, const char *function,
	int (*fn)(void *user, const char *function, const struct mark *mark), void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r = query_prepare(
		store, function ? MARKS " WHERE function = ?1" : MARKS, function, &statement);

	if (r < 0)
		return r;
	while ((r = query_step(store, statement)) > 0) {
		struct mark mark = {
			.stream = (uint64_t)sqlite3_column_int64(statement, 1),
			.key = column_text(statement, 2),
			.incarnation = {(uint64_t)sqlite3_column_int64(statement, 3),
				(uint64_t)sqlite3_column_int64(statement, 4)},
		};

		read_positions(statement, 5, mark.positions);
		r = fn(user, column_text(statement, 0), &mark);
		if (r != 0)
			return r;
	}
	return r;
}

/* ---- alerts ---- */

#define ALERT_COLUMNS                                                                              \
	"row, id, function, time_ns, raised_ns, switch_id, event_id, severity, title, category,"   \
	" srcip, srcport, dstip, dstport, protocol, data"

#define ALERT_SQL_MAX 768

/*
 * Only the conditions that are asked for, so that SQLite takes the right index: the newest of one
 * function without reading the others', a time range from the first row in it on. Clocks may step
 * back, so the range's first row is only where to begin. The unary + keeps SQLite from reading all
 * rows to find the first one, and from sorting what comes in order already.
 */
static void alert_sql(const struct alert_filter *filter, char sql[static ALERT_SQL_MAX])
{
	const char *function = filter->function ? " AND function = ?1" : "";
	const char *since =
		filter->since_ns > 0
			? " AND +raised_ns >= ?3 AND row >= (SELECT min(+row) FROM alerts"
			  " WHERE raised_ns >= ?3)"
			: "";

	if (filter->limit > 0)
		snprintf(sql, ALERT_SQL_MAX,
			"SELECT " ALERT_COLUMNS " FROM (SELECT * FROM alerts WHERE row > ?2%s%s"
			" ORDER BY row DESC LIMIT ?4) ORDER BY row",
			function, since);
	else
		snprintf(sql, ALERT_SQL_MAX,
			"SELECT " ALERT_COLUMNS " FROM alerts WHERE row > ?2%s%s ORDER BY row",
			function, since);
}

static void alert_read(sqlite3_stmt *statement, struct alert *ret_alert)
{
	const char *id = column_text(statement, 1);

	*ret_alert = (struct alert){
		.time_ns = (uint64_t)sqlite3_column_int64(statement, 3),
		.raised_ns = (uint64_t)sqlite3_column_int64(statement, 4),
		.switch_id = (uint32_t)sqlite3_column_int64(statement, 5),
		.event_id = (uint32_t)sqlite3_column_int64(statement, 6),
		.severity = column_text(statement, 7),
		.title = column_text(statement, 8),
		.category = column_text(statement, 9),
		.srcip = column_text(statement, 10),
		.srcport = column_optional(statement, 11),
		.dstip = column_text(statement, 12),
		.dstport = column_optional(statement, 13),
		.protocol = column_optional(statement, 14),
		.data = column_text(statement, 15),
	};
	snprintf(ret_alert->id, sizeof(ret_alert->id), "%s", id ? id : "");
}

/* ?3 and ?4 are there only if the filter asks for them. */
static int alert_bind(
	struct store *store, sqlite3_stmt *statement, const struct alert_filter *filter)
{
	int rc = sqlite3_bind_int64(statement, 2, (sqlite3_int64)filter->after_row);

	if (rc == SQLITE_OK && filter->since_ns > 0)
		rc = sqlite3_bind_int64(statement, 3, (sqlite3_int64)filter->since_ns);
	if (rc == SQLITE_OK && filter->limit > 0)
		rc = sqlite3_bind_int64(statement, 4, filter->limit);
	return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

int store_each_alert(struct store *store, const struct alert_filter *filter,
	int (*fn)(void *user, uint64_t row, const char *function, const struct alert *alert),
	void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	char sql[ALERT_SQL_MAX];
	struct alert alert;
	int r;

	alert_sql(filter, sql);
	r = query_prepare(store, sql, filter->function, &statement);
	if (r == 0)
		r = alert_bind(store, statement, filter);
	if (r < 0)
		return r;
	while ((r = query_step(store, statement)) > 0) {
		alert_read(statement, &alert);
		r = fn(user, (uint64_t)sqlite3_column_int64(statement, 0),
			column_text(statement, 2), &alert);
		if (r != 0)
			return r;
	}
	return r;
}

/* ---- dead letters ---- */

#define LETTER_COLUMNS                                                                             \
	"row, function, time_ns, switch_id, event_id, sequence, position, attempts, reason,"       \
	" data, epoch, record"
#define LETTER_SELECT(condition)                                                                   \
	"SELECT " LETTER_COLUMNS " FROM (SELECT * FROM dead_letters" condition                     \
	" ORDER BY row DESC LIMIT ?2)"                                                             \
	" ORDER BY row"
/* In the order of the table, or of the index by function: nothing is sorted. */
#define LETTER_PIECE(condition)                                                                    \
	"SELECT " LETTER_COLUMNS " FROM dead_letters WHERE row > ?3" condition                     \
	" ORDER BY row LIMIT ?2"

static void letter_read(sqlite3_stmt *statement, struct dead_letter *ret_letter)
{
	*ret_letter = (struct dead_letter){
		.time_ns = (uint64_t)sqlite3_column_int64(statement, 2),
		.switch_id = (uint32_t)sqlite3_column_int64(statement, 3),
		.event_id = (uint32_t)sqlite3_column_int64(statement, 4),
		.sequence = (uint64_t)sqlite3_column_int64(statement, 5),
		.index = (uint16_t)sqlite3_column_int(statement, 6),
		.attempts = (uint16_t)sqlite3_column_int(statement, 7),
		.reason = column_text(statement, 8),
		.data = column_text(statement, 9),
		.epoch = (uint32_t)sqlite3_column_int64(statement, 10),
		.record = sqlite3_column_blob(statement, 11),
		.record_size = (size_t)sqlite3_column_bytes(statement, 11),
	};
}

/* Calls `fn` for the statement's rows. Returns their number. */
static int each_letter(struct store *store, sqlite3_stmt *statement, dead_letter_fn fn, void *user)
{
	struct dead_letter letter;
	int r, count = 0;

	while ((r = query_step(store, statement)) > 0) {
		letter_read(statement, &letter);
		r = fn(user, (uint64_t)sqlite3_column_int64(statement, 0),
			column_text(statement, 1), &letter);
		if (r != 0)
			return r;
		count++;
	}
	return r < 0 ? r : count;
}

int store_load_dead_letters(struct store *store, const char *function, uint64_t after,
	unsigned int limit, dead_letter_fn fn, void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r = query_prepare(store,
		function ? LETTER_PIECE(" AND function = ?1") : LETTER_PIECE(""), function,
		&statement);
	int rc;

	if (r < 0)
		return r;
	rc = sqlite3_bind_int64(statement, 2, limit);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 3, (sqlite3_int64)after);
	return rc == SQLITE_OK ? each_letter(store, statement, fn, user) : store_fail(store, rc);
}

int store_each_dead_letter(struct store *store, const char *function, unsigned int limit,
	dead_letter_fn fn, void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r, rc;

	r = query_prepare(store,
		function ? LETTER_SELECT(" WHERE function = ?1") : LETTER_SELECT(""), function,
		&statement);
	if (r < 0)
		return r;
	rc = sqlite3_bind_int64(statement, 2, limit > 0 ? (sqlite3_int64)limit : -1);
	if (rc != SQLITE_OK)
		return store_fail(store, rc);
	return MIN(each_letter(store, statement, fn, user), 0);
}

int store_drop_dead_letters(
	struct store *store, const struct dead_letter_range *range, uint64_t *ret_count)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r, rc;

	letters_recount(&store->letters);
	r = query_prepare(store,
		"DELETE FROM dead_letters WHERE (?1 IS NULL OR function = ?1)"
		" AND (?2 = 0 OR row = ?2) AND (?3 = 0 OR time_ns < ?3)",
		range->function, &statement);
	if (r < 0)
		return r;
	rc = sqlite3_bind_int64(statement, 2, (sqlite3_int64)range->row);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 3, (sqlite3_int64)range->before_ns);
	if (rc != SQLITE_OK)
		return store_fail(store, rc);
	r = query_step(store, statement);
	if (r == 0)
		*ret_count = (uint64_t)sqlite3_changes(store->db);
	return r;
}

static int prune(struct store *store, const char *sql, uint64_t before_ns, unsigned int limit)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r, rc;

	r = query_prepare(store, sql, NULL, &statement);
	if (r < 0)
		return r;
	rc = sqlite3_bind_int64(statement, 1, (sqlite3_int64)before_ns);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 2, limit);
	if (rc != SQLITE_OK)
		return store_fail(store, rc);
	r = query_step(store, statement);
	return r < 0 ? r : sqlite3_changes(store->db);
}

int store_prune(struct store *store, uint64_t alerts_before_ns, uint64_t letters_before_ns,
	unsigned int limit, uint64_t *ret_count)
{
	int alerts, letters;

	letters_recount(&store->letters);
	alerts = prune(store,
		"DELETE FROM alerts WHERE row IN"
		" (SELECT row FROM alerts WHERE raised_ns < ?1 LIMIT ?2)",
		alerts_before_ns, limit);
	if (alerts < 0)
		return alerts;
	letters = prune(store,
		"DELETE FROM dead_letters WHERE row IN"
		" (SELECT row FROM dead_letters WHERE time_ns < ?1 LIMIT ?2)",
		letters_before_ns, limit);
	if (letters < 0)
		return letters;
	*ret_count = (uint64_t)alerts + (uint64_t)letters;
	return 0;
}
