// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test.h"
#include "wire/v1.h"

#include <string.h>

#define RESEND_NS 50000000ULL
#define START_NS  1000000000ULL

static const struct port_event port = {
	.srcip.bytes = {[10] = 0xff, 0xff, 10, 0, 0, 3},
	.dstip.bytes = {[10] = 0xff, 0xff, 10, 0, 0, 1},
	.dstport = 80,
	.protocol = 6,
	.syn = 1,
};

static void send_one(struct v1_sender *sender, uint64_t now_ns)
{
	struct v1_builder *builder = v1_sender_begin(sender);

	assert_int_equal(v1_builder_add(builder, EVENT_PORT, &port, true), 0);
	v1_sender_commit(sender, now_ns);
}

static bool acknowledge(struct v1_sender *sender, uint32_t sequence)
{
	uint8_t bytes[V1_ACK_BYTES];

	return v1_sender_acknowledge(sender, bytes, v1_encode_ack(sequence, bytes));
}

static uint32_t sequence_on_the_wire(const struct v1_sender *sender)
{
	struct v1_transaction transaction;

	assert_int_equal(
		v1_decode(sender->builder.bytes, sender->builder.size, &transaction), V1_OK);
	assert_int_equal(transaction.switch_id, 7);
	return transaction.sequence;
}

static void sequences_begin_at_1_and_go_up_by_1(void **state _unused_)
{
	struct v1_sender sender;

	v1_sender_init(&sender, 7, RESEND_NS);
	for (uint32_t i = 1; i <= 3; i++) {
		assert_true(v1_sender_idle(&sender));
		send_one(&sender, START_NS);
		assert_false(v1_sender_idle(&sender));
		assert_int_equal(sequence_on_the_wire(&sender), i);
		assert_true(acknowledge(&sender, i));
	}
	assert_int_equal(sender.transactions, 3);
	assert_int_equal(sender.events, 3);
	assert_int_equal(sender.resends, 0);
}

static void sequence_wraps_to_1(void **state _unused_)
{
	struct v1_sender sender;

	v1_sender_init(&sender, 7, RESEND_NS);
	sender.sequence = V1_SEQUENCE_MAX;
	send_one(&sender, START_NS);
	assert_int_equal(sequence_on_the_wire(&sender), V1_SEQUENCE_MAX);
	assert_true(acknowledge(&sender, V1_SEQUENCE_MAX));
	send_one(&sender, START_NS);
	assert_int_equal(sequence_on_the_wire(&sender), 1);
}

static void outstanding_transaction_is_resent_on_its_timer_until_acknowledged(void **state _unused_)
{
	struct v1_sender sender;
	uint8_t first[V1_DATAGRAM_MAX];
	size_t size;

	v1_sender_init(&sender, 7, RESEND_NS);
	assert_false(v1_sender_resend_due(&sender, START_NS));
	send_one(&sender, START_NS);
	size = sender.builder.size;
	memcpy(first, sender.builder.bytes, size);

	assert_int_equal(sender.sent_ns, START_NS);
	assert_false(v1_sender_resend_due(&sender, START_NS + RESEND_NS - 1));
	assert_true(v1_sender_resend_due(&sender, START_NS + RESEND_NS));
	assert_false(v1_sender_resend_due(&sender, START_NS + RESEND_NS));
	assert_int_equal(sender.resend_at_ns, START_NS + 2 * RESEND_NS);
	/* Late by much: one resend, not one for each period missed. */
	assert_true(v1_sender_resend_due(&sender, START_NS + 10 * RESEND_NS));
	assert_false(v1_sender_resend_due(&sender, START_NS + 10 * RESEND_NS + 1));
	assert_int_equal(sender.resends, 2);
	assert_int_equal(sender.sent_ns, START_NS);

	/* A resend has the same bytes. */
	assert_int_equal(sender.builder.size, size);
	assert_memory_equal(sender.builder.bytes, first, size);

	assert_true(acknowledge(&sender, 1));
	assert_false(v1_sender_resend_due(&sender, START_NS + 100 * RESEND_NS));
}

static void acknowledgement_of_another_sequence_is_stale(void **state _unused_)
{
	struct v1_sender sender;

	v1_sender_init(&sender, 7, RESEND_NS);
	send_one(&sender, START_NS);
	assert_true(acknowledge(&sender, 1));
	assert_false(acknowledge(&sender, 1)); /* nothing is outstanding */
	assert_int_equal(sender.stale_acks, 1);
	send_one(&sender, START_NS);
	assert_false(acknowledge(&sender, 1));
	assert_false(acknowledge(&sender, 3));
	assert_int_equal(sender.stale_acks, 3);
	assert_false(v1_sender_idle(&sender));
	assert_true(acknowledge(&sender, 2));
	assert_true(v1_sender_idle(&sender));
}

static void acknowledgement_without_a_sequence_is_taken(void **state _unused_)
{
	static const uint8_t published[1024] = {'A', 'C', 'K', '\n'};
	struct v1_sender sender;

	v1_sender_init(&sender, 7, RESEND_NS);
	send_one(&sender, START_NS);
	assert_true(v1_sender_acknowledge(&sender, published, sizeof(published)));
	assert_true(v1_sender_idle(&sender));
}

static void noise_is_neither_acknowledgement_nor_stale(void **state _unused_)
{
	struct v1_sender sender;

	v1_sender_init(&sender, 7, RESEND_NS);
	send_one(&sender, START_NS);
	assert_false(v1_sender_acknowledge(&sender, "NAK\n\0\0\0\1", 8));
	assert_false(v1_sender_acknowledge(&sender, "", 0));
	assert_int_equal(sender.stale_acks, 0);
	assert_false(v1_sender_idle(&sender));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences_begin_at_1_and_go_up_by_1),
		cmocka_unit_test(sequence_wraps_to_1),
		cmocka_unit_test(outstanding_transaction_is_resent_on_its_timer_until_acknowledged),
		cmocka_unit_test(acknowledgement_of_another_sequence_is_stale),
		cmocka_unit_test(acknowledgement_without_a_sequence_is_taken),
		cmocka_unit_test(noise_is_neither_acknowledgement_nor_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
