// SPDX-License-Identifier: BSD-2-Clause
#include "store/action.h"

#include <errno.h>

struct action action_begin(struct store *store, const char *sql)
{
	struct action action = {0};

	action.rc = sqlite3_prepare_v2(store->db, sql, -1, &action.statement, NULL);
	return action;
}

void action_text(struct action *action, const char *text)
{
	if (action->rc == SQLITE_OK)
		action->rc = sqlite3_bind_text(
			action->statement, ++action->column, text, -1, SQLITE_STATIC);
}

void action_int(struct action *action, uint64_t value)
{
	if (action->rc == SQLITE_OK)
		action->rc = sqlite3_bind_int64(
			action->statement, ++action->column, (sqlite3_int64)value);
}

int action_run(struct store *store, struct action *action, int64_t *ret_value)
{
	int rc = action->rc == SQLITE_OK ? sqlite3_step(action->statement) : action->rc;

	if (rc == SQLITE_ROW && ret_value)
		*ret_value = sqlite3_column_int64(action->statement, 0);
	sqlite3_finalize(action->statement);
	action->statement = NULL;
	if (rc == SQLITE_ROW)
		return 0;
	if (rc == SQLITE_DONE)
		return ret_value ? -ENOENT : 0;
	return store_fail(store, rc);
}

int action_end(struct store *store, int r)
{
	if (r == 0)
		r = store_exec(store, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}
