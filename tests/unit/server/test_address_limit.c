// SPDX-License-Identifier: BSD-2-Clause
#include "server/address_limit.h"
#include "tests/unit/test.h"

static struct endpoint at(const char *text)
{
	struct endpoint endpoint;
	char *error = NULL;

	if (endpoint_parse(text, &endpoint, &error) < 0)
		fail_msg("%s: %s", text, error);
	return endpoint;
}

/* Adds as many as are permitted, up to all. */
static unsigned int fill(struct address_limit *limit, const char *text)
{
	const struct endpoint endpoint = at(text);
	unsigned int count = 0;

	while (count < ADDRESS_LIMIT_CONNECTIONS && address_limit_permits(limit, &endpoint)) {
		address_limit_add(limit, &endpoint);
		count++;
	}
	return count;
}

static void each_machine_may_have_a_quarter(void **state _unused_)
{
	struct address_limit limit = {0};

	assert_int_equal(fill(&limit, "192.0.2.1:1"), 32);
	assert_int_equal(fill(&limit, "192.0.2.1:2"), 0);
	assert_int_equal(fill(&limit, "[::ffff:192.0.2.1]:2"), 0);
	assert_int_equal(fill(&limit, "192.0.2.2:1"), 32);
	assert_int_equal(fill(&limit, "[2001:db8::1]:1"), 32);
	assert_int_equal(fill(&limit, "[2001:db8::2]:1"), 0);
	assert_int_equal(fill(&limit, "[2001:db8:0:1::1]:1"), 32);
}

static void this_machine_may_have_all_unless_it_is_said(void **state _unused_)
{
	struct address_limit limit = {0}, said = {.max = 3}, six = {0};

	assert_int_equal(fill(&limit, "127.0.0.1:1"), ADDRESS_LIMIT_CONNECTIONS);
	assert_int_equal(fill(&six, "[::1]:1"), ADDRESS_LIMIT_CONNECTIONS);
	assert_int_equal(fill(&said, "127.0.0.1:1"), 3);
	assert_int_equal(fill(&said, "[::1]:1"), 3);
	assert_int_equal(fill(&said, "192.0.2.1:1"), 3);
}

static void one_that_goes_makes_room(void **state _unused_)
{
	const struct endpoint first = at("192.0.2.1:1"), second = at("192.0.2.2:1");
	struct address_limit limit = {.max = 2};
	struct address_count *counts[] = {address_limit_add(&limit, &first),
		address_limit_add(&limit, &second), address_limit_add(&limit, &first)};

	assert_false(address_limit_permits(&limit, &first));
	address_limit_remove(counts[0]);
	assert_true(address_limit_permits(&limit, &first));
	address_limit_remove(counts[2]);
	assert_int_equal(fill(&limit, "192.0.2.1:1"), 2);
	assert_int_equal(fill(&limit, "192.0.2.2:1"), 1);
	address_limit_remove(counts[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_machine_may_have_a_quarter),
		cmocka_unit_test(this_machine_may_have_all_unless_it_is_said),
		cmocka_unit_test(one_that_goes_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
