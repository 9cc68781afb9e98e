// SPDX-License-Identifier: BSD-2-Clause
#include "base/snapshot.h"

#include "tests/unit/test.h"

#include <pthread.h>
#include <stdbool.h>

#define ROUNDS 100000

struct view {
	uint64_t numbers[9];
	char last[3]; /* so that the size is no multiple of a word's */
};

static struct snapshot snapshot;
static _Atomic uint64_t words[SNAPSHOT_WORDS(struct view)];

static void *keep_up_to_date(void *arg _unused_)
{
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		struct view view;

		for (size_t i = 0; i < ARRAY_SIZE(view.numbers); i++)
			view.numbers[i] = round + i;
		memset(view.last, (int)(round % 100), sizeof(view.last));
		snapshot_put(&snapshot, words, &view, sizeof(view));
	}
	return NULL;
}

static void what_is_read_is_whole_and_never_goes_back(void **state _unused_)
{
	uint64_t newest = 0;
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, keep_up_to_date, NULL), 0);
	while (newest < ROUNDS) {
		struct view view;

		snapshot_get(&snapshot, words, &view, sizeof(view));
		assert_true(view.numbers[0] >= newest);
		newest = view.numbers[0];
		for (size_t i = 0; i < ARRAY_SIZE(view.numbers) && newest > 0; i++)
			assert_int_equal(view.numbers[i], newest + i);
		for (size_t i = 0; i < sizeof(view.last) && newest > 0; i++)
			assert_int_equal(view.last[i], newest % 100);
	}
	pthread_join(writer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_is_whole_and_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
