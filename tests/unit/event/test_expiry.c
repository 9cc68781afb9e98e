// SPDX-License-Identifier: BSD-2-Clause
#include "event/expiry.h"
#include "tests/unit/test.h"

static const struct {
	const char *value;
	uint64_t ms;
} values[] = {
	{"7", EXPIRY_NEVER},
	{"\"text\"", EXPIRY_NEVER},
	{"{\"at\":5}", EXPIRY_NEVER},
	{"{\"ttl\":10,\"at\":5}", EXPIRY_NEVER},
	{"{\"$other\":10,\"at\":5}", EXPIRY_NEVER},
	{"{\"$ttl\":1000,\"at\":1763884800000,\"value\":{\"at\":9}}", 1763884801000},
	{"{\"$ttl\":0.5,\"at\":10,\"value\":1}", 11},
	/* Of 10 s: buckets of 1 s. */
	{"{\"$window\":10000,\"at\":1763884800,\"sums\":[1]}", 1763884821000},
	{"{\"$window\":10000,\"at\":null,\"sums\":[]}", 21000},
	{"{\"$distinct\":10000,\"cap\":256,\"at\":1763884800,\"seen\":[[0,\"x\"]]}", 1763884821000},
	{"{\"$top\":10000,\"k\":3,\"at\":1763884800,\"parts\":[]}", 1763884821000},
	{"{\"$top\":0,\"k\":3,\"at\":1763884800,\"parts\":[]}", EXPIRY_NEVER},
	{"{\"$growth\":7,\"of\":\"x\\\",\\\"at\\\":1\",\"at\":1763884800000}", 1763888400001},
	{"{\"$once\":60000,\"at\":1763884800000}", 1763884920001},
	{"{\"$once\":60000,\"at\":null}", 120001},
	{"{\"$ttl\":1e300,\"at\":1e300}", EXPIRY_NEVER},
	{"{\"$ttl\":nan,\"at\":5}", EXPIRY_NEVER},
	{"{\"$ttl\":-9,\"at\":5}", 0},
	{"{\"$ttl\":5}", EXPIRY_NEVER},
	{"{\"$ttl\":", EXPIRY_NEVER},
	{"", EXPIRY_NEVER},
};

static void each_kind_says_when_it_goes(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (expiry_ms(values[i].value) != values[i].ms)
			fail_msg("%s: %llu", values[i].value,
				(unsigned long long)expiry_ms(values[i].value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_says_when_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
