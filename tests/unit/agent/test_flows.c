// SPDX-License-Identifier: BSD-2-Clause
#include "agent/flows.h"
#include "tests/unit/test.h"

#include <string.h>

#define IDLE_NS 1000

struct sink {
	struct flow_event updates[64], ends[64];
	size_t update_count, end_count;
};

static void on_update(void *user, const struct flow_event *record)
{
	struct sink *sink = user;

	assert_true(sink->update_count < ARRAY_SIZE(sink->updates));
	sink->updates[sink->update_count++] = *record;
}

static void on_end(void *user, const struct flow_event *record)
{
	struct sink *sink = user;

	assert_true(sink->end_count < ARRAY_SIZE(sink->ends));
	sink->ends[sink->end_count++] = *record;
}

static struct flows *make_flows(struct sink *sink, size_t max)
{
	const struct flows_options options = {
		.max = max,
		.idle_ns = IDLE_NS,
		.secret = {3, 4},
		.update = on_update,
		.end = on_end,
		.user = sink,
	};
	struct flows *flows = NULL;

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
		.first = 500000 + now_ns,
		.last = 500010 + now_ns,
		.count = count,
		.size = count * 100,
	};

	flows_fold(flows, &increment, now_ns);
}

static void increments_add_up_since_first(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8);

	fold(flows, 1, 3, 100);
	flows_update(flows);
	fold(flows, 1, 4, 200);
	flows_update(flows);
	assert_int_equal(sink.update_count, 2);
	assert_int_equal(sink.updates[0].count, 3);
	assert_int_equal(sink.updates[1].count, 7);
	assert_int_equal(sink.updates[1].size, 700);
	assert_int_equal(sink.updates[1].flags, 1 << 3 | 1 << 4);
	assert_int_equal(sink.updates[1].first, 500100);
	assert_int_equal(sink.updates[1].last, 500210);
	assert_int_equal(sink.updates[1].ended, 0);
	assert_int_equal(sink.end_count, 0);
}

static void only_changed_flows_are_updated_and_each_once(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8);

	fold(flows, 1, 1, 100);
	fold(flows, 2, 1, 100);
	flows_update(flows);
	assert_int_equal(sink.update_count, 2);
	fold(flows, 2, 1, 200);
	fold(flows, 2, 1, 200);
	flows_update(flows);
	assert_int_equal(sink.update_count, 3);
	assert_int_equal(sink.updates[2].srcport, 2);
	assert_int_equal(sink.updates[2].count, 3);
	flows_update(flows);
	assert_int_equal(sink.update_count, 3);
}

static void idle_flow_ends_with_its_last_record(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8);

	fold(flows, 1, 5, 100);
	fold(flows, 2, 6, 600);
	flows_expire(flows, 100 + IDLE_NS - 1);
	assert_int_equal(sink.end_count, 0);
	flows_expire(flows, 100 + IDLE_NS);
	assert_int_equal(sink.end_count, 1);
	assert_int_equal(sink.ends[0].srcport, 1);
	assert_int_equal(sink.ends[0].count, 5);
	assert_int_equal(sink.ends[0].ended, 1);
	assert_int_equal(flows_count(flows), 1);
}

static void packets_keep_a_flow_from_ending(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8);

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
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 8);

	fold(flows, 1, 5, 100);
	flows_expire(flows, 5000);
	fold(flows, 1, 2, 6000);
	flows_update(flows);
	assert_int_equal(sink.update_count, 1);
	assert_int_equal(sink.updates[0].count, 2);
	assert_int_equal(sink.updates[0].first, 506000);
	assert_int_equal(sink.updates[0].ended, 0);
}

static void full_table_ends_the_flow_idle_longest(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 3);

	fold(flows, 1, 1, 100);
	fold(flows, 2, 2, 200);
	fold(flows, 3, 3, 300);
	fold(flows, 1, 1, 400);
	fold(flows, 4, 4, 500);
	assert_int_equal(sink.end_count, 1);
	assert_int_equal(sink.ends[0].srcport, 2);
	assert_int_equal(sink.ends[0].count, 2);
	assert_int_equal(sink.ends[0].ended, 1);
	assert_int_equal(flows_count(flows), 3);
}

/* Whatever is folded, comes out: in the last records, exactly once. */
static void every_packet_is_in_exactly_one_last_record(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 5);
	uint64_t folded = 0, ended = 0;
	uint32_t random = 12345;

	for (uint64_t now = 1; now <= 2000; now++) {
		random = random * 1103515245 + 12345;
		fold(flows, (uint16_t)(random >> 16) % 9, now % 13, now);
		folded += now % 13;
		if (now % 7 == 0)
			flows_update(flows);
		flows_expire(flows, now);
		for (size_t i = 0; i < sink.end_count; i++)
			ended += sink.ends[i].count;
		sink.end_count = sink.update_count = 0;
	}
	flows_end(flows);
	for (size_t i = 0; i < sink.end_count; i++)
		ended += sink.ends[i].count;
	assert_int_equal(ended, folded);
	assert_int_equal(flows_count(flows), 0);
}

static void ended_flow_is_not_updated_again(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 1);

	fold(flows, 1, 1, 100);
	fold(flows, 2, 1, 100);
	flows_update(flows);
	assert_int_equal(sink.end_count, 1);
	assert_int_equal(sink.update_count, 1);
	assert_int_equal(sink.updates[0].srcport, 2);
}

static void clock_set_back_does_not_take_last_back(void **state _unused_)
{
	struct sink sink;
	_cleanup_(flows_freep) struct flows *flows = make_flows(&sink, 4);
	struct flow_event increment = {.first = 9000, .last = 9000, .count = 1};

	flows_fold(flows, &increment, 100);
	increment.first = increment.last = 5000;
	flows_fold(flows, &increment, 200);
	flows_update(flows);
	assert_int_equal(sink.updates[0].first, 9000);
	assert_int_equal(sink.updates[0].last, 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(increments_add_up_since_first),
		cmocka_unit_test(only_changed_flows_are_updated_and_each_once),
		cmocka_unit_test(idle_flow_ends_with_its_last_record),
		cmocka_unit_test(packets_keep_a_flow_from_ending),
		cmocka_unit_test(flow_that_comes_back_is_a_new_incarnation),
		cmocka_unit_test(full_table_ends_the_flow_idle_longest),
		cmocka_unit_test(every_packet_is_in_exactly_one_last_record),
		cmocka_unit_test(ended_flow_is_not_updated_again),
		cmocka_unit_test(clock_set_back_does_not_take_last_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
