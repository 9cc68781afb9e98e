// SPDX-License-Identifier: BSD-2-Clause
#include "store/store.h"

#include "base/error.h"
#include "base/fd.h"
#include "store/action.h"
#include "store/internal.h"
#include "store/state_sum.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS  5000
#define READ_TIMEOUT_MS  200 /* readers are on the server's loop, and WAL does not make them wait */
#define CLOSE_TIMEOUT_MS 500
/* What the -wal file is cut to after a checkpoint, should a burst have blown it up. */
#define WAL_KEEP_BYTES (16 << 20)

static const char *const statement_sql[STATEMENT_COUNT] = {
	[STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_ROLLBACK] = "ROLLBACK",
	[STATEMENT_PUT_STATE] =
		"INSERT INTO state(function, hash, key, name, value) VALUES(?, ?, ?, ?, ?)"
		" ON CONFLICT DO UPDATE SET value = replacing(value, excluded.value)",
	[STATEMENT_DELETE_STATE] =
		"DELETE FROM state WHERE function = ? AND hash = ? AND key = ? AND name = ?"
		" AND replacing(value, 1)",
	[STATEMENT_ADD_SUM] = "INSERT INTO state_sums(function, entries, bytes) VALUES(?, ?, ?)"
			      " ON CONFLICT DO UPDATE SET entries = entries + excluded.entries,"
			      " bytes = bytes + excluded.bytes",
	[STATEMENT_GET_SUM] = "SELECT entries, bytes FROM state_sums WHERE function = ?",
	[STATEMENT_COUNT_PAGES] = "PRAGMA page_count",
	[STATEMENT_COUNT_FREE] = "PRAGMA freelist_count",
	[STATEMENT_PUT_MARK] =
		"INSERT INTO marks(function, stream, key, incarnation1, incarnation2, positions)"
		" VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
		" incarnation1 = excluded.incarnation1, incarnation2 = excluded.incarnation2,"
		" positions = excluded.positions",
	[STATEMENT_SWEEP_MARKS] =
		"DELETE FROM marks WHERE function = ? AND stream = ? AND key <> ?",
	[STATEMENT_PUT_STREAM_MARK] =
		"UPDATE streams SET before = max(before, ?) WHERE stream = ? AND epoch = ?",
	[STATEMENT_ADD_ALERT] =
		"INSERT INTO alerts(id, function, time_ns, raised_ns, switch_id, event_id, "
		"severity,"
		" title, category, srcip, srcport, dstip, dstport, protocol, data)"
		" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO NOTHING",
	[STATEMENT_ADD_DEAD_LETTER] =
		"INSERT INTO dead_letters(function, time_ns, switch_id, event_id, sequence,"
		" position, attempts, reason, data, epoch, record)"
		" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[STATEMENT_SETTLE_DEAD_LETTER] = "DELETE FROM dead_letters WHERE row = ?",
};

static int errno_of_result(sqlite3 *db, int rc)
{
	int system_errno = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EACCES;
	case SQLITE_CANTOPEN:
		return system_errno > 0 ? -system_errno : -EACCES;
	default:
		if (system_errno == ENOSPC || system_errno == EDQUOT)
			return -ENOSPC;
		return -EIO;
	}
}

int store_fail(struct store *store, int rc)
{
	int r = errno_of_result(store->db, rc);

	if ((rc & 0xff) == SQLITE_IOERR && sqlite3_system_errno(store->db) > 0)
		snprintf(store->error, sizeof(store->error), "%s: %s (SQLite error %d)",
			sqlite3_errstr(rc), strerror(sqlite3_system_errno(store->db)), rc);
	else
		snprintf(store->error, sizeof(store->error), "%s",
			(sqlite3_errcode(store->db) & 0xff) == (rc & 0xff)
				? sqlite3_errmsg(store->db)
				: sqlite3_errstr(rc));
	return r;
}

int store_exec(struct store *store, const char *sql)
{
	int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

int store_get_int(struct store *store, const char *sql, int64_t *ret_value)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int rc;

	rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW)
		return store_fail(store, rc);
	*ret_value = sqlite3_column_int64(statement, 0);
	return 0;
}

const char *store_error(const struct store *store)
{
	return store->error;
}

void store_limit(struct store *store, uint64_t bytes)
{
	store->limit = bytes;
}

void store_limit_letters(struct store *store, uint64_t count)
{
	store->letters_max = count;
}

int store_size(struct store *store, uint64_t *ret_bytes)
{
	int64_t pages = 0, unused = 0, page_bytes = 0;
	int r = store_get_int(store, "PRAGMA page_count", &pages);

	if (r == 0)
		r = store_get_int(store, "PRAGMA freelist_count", &unused);
	if (r == 0)
		r = store_get_int(store, "PRAGMA page_size", &page_bytes);
	if (r == 0)
		*ret_bytes = (uint64_t)((pages - unused) * page_bytes);
	return r;
}

/*
 * Moves the -wal file into the database, so that the one file is all there is. SQLite does it when
 * the last connection closes, which may be a reader's, and then it cannot.
 */
static void checkpoint(struct store *store)
{
	sqlite3_busy_timeout(store->db, CLOSE_TIMEOUT_MS);
	sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->statements[STATEMENT_BEGIN])
		checkpoint(store);
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_finalize(store->load);
	sqlite3_close_v2(store->db);
	/* After the connection: the checkpoint of closing is still the writer's. */
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	free(store->path);
	free(store);
}

/* ---- opening ---- */

static int check_file(const char *path, bool read_only, char **ret_error)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT && !read_only)
			return 0;
		return error_set(ret_error, -errno, "%s: %s", path, strerror(errno));
	}
	if (S_ISDIR(st.st_mode))
		return error_set(ret_error, -EISDIR,
			"%s: expected a database file, found a directory", path);
	return 0;
}

/*
 * One writing process: a second server on the same file would keep state in memory that the first
 * one's commits make wrong. The lock goes with the process, however it ends. It is on a file of its
 * own, since closing any descriptor of the database file would drop SQLite's locks.
 */
static int take_lock(struct store *store, char **ret_error)
{
	_cleanup_free_ char *lock_path = NULL;
	_cleanup_fd_ int fd = -1;

	if (asprintf(&lock_path, "%s-lock", store->path) < 0)
		return -ENOMEM;
	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return error_set(ret_error, -errno,
			"%s: %s: the directory must be there, and writable by user id %d",
			lock_path, strerror(errno), (int)geteuid());
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_set(ret_error, -errno, "%s: %s", lock_path, strerror(errno));
		return error_set(ret_error, -EBUSY,
			"%s: another netlambda-server is using it: stop that one, or give this one "
			"a \"store\" of its own",
			store->path);
	}
	store->lock_fd = TAKE_FD(fd);
	return 0;
}

/* What is in it is nobody else's business; the -wal and -shm files get the same mode from SQLite.
 */
static int create_file(const struct store *store, char **ret_error)
{
	int fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST)
		return error_set(ret_error, -errno, "%s: %s", store->path, strerror(errno));
	return 0;
}

/* Nobody reads these statistics, and to keep them each allocation would take a lock. */
static void configure_sqlite(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int connect_file(struct store *store, enum store_flags flags)
{
	bool read_only = flags & STORE_READ_ONLY;
	int mode = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc;

	pthread_once(&once, configure_sqlite);
	rc = sqlite3_open_v2(store->path, &store->db, mode | SQLITE_OPEN_NOMUTEX, NULL);
	if (!store->db)
		return -ENOMEM;
	if (rc != SQLITE_OK)
		return store_fail(store, rc);
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, read_only ? READ_TIMEOUT_MS : BUSY_TIMEOUT_MS);
	/* Until the file is known to be sound, closing must not move the -wal file into it. */
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	/* SQLite falls back to reading when it may not write. */
	if (!read_only && sqlite3_db_readonly(store->db, "main") == 1)
		return store_fail(store, SQLITE_READONLY);
	return store_exec(store, flags & STORE_RELAXED ? "PRAGMA synchronous = NORMAL"
						       : "PRAGMA synchronous = FULL");
}

static int prepare_statements(struct store *store)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(store->db, statement_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);

		if (rc != SQLITE_OK)
			return store_fail(store, rc);
	}
	return 0;
}

static int count(struct store *store, enum store_statement which, uint64_t *ret_count)
{
	sqlite3_stmt *statement = store->statements[which];
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		*ret_count = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* In a transaction, as store_size() with what it has changed so far. Returns SQLite's code. */
static int count_used(struct store *store, uint64_t *ret_bytes)
{
	uint64_t pages = 0, unused = 0;
	int rc = count(store, STATEMENT_COUNT_PAGES, &pages);

	if (rc == SQLITE_OK)
		rc = count(store, STATEMENT_COUNT_FREE, &unused);
	if (rc == SQLITE_OK)
		*ret_bytes = (pages - unused) * store->page_bytes;
	return rc;
}

static int read_page_size(struct store *store)
{
	int64_t page_bytes = 0;
	int r = store_get_int(store, "PRAGMA page_size", &page_bytes);

	store->page_bytes = (uint64_t)page_bytes;
	return r;
}

static int prepare(struct store *store, enum store_flags flags, char **ret_error)
{
	bool read_only = flags & STORE_READ_ONLY;
	char limit[64];
	int r;

	r = connect_file(store, flags);
	if (r == 0)
		r = schema_prepare(store, read_only, ret_error);
	if (r < 0 || read_only)
		return r;
	snprintf(limit, sizeof(limit), "PRAGMA journal_size_limit = %d", WAL_KEEP_BYTES);
	r = store_exec(store, limit);
	if (r == 0)
		r = state_sum_prepare(store);
	if (r == 0)
		r = prepare_statements(store);
	if (r == 0)
		r = read_page_size(store);
	if (r == 0)
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return r;
}

/* In words, what SQLite refused while opening. */
static int explain(const struct store *store, int r, char **ret_error)
{
	const char *path = store->path;

	switch (r) {
	case -EBADMSG:
		return error_set(ret_error, r,
			"%s: not a database, or a damaged one (%s); it was left as it is. To save "
			"what can be saved: sqlite3 '%s' .recover | sqlite3 '%s.recovered'",
			path, store->error, path, path);
	case -EACCES:
		return error_set(ret_error, r,
			"%s: %s: the file, its -wal and -shm files and their directory must be "
			"writable by user id %d",
			path, store->error, (int)geteuid());
	case -ENOSPC:
		return error_set(
			ret_error, r, "%s: %s: make room on its file system", path, store->error);
	default:
		return error_set(ret_error, r, "%s: %s", path,
			store->error[0] ? store->error : strerror(-r));
	}
}

int store_open(const char *path, enum store_flags flags, struct store **ret_store, char **ret_error)
{
	_cleanup_(store_closep) struct store *store = NULL;
	_cleanup_free_ char *error = NULL;
	int r;

	store = calloc(1, sizeof(*store));
	if (!store)
		return error_set(ret_error, -ENOMEM, "%s: out of memory", path);
	store->lock_fd = -1;
	store->path = strdup(path);
	r = store->path ? check_file(path, flags & STORE_READ_ONLY, &error) : -ENOMEM;
	if (r == 0 && !(flags & STORE_READ_ONLY))
		r = take_lock(store, &error);
	if (r == 0 && !(flags & STORE_READ_ONLY))
		r = create_file(store, &error);
	if (r == 0)
		r = prepare(store, flags, &error);
	if (r == 0) {
		*ret_store = TAKE_PTR(store);
		return 0;
	}
	if (!error)
		return explain(store, r, ret_error);
	*ret_error = TAKE_PTR(error);
	return r;
}

/* ---- committing ---- */

/* Binds the columns of one row, left to right; the first failure sticks. */
struct binder {
	sqlite3_stmt *statement;
	int column;
	int rc;
};

static struct binder bind_start(struct store *store, enum store_statement which)
{
	return (struct binder){.statement = store->statements[which], .rc = SQLITE_OK};
}

static void bind_bytes(struct binder *binder, const char *text, size_t len)
{
	if (binder->rc == SQLITE_OK)
		binder->rc = sqlite3_bind_text64(
			binder->statement, ++binder->column, text, len, SQLITE_STATIC, SQLITE_UTF8);
}

/* NULL becomes SQL's. */
static void bind_text(struct binder *binder, const char *text)
{
	bind_bytes(binder, text, text ? strlen(text) : 0);
}

static void bind_blob(struct binder *binder, const void *bytes, size_t size)
{
	if (binder->rc == SQLITE_OK)
		binder->rc = sqlite3_bind_blob64(
			binder->statement, ++binder->column, bytes, size, SQLITE_STATIC);
}

static void bind_int(struct binder *binder, uint64_t value)
{
	if (binder->rc == SQLITE_OK)
		binder->rc = sqlite3_bind_int64(
			binder->statement, ++binder->column, (sqlite3_int64)value);
}

/* What an event has none of is -1 in struct alert and NULL in the table. */
static void bind_optional(struct binder *binder, int value)
{
	if (value >= 0)
		bind_int(binder, (uint64_t)value);
	else
		bind_text(binder, NULL);
}

/* Leaves the statement without references to the caller's strings. */
static int bind_run(struct binder *binder)
{
	int rc = binder->rc;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(binder->statement);
	sqlite3_reset(binder->statement);
	sqlite3_clear_bindings(binder->statement);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int put_state(struct store *store, const char *function, const struct state_row *write)
{
	struct binder binder =
		bind_start(store, write->value ? STATEMENT_PUT_STATE : STATEMENT_DELETE_STATE);

	store->replaced = -1;
	bind_text(&binder, function);
	bind_int(&binder, write->hash);
	bind_text(&binder, write->key);
	bind_text(&binder, write->name);
	if (write->value)
		bind_bytes(&binder, write->value, write->value_len);
	return bind_run(&binder);
}

static int add_sum(struct store *store, const char *function, const struct state_change *change)
{
	struct binder binder = bind_start(store, STATEMENT_ADD_SUM);

	bind_text(&binder, function);
	bind_int(&binder, (uint64_t)change->entries);
	bind_int(&binder, (uint64_t)change->bytes);
	return bind_run(&binder);
}

static int get_sum(struct store *store, const char *function, struct state_sum *ret_sum)
{
	sqlite3_stmt *statement = store->statements[STATEMENT_GET_SUM];
	int rc = sqlite3_bind_text(statement, 1, function, -1, SQLITE_STATIC);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		*ret_sum = state_sum_row(rc == SQLITE_ROW ? statement : NULL);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_state(struct store *store, const struct outcome *outcome)
{
	struct state_change change = {0};
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < outcome->write_count; i++) {
		rc = put_state(store, outcome->function, &outcome->writes[i]);
		state_change_note(&change, &outcome->writes[i], store->replaced);
	}
	if (rc == SQLITE_OK && (change.entries != 0 || change.bytes != 0))
		rc = add_sum(store, outcome->function, &change);
	if (rc == SQLITE_OK && outcome->sum)
		rc = get_sum(store, outcome->function, outcome->sum);
	return rc;
}

static int put_mark(struct store *store, const char *function, const struct mark *mark)
{
	struct binder binder = bind_start(store, STATEMENT_PUT_MARK);
	uint64_t positions[PARTITIONS];

	for (size_t i = 0; i < PARTITIONS; i++)
		positions[i] = htole64(mark->positions[i]);
	bind_text(&binder, function);
	bind_int(&binder, mark->stream);
	bind_text(&binder, mark->key);
	bind_int(&binder, mark->incarnation[0]);
	bind_int(&binder, mark->incarnation[1]);
	bind_blob(&binder, positions, sizeof(positions));
	return bind_run(&binder);
}

/* Those by other keys. */
static int sweep_marks(struct store *store, const char *function, const struct mark *mark)
{
	struct binder binder = bind_start(store, STATEMENT_SWEEP_MARKS);

	bind_text(&binder, function);
	bind_int(&binder, mark->stream);
	bind_text(&binder, mark->key);
	return bind_run(&binder);
}

static int write_marks(struct store *store, const struct outcome *outcome)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < outcome->mark_count; i++) {
		rc = put_mark(store, outcome->function, &outcome->marks[i]);
		if (rc == SQLITE_OK && outcome->marks[i].sweep)
			rc = sweep_marks(store, outcome->function, &outcome->marks[i]);
	}
	return rc;
}

/* What names an epoch that is not the agent's is of an incarnation that has its end. */
static int put_stream_mark(struct store *store, const struct stream_mark *mark)
{
	struct binder binder = bind_start(store, STATEMENT_PUT_STREAM_MARK);
	int rc;

	bind_int(&binder, mark->before);
	bind_int(&binder, mark->stream);
	bind_int(&binder, mark->epoch);
	rc = bind_run(&binder);
	return rc == SQLITE_OK && sqlite3_changes(store->db) == 0 ? SQLITE_CONSTRAINT : rc;
}

static int add_alert(struct store *store, const char *function, const struct alert *alert)
{
	struct binder binder = bind_start(store, STATEMENT_ADD_ALERT);

	bind_bytes(&binder, alert->id, strnlen(alert->id, sizeof(alert->id)));
	bind_text(&binder, function);
	bind_int(&binder, alert->time_ns);
	bind_int(&binder, alert->raised_ns);
	bind_int(&binder, alert->switch_id);
	bind_int(&binder, alert->event_id);
	bind_text(&binder, alert->severity);
	bind_text(&binder, alert->title);
	bind_text(&binder, alert->category);
	bind_text(&binder, alert->srcip);
	bind_optional(&binder, alert->srcport);
	bind_text(&binder, alert->dstip);
	bind_optional(&binder, alert->dstport);
	bind_optional(&binder, alert->protocol);
	bind_text(&binder, alert->data);
	return bind_run(&binder);
}

static int add_dead_letter(
	struct store *store, const char *function, const struct dead_letter *letter)
{
	struct binder binder = bind_start(store, STATEMENT_ADD_DEAD_LETTER);

	bind_text(&binder, function);
	bind_int(&binder, letter->time_ns);
	bind_int(&binder, letter->switch_id);
	bind_int(&binder, letter->event_id);
	bind_int(&binder, letter->sequence);
	bind_int(&binder, letter->index);
	bind_int(&binder, letter->attempts);
	bind_text(&binder, letter->reason);
	bind_text(&binder, letter->data);
	bind_int(&binder, letter->epoch);
	bind_blob(&binder, letter->record, letter->record_size);
	return bind_run(&binder);
}

static int settle_dead_letter(struct store *store, uint64_t row)
{
	struct binder binder = bind_start(store, STATEMENT_SETTLE_DEAD_LETTER);

	bind_int(&binder, row);
	return bind_run(&binder);
}

static int write_letters(struct store *store, const struct outcome *outcome)
{
	uint64_t settled = 0;
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < outcome->dead_letter_count; i++)
		rc = add_dead_letter(store, outcome->function, &outcome->dead_letters[i]);
	for (size_t i = 0; rc == SQLITE_OK && i < outcome->settled_count; i++) {
		rc = settle_dead_letter(store, outcome->settled[i]);
		settled += (uint64_t)sqlite3_changes(store->db);
	}
	if (rc == SQLITE_OK && letters_keep(store, outcome, settled, store->letters_max) < 0)
		rc = sqlite3_errcode(store->db);
	return rc;
}

static int write_outcome(struct store *store, const struct outcome *outcome)
{
	const char *function = outcome->function;
	int rc = write_state(store, outcome);

	for (size_t i = 0; rc == SQLITE_OK && i < outcome->alert_count; i++)
		rc = add_alert(store, function, &outcome->alerts[i]);
	if (rc == SQLITE_OK)
		rc = write_letters(store, outcome);
	if (rc == SQLITE_OK)
		rc = write_marks(store, outcome);
	for (size_t i = 0; rc == SQLITE_OK && i < outcome->stream_mark_count; i++)
		rc = put_stream_mark(store, &outcome->stream_marks[i]);
	return rc;
}

int store_claim_marks(struct store *store, const char *function, const char *key)
{
	struct action action =
		action_begin(store, "UPDATE OR IGNORE marks SET key = ?2 WHERE function = ?1"
				    " AND key = '" MARK_KEY_UNKNOWN "'");

	action_text(&action, function);
	action_text(&action, key);
	return action_run(store, &action, NULL);
}

static int run_plain(struct store *store, enum store_statement which)
{
	struct binder binder = bind_start(store, which);

	return bind_run(&binder);
}

static int refuse_growth(struct store *store, uint64_t limit)
{
	snprintf(store->error, sizeof(store->error),
		"it may not become larger than %" PRIu64 " bytes (store_max)", limit);
	return -EDQUOT;
}

static int write_outcomes(struct store *store, const struct outcome *outcomes, size_t count)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < count; i++)
		rc = write_outcome(store, &outcomes[i]);
	return rc;
}

static int take_back(struct store *store, int r)
{
	/* SQLite rolls back by itself after some errors. */
	if (!sqlite3_get_autocommit(store->db))
		(void)run_plain(store, STATEMENT_ROLLBACK);
	letters_recount(&store->letters);
	return r == -ENOSPC || r == -EDQUOT ? r : -EIO;
}

/*
 * A commit whose fsync fails is reported as failed, though a crash right after it may find it in
 * the -wal file. That is harmless: the marks are then there with the state, so the events that come
 * again are known as done.
 */
int store_commit(struct store *store, const struct outcome *outcomes, size_t count)
{
	const uint64_t limit = store->limit;
	uint64_t before = 0, after = 0;
	int rc;

	if (!store->statements[STATEMENT_BEGIN]) {
		snprintf(store->error, sizeof(store->error), "opened for reading only");
		return -EIO;
	}
	rc = run_plain(store, STATEMENT_BEGIN);
	if (rc == SQLITE_OK && limit > 0)
		rc = count_used(store, &before);
	if (rc == SQLITE_OK)
		rc = write_outcomes(store, outcomes, count);
	if (rc == SQLITE_OK && limit > 0)
		rc = count_used(store, &after);
	if (rc == SQLITE_OK && after > limit && after > before)
		return take_back(store, refuse_growth(store, limit));
	if (rc == SQLITE_OK)
		rc = run_plain(store, STATEMENT_COMMIT);
	if (rc != SQLITE_OK)
		return take_back(store, store_fail(store, rc));
	return 0;
}
