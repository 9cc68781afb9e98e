// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test.h"
#include "wire/v1.h"

#include <string.h>

static const char *verdict_name(enum v1_verdict verdict)
{
	static const char *const names[] = {"new", "pending", "duplicate", "stale"};

	return names[verdict];
}

#define assert_verdict(receiver, sequence, digest, expected)                                       \
	assert_string_equal(                                                                       \
		verdict_name(v1_receiver_check(&(receiver), (sequence), (digest))), (expected))

/* Receives, processes and commits a transaction that must be new. */
static void take(struct v1_receiver *receiver, uint32_t sequence, uint64_t digest)
{
	assert_verdict(*receiver, sequence, digest, "new");
	v1_receiver_begin(receiver, sequence, digest);
	v1_receiver_commit(receiver);
}

static void take_range(struct v1_receiver *receiver, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i <= to; i++)
		take(receiver, i, 1000 + i);
}

static void transactions_in_order_are_new(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 1, 100);
	assert_int_equal(receiver.duplicates, 0);
	assert_int_equal(receiver.stale, 0);
	assert_int_equal(receiver.restarts, 0);
	assert_int_equal(receiver.jumps, 0);
}

static void any_sequence_may_be_the_first(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take(&receiver, 4711, 1);
	assert_int_equal(receiver.jumps, 0);
	take(&receiver, 4712, 2);
	assert_int_equal(receiver.jumps, 0);
}

static void resend_while_processing_is_pending(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	assert_verdict(receiver, 1, 10, "new");
	v1_receiver_begin(&receiver, 1, 10);
	assert_verdict(receiver, 1, 10, "pending");
	assert_verdict(receiver, 1, 10, "pending");
	assert_int_equal(receiver.duplicates, 2);
	v1_receiver_commit(&receiver);
	assert_verdict(receiver, 1, 10, "duplicate");
	assert_int_equal(receiver.duplicates, 3);
}

/* Only a restarted agent sends another one then; it resends, and is judged when the first is done. */
static void other_transaction_waits_for_the_pending_one(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 1, 4);
	v1_receiver_begin(&receiver, 5, 1005);
	assert_verdict(receiver, 1, 77, "pending");
	v1_receiver_commit(&receiver);
	assert_verdict(receiver, 1, 77, "new");
	v1_receiver_begin(&receiver, 1, 77);
	assert_int_equal(receiver.restarts, 1);
}

static void abandoned_transaction_is_new_when_it_comes_again(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take(&receiver, 1, 10);
	v1_receiver_begin(&receiver, 2, 20);
	v1_receiver_abandon(&receiver);
	assert_verdict(receiver, 2, 20, "new");
	assert_verdict(receiver, 1, 10, "duplicate");
	take(&receiver, 2, 20);
	assert_verdict(receiver, 2, 20, "duplicate");
	assert_int_equal(receiver.jumps, 0);
}

/* Answering an old one would, for a client that checks no sequence, acknowledge a newer one. */
static void only_the_newest_is_acknowledged_again(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 1, 5);
	assert_verdict(receiver, 5, 1005, "duplicate");
	assert_verdict(receiver, 4, 1004, "stale");
	assert_verdict(receiver, 1, 1001, "stale");
	assert_int_equal(receiver.duplicates, 1);
	assert_int_equal(receiver.stale, 2);
	take(&receiver, 6, 1006);
}

static void datagram_delayed_beyond_the_history_is_stale(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 1, 3 * V1_HISTORY);
	assert_verdict(receiver, 3, 1003, "stale");
	assert_verdict(receiver, 1, 1001, "stale");
}

static void other_bytes_under_1_are_a_restarted_agent(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 1, 40);
	take(&receiver, 1, 7);
	assert_int_equal(receiver.restarts, 1);
	/* What the new agent sends under sequences that the old one used. */
	take(&receiver, 2, 8);
	take(&receiver, 3, 9);
	assert_verdict(receiver, 3, 9, "duplicate");
	assert_int_equal(receiver.jumps, 0);
	assert_int_equal(receiver.stale, 0);
}

static void agent_that_restarts_at_once_is_seen(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take(&receiver, 1, 10);
	take(&receiver, 1, 11);
	take(&receiver, 1, 12);
	assert_int_equal(receiver.restarts, 2);
}

/* Second transactions that are equal byte for byte: the order tells them apart. */
static void restarted_agent_may_repeat_what_the_old_one_sent(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 1, 3);
	take(&receiver, 1, 7);
	take(&receiver, 2, 1002);
	take(&receiver, 3, 1003);
}

/* What was committed before the restart is known, though its sequence is ahead of the new agent's. */
static void delayed_datagram_of_the_agent_before_is_stale(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 1, 5);
	take(&receiver, 1, 7);
	assert_verdict(receiver, 4, 1004, "stale");
	assert_verdict(receiver, 5, 1005, "stale");
	take(&receiver, 2, 8);
	assert_int_equal(receiver.jumps, 0);
}

static void sequences_wrap_without_a_restart(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take(&receiver, V1_SEQUENCE_MAX - 1, 1);
	take(&receiver, V1_SEQUENCE_MAX, 2);
	take(&receiver, 1, 3);
	assert_verdict(receiver, V1_SEQUENCE_MAX, 2, "stale");
	assert_verdict(receiver, V1_SEQUENCE_MAX - 5, 99, "stale");
	take(&receiver, 2, 4);
	assert_int_equal(receiver.restarts, 0);
	assert_int_equal(receiver.jumps, 0);
}

static void sequence_ahead_is_taken_and_counted_as_a_jump(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take(&receiver, 1, 1);
	take(&receiver, 10, 2);
	assert_int_equal(receiver.jumps, 1);
	take(&receiver, 11, 3);
	assert_int_equal(receiver.jumps, 1);
}

/* Say that this side was put back to an older state: silence would stop that agent for ever. */
static void stale_one_that_keeps_coming_is_taken(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 90, 100);
	for (int i = 1; i < V1_STALE_PATIENCE; i++)
		assert_verdict(receiver, 50, 5, "stale");
	take(&receiver, 50, 5);
	assert_int_equal(receiver.jumps, 1);
	take(&receiver, 51, 6);
	assert_int_equal(receiver.jumps, 1);
}

static void stale_ones_that_differ_do_not_add_up(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	take_range(&receiver, 90, 100);
	for (int i = 0; i < 3 * V1_STALE_PATIENCE; i++)
		assert_verdict(receiver, 50 + (uint32_t)i % 2, 5 + (uint64_t)i % 2, "stale");
	for (int i = 1; i < V1_STALE_PATIENCE; i++)
		assert_verdict(receiver, 60, 7, "stale");
	take(&receiver, 101, 1101);
	assert_verdict(receiver, 60, 7, "stale");
}

static void restored_mark_is_the_newest_transaction(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	v1_receiver_restore(&receiver, 41, 410);
	assert_verdict(receiver, 41, 410, "duplicate");
	assert_verdict(receiver, 40, 400, "stale");
	take(&receiver, 42, 420);
	assert_int_equal(receiver.jumps, 0);
	take(&receiver, 1, 10);
	assert_int_equal(receiver.restarts, 1);
}

static void restored_first_transaction_is_known(void **state _unused_)
{
	struct v1_receiver receiver = {0};

	v1_receiver_restore(&receiver, 1, 10);
	assert_verdict(receiver, 1, 10, "duplicate");
	take_range(&receiver, 2, 2 * V1_HISTORY);
	assert_verdict(receiver, 1, 10, "stale");
}

static void digest_depends_on_each_byte(void **state _unused_)
{
	uint8_t bytes[V1_DATAGRAM_MAX] = {1, 2, 3};
	uint64_t digest = v1_digest(bytes, sizeof(bytes));

	assert_true(digest == v1_digest(bytes, sizeof(bytes)));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] ^= 1;
		assert_false(digest == v1_digest(bytes, sizeof(bytes)));
		bytes[i] ^= 1;
	}
	assert_false(digest == v1_digest(bytes, sizeof(bytes) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transactions_in_order_are_new),
		cmocka_unit_test(any_sequence_may_be_the_first),
		cmocka_unit_test(resend_while_processing_is_pending),
		cmocka_unit_test(other_transaction_waits_for_the_pending_one),
		cmocka_unit_test(abandoned_transaction_is_new_when_it_comes_again),
		cmocka_unit_test(only_the_newest_is_acknowledged_again),
		cmocka_unit_test(datagram_delayed_beyond_the_history_is_stale),
		cmocka_unit_test(other_bytes_under_1_are_a_restarted_agent),
		cmocka_unit_test(agent_that_restarts_at_once_is_seen),
		cmocka_unit_test(restarted_agent_may_repeat_what_the_old_one_sent),
		cmocka_unit_test(delayed_datagram_of_the_agent_before_is_stale),
		cmocka_unit_test(sequences_wrap_without_a_restart),
		cmocka_unit_test(sequence_ahead_is_taken_and_counted_as_a_jump),
		cmocka_unit_test(stale_one_that_keeps_coming_is_taken),
		cmocka_unit_test(stale_ones_that_differ_do_not_add_up),
		cmocka_unit_test(restored_mark_is_the_newest_transaction),
		cmocka_unit_test(restored_first_transaction_is_known),
		cmocka_unit_test(digest_depends_on_each_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
