// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flows.h"
#include "base/clock.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdbool.h>

#define MS       (1ULL << 20) /* as exact as flows keep their times */
#define IDLE_NS  (1000 * MS)
#define SINK_MAX 256

struct sink {
	struct flow_event updates[SINK_MAX], ends[SINK_MAX], sheds[SINK_MAX];
	size_t update_count, end_count, shed_count;
	uint64_t grown_packets, grown_bytes;
};

static void add(struct flow_event *records, size_t *count, const struct flow_event *record)
{
	if (*count < SINK_MAX)
		records[*count] = *record;
	++*count;
}

static void on_update(void *user, const struct flow_event *record)
{
	struct sink *sink = user;

	add(sink->updates, &sink->update_count, record);
}

static void on_end(void *user, const struct flow_event *record)
{
	struct sink *sink = user;

	add(sink->ends, &sink->end_count, record);
}

static void on_shed(void *user, const struct flow_event *record)
{
	struct sink *sink = user;

	add(sink->sheds, &sink->shed_count, record);
}

static void on_grown(void *user, const struct flow_event *growth)
{
	struct sink *sink = user;

	sink->grown_packets += growth->count;
	sink->grown_bytes += growth->size;
}

static struct flows *make_flows(struct sink *sink, uint32_t max, uint32_t events_per_s)
{
	struct flows_options options = {
		.max = max,
		.idle_ns = IDLE_NS,
		.events_per_s = events_per_s,
		.update = on_update,
		.end = on_end,
		.shed = on_shed,
		.grown = on_grown,
		.user = sink,
	};
	struct flows *flows = NULL;

	for (uint64_t i = 0; i < FLOWS_SEEDS; i++)
		options.seeds[i] = (i + 1) * 0xd1342543de82ef95ULL;
	*sink = (struct sink){0};
	assert_int_equal(flows_new(&options, &flows), 0);
	return flows;
}

/* Flows differ in their source port. */
static void fold(struct flows *flows, uint16_t port, uint64_t count, uint64_t now_ns)
{
	const struct flow_event increment = {
		.srcport = port,
		.dstport = 80,
		.protocol = 6,
		.flags = (tcp_flags)(1 << (count % 8)),
		.first = 5000 * MS + now_ns,
		.last = 5001 * MS + now_ns,
		.count = count,
		.size = count * 100,
	};

	flows_fold(flows, &increment, now_ns);
}

static uint64_t packets_of(const struct flow_event *records, size_t count)
{
	uint64_t sum = 0;

	assert_in_range(count, 0, SINK_MAX);
	for (size_t i = 0; i < count; i++)
		sum += records[i].count;
	return sum;
}

static void increments_add_up_since_first(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8, 0);

	fold(flows, 1, 3, 100 * MS);
	flows_update(flows, 100 * MS);
	fold(flows, 1, 4, 200 * MS);
	flows_update(flows, 200 * MS);
	assert_int_equal(sink.update_count, 2);
	assert_int_equal(sink.updates[0].count, 3);
	assert_int_equal(sink.updates[1].count, 7);
	assert_int_equal(sink.updates[1].size, 700);
	assert_int_equal(sink.updates[1].flags, 1 << 3 | 1 << 4);
	assert_int_equal(sink.updates[1].first, 5100 * MS);
	assert_int_equal(sink.updates[1].last, 5201 * MS);
	assert_int_equal(sink.updates[1].ended, 0);
	assert_int_equal(sink.end_count, 0);
}

static void each_part_of_the_key_makes_another_flow(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 512, 0);
	struct flow_event increment = {.count = 1};

	for (size_t at = 0; at < offsetof(struct flow_event, flags); at++) {
		((uint8_t *)&increment)[at] ^= 1;
		flows_fold(flows, &increment, MS);
		((uint8_t *)&increment)[at] ^= 1;
	}
	flows_end(flows);
	assert_int_equal(sink.end_count, offsetof(struct flow_event, flags));
	assert_int_equal(packets_of(sink.ends, sink.end_count), sink.end_count);
}

static void only_changed_flows_are_updated_and_each_once(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8, 0);

	fold(flows, 1, 1, 100 * MS);
	fold(flows, 2, 1, 100 * MS);
	flows_update(flows, 100 * MS);
	assert_int_equal(sink.update_count, 2);
	fold(flows, 2, 1, 200 * MS);
	fold(flows, 2, 1, 200 * MS);
	flows_update(flows, 200 * MS);
	assert_int_equal(sink.update_count, 3);
	assert_int_equal(sink.updates[2].srcport, 2);
	assert_int_equal(sink.updates[2].count, 3);
	flows_update(flows, 300 * MS);
	assert_int_equal(sink.update_count, 3);
}

/* 20 a second, four times a second: 5 a call, of 100. */
static void those_that_grew_most_are_told_first(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 128, 20);
	uint64_t now = 10 * NS_PER_SEC;

	for (unsigned int call = 0; call < 12; call++, now += NS_PER_SEC / 4) {
		for (uint16_t port = 1; port <= 100; port++)
			fold(flows, port, port > 97 ? 1000 : 1, now);
		sink.update_count = 0;
		flows_update(flows, now);
		if (call < 4)
			continue; /* what the first second paid for is spent, and what is rare is known */
		assert_in_range(sink.update_count, 3, 10);
		for (size_t i = 1, big = 0; i <= sink.update_count; i++) {
			big += sink.updates[i - 1].srcport > 97;
			if (i == sink.update_count)
				assert_int_equal(big, 3);
		}
	}
}

static void each_that_changed_has_its_turn_within_ten_seconds(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 1024, 200);
	bool told[1000] = {false};
	uint64_t now = 10 * NS_PER_SEC;

	for (uint16_t port = 0; port < 1000; port++)
		fold(flows, port, 1, now);
	for (unsigned int call = 0; call <= 50; call++, now += NS_PER_SEC / 5) {
		sink.update_count = 0;
		fold(flows, 999, 100000, now);
		flows_update(flows, now);
		assert_in_range(sink.update_count, 1, 200);
		for (size_t i = 0; i < sink.update_count; i++)
			told[sink.updates[i].srcport] = true;
	}
	for (uint16_t port = 0; port < 1000; port++)
		if (!told[port])
			fail_msg("nothing was told of flow %u", port);
}

static void what_was_not_told_yet_is_known(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 16, 2);

	for (uint16_t port = 1; port <= 10; port++)
		fold(flows, port, port <= 2 ? 1000 : 3, NS_PER_SEC);
	flows_update(flows, NS_PER_SEC);
	assert_int_equal(sink.update_count, 2);
	assert_int_equal(flows_untold(flows), 8 * 3);
	fold(flows, sink.updates[0].srcport, 4, 2 * NS_PER_SEC);
	flows_expire(flows, 2 * NS_PER_SEC);
	assert_int_equal(flows_untold(flows), 8 * 3 + 4);
	flows_end(flows);
	assert_int_equal(flows_untold(flows), 0);
}

static void growth_is_handed_on_once(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 16, 2);

	for (uint16_t port = 1; port <= 10; port++)
		fold(flows, port, port, NS_PER_SEC);
	flows_hand_on_growth(flows);
	assert_int_equal(sink.grown_packets, 55);
	flows_hand_on_growth(flows);
	assert_int_equal(sink.grown_packets, 55);
	fold(flows, 3, 100, NS_PER_SEC);
	flows_update(flows, NS_PER_SEC);
	flows_hand_on_growth(flows);
	assert_int_equal(sink.grown_packets, 155);
	fold(flows, 4, 1, NS_PER_SEC);
	flows_end(flows);
	assert_int_equal(sink.grown_packets, 156);
	assert_int_equal(sink.grown_bytes, 15600);
}

/* A reader that was stopped may find more than 32 bits hold. */
static void growth_is_exact_however_large(void **state _unused_)
{
	const struct flow_event increment = {.count = 7, .size = (1ULL << 34) + 5};
	const struct flow_event small = {.count = 1, .size = (1U << 24) - 1};
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 16, 0);
	uint64_t bytes = 0;

	for (int i = 0; i < 200; i++) {
		flows_fold(flows, i % 3 ? &small : &increment, NS_PER_SEC);
		bytes += i % 3 ? small.size : increment.size;
		if (i % 50 == 0)
			flows_hand_on_growth(flows);
	}
	flows_end(flows);
	assert_int_equal(sink.grown_bytes, bytes);
	assert_int_equal(sink.ends[0].size, bytes);
	assert_int_equal(sink.grown_packets, sink.ends[0].count);
}

static void idle_flow_ends_with_its_last_record(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8, 0);

	fold(flows, 1, 5, 100 * MS);
	fold(flows, 2, 6, 600 * MS);
	flows_expire(flows, 100 * MS + IDLE_NS - MS);
	assert_int_equal(sink.end_count, 0);
	flows_expire(flows, 100 * MS + IDLE_NS + IDLE_NS / 16);
	assert_int_equal(sink.end_count, 1);
	assert_int_equal(sink.ends[0].srcport, 1);
	assert_int_equal(sink.ends[0].count, 5);
	assert_int_equal(sink.ends[0].ended, 1);
	assert_int_equal(flows_count(flows), 1);
}

static void packets_keep_a_flow_from_ending(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8, 0);

	for (uint64_t now = 0; now < 10 * IDLE_NS; now += IDLE_NS / 2) {
		fold(flows, 1, 1, now);
		flows_expire(flows, now);
	}
	assert_int_equal(sink.end_count, 0);
	assert_int_equal(flows_count(flows), 1);
}

static void flow_that_comes_back_is_a_new_incarnation(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8, 0);

	fold(flows, 1, 5, 100 * MS);
	flows_expire(flows, 5000 * MS);
	fold(flows, 1, 2, 6000 * MS);
	flows_update(flows, 6000 * MS);
	assert_int_equal(sink.update_count, 1);
	assert_int_equal(sink.updates[0].count, 2);
	assert_int_equal(sink.updates[0].first, 11000 * MS);
	assert_int_equal(sink.updates[0].ended, 0);
}

static void many_idle_flows_end_at_the_rate(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 256, 50);
	uint64_t now = NS_PER_SEC;

	for (uint16_t port = 0; port < 200; port++)
		fold(flows, port, 1, now);
	now += 2 * IDLE_NS;
	for (unsigned int second = 0; second < 4; second++, now += NS_PER_SEC) {
		flows_expire(flows, now);
		/* The first second's, and those of the seconds since. */
		assert_in_range(sink.end_count, 50 * (second + 1), 50 * (second + 1) + 2);
	}
	assert_int_equal(sink.shed_count, 0);
}

static void full_table_ends_the_flow_idle_longest(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 3, 0);

	fold(flows, 1, 2, 100 * MS);
	fold(flows, 2, 2, 200 * MS);
	fold(flows, 3, 3, 300 * MS);
	fold(flows, 1, 2, 400 * MS);
	flows_update(flows, 400 * MS);
	fold(flows, 4, 4, 500 * MS);
	flows_update(flows, 500 * MS);
	assert_int_equal(sink.end_count, 1);
	assert_int_equal(sink.ends[0].srcport, 2);
	assert_int_equal(sink.ends[0].count, 2);
	assert_int_equal(sink.ends[0].ended, 1);
	assert_int_equal(flows_count(flows), 3);
}

static void full_table_ends_a_flow_of_one_packet_before_others(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 3, 0);

	fold(flows, 1, 2, 100 * MS);
	fold(flows, 2, 1, 200 * MS);
	fold(flows, 3, 3, 300 * MS);
	fold(flows, 4, 4, 500 * MS);
	flows_update(flows, 500 * MS);
	assert_int_equal(sink.end_count, 1);
	assert_int_equal(sink.ends[0].srcport, 2);
}

/* The rate pays for two at once, of which the first three make use. */
static void when_the_rate_is_spent_the_smaller_flow_is_shed(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 1, 1);
	const uint64_t now = 100 * NS_PER_SEC;

	fold(flows, 1, 8, now);
	fold(flows, 2, 7, now);
	fold(flows, 3, 6, now);
	fold(flows, 4, 1, now);
	fold(flows, 5, 6, now);
	fold(flows, 6, 7, now);
	flows_end(flows);
	assert_int_equal(sink.shed_count, 3);
	assert_int_equal(sink.sheds[0].srcport, 4);
	assert_int_equal(sink.sheds[1].srcport, 5);
	assert_int_equal(sink.sheds[2].srcport, 3);
	assert_int_equal(sink.sheds[2].count, 6);
	assert_int_equal(sink.end_count, 3);
	assert_int_equal(sink.ends[0].srcport, 1);
	assert_int_equal(sink.ends[1].srcport, 2);
	assert_int_equal(sink.ends[2].srcport, 6);
}

/*
 * Whatever is folded, comes out: in a last record or as shed, exactly once; and as growth, unless it was
 * shed before it was a flow's.
 */
static void check_sums(uint32_t max, uint16_t flow_count, uint32_t events_per_s)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, max, events_per_s);
	uint64_t folded = 0, ended = 0, shed = 0, unborn = 0, grown = 0;
	uint32_t random = 12345;

	for (uint64_t now = 1; now <= 20000; now++) {
		random = random * 1103515245 + 12345;
		fold(flows, (uint16_t)((random >> 16) % flow_count), now % 13 + 1, now * MS);
		folded += now % 13 + 1;
		if (now % 7 == 0)
			flows_update(flows, now * MS);
		if (now % 100 == 0)
			flows_hand_on_growth(flows);
		flows_expire(flows, now * MS);
		ended += packets_of(sink.ends, sink.end_count);
		shed += packets_of(sink.sheds, sink.shed_count);
		for (size_t i = 0; i < sink.shed_count; i++)
			unborn += sink.sheds[i].ended ? 0 : sink.sheds[i].count;
		grown += sink.grown_packets;
		sink = (struct sink){0};
	}
	flows_end(flows);
	ended += packets_of(sink.ends, sink.end_count);
	grown += sink.grown_packets;
	assert_int_equal(ended + shed, folded);
	assert_int_equal(grown + unborn, folded);
	assert_int_equal(flows_untold(flows), 0);
	assert_int_equal(flows_count(flows), 0);
	assert_int_equal(shed > 0, events_per_s > 0);
}

static void every_packet_is_in_exactly_one_last_record(void **state _unused_)
{
	check_sums(1, 3, 0);
	check_sums(5, 9, 0);
	check_sums(200, 1000, 0);
}

static void every_packet_is_in_one_last_record_or_shed(void **state _unused_)
{
	check_sums(5, 9, 30);
	check_sums(200, 1000, 100);
}

static void ended_flow_is_not_updated_again(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 1, 0);

	fold(flows, 1, 1, 100 * MS);
	fold(flows, 2, 1, 100 * MS);
	flows_update(flows, 100 * MS);
	assert_int_equal(sink.end_count, 1);
	assert_int_equal(sink.update_count, 1);
	assert_int_equal(sink.updates[0].srcport, 2);
}

static void clock_set_back_does_not_take_last_back(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 4, 0);
	struct flow_event increment = {.first = 9000 * MS, .last = 9000 * MS, .count = 1};

	flows_fold(flows, &increment, 100 * MS);
	increment.first = increment.last = 5000 * MS;
	flows_fold(flows, &increment, 200 * MS);
	flows_update(flows, 200 * MS);
	assert_int_equal(sink.updates[0].first, 9000 * MS);
	assert_int_equal(sink.updates[0].last, 9000 * MS);
}

static void incarnation_ends_before_its_times_are_ambiguous(void **state _unused_)
{
	const uint64_t day = 24ULL * 3600 * NS_PER_SEC;
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 4, 0);

	for (uint64_t now = 0; now < 30 * day; now += IDLE_NS * 4 / 5) {
		fold(flows, 1, 1, now);
		flows_expire(flows, now);
	}
	assert_int_equal(sink.end_count, 2);
	assert_in_range(sink.ends[0].last - sink.ends[0].first, 13 * day, 14 * day);
	flows_end(flows);
	assert_int_equal(packets_of(sink.ends, sink.end_count),
		(30 * day + IDLE_NS * 4 / 5 - 1) / (IDLE_NS * 4 / 5));
}

static void sizes_that_cannot_be_are_refused(void **state _unused_)
{
	struct flows_options options = {.max = 0};
	struct flows *flows = NULL;

	assert_int_equal(flows_new(&options, &flows), -EINVAL);
	options.max = (1U << 25) + 1;
	assert_int_equal(flows_new(&options, &flows), -EINVAL);
	assert_null(flows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(increments_add_up_since_first),
		cmocka_unit_test(each_part_of_the_key_makes_another_flow),
		cmocka_unit_test(only_changed_flows_are_updated_and_each_once),
		cmocka_unit_test(those_that_grew_most_are_told_first),
		cmocka_unit_test(each_that_changed_has_its_turn_within_ten_seconds),
		cmocka_unit_test(what_was_not_told_yet_is_known),
		cmocka_unit_test(growth_is_handed_on_once),
		cmocka_unit_test(growth_is_exact_however_large),
		cmocka_unit_test(idle_flow_ends_with_its_last_record),
		cmocka_unit_test(packets_keep_a_flow_from_ending),
		cmocka_unit_test(flow_that_comes_back_is_a_new_incarnation),
		cmocka_unit_test(many_idle_flows_end_at_the_rate),
		cmocka_unit_test(full_table_ends_the_flow_idle_longest),
		cmocka_unit_test(full_table_ends_a_flow_of_one_packet_before_others),
		cmocka_unit_test(when_the_rate_is_spent_the_smaller_flow_is_shed),
		cmocka_unit_test(every_packet_is_in_exactly_one_last_record),
		cmocka_unit_test(every_packet_is_in_one_last_record_or_shed),
		cmocka_unit_test(ended_flow_is_not_updated_again),
		cmocka_unit_test(clock_set_back_does_not_take_last_back),
		cmocka_unit_test(incarnation_ends_before_its_times_are_ambiguous),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
