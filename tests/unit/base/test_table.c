// SPDX-License-Identifier: BSD-2-Clause
#include "base/table.h"
#include "tests/unit/test.h"

#include <string.h>

#define ENTRIES 1000

struct item {
	uint64_t value;
	struct table_entry entry;
	uint32_t key;
};

static const struct siphash_key secret = {1, 2};
static struct item items[ENTRIES];

static void make_table(struct table *table, size_t expected)
{
	assert_int_equal(table_init(table, expected,
				 (ptrdiff_t)offsetof(struct item, key) -
					 (ptrdiff_t)offsetof(struct item, entry),
				 sizeof(uint32_t), &secret),
		0);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		items[i] = (struct item){.key = i * 7, .value = i};
		table_insert(table, &items[i].entry);
	}
}

static struct item *find(const struct table *table, uint32_t key)
{
	struct table_entry *entry = table_find(table, &key);

	return entry ? container_of(entry, struct item, entry) : NULL;
}

static void entries_are_found_by_their_key(void **state _unused_)
{
	struct table table;

	make_table(&table, ENTRIES);
	assert_int_equal(table.count, ENTRIES);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		assert_ptr_equal(find(&table, i * 7), &items[i]);
		assert_null(find(&table, i * 7 + 1));
	}
	table_done(&table);
}

/* Fewer buckets than entries: chains are long, and nothing else changes. */
static void entries_that_share_a_bucket_are_kept_apart(void **state _unused_)
{
	struct table table;

	make_table(&table, 4);
	for (uint32_t i = 0; i < ENTRIES; i += 2)
		table_remove(&table, &items[i].entry);
	assert_int_equal(table.count, ENTRIES / 2);
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_ptr_equal(find(&table, i * 7), i % 2 ? &items[i] : NULL);
	table_done(&table);
}

static void removed_entry_can_be_inserted_again(void **state _unused_)
{
	struct table table;

	make_table(&table, ENTRIES);
	table_remove(&table, &items[3].entry);
	items[3].key = 5;
	table_insert(&table, &items[3].entry);
	assert_null(find(&table, 21));
	assert_ptr_equal(find(&table, 5), &items[3]);
	assert_int_equal(table.count, ENTRIES);
	table_done(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found_by_their_key),
		cmocka_unit_test(entries_that_share_a_bucket_are_kept_apart),
		cmocka_unit_test(removed_entry_can_be_inserted_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
