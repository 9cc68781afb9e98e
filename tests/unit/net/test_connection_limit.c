// SPDX-License-Identifier: BSD-2-Clause
#include "net/connection_limit.h"

#include "base/clock.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <stdio.h>

static const struct connection_rates rates = {
	.machine = {NS_PER_SEC / 2, 8},
	.network = {NS_PER_SEC / 50, 128},
	.all = {NS_PER_SEC / 200, 256},
};

static struct endpoint at(const char *text)
{
	struct endpoint endpoint = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint.address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&endpoint.address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(1234);
		endpoint.len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		endpoint.len = sizeof(*v6);
	} else {
		fail_msg("no address: %s", text);
	}
	return endpoint;
}

/* The number-th IPv4 address, from 10.0.0.0 on. */
static struct endpoint nth(uint32_t number)
{
	struct endpoint endpoint = at("10.0.0.0");
	struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint.address;

	v4->sin_addr.s_addr = htonl(0x0a000000 + number);
	return endpoint;
}

static int limit_new(void **state)
{
	return connection_limit_new(&rates, 100, (struct connection_limit **)state);
}

static int limit_free(void **state)
{
	connection_limit_free(*state);
	return 0;
}

/* How many of these that come at once are taken; why the last was not. */
static unsigned int taken_at(struct connection_limit *limit, const struct endpoint *address,
	uint64_t now_ns, int tries, enum connection_excess *ret_last)
{
	unsigned int taken = 0;
	bool known;

	for (int i = 0; i < tries; i++) {
		*ret_last = connection_limit_take(limit, address, now_ns, &known);
		taken += *ret_last == EXCESS_NONE;
	}
	return taken;
}

static void sources(void **state _unused_)
{
	static const struct {
		const char *a, *b;
		bool machine, network;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1", true, true},
		{"192.0.2.1", "192.0.2.2", false, true},
		{"192.0.2.1", "192.0.3.1", false, false},
		{"::ffff:192.0.2.1", "192.0.2.1", true, true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false, true},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true, true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false, true},
		{"2001:db8:1:2::1", "2001:db8:2:2::1", false, false},
		{"::1", "0.0.0.0", false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct endpoint a = at(cases[i].a), b = at(cases[i].b);
		const struct source ma = source_machine(&a), mb = source_machine(&b);
		const struct source na = source_network(&a), nb = source_network(&b);

		if (source_equal(&ma, &mb) != cases[i].machine ||
			source_equal(&na, &nb) != cases[i].network)
			fail_msg("%s and %s: machine %d, network %d", cases[i].a, cases[i].b,
				source_equal(&ma, &mb), source_equal(&na, &nb));
	}
}

/* Nobody waits any more for what the old rates said. */
static void other_rates_hold_from_when_they_are_set(void **state)
{
	const struct connection_rates few = {
		.machine = {24 * 3600 * NS_PER_SEC, 2}, .network = rates.network, .all = rates.all};
	const struct endpoint one = at("192.0.2.1"), home = at("192.0.2.2");
	enum connection_excess last;

	connection_limit_learn(*state, 1, &home);
	assert_int_equal(taken_at(*state, &one, NS_PER_SEC, 100, &last), 8);
	connection_limit_set(*state, &rates);
	assert_int_equal(taken_at(*state, &one, NS_PER_SEC, 100, &last), 0);
	connection_limit_set(*state, &few);
	assert_int_equal(taken_at(*state, &one, NS_PER_SEC, 100, &last), 2);
	assert_int_equal(last, EXCESS_MACHINE_RATE);
	assert_int_equal(taken_at(*state, &home, NS_PER_SEC, 100, &last), 2);
	assert_int_equal(last, EXCESS_KNOWN_RATE);
	connection_limit_set(*state, &rates);
	assert_int_equal(taken_at(*state, &one, 2 * NS_PER_SEC, 100, &last), 8);
	assert_int_equal(taken_at(*state, &home, 2 * NS_PER_SEC, 100, &last), 8);
}

static void machine_has_its_burst_and_its_rate(void **state)
{
	const struct endpoint one = at("192.0.2.1"), other = at("198.51.100.1");
	enum connection_excess last;

	assert_int_equal(taken_at(*state, &one, NS_PER_SEC, 100, &last), 8);
	assert_int_equal(last, EXCESS_MACHINE_RATE);
	assert_int_equal(taken_at(*state, &other, NS_PER_SEC, 8, &last), 8);
	assert_int_equal(taken_at(*state, &one, 11 * NS_PER_SEC, 100, &last), 8);
	assert_int_equal(taken_at(*state, &one, 12 * NS_PER_SEC, 100, &last), 2);
}

/* `count` machines, the first of their networks or all of one, each once. How many are taken. */
static unsigned int crowd_of(struct connection_limit *limit, uint32_t from, uint32_t count,
	uint32_t step, uint64_t now_ns)
{
	unsigned int taken = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct endpoint address = nth(from + i * step);
		enum connection_excess excess;

		taken += taken_at(limit, &address, now_ns, 1, &excess);
	}
	return taken;
}

static void network_takes_nothing_from_others(void **state)
{
	const struct endpoint inside = nth(255), outside = at("192.0.2.1");
	enum connection_excess last;

	assert_int_equal(crowd_of(*state, 0, 250, 1, NS_PER_SEC), 128);
	assert_int_equal(taken_at(*state, &inside, NS_PER_SEC, 1, &last), 0);
	assert_int_equal(last, EXCESS_NETWORK_RATE);
	assert_int_equal(taken_at(*state, &outside, NS_PER_SEC, 8, &last), 8);
}

static void strangers_of_everywhere_are_limited_as_well(void **state)
{
	const struct endpoint stranger = at("192.0.2.1");
	enum connection_excess last;

	assert_int_equal(crowd_of(*state, 0, 10000, 256, NS_PER_SEC), 256);
	assert_int_equal(taken_at(*state, &stranger, NS_PER_SEC, 1, &last), 0);
	assert_int_equal(last, EXCESS_RATE);
	assert_int_equal(crowd_of(*state, 0, 10000, 256, 2 * NS_PER_SEC), 200);
}

/* More sources than there are buckets: no more is given away than to all. */
static void sources_without_number_get_no_more_than_all(void **state)
{
	unsigned int taken = 0;

	for (uint64_t round = 1; round <= 10; round++)
		taken += crowd_of(*state, 0, 100000, 101, round * NS_PER_SEC);
	assert_int_equal(taken, 256 + 9 * 200);
}

static void known_address_has_all_its_own_in_any_flood(void **state)
{
	const struct endpoint home = at("192.0.2.1");
	enum connection_excess last;
	unsigned int taken = 0;
	bool known;

	connection_limit_learn(*state, 7, &home);
	for (uint64_t ms = 0; ms < 10000; ms += 100) {
		crowd_of(*state, 0, 1000, 256, NS_PER_SEC + ms * NS_PER_MS);
		taken += taken_at(*state, &home, NS_PER_SEC + ms * NS_PER_MS, 1, &last);
	}
	assert_int_equal(taken, 8 + 19);
	assert_int_equal(
		connection_limit_take(*state, &home, 12 * NS_PER_SEC, &known), EXCESS_NONE);
	assert_true(known);
	taken_at(*state, &home, 12 * NS_PER_SEC, 100, &last);
	assert_int_equal(last, EXCESS_KNOWN_RATE);
}

/* In a network of IPv6 where each may take any address of the /64. */
static void strangers_beside_a_known_address_take_nothing_of_it(void **state)
{
	const struct endpoint home = at("fd00::1"), neighbour = at("fd00::2");
	enum connection_excess last;
	bool known;

	connection_limit_learn(*state, 7, &home);
	assert_int_equal(taken_at(*state, &neighbour, NS_PER_SEC, 100, &last), 8);
	assert_int_equal(last, EXCESS_MACHINE_RATE);
	(void)!connection_limit_take(*state, &neighbour, NS_PER_SEC, &known);
	assert_false(known);
	assert_int_equal(taken_at(*state, &home, NS_PER_SEC, 100, &last), 8);
	assert_int_equal(last, EXCESS_KNOWN_RATE);
}

static void address_of_many_switches_has_as_much_for_each(void **state)
{
	const struct endpoint nat = at("192.0.2.1");
	enum connection_excess last;

	for (uint32_t id = 1; id <= 50; id++) {
		connection_limit_learn(*state, id, &nat);
		connection_limit_learn(*state, id, &nat);
	}
	assert_int_equal(taken_at(*state, &nat, NS_PER_SEC, 1000, &last), 400);
	assert_int_equal(taken_at(*state, &nat, 2 * NS_PER_SEC, 1000, &last), 100);
}

/* A switch that moves about makes no second machine known. */
static void switch_is_known_where_it_was_last(void **state)
{
	const struct endpoint one = at("192.0.2.1"), two = at("198.51.100.1");
	bool known;

	connection_limit_learn(*state, 7, &one);
	connection_limit_learn(*state, 8, &one);
	connection_limit_learn(*state, 7, &two);
	(void)!connection_limit_take(*state, &two, NS_PER_SEC, &known);
	assert_true(known);
	connection_limit_learn(*state, 8, &two);
	(void)!connection_limit_take(*state, &one, NS_PER_SEC, &known);
	assert_false(known);
}

static void no_more_switches_are_remembered_than_may_be(void **state)
{
	const struct endpoint home = at("192.0.2.1");
	bool known;

	for (uint32_t id = 1; id <= 100; id++) {
		const struct endpoint address = nth(id);

		connection_limit_learn(*state, id, &address);
	}
	connection_limit_learn(*state, 101, &home);
	(void)!connection_limit_take(*state, &home, NS_PER_SEC, &known);
	assert_false(known);
	/* One of those that are goes where it likes. */
	connection_limit_learn(*state, 1, &home);
	(void)!connection_limit_take(*state, &home, NS_PER_SEC, &known);
	assert_true(known);
}

int main(void)
{
#define WITH_LIMIT(test) cmocka_unit_test_setup_teardown(test, limit_new, limit_free)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources),
		WITH_LIMIT(other_rates_hold_from_when_they_are_set),
		WITH_LIMIT(machine_has_its_burst_and_its_rate),
		WITH_LIMIT(network_takes_nothing_from_others),
		WITH_LIMIT(strangers_of_everywhere_are_limited_as_well),
		WITH_LIMIT(sources_without_number_get_no_more_than_all),
		WITH_LIMIT(known_address_has_all_its_own_in_any_flood),
		WITH_LIMIT(strangers_beside_a_known_address_take_nothing_of_it),
		WITH_LIMIT(address_of_many_switches_has_as_much_for_each),
		WITH_LIMIT(switch_is_known_where_it_was_last),
		WITH_LIMIT(no_more_switches_are_remembered_than_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
