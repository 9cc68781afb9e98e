// SPDX-License-Identifier: BSD-2-Clause
#include "engine/residents.h"
#include "tests/unit/seed.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 5000

static const struct siphash_key secret = {0x0123456789abcdef, 0xfedcba9876543210};

static void the_least_recently_used_go_first(void **state _unused_)
{
	struct residents residents = {0};
	uint64_t *hashes;

	for (uint64_t batch = 1; batch <= 100; batch++)
		assert_int_equal(residents_touch(&residents, &secret, batch * 7, batch), 0);
	for (uint64_t batch = 1; batch <= 10; batch++)
		assert_int_equal(residents_touch(&residents, &secret, batch * 7, 200), 1);
	assert_int_equal(residents_evict(&residents, &secret, 95, 300, &hashes), 5);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(hashes[i], (11 + i) * 7);
	free(hashes);
	assert_int_equal(residents.count, 95);
	residents_done(&residents);
}

static void what_is_not_durable_stays(void **state _unused_)
{
	struct residents residents = {0};
	uint64_t *hashes = NULL;

	assert_int_equal(residents_touch(&residents, &secret, 1, 0), 0); /* loaded */
	for (uint64_t batch = 5; batch < 15; batch++)
		assert_int_equal(residents_touch(&residents, &secret, batch, batch), 0);
	assert_int_equal(residents_evict(&residents, &secret, 0, 7, &hashes), 4);
	assert_int_equal(hashes[0], 1);
	assert_int_equal(hashes[3], 7);
	free(hashes);
	assert_int_equal(residents_evict(&residents, &secret, 0, 7, &hashes), 0);
	assert_int_equal(residents.count, 7);
	residents_done(&residents);
}

/* Against a plain array of when each was used. */
static void nothing_is_lost_or_found_that_is_not_there(void **state _unused_)
{
	unsigned int seed = seed_take();
	static uint64_t used[KEYS];
	struct residents residents = {0};
	size_t count = 0;

	for (uint64_t batch = 1; batch < 100000; batch++) {
		uint64_t hash = (uint64_t)rand_r(&seed) % KEYS, *hashes = NULL;
		int there = residents_touch(&residents, &secret, hash << 40, batch);

		assert_int_equal(there, used[hash] != 0);
		count += !there;
		used[hash] = batch;
		if (count > KEYS / 2)
			count -=
				residents_evict(&residents, &secret, KEYS / 3, batch - 50, &hashes);
		for (size_t i = 0; hashes && i < KEYS / 2 + 1 - KEYS / 3; i++) {
			assert_true(used[hashes[i] >> 40] != 0);
			assert_true(used[hashes[i] >> 40] <= batch - 50);
			used[hashes[i] >> 40] = 0;
		}
		free(hashes);
		assert_int_equal(residents.count, count);
	}
	residents_done(&residents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_recently_used_go_first),
		cmocka_unit_test(what_is_not_durable_stays),
		cmocka_unit_test(nothing_is_lost_or_found_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
