/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

/* A directory of the test's own with a path for a database in it, and outcomes to commit. */

#include "store/store.h"
#include "tests/unit/test.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct place {
	char dir[64];
	char path[96];
};

static inline int place_new(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	strcpy(place->dir, "/tmp/netlambda-store.XXXXXX");
	if (!mkdtemp(place->dir))
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/store.db", place->dir);
	*state = place;
	return 0;
}

static inline int remove_entry(const char *path, const struct stat *st _unused_, int type _unused_,
	struct FTW *ftw _unused_)
{
	return remove(path);
}

static inline int place_free(void **state)
{
	struct place *place = *state;

	nftw(place->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(place);
	return 0;
}

/* Opens, or fails the test with the message for the operator. */
static inline struct store *open_store(const char *path, enum store_flags flags)
{
	_cleanup_free_ char *error = NULL;
	struct store *store = NULL;

	if (store_open(path, flags, &store, &error) < 0)
		fail_msg("%s", error);
	return store;
}

static inline void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static inline struct alert make_alert(const char *id)
{
	struct alert alert = {
		.time_ns = 1000,
		.raised_ns = 2000,
		.switch_id = 7,
		.event_id = 1,
		.severity = "high",
		.title = "TCP SYN scan",
		.category = "recon",
		.srcip = "10.0.0.1",
		.srcport = -1,
		.dstip = "10.0.0.2",
		.dstport = 80,
		.protocol = 6,
		.data = "{\"syn\":300}",
	};

	snprintf(alert.id, sizeof(alert.id), "%s", id);
	return alert;
}

static inline int count_alert_row(void *user, uint64_t row _unused_, const char *function _unused_,
	const struct alert *alert _unused_)
{
	++*(unsigned int *)user;
	return 0;
}

static inline unsigned int count_alerts(struct store *store, struct alert_filter filter)
{
	unsigned int count = 0;

	assert_int_equal(store_each_alert(store, &filter, count_alert_row, &count), 0);
	return count;
}

/* The value of one state entry, copied into `text`; "" if there is none. */
struct wanted_state {
	const char *key, *name;
	char *text;
	size_t size;
};

static inline int find_state_row(void *user, const struct state_row *row)
{
	struct wanted_state *wanted = user;

	if (strcmp(row->key, wanted->key) == 0 && strcmp(row->name, wanted->name) == 0)
		snprintf(wanted->text, wanted->size, "%.*s", (int)row->value_len, row->value);
	return 0;
}

static inline const char *get_state(struct store *store, const char *function, const char *key,
	const char *name, char text[static 64])
{
	struct wanted_state wanted = {key, name, text, 64};

	text[0] = '\0';
	assert_int_equal(store_each_state(store, function, find_state_row, &wanted), 0);
	return text;
}

#endif
