// SPDX-License-Identifier: BSD-2-Clause
#include "store/streams.h"

#include "store/action.h"

#include <errno.h>
#include <stdio.h>

static int put_before(struct store *store, const struct stream_mark *mark)
{
	struct action action = action_begin(
		store, "UPDATE streams SET before = max(before, ?) WHERE stream = ? AND epoch = ?");
	int r;

	action_int(&action, mark->before);
	action_int(&action, mark->stream);
	action_int(&action, mark->epoch);
	r = action_run(store, &action, NULL);
	return r == 0 && sqlite3_changes(store->db) == 0 ? -ESTALE : r;
}

static int put_declared(struct store *store, const struct loss *loss)
{
	struct action action = action_begin(
		store, "UPDATE streams SET declared = ? WHERE stream = ? AND epoch = ?");
	int r;

	action_int(&action, loss->sequence + loss->count);
	action_int(&action, loss->stream);
	action_int(&action, loss->epoch);
	r = action_run(store, &action, NULL);
	return r == 0 && sqlite3_changes(store->db) == 0 ? -ESTALE : r;
}

/* A range is as long as its switch says: the sum stops at the greatest integer that SQLite has. */
static int add_to_sums(struct store *store, const struct loss *loss)
{
	struct action action = action_begin(store,
		"INSERT INTO loss_sums(stream, cause, ranges, events) VALUES(?1, ?2, 1, ?3)"
		" ON CONFLICT DO UPDATE SET ranges = ranges + 1,"
		" events = events + min(?3, 9223372036854775807 - events)");

	action_int(&action, loss->stream);
	action_text(&action, loss->cause);
	action_int(&action, loss->count);
	return action_run(store, &action, NULL);
}

static int add_loss(struct store *store, const struct loss *loss)
{
	struct action action = action_begin(store,
		"INSERT INTO losses(time_ns, stream, epoch, cause, sequence, count)"
		" VALUES(?, ?, ?, ?, ?, nullif(?, 0))");
	int r;

	action_int(&action, loss->time_ns);
	action_int(&action, loss->stream);
	action_int(&action, loss->epoch);
	action_text(&action, loss->cause);
	action_int(&action, loss->sequence);
	action_int(&action, loss->count);
	r = action_run(store, &action, NULL);
	if (r == 0)
		r = add_to_sums(store, loss);
	return r;
}

/* The newest are kept, and the sums of all. */
static int drop_old_losses(struct store *store)
{
	struct action action = action_begin(
		store, "DELETE FROM losses WHERE row <= (SELECT max(row) FROM losses) - ?");

	action_int(&action, STREAM_LOSSES_MAX);
	return action_run(store, &action, NULL);
}

static int leave_out_stale(int r, bool *ret_stale)
{
	*ret_stale = r == -ESTALE;
	return *ret_stale ? 0 : r;
}

int streams_progress(struct store *store, const struct stream_progress *progress)
{
	int r = store_exec(store, "BEGIN IMMEDIATE");

	for (size_t i = 0; i < progress->loss_count && r == 0; i++) {
		r = leave_out_stale(
			put_declared(store, &progress->losses[i]), &progress->losses_stale[i]);
		if (r == 0 && !progress->losses_stale[i])
			r = add_loss(store, &progress->losses[i]);
	}
	if (r == 0 && progress->loss_count > 0)
		r = drop_old_losses(store);
	for (size_t i = 0; i < progress->mark_count && r == 0; i++)
		r = leave_out_stale(
			put_before(store, &progress->marks[i]), &progress->marks_stale[i]);
	return action_end(store, r);
}

/* ---- incarnations ---- */

static int put_agent(struct store *store, const struct agent_row *agent)
{
	struct action action = action_begin(store,
		"INSERT INTO agents(switch_id, boot, epoch, since_ns) VALUES(?1, ?2, ?3, ?4)"
		" ON CONFLICT DO UPDATE SET boot = ?2, epoch = ?3, since_ns = ?4"
		" WHERE epoch = ?3 - 1");
	int r;

	action_int(&action, agent->switch_id);
	action_int(&action, agent->boot);
	action_int(&action, agent->epoch);
	action_int(&action, agent->since_ns);
	r = action_run(store, &action, NULL);
	return r == 0 && sqlite3_changes(store->db) == 0 ? -ESTALE : r;
}

static int put_stream(struct store *store, uint64_t stream, uint64_t epoch)
{
	struct action action = action_begin(store,
		"INSERT OR REPLACE INTO streams(stream, epoch, before, declared)"
		" VALUES(?, ?, 0, 0)");

	action_int(&action, stream);
	action_int(&action, epoch);
	return action_run(store, &action, NULL);
}

int streams_admit(struct store *store, const struct agent_row *agent, const struct loss *losses,
	size_t loss_count)
{
	int r = store_exec(store, "BEGIN IMMEDIATE");

	if (r == 0)
		r = put_agent(store, agent);
	for (size_t i = 0; i < loss_count && r == 0; i++)
		r = add_loss(store, &losses[i]);
	if (r == 0 && loss_count > 0)
		r = drop_old_losses(store);
	for (uint8_t lane = 0; lane < STREAM_LANES && r == 0; lane++)
		r = put_stream(store, stream_id(agent->switch_id, lane), agent->epoch);
	return action_end(store, r);
}

int streams_forget(
	struct store *store, uint64_t stream, const char *const *functions, size_t function_count)
{
	int r = store_exec(store, "BEGIN IMMEDIATE");

	for (size_t i = 0; i < function_count && r == 0; i++) {
		struct action action =
			action_begin(store, "DELETE FROM marks WHERE function = ? AND stream = ?");

		action_text(&action, functions[i]);
		action_int(&action, stream);
		r = action_run(store, &action, NULL);
	}
	return action_end(store, r);
}

/* ---- reading ---- */

static int prepare(struct store *store, const char *sql, sqlite3_stmt **ret_statement)
{
	int rc = sqlite3_prepare_v2(store->db, sql, -1, ret_statement, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

/* 1: there is a row; 0: there are no more; or negative. */
static int step(struct store *store, sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : store_fail(store, rc);
}

static uint64_t column(sqlite3_stmt *statement, int number)
{
	return (uint64_t)sqlite3_column_int64(statement, number);
}

static int read_lanes(struct store *store, struct agent_row *agent)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r;

	r = prepare(store,
		"SELECT stream, before, declared FROM streams WHERE stream BETWEEN ?1 AND ?1 + 3",
		&statement);
	if (r < 0)
		return r;
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)stream_id(agent->switch_id, 0));
	while ((r = step(store, statement)) > 0) {
		agent->before[column(statement, 0) & 3] = column(statement, 1);
		agent->declared[column(statement, 0) & 3] = column(statement, 2);
	}
	return r;
}

int streams_each_agent(
	struct store *store, int (*fn)(void *user, const struct agent_row *agent), void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r;

	r = prepare(store, "SELECT switch_id, boot, epoch, since_ns FROM agents ORDER BY switch_id",
		&statement);
	if (r < 0)
		return r;
	while ((r = step(store, statement)) > 0) {
		struct agent_row agent = {
			.switch_id = (uint32_t)column(statement, 0),
			.boot = column(statement, 1),
			.epoch = column(statement, 2),
			.since_ns = column(statement, 3),
		};

		r = read_lanes(store, &agent);
		if (r == 0)
			r = fn(user, &agent);
		if (r != 0)
			return r;
	}
	return r;
}

int streams_each_loss_sum(
	struct store *store, int (*fn)(void *user, const struct loss_sum *sum), void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r;

	r = prepare(store, "SELECT stream, cause, ranges, events FROM loss_sums", &statement);
	if (r < 0)
		return r;
	while ((r = step(store, statement)) > 0) {
		const struct loss_sum sum = {
			.stream = column(statement, 0),
			.cause = (const char *)sqlite3_column_text(statement, 1),
			.ranges = column(statement, 2),
			.events = column(statement, 3),
		};

		r = fn(user, &sum);
		if (r != 0)
			return r;
	}
	return r;
}

int streams_each_loss(struct store *store, uint32_t switch_id, unsigned int limit,
	int (*fn)(void *user, uint64_t row, const struct loss *loss), void *user)
{
	_cleanup_statement_ sqlite3_stmt *statement = NULL;
	int r;

	r = prepare(store,
		"SELECT row, time_ns, stream, epoch, cause, sequence, count FROM"
		" (SELECT * FROM losses WHERE ?1 = 0 OR stream >> 8 = ?1 ORDER BY row DESC LIMIT "
		"?2)"
		" ORDER BY row",
		&statement);
	if (r < 0)
		return r;
	sqlite3_bind_int64(statement, 1, switch_id);
	sqlite3_bind_int64(statement, 2, limit);
	while ((r = step(store, statement)) > 0) {
		const struct loss loss = {
			.time_ns = column(statement, 1),
			.stream = column(statement, 2),
			.epoch = column(statement, 3),
			.cause = (const char *)sqlite3_column_text(statement, 4),
			.sequence = column(statement, 5),
			.count = column(statement, 6),
		};

		r = fn(user, column(statement, 0), &loss);
		if (r != 0)
			return r;
	}
	return r;
}
