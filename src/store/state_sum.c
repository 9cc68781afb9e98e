// SPDX-License-Identifier: BSD-2-Clause
#include "store/state_sum.h"

#include "store/action.h"

#include <string.h>

static void sql_replacing(sqlite3_context *context, int count _unused_, sqlite3_value **values)
{
	struct store *store = sqlite3_user_data(context);

	store->replaced = sqlite3_value_bytes(values[0]);
	sqlite3_result_value(context, values[1]);
}

int state_sum_prepare(struct store *store)
{
	int rc = sqlite3_create_function_v2(store->db, "replacing", 2,
		SQLITE_UTF8 | SQLITE_DIRECTONLY, store, sql_replacing, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

void state_change_note(struct state_change *change, const struct state_row *write, int64_t replaced)
{
	int64_t whole = (int64_t)(strlen(write->key) + strlen(write->name));

	if (replaced >= 0) {
		change->entries--;
		change->bytes -= whole + replaced;
	}
	if (write->value) {
		change->entries++;
		change->bytes += whole + (int64_t)write->value_len;
	}
}

struct state_sum state_sum_row(sqlite3_stmt *row)
{
	if (!row)
		return (struct state_sum){0};
	return (struct state_sum){
		.entries = (uint64_t)sqlite3_column_int64(row, 0),
		.bytes = (uint64_t)sqlite3_column_int64(row, 1),
	};
}

int state_sum_subtract(struct store *store, const char *function, const struct state_sum *removed)
{
	struct action action = action_begin(store, "UPDATE state_sums SET entries = entries - ?2, "
						   "bytes = bytes - ?3 WHERE function = ?1");

	action_text(&action, function);
	action_int(&action, removed->entries);
	action_int(&action, removed->bytes);
	return action_run(store, &action, NULL);
}

int store_sum_state(struct store *store, const char *function, struct state_sum *ret_sum)
{
	struct action action =
		action_begin(store, "SELECT entries, bytes FROM state_sums WHERE function = ?1");
	int rc;

	action_text(&action, function);
	rc = action.rc == SQLITE_OK ? sqlite3_step(action.statement) : action.rc;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		*ret_sum = state_sum_row(rc == SQLITE_ROW ? action.statement : NULL);
	sqlite3_finalize(action.statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(store, rc);
}
