// SPDX-License-Identifier: BSD-2-Clause
/* What is told of a lane is told by class, exactly in the end. */
#include "agent/class_tally.h"
#include "tests/unit/test.h"

static void classes_of_a_lane_are_settled_apart(void **state _unused_)
{
	static struct class_tally tally;
	uint64_t counts[SPOOL_CLASSES] = {0};

	class_tally_add(&tally, SPOOL_SOURCE, 3, 3);
	class_tally_add(&tally, SPOOL_TARGET, 2, 5);
	assert_int_equal(class_tally_outstanding(&tally, SPOOL_SOURCE), 3);
	class_tally_settle(&tally, 2, counts); /* a part of a batch: later */
	assert_int_equal(counts[SPOOL_SOURCE], 0);
	class_tally_settle(&tally, 4, counts);
	assert_int_equal(counts[SPOOL_SOURCE], 3);
	assert_int_equal(counts[SPOOL_TARGET], 0);
	assert_int_equal(class_tally_outstanding(&tally, SPOOL_TARGET), 2);
	class_tally_clear(&tally, counts);
	assert_int_equal(counts[SPOOL_TARGET], 2);
	assert_int_equal(class_tally_outstanding(&tally, SPOOL_TARGET), 0);
}

static void more_batches_than_are_remembered_are_exact_in_the_end(void **state _unused_)
{
	static struct class_tally tally;
	uint64_t counts[SPOOL_CLASSES] = {0}, end = 0;

	for (unsigned int i = 0; i < 3 * CLASS_TALLY_BATCHES; i++) {
		const enum spool_class class = i % 2 ? SPOOL_SOURCE : SPOOL_TARGET;

		class_tally_add(&tally, class, i, end += i);
	}
	class_tally_settle(&tally, end - 1, counts);
	assert_true(counts[SPOOL_SOURCE] + counts[SPOOL_TARGET] < end);
	class_tally_settle(&tally, end, counts);
	assert_int_equal(counts[SPOOL_SOURCE] + counts[SPOOL_TARGET], end);
	assert_int_equal(class_tally_outstanding(&tally, SPOOL_SOURCE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_of_a_lane_are_settled_apart),
		cmocka_unit_test(more_batches_than_are_remembered_are_exact_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
