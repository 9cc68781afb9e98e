// SPDX-License-Identifier: BSD-2-Clause
/* The ring of bits against an array of them. */
#include "tests/unit/test.h"
#include "wire/v2_bits.h"

#define RING  256
#define STEPS 20000

static uint64_t random_state = 3;

static uint64_t below(uint64_t bound)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % bound;
}

static void ring_does_what_an_array_does(void **state _unused_)
{
	static bool model[RING];
	struct v2_bits bits;

	assert_int_equal(v2_bits_init(&bits, RING - 3), 0);
	assert_int_equal(bits.mask, RING / 64 - 1);
	for (int step = 0; step < STEPS; step++) {
		uint64_t base = below(10 * RING), from = base + below(RING);
		uint64_t end = from + below(base + RING - from + 1), ones = 0,
			 found[2] = {end, end};
		bool value = below(2);

		for (uint64_t i = end; i > from; i--) {
			ones += model[(i - 1) % RING];
			found[model[(i - 1) % RING]] = i - 1;
		}
		assert_int_equal(v2_bits_count(&bits, from, end), ones);
		assert_int_equal(v2_bits_find(&bits, from, end, true), found[1]);
		assert_int_equal(v2_bits_find(&bits, from, end, false), found[0]);
		if (from < end)
			assert_int_equal(v2_bits_test(&bits, from), model[from % RING]);
		if (below(2) == 0)
			end = from + below(MIN(end - from, 5) + 1);
		if (value)
			v2_bits_set(&bits, from, end);
		else
			v2_bits_clear(&bits, from, end);
		for (uint64_t i = from; i < end; i++)
			model[i % RING] = value;
	}
	v2_bits_clear_all(&bits);
	assert_int_equal(v2_bits_count(&bits, 0, RING), 0);
	v2_bits_done(&bits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_does_what_an_array_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
