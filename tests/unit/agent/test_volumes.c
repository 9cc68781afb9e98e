// SPDX-License-Identifier: BSD-2-Clause
#include "agent/volumes.h"
#include "base/clock.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOW_NS (1700000000 * NS_PER_SEC)

struct told {
	unsigned int times[FANOUT_KINDS];
	struct volume last;
};

struct rig {
	struct volumes_options options;
	struct volume *memory;
	struct volumes *volumes;
	struct told told;
};

static void on_reached(void *user, enum fanout_kind kind, const struct volume *volume)
{
	struct told *told = user;

	told->times[kind]++;
	told->last = *volume;
}

static void open_volumes(struct rig *rig)
{
	assert_int_equal(volumes_new(&rig->options, &rig->volumes), 0);
}

static void rig_open(struct rig *rig, uint32_t max)
{
	*rig = (struct rig){.options = {.max = max, .reached = on_reached}};
	rig->memory = calloc(FANOUT_KINDS * ((size_t)max + 1), sizeof(struct volume));
	assert_non_null(rig->memory);
	rig->options.memory = rig->memory;
	rig->options.user = &rig->told;
	for (uint64_t i = 0; i < VOLUMES_SEEDS; i++)
		rig->options.seeds[i] = (i + 1) * 0xd1342543de82ef95ULL;
	open_volumes(rig);
}

static void rig_close(struct rig *rig)
{
	volumes_free(rig->volumes);
	free(rig->memory);
}

static ip_addr address(uint32_t number)
{
	ip_addr ip = {{[10] = 0xff, [11] = 0xff}};

	for (int i = 0; i < 4; i++)
		ip.bytes[12 + i] = (uint8_t)(number >> (24 - 8 * i));
	return ip;
}

static struct flow_event growth(uint32_t source, uint32_t target, uint64_t packets)
{
	return (struct flow_event){
		.srcip = address(source),
		.dstip = address(target),
		.last = NOW_NS,
		.count = packets,
		.size = packets * 100,
	};
}

static void count(struct rig *rig, uint32_t source, uint32_t target, uint64_t packets)
{
	const struct flow_event more = growth(source, target, packets);

	volumes_count(rig->volumes, &more, NOW_NS);
}

static void count_shed(struct rig *rig, uint32_t target, uint64_t packets)
{
	const struct flow_event more = growth(99, target, packets);

	volumes_count_shed(rig->volumes, &more, NOW_NS);
}

static uint64_t packets_of(struct rig *rig, enum fanout_kind kind, uint32_t number)
{
	const ip_addr ip = address(number);
	const struct volume *volume = volumes_find(rig->volumes, kind, &ip);

	return volume ? volume->packets : 0;
}

static uint64_t sum_of(struct rig *rig, enum fanout_kind kind)
{
	struct volume sum;

	volumes_sum(rig->volumes, kind, &sum);
	assert_int_equal(sum.size, sum.packets * 100);
	return sum.packets;
}

static void each_source_and_target_has_its_packets(void **state _unused_)
{
	struct rig rig;

	rig_open(&rig, 100);
	for (uint32_t i = 0; i < 50; i++)
		for (uint32_t j = 0; j < 20; j++)
			count(&rig, i, 1000 + j, i + 1);
	volumes_flush(rig.volumes);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(packets_of(&rig, FANOUT_SOURCE, i), 20 * (i + 1));
	for (uint32_t j = 0; j < 20; j++)
		assert_int_equal(packets_of(&rig, FANOUT_TARGET, 1000 + j), 50 * 51 / 2);
	assert_int_equal(packets_of(&rig, FANOUT_TARGET, 3), 0);
	assert_int_equal(volumes_rest(rig.volumes, FANOUT_SOURCE)->packets, 0);
	assert_int_equal(sum_of(&rig, FANOUT_SOURCE), 20 * 50 * 51 / 2);
	rig_close(&rig);
}

/* Whatever has no place is in the rest; what matters has a place. */
static void more_addresses_than_records_add_up(void **state _unused_)
{
	uint64_t sent = 0, heavy = 0;
	struct rig rig;

	rig_open(&rig, 64);
	for (uint32_t i = 0; i < 100000; i++) {
		count(&rig, i, i % 3 == 0 ? 7 : 100000 + i % 5000, 1);
		heavy += i % 3 == 0;
		sent++;
	}
	volumes_flush(rig.volumes);
	assert_int_equal(sum_of(&rig, FANOUT_SOURCE), sent);
	assert_int_equal(sum_of(&rig, FANOUT_TARGET), sent);
	/* It came first, and was never the one with the fewest packets. */
	assert_int_equal(packets_of(&rig, FANOUT_TARGET, 7), heavy);
	rig_close(&rig);
}

static void an_address_that_comes_late_has_a_place_soon(void **state _unused_)
{
	struct rig rig;

	rig_open(&rig, 64);
	for (uint32_t i = 0; i < 10000; i++)
		count(&rig, i, i, 1);
	for (uint32_t i = 0; i < 10000; i++) {
		count(&rig, 20000, 20000, 1);
		count(&rig, 30000 + i, 30000 + i, 1);
	}
	volumes_flush(rig.volumes);
	/* A chance of one in 16 each: that 500 miss it is one in 10^14. */
	assert_in_range(packets_of(&rig, FANOUT_SOURCE, 20000), 9500, 10000);
	assert_in_range(packets_of(&rig, FANOUT_TARGET, 20000), 9500, 10000);
	assert_int_equal(sum_of(&rig, FANOUT_TARGET), 30000);
	rig_close(&rig);
}

static void what_was_shed_is_known_by_target(void **state _unused_)
{
	const struct flow_event ended = growth(1, 5, 3), strange = growth(76, 77, 4);
	const ip_addr source = address(1), target = address(5), other = address(6);
	struct rig rig;

	rig_open(&rig, 8);
	count(&rig, 1, 5, 10);
	for (int i = 0; i < 100; i++) {
		count_shed(&rig, 5, 1);
		count_shed(&rig, 6, 2);
		count_shed(&rig, 6, 2);
	}
	volumes_note_shed(rig.volumes, &ended);
	volumes_note_shed(rig.volumes, &strange);
	volumes_flush(rig.volumes);
	assert_int_equal(packets_of(&rig, FANOUT_TARGET, 5), 110);
	assert_int_equal(packets_of(&rig, FANOUT_TARGET, 6), 400);
	assert_int_equal(volumes_find(rig.volumes, FANOUT_TARGET, &target)->shed, 103);
	assert_int_equal(volumes_find(rig.volumes, FANOUT_TARGET, &other)->shed, 400);
	assert_int_equal(volumes_rest(rig.volumes, FANOUT_TARGET)->shed, 4);
	assert_int_equal(volumes_find(rig.volumes, FANOUT_SOURCE, &source)->shed, 3);
	assert_int_equal(volumes_rest(rig.volumes, FANOUT_SOURCE)->shed, 504);
	assert_int_equal(volumes_rest(rig.volumes, FANOUT_SOURCE)->packets, 500);
	assert_int_equal(sum_of(&rig, FANOUT_SOURCE), 510);
	assert_int_equal(sum_of(&rig, FANOUT_TARGET), 510);
	rig_close(&rig);
}

static void reaching_a_limit_is_told_once_a_second(void **state _unused_)
{
	struct flow_event more = growth(1, 2, 30);
	struct rig rig;

	rig_open(&rig, 8);
	rig.options.limits[FANOUT_TARGET].packets = 100;
	volumes_set_limits(rig.volumes, rig.options.limits);
	for (int i = 0; i < 3; i++)
		volumes_count(rig.volumes, &more, NOW_NS);
	volumes_flush(rig.volumes);
	assert_int_equal(rig.told.times[FANOUT_TARGET], 0);
	for (int i = 0; i < 5; i++)
		volumes_count(rig.volumes, &more, NOW_NS + NS_PER_SEC / 2);
	volumes_flush(rig.volumes);
	assert_int_equal(rig.told.times[FANOUT_TARGET], 1);
	assert_int_equal(rig.told.last.packets, 120);
	assert_memory_equal(&rig.told.last.address, &more.dstip, sizeof(ip_addr));
	/* Another second begins at zero. */
	for (int i = 0; i < 3; i++)
		volumes_count(rig.volumes, &more, NOW_NS + NS_PER_SEC);
	volumes_flush(rig.volumes);
	assert_int_equal(rig.told.times[FANOUT_TARGET], 1);
	volumes_count(rig.volumes, &more, NOW_NS + NS_PER_SEC);
	volumes_flush(rig.volumes);
	assert_int_equal(rig.told.times[FANOUT_TARGET], 2);
	assert_int_equal(rig.told.times[FANOUT_SOURCE], 0);
	rig_close(&rig);
}

static void bytes_have_a_limit_as_well(void **state _unused_)
{
	struct rig rig;

	rig_open(&rig, 8);
	rig.options.limits[FANOUT_SOURCE].bytes = 5000;
	volumes_set_limits(rig.volumes, rig.options.limits);
	count(&rig, 1, 2, 49);
	volumes_flush(rig.volumes);
	assert_int_equal(rig.told.times[FANOUT_SOURCE], 0);
	count(&rig, 1, 2, 1);
	volumes_flush(rig.volumes);
	assert_int_equal(rig.told.times[FANOUT_SOURCE], 1);
	rig_close(&rig);
}

static void what_was_told_of_is_not_displaced(void **state _unused_)
{
	struct rig rig;

	rig_open(&rig, 16);
	rig.options.limits[FANOUT_SOURCE].packets = 5;
	volumes_set_limits(rig.volumes, rig.options.limits);
	count(&rig, 1, 1, 5);
	for (uint32_t i = 0; i < 2000; i++)
		count(&rig, 100 + i, 1, 4);
	volumes_flush(rig.volumes);
	assert_int_equal(rig.told.times[FANOUT_SOURCE], 1);
	assert_int_equal(packets_of(&rig, FANOUT_SOURCE, 1), 5);
	rig_close(&rig);
}

static void the_end_of_a_window_leaves_nothing(void **state _unused_)
{
	struct volume *volume;
	uint32_t position = 0;
	struct rig rig;

	rig_open(&rig, 16);
	for (uint32_t i = 0; i < 100; i++)
		count(&rig, i, i, 2);
	volumes_flush(rig.volumes);
	while ((volume = volumes_next(rig.volumes, FANOUT_SOURCE, &position)))
		volumes_give_up(rig.volumes, FANOUT_SOURCE, volume);
	assert_int_equal(volumes_rest(rig.volumes, FANOUT_SOURCE)->packets, 200);
	volumes_clear(rig.volumes);
	assert_int_equal(sum_of(&rig, FANOUT_SOURCE), 0);
	assert_int_equal(sum_of(&rig, FANOUT_TARGET), 0);
	count(&rig, 3, 4, 5);
	volumes_flush(rig.volumes);
	assert_int_equal(packets_of(&rig, FANOUT_SOURCE, 3), 5);
	assert_int_equal(sum_of(&rig, FANOUT_TARGET), 5);
	rig_close(&rig);
}

/* The memory is a map's, which outlives an agent that is killed. */
static void another_goes_on_with_what_one_left(void **state _unused_)
{
	struct rig rig;

	rig_open(&rig, 64);
	for (uint32_t i = 0; i < 200; i++)
		count(&rig, i % 80, i % 20, i);
	volumes_free(rig.volumes);
	rig.options.seeds[1] ^= 12345;
	open_volumes(&rig);
	assert_int_equal(sum_of(&rig, FANOUT_SOURCE), 199 * 200 / 2);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(packets_of(&rig, FANOUT_TARGET, i), 10 * i + 20 * 9 * 10 / 2);
	for (uint32_t i = 0; i < 200; i++)
		count(&rig, i % 80, i % 20, i);
	volumes_flush(rig.volumes);
	assert_int_equal(sum_of(&rig, FANOUT_SOURCE), 199 * 200);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(
			packets_of(&rig, FANOUT_TARGET, i), 2 * (10 * i + 20 * 9 * 10 / 2));
	rig_close(&rig);
}

static void times_are_those_of_packets(void **state _unused_)
{
	const ip_addr target = address(2);
	struct flow_event more = growth(1, 2, 1);
	const struct volume *volume;
	struct rig rig;

	rig_open(&rig, 8);
	volumes_count(rig.volumes, &more, NOW_NS);
	more.last = NOW_NS + 3 * NS_PER_SEC;
	volumes_count(rig.volumes, &more, more.last);
	more.last = NOW_NS + NS_PER_SEC;
	volumes_count(rig.volumes, &more, more.last);
	volumes_flush(rig.volumes);
	volume = volumes_find(rig.volumes, FANOUT_TARGET, &target);
	assert_non_null(volume);
	assert_in_range(
		volume_time(volume->first, NOW_NS + 9 * NS_PER_SEC), NOW_NS - (1 << 20), NOW_NS);
	assert_in_range(volume_time(volume->last, NOW_NS + 9 * NS_PER_SEC),
		NOW_NS + 3 * NS_PER_SEC - (1 << 20), NOW_NS + 3 * NS_PER_SEC);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_source_and_target_has_its_packets),
		cmocka_unit_test(more_addresses_than_records_add_up),
		cmocka_unit_test(an_address_that_comes_late_has_a_place_soon),
		cmocka_unit_test(what_was_shed_is_known_by_target),
		cmocka_unit_test(reaching_a_limit_is_told_once_a_second),
		cmocka_unit_test(bytes_have_a_limit_as_well),
		cmocka_unit_test(what_was_told_of_is_not_displaced),
		cmocka_unit_test(the_end_of_a_window_leaves_nothing),
		cmocka_unit_test(another_goes_on_with_what_one_left),
		cmocka_unit_test(times_are_those_of_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
