// SPDX-License-Identifier: BSD-2-Clause
#include "base/siphash.h"
#include "tests/unit/test.h"

/* Key 00 01 .. 0f, inputs 00 01 .. (n - 1): the vectors of the paper's appendix A and reference
 * code. */
static const struct siphash_key key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

static void matches_the_reference_vectors(void **state _unused_)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
		{0, 0x726fdb47dd0e0e31ULL},
		{1, 0x74f839c593dc67fdULL},
		{7, 0xab0200f58b01d137ULL},
		{8, 0x93f5f5799a932462ULL},
		{15, 0xa129ca6149be45e5ULL},
	};
	uint8_t input[16];

	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		assert_int_equal(siphash(&key, input, vectors[i].len), vectors[i].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_the_reference_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
