// SPDX-License-Identifier: BSD-2-Clause
#include "event/key.h"

#include "event/render.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

static int setup(void **state _unused_)
{
	return schema_init();
}

static struct port_event port_event(const char *srcip, uint16_t dstport)
{
	struct port_event event = {.dstport = dstport, .protocol = 6};

	assert_int_equal(ip_parse(srcip, &event.srcip), 0);
	assert_int_equal(ip_parse("2001:db8::9", &event.dstip), 0);
	return event;
}

static uint64_t hash_of(const char *const *names, const struct port_event *event)
{
	struct key_plan plan;

	key_plan_init(&plan, schema_builtin(EVENT_PORT), names);
	return key_hash(&plan, event);
}

static const char *const by_source[] = {"srcip", NULL};
static const char *const by_service[] = {"dstip", "dstport", "protocol", NULL};

/* State lies in the database under these: another hash would lose it. */
static void hash_is_the_same_for_ever(void **state _unused_)
{
	struct port_event event = port_event("10.0.0.3", 443);

	assert_true(hash_of(by_source, &event) == 0x7421a048fdd38c3e);
	assert_true(hash_of(by_service, &event) == 0x21fa09eac0847f51);
}

static void hash_of_the_text_is_that_of_the_record(void **state _unused_)
{
	static const char *const with_time[] = {"last", "srcip", NULL};
	static const char *const missing[] = {"ifindex", "dstport", NULL};
	struct port_event event = port_event("10.0.0.3", 443);

	event.last = 1790000000123456789ULL;
	assert_true(hash_of(by_source, &event) == key_hash_text("10.0.0.3"));
	assert_true(hash_of(by_service, &event) == key_hash_text("2001:db8::9|443|6"));
	assert_true(hash_of(missing, &event) == key_hash_text("|443"));
	assert_true(hash_of(with_time, &event) ==
		    key_hash_text("2026-09-21T14:13:20.123456789Z|10.0.0.3"));
	event.last = 0;
	assert_true(hash_of(with_time, &event) == key_hash_text("|10.0.0.3"));
}

static void hash_does_not_depend_on_a_fields_size(void **state _unused_)
{
	const struct key_plan narrow = {.count = 1, .fields = {{FIELD_INT, 0, 1}}};
	const struct key_plan wide = {.count = 1, .fields = {{FIELD_INT, 0, 8}}};
	const int8_t small = -7;
	const int64_t large = -7;

	assert_true(key_hash(&narrow, &small) == key_hash(&wide, &large));
	assert_true(key_hash(&narrow, &small) == key_hash_text("-7"));
}

static void without_key_there_is_one_partition(void **state _unused_)
{
	struct port_event event = port_event("10.0.0.3", 443);

	assert_int_equal(hash_of(NULL, &event), 0);
	assert_int_equal(key_hash_text(""), 0);
	assert_int_equal(key_partition(0), 0);
}

/* Neighbours in a network are spread evenly: each of 16 partitions has its share within a tenth. */
static void neighbours_are_spread_over_all_partitions(void **state _unused_)
{
	unsigned int counts[PARTITIONS] = {0};

	for (unsigned int i = 0; i < 65536; i++) {
		struct port_event event = port_event("10.0.0.0", 80);

		event.srcip.bytes[14] = (uint8_t)(i >> 8);
		event.srcip.bytes[15] = (uint8_t)i;
		counts[key_partition(hash_of(by_source, &event))]++;
	}
	for (unsigned int i = 0; i < PARTITIONS; i++)
		assert_in_range(counts[i], 3686, 4506);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_the_same_for_ever),
		cmocka_unit_test(hash_of_the_text_is_that_of_the_record),
		cmocka_unit_test(hash_does_not_depend_on_a_fields_size),
		cmocka_unit_test(without_key_there_is_one_partition),
		cmocka_unit_test(neighbours_are_spread_over_all_partitions),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
