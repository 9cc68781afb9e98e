// SPDX-License-Identifier: BSD-2-Clause
/* Memory of version 2's ends: each allocation may fail, and after init there is none. */
#include "tests/unit/test.h"
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#include <errno.h>

#define MS 1000000ULL

static unsigned int allocations, fail_at; /* the how manieth fails; 0: none */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	if (++allocations == fail_at)
		return NULL;
	return __real_calloc(count, size);
}

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

static uint64_t no_random(void *user _unused_)
{
	return 5;
}

static const struct v2_sender_config at_agent = {.capacity = {8, 8, 8, 8},
	.record_max = 4,
	.packets = 64,
	.datagram_max = 1472,
	.schemas = {.count = 1, .list = {{.event_id = 1, .record_bytes = 4}}},
	.random = no_random};
static const struct v2_receiver_config at_server = {
	.window = {8, 8, 8}, .record_max = 4, .random = no_random};

static void sender_without_memory_is_not_begun(void **state _unused_)
{
	struct v2_sender sender;

	for (unsigned int i = 1;; i++) {
		int r;

		allocations = 0;
		fail_at = i;
		r = v2_sender_init(&sender, &at_agent, 1);
		fail_at = 0;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(allocations >= i, 1);
	}
	assert_int_equal(allocations, 6 * V2_LANES + 2); /* and the packets */
	v2_sender_done(&sender);
}

static void receiver_without_memory_is_not_begun(void **state _unused_)
{
	struct v2_receiver receiver;

	for (unsigned int i = 1;; i++) {
		int r;

		allocations = 0;
		fail_at = i;
		r = v2_receiver_init(&receiver, &at_server);
		fail_at = 0;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
	}
	assert_int_equal(allocations, 4 * V2_LANES_ACKED);
	v2_receiver_done(&receiver);
}

static void bad_sizes_are_refused(void **state _unused_)
{
	struct v2_sender_config config = at_agent;
	struct v2_sender sender;

	config.packets = 100;
	assert_int_equal(v2_sender_init(&sender, &config, 1), -EINVAL);
	config = at_agent;
	config.datagram_max = V2_MTU_FLOOR - 1;
	assert_int_equal(v2_sender_init(&sender, &config, 1), -EINVAL);
	config = at_agent;
	config.record_max = V2_RECORD_MAX + 1;
	assert_int_equal(v2_sender_init(&sender, &config, 1), -EINVAL);
	assert_int_equal(v2_sender_init(&sender, &at_agent, 0), -EINVAL);
}

/*
 * One turn of everything: push, send, receive, process, answer. A third of the datagrams is lost, not
 * every third: that would fall into step with the resends.
 */
static void turn(struct v2_sender *sender, struct v2_receiver *receiver, uint32_t i)
{
	uint64_t now = (i + 1) * MS, address;
	uint8_t bytes[V2_DATAGRAM_MAX];
	struct v2_taken taken;
	size_t size, segment;

	for (unsigned int lane = 0; lane < V2_LANES; lane++)
		(void)v2_sender_push(sender, lane, 0, &i, 1);
	while ((size = v2_sender_poll(sender, now, bytes, sizeof(bytes), &segment)) > 0) {
		assert_int_equal(size, segment);
		if ((sender->next_packet * 2654435761U >> 7) % 3 == 0)
			continue;
		(void)v2_receiver_receive(receiver, now, 7, bytes, size);
		while (v2_receiver_next_update(receiver, &taken))
			;
	}
	for (unsigned int lane = 0; lane < V2_LANES_ACKED; lane++)
		while (v2_receiver_take(receiver, lane, UINT64_MAX, &taken))
			assert_true(v2_receiver_commit(
				receiver, 1, lane, taken.sequence + taken.count, now));
	while ((size = v2_receiver_poll(receiver, now, &address, bytes, sizeof(bytes))) > 0)
		(void)v2_sender_receive(sender, now, bytes, size);
}

static void nothing_is_allocated_after_init(void **state _unused_)
{
	struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct v2_receiver receiver;
	struct v2_welcome welcome;
	struct v2_sender sender;
	struct v2_hello hello;

	assert_int_equal(v2_sender_init(&sender, &at_agent, 1), 0);
	assert_int_equal(v2_receiver_init(&receiver, &at_server), 0);
	allocations = 0;
	v2_sender_hello(&sender, &hello);
	assert_int_equal(
		v2_receiver_open(&receiver, &mark, &hello, &v2_seal_null, &welcome), V2_OK);
	assert_int_equal(v2_sender_open(&sender, &welcome, &v2_seal_null, MS), V2_OK);
	for (uint32_t i = 0; i < 1000; i++)
		turn(&sender, &receiver, i);
	assert_int_equal(allocations, 0);
	assert_in_range(receiver.lanes[0].base, 900, 1000);
	assert_true(receiver.updates.lost > 0);
	v2_sender_done(&sender);
	v2_receiver_done(&receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sender_without_memory_is_not_begun),
		cmocka_unit_test(receiver_without_memory_is_not_begun),
		cmocka_unit_test(bad_sizes_are_refused),
		cmocka_unit_test(nothing_is_allocated_after_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
