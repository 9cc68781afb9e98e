// SPDX-License-Identifier: BSD-2-Clause
#include "agent/id_index.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

struct made {
	struct id_index index;
	void *memory;
};

static void make(struct made *made, uint32_t max)
{
	const size_t bytes = id_index_bytes(max);

	made->memory = aligned_alloc(64, bytes);
	assert_non_null(made->memory);
	memset(made->memory, 0, bytes);
	id_index_init(&made->index, max, made->memory);
}

/* Well mixed, and another for each number: splitmix64. */
static uint64_t hash_of(uint64_t number)
{
	uint64_t z = (number + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static unsigned int times_found(const struct id_index *index, uint64_t hash, uint32_t wanted)
{
	struct id_index_walk walk = id_index_walk(index, hash);
	unsigned int times = 0;
	uint32_t id;

	while (id_index_next(&walk, &id))
		times += id == wanted;
	return times;
}

static void every_id_is_found_once_by_its_hash_until_it_is_removed(void **state _unused_)
{
	static const uint32_t sizes[] = {1, 2, 15, 16, 1000, 65536, 100000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const uint32_t max = sizes[i];
		struct made made;

		make(&made, max);
		for (uint32_t id = 0; id < max; id++)
			assert_true(id_index_insert(&made.index, hash_of(id), id));
		for (uint32_t id = 0; id < max; id++)
			assert_int_equal(times_found(&made.index, hash_of(id), id), 1);
		for (uint32_t id = 0; id < max; id += 2)
			id_index_remove(&made.index, hash_of(id), id);
		for (uint32_t id = 0; id < max; id++)
			assert_int_equal(times_found(&made.index, hash_of(id), id), id % 2);
		free(made.memory);
	}
}

/* All of one hash: two buckets of 15, and no more. */
static void full_buckets_name_who_is_in_the_way(void **state _unused_)
{
	const uint64_t hash = hash_of(7);
	struct made made;
	uint32_t neighbour;

	make(&made, 1000);
	for (uint32_t id = 0; id < 2 * ID_INDEX_WAYS; id++)
		assert_true(id_index_insert(&made.index, hash, id));
	assert_false(id_index_insert(&made.index, hash, 500));
	neighbour = id_index_neighbour(&made.index, hash);
	assert_in_range(neighbour, 0, 2 * ID_INDEX_WAYS - 1);
	id_index_remove(&made.index, hash, neighbour);
	assert_true(id_index_insert(&made.index, hash, 500));
	for (uint32_t id = 0; id < 2 * ID_INDEX_WAYS; id++)
		assert_int_equal(times_found(&made.index, hash, id), id != neighbour);
	assert_int_equal(times_found(&made.index, hash, 500), 1);
	free(made.memory);
}

static void other_hashes_are_seldom_taken_for_it(void **state _unused_)
{
	const uint32_t max = 100000;
	struct made made;
	unsigned int found = 0;
	uint32_t id;

	make(&made, max);
	for (id = 0; id < max; id++)
		assert_true(id_index_insert(&made.index, hash_of(id), id));
	for (uint64_t other = max; other < 2ULL * max; other++) {
		struct id_index_walk walk = id_index_walk(&made.index, hash_of(other));

		found += id_index_next(&walk, &id);
	}
	/* 6 to 7 ids a bucket, of which one in 2^14 has the tag. */
	assert_in_range(found, 0, 200);
	free(made.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_is_found_once_by_its_hash_until_it_is_removed),
		cmocka_unit_test(full_buckets_name_who_is_in_the_way),
		cmocka_unit_test(other_hashes_are_seldom_taken_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
