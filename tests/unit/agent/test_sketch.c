// SPDX-License-Identifier: BSD-2-Clause
/* The sketch's arithmetic; what the kernel does with it is in tests/bpf/test_fanout.c. */
#include "agent/fanout.h"
#include "agent/sketch.h"
#include "tests/unit/test.h"

#include "fanout_maps.h"

#include <math.h>

static void threshold_and_estimate_are_inverse(void **state _unused_)
{
	for (uint32_t values = 1; values <= FANOUT_DISTINCT_MAX; values++) {
		const double found = sketch_estimate(sketch_ones_for(values));
		/* Half a bit, where one bit more or less stands for e^(n/m) values. */
		const double most = 0.5 + 0.55 * exp((double)values / SKETCH_BITS);

		if (fabs(found - values) > most)
			fail_msg("%u values: found %.0f", values, found);
	}
}

static void no_values_set_no_bits(void **state _unused_)
{
	assert_int_equal(sketch_ones_for(0), 0);
	assert_int_equal(sketch_estimate(0), 0);
	assert_int_equal(sketch_ones_for(1), 1);
	assert_int_equal(sketch_estimate(1), 1);
}

static void full_sketch_has_a_finite_estimate(void **state _unused_)
{
	assert_int_equal(sketch_estimate(SKETCH_BITS - 1), 7098);
	assert_int_equal(sketch_estimate(SKETCH_BITS), 7808);
	assert_int_equal(sketch_ones_for(UINT32_MAX), SKETCH_BITS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threshold_and_estimate_are_inverse),
		cmocka_unit_test(no_values_set_no_bits),
		cmocka_unit_test(full_sketch_has_a_finite_estimate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
