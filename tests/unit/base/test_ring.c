// SPDX-License-Identifier: BSD-2-Clause
#include "base/ring.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

static void elements_come_out_in_order(void **state _unused_)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;

	assert_int_equal(ring_new(8, sizeof(uint64_t), &ring), 0);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(ring_push(ring, &i), 0);
	assert_int_equal(ring_count(ring), 5);
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(*(const uint64_t *)ring_peek(ring), i);
		ring_pop(ring);
	}
	assert_null(ring_peek(ring));
}

static void full_ring_refuses_and_changes_nothing(void **state _unused_)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	uint32_t refused = 99;

	assert_int_equal(ring_new(3, sizeof(uint32_t), &ring), 0);
	assert_int_equal(ring_capacity(ring), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ring_push(ring, &i), 0);
	assert_int_equal(ring_push(ring, &refused), -ENOBUFS);
	assert_int_equal(*(const uint32_t *)ring_peek(ring), 0);
	assert_int_equal(ring_count(ring), 4);
}

static void impossible_sizes_are_refused(void **state _unused_)
{
	struct ring *ring;

	assert_int_equal(ring_new(0, 8, &ring), -EINVAL);
	assert_int_equal(ring_new(8, 0, &ring), -EINVAL);
	assert_int_equal(ring_new(SIZE_MAX, 8, &ring), -EINVAL);
	assert_int_equal(ring_new(SIZE_MAX / 8, 1024, &ring), -ENOMEM);
}

static void ring_that_ran_empty_uses_the_same_memory_again(void **state _unused_)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	const void *first = NULL, *second = NULL;

	assert_int_equal(ring_new(1024, sizeof(uint64_t), &ring), 0);
	for (uint64_t i = 0; i < 5000; i += 2) {
		for (uint64_t j = i; j < i + 2; j++)
			assert_int_equal(ring_push(ring, &j), 0);
		first = first ? first : ring_peek(ring);
		assert_ptr_equal(ring_peek(ring), first);
		assert_int_equal(*(const uint64_t *)ring_peek(ring), i);
		ring_pop(ring);
		second = second ? second : ring_peek(ring);
		assert_ptr_equal(ring_peek(ring), second);
		assert_int_equal(*(const uint64_t *)ring_peek(ring), i + 1);
		ring_pop(ring);
	}
}

#define THREAD_ELEMENTS 200000

static void *produce(void *arg)
{
	struct ring *ring = arg;

	for (uint64_t i = 0; i < THREAD_ELEMENTS; i++)
		while (ring_push(ring, &i) < 0)
			sched_yield();
	return NULL;
}

static void nothing_is_lost_or_torn_between_two_threads(void **state _unused_)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	pthread_t producer;

	assert_int_equal(ring_new(64, sizeof(uint64_t), &ring), 0);
	assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
	for (uint64_t i = 0; i < THREAD_ELEMENTS; i++) {
		const uint64_t *element;

		while (!(element = ring_peek(ring)))
			sched_yield();
		assert_int_equal(*element, i);
		ring_pop(ring);
	}
	pthread_join(producer, NULL);
	assert_null(ring_peek(ring));
}

static void runs_end_where_the_memory_does(void **state _unused_)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	const void *first;

	assert_int_equal(ring_new(8, sizeof(uint64_t), &ring), 0);
	assert_int_equal(ring_peek_run(ring, &first), 0);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(ring_push(ring, &i), 0);
	assert_int_equal(ring_peek_run(ring, &first), 8);
	ring_pop_run(ring, 5);
	for (uint64_t i = 8; i < 12; i++)
		assert_int_equal(ring_push(ring, &i), 0);
	assert_int_equal(ring_peek_run(ring, &first), 3);
	assert_int_equal(((const uint64_t *)first)[2], 7);
	ring_pop_run(ring, 3);
	assert_int_equal(ring_peek_run(ring, &first), 4);
	assert_int_equal(((const uint64_t *)first)[3], 11);
	ring_pop_run(ring, 4);
	assert_int_equal(ring_peek_run(ring, &first), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_come_out_in_order),
		cmocka_unit_test(full_ring_refuses_and_changes_nothing),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(ring_that_ran_empty_uses_the_same_memory_again),
		cmocka_unit_test(runs_end_where_the_memory_does),
		cmocka_unit_test(nothing_is_lost_or_torn_between_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
