// SPDX-License-Identifier: BSD-2-Clause
#include "agent/spool.h"
#include "tests/unit/test.h"

#include <pthread.h>

/* The oldest of a lane that was not taken. */
static const void *peek(const struct spool *spool, enum spool_class class)
{
	struct spool_run run;

	return spool_peek_lane(spool, spool_class_lane(class), 1, &run) ? run.records : NULL;
}

static void process_all(struct spool *spool)
{
	uint64_t counts[SPOOL_CLASSES] = {0};

	spool_processed_all(spool, counts);
}

static void classes_are_queues_of_their_own(void **state _unused_)
{
	_cleanup_(spool_freep) struct spool *spool = NULL;
	const struct port_event port = {.syn = 1};
	const struct flow_event flow = {.count = 2};
	const struct flow_event last = {.count = 3, .ended = 1};
	const struct interface_event interface = {.packets = 4};

	assert_int_equal(spool_new(8, NULL, NULL, &spool), 0);
	spool_push(spool, SPOOL_PORT, &port);
	spool_push(spool, SPOOL_FLOW, &flow);
	spool_push(spool, SPOOL_FLOW_END, &last);
	spool_push(spool, SPOOL_INTERFACE, &interface);
	assert_memory_equal(peek(spool, SPOOL_PORT), &port, sizeof(port));
	assert_memory_equal(spool_peek(spool, SPOOL_FLOW), &flow, sizeof(flow));
	assert_memory_equal(peek(spool, SPOOL_FLOW_END), &last, sizeof(last));
	assert_memory_equal(spool_peek(spool, SPOOL_INTERFACE), &interface, sizeof(interface));
	spool_pop(spool, SPOOL_FLOW);
	assert_null(spool_peek(spool, SPOOL_FLOW));
	assert_non_null(peek(spool, SPOOL_FLOW_END));
}

static void spool_sheds_flow_detail_and_keeps_port_events(void **state _unused_)
{
	_cleanup_(spool_freep) struct spool *spool = NULL;

	assert_int_equal(spool_new(16, NULL, NULL, &spool), 0);
	for (uint64_t i = 1; i <= 100; i++) {
		const struct flow_event flow = {.count = i};

		spool_push(spool, SPOOL_FLOW, &flow);
		spool_push(spool, SPOOL_FLOW_END, &flow);
		if (i <= 10) {
			const struct port_event port = {.syn = (uint32_t)i};

			spool_push(spool, SPOOL_PORT, &port);
		}
	}
	assert_int_equal(spool_count(spool, SPOOL_PORT), 10);
	assert_int_equal(spool_shed(spool, SPOOL_PORT), 0);
	assert_int_equal(spool_count(spool, SPOOL_FLOW), 16);
	assert_int_equal(spool_pushed(spool, SPOOL_FLOW), 16);
	assert_int_equal(spool_shed(spool, SPOOL_FLOW), 84);
	assert_int_equal(spool_shed(spool, SPOOL_FLOW_END), 84);
}

static void room_is_back_when_an_event_is_processed(void **state _unused_)
{
	_cleanup_(spool_freep) struct spool *spool = NULL;
	const struct port_event port = {.syn = 1};

	assert_int_equal(spool_new(2, NULL, NULL, &spool), 0);
	assert_true(spool_has_room(spool, SPOOL_PORT));
	spool_push(spool, SPOOL_PORT, &port);
	spool_push(spool, SPOOL_PORT, &port);
	assert_false(spool_has_room(spool, SPOOL_PORT));
	spool_take(spool, V2_LANE_PORT, 1);
	assert_false(spool_has_room(spool, SPOOL_PORT));
	process_all(spool);
	assert_true(spool_has_room(spool, SPOOL_PORT));
	assert_int_equal(spool_shed(spool, SPOOL_PORT), 0);
}

#define PUSHES 200000

static void *produce(void *arg)
{
	struct spool *spool = arg;

	for (uint32_t i = 1; i <= PUSHES; i++) {
		const struct port_event port = {.syn = i};

		spool_push(spool, SPOOL_PORT, &port);
	}
	return NULL;
}

static void between_threads_pushed_is_what_comes_out_in_order(void **state _unused_)
{
	_cleanup_(spool_freep) struct spool *spool = NULL;
	uint64_t popped = 0;
	struct spool_run run;
	uint32_t last = 0;
	pthread_t thread;

	assert_int_equal(spool_new(64, NULL, NULL, &spool), 0);
	assert_int_equal(pthread_create(&thread, NULL, produce, spool), 0);
	while (popped + spool_shed(spool, SPOOL_PORT) < PUSHES) {
		const struct port_event *port;

		if (!spool_peek_lane(spool, V2_LANE_PORT, 1, &run))
			continue;
		port = run.records;
		if (!run.is_shed) {
			assert_true(port->syn > last);
			last = port->syn;
			popped++;
		}
		spool_take(spool, V2_LANE_PORT, run.count);
		process_all(spool);
	}
	pthread_join(thread, NULL);
	assert_int_equal(spool_pushed(spool, SPOOL_PORT), popped);
	while (spool_settle(spool), spool_peek_lane(spool, V2_LANE_PORT, 1, &run))
		spool_take(spool, V2_LANE_PORT, run.count);
	process_all(spool);
	assert_true(spool_is_empty(spool));
	assert_int_equal(spool_count(spool, SPOOL_PORT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_are_queues_of_their_own),
		cmocka_unit_test(spool_sheds_flow_detail_and_keeps_port_events),
		cmocka_unit_test(room_is_back_when_an_event_is_processed),
		cmocka_unit_test(between_threads_pushed_is_what_comes_out_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
