// SPDX-License-Identifier: BSD-2-Clause
/* What the store says that functions keep is what a scan of the database finds, whatever was done to it. */
#include "store/expire.h"
#include "store/registry.h"
#include "tests/unit/seed.h"
#include "tests/unit/store/fixture.h"

#include <errno.h>

#define ROUNDS     400
#define WRITES_MAX 40

static const char *const functions[] = {"sum", "other-sum", "third"};

struct writes {
	struct state_row rows[WRITES_MAX];
	size_t count;
	char keys[WRITES_MAX][32], names[WRITES_MAX][32], values[WRITES_MAX][256];
};

/* Few keys, so that most are written again; more than one byte a character, and values with an end. */
static void make_writes(struct writes *writes, unsigned int *seed)
{
	writes->count = (size_t)(rand_r(seed) % WRITES_MAX);
	for (size_t i = 0; i < writes->count; i++) {
		unsigned int key = (unsigned int)rand_r(seed) % 30;
		char *value = writes->values[i];

		snprintf(writes->keys[i], sizeof(writes->keys[i]), "10.0.0.%u|\xc3\xa4", key);
		snprintf(writes->names[i], sizeof(writes->names[i]), "n\xe2\x82\xac%d",
			rand_r(seed) % 5);
		if (rand_r(seed) % 3 == 0)
			snprintf(value, sizeof(writes->values[i]),
				"{\"$ttl\":10,\"at\":%d,\"value\":\"\xc3\xbc\"}",
				rand_r(seed) % 100);
		else
			snprintf(value, sizeof(writes->values[i]), "\"%0*d\xe2\x82\xac\"",
				1 + rand_r(seed) % 150, 7);
		writes->rows[i] = (struct state_row){
			.hash = (uint64_t)key << 57,
			.key = writes->keys[i],
			.name = writes->names[i],
			.value = rand_r(seed) % 4 == 0 ? NULL : value,
			.value_len = strlen(value),
		};
	}
}

static int add_row(void *user, const struct state_row *row)
{
	struct state_sum *sum = user;

	sum->entries++;
	sum->bytes += strlen(row->key) + strlen(row->name) + row->value_len;
	return 0;
}

static void assert_sums(struct store *store)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		struct state_sum expected = {0}, sum;

		assert_int_equal(store_each_state(store, functions[i], add_row, &expected), 0);
		assert_int_equal(store_sum_state(store, functions[i], &sum), 0);
		assert_int_equal(sum.entries, expected.entries);
		assert_int_equal(sum.bytes, expected.bytes);
	}
}

/* Of one or two functions together; a refused one leaves nothing. */
static void commit_some(struct store *store, unsigned int *seed)
{
	struct writes writes[2];
	struct state_sum sums[2] = {{1, 1}, {1, 1}}, now;
	struct outcome outcomes[2];
	const struct stream_mark refused = {.stream = 1, .epoch = 1};
	bool is_refused = rand_r(seed) % 5 == 0;

	for (size_t i = 0; i < 2; i++) {
		make_writes(&writes[i], seed);
		outcomes[i] = (struct outcome){
			.function = functions[(unsigned int)rand_r(seed) % ARRAY_SIZE(functions)],
			.writes = writes[i].rows,
			.write_count = writes[i].count,
			.sum = &sums[i],
		};
	}
	if (is_refused) {
		outcomes[1].stream_marks = &refused;
		outcomes[1].stream_mark_count = 1;
	}
	assert_int_equal(store_commit(store, outcomes, 2), is_refused ? -EIO : 0);
	if (is_refused)
		return;
	assert_int_equal(store_sum_state(store, outcomes[1].function, &now), 0);
	assert_int_equal(sums[1].bytes, now.bytes);
	assert_int_equal(sums[1].entries, now.entries);
}

static void expire_some(struct store *store, unsigned int *seed)
{
	struct expire_round round = {0};
	uint64_t count, time_ms = (uint64_t)(rand_r(seed) % 120);

	do {
		assert_int_equal(store_expire(store, &round, time_ms,
					 1 + (unsigned int)rand_r(seed) % 100, &count),
			0);
	} while (round.function[0]);
}

/* A piece, or more. */
static void purge_some(struct store *store, const char *function, unsigned int *seed)
{
	const unsigned int limit = 1 + (unsigned int)rand_r(seed) % 100;
	unsigned int pieces = 1 + (unsigned int)rand_r(seed) % 10;
	int r;

	do {
		r = registry_purge(store, function, limit);
		assert_in_range(r, 0, 1);
	} while (r == 1 && --pieces > 0);
}

static void sums_are_what_a_scan_finds(void **state)
{
	struct place *place = *state;
	unsigned int seed = seed_take();
	struct store *store = open_store(place->path, STORE_RELAXED);

	assert_sums(store);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int what = (unsigned int)rand_r(&seed) % 40;

		if (what == 0) {
			store_close(store);
			store = open_store(place->path, STORE_RELAXED);
		} else if (what == 1) {
			assert_int_equal(registry_remove(store, functions[i % 3], true), 0);
			purge_some(store, functions[i % 3], &seed);
		} else if (what < 5) {
			expire_some(store, &seed);
		} else {
			commit_some(store, &seed);
		}
		assert_sums(store);
	}
	store_close(store);
}

static void what_an_older_database_keeps_is_counted_once(void **state)
{
	struct place *place = *state;
	const struct state_row rows[] = {
		{1, "k\xc3\xa4", "n", "12", 2}, {2, "other", "name", "\"\xe2\x82\xac\"", 5}};
	struct outcome outcome = {.function = "sum", .writes = rows, .write_count = 2};
	struct store *store = open_store(place->path, 0);

	assert_int_equal(store_commit(store, &outcome, 1), 0);
	store_close(store);
	run_sql(place->path, "DROP TABLE state_sums; DROP TABLE purges; PRAGMA user_version = 3");
	store = open_store(place->path, 0);
	assert_sums(store);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sums_are_what_a_scan_finds, place_new, place_free),
		cmocka_unit_test_setup_teardown(
			what_an_older_database_keeps_is_counted_once, place_new, place_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
