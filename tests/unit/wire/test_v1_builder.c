// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test.h"
#include "tests/unit/wire/v1_vectors.h"

#include <errno.h>
#include <string.h>

static const struct flow_event flow_v4 = {
	.srcip.bytes = {[10] = 0xff, 0xff, 10, 0, 0, 2},
	.dstip.bytes = {[10] = 0xff, 0xff, 10, 0, 0, 1},
	.srcport = 50000,
	.dstport = 80,
	.protocol = 6,
	.count = 1000,
	.size = 4294967298,
};

/* What was decoded, built again, is the same datagram: a record has one encoding only. */
static void decoded_vector_is_built_again_byte_for_byte(void **state _unused_)
{
	for (size_t i = 0; i < v1_vector_count; i++) {
		uint8_t bytes[V1_VECTOR_MAX];
		size_t size = v1_vector_bytes(&v1_vectors[i], bytes);
		struct v1_transaction transaction;
		struct v1_builder builder = {0};
		struct v1_event event;

		if (v1_decode(bytes, size, &transaction) != V1_OK || transaction.count_is_u32)
			continue;
		v1_builder_start(&builder, transaction.switch_id, transaction.sequence);
		while (v1_next_event(&transaction, &event))
			assert_int_equal(v1_builder_add(&builder, event.event_id, &event.record,
						 transaction.wants_ack),
				0);
		assert_int_equal(builder.size, size);
		assert_memory_equal(builder.bytes, bytes, size);
		assert_int_equal(builder.event_count, transaction.event_count);
	}
}

static void empty_builder_holds_a_header_alone(void **state _unused_)
{
	struct v1_builder builder = {0};
	struct v1_transaction transaction;

	v1_builder_start(&builder, 1, 1);
	assert_int_equal(builder.size, V1_HEADER_BYTES);
	assert_int_equal(builder.event_count, 0);
	assert_int_not_equal(v1_decode(builder.bytes, builder.size, &transaction), V1_OK);
}

/* 38 events of 37 bytes and the header make 1416: a 39th would exceed 1435. */
static void full_datagram_refuses_and_stays_as_it_is(void **state _unused_)
{
	struct v1_builder builder = {0}, before;
	struct v1_transaction transaction;

	v1_builder_start(&builder, 1, 1);
	for (int i = 0; i < 38; i++)
		assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow_v4, true), 0);
	before = builder;
	assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow_v4, true), -ENOSPC);
	assert_memory_equal(&builder, &before, sizeof(builder));
	assert_int_equal(builder.size, 1416);
	assert_int_equal(v1_decode(builder.bytes, builder.size, &transaction), V1_OK);
	assert_int_equal(transaction.event_count, 38);
}

static void events_of_both_kinds_do_not_share_a_datagram(void **state _unused_)
{
	struct v1_builder builder = {0};

	v1_builder_start(&builder, 1, 1);
	assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow_v4, false), 0);
	assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow_v4, true), -EINVAL);
	assert_int_equal(builder.event_count, 1);
	v1_builder_start(&builder, 1, 1);
	assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow_v4, true), 0);
	assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow_v4, false), -EINVAL);
}

static void event_without_a_payload_is_refused(void **state _unused_)
{
	struct v1_builder builder = {0};
	uint8_t record[EVENT_RECORD_MAX] = {0};

	v1_builder_start(&builder, 1, 1);
	assert_int_equal(v1_builder_add(&builder, EVENT_INTERFACE + 1, record, true), -EINVAL);
	assert_int_equal(v1_builder_add(&builder, EVENT_USER_MIN, record, true), -EINVAL);
	assert_int_equal(v1_builder_add(&builder, 0, record, true), -EINVAL);
	assert_int_equal(builder.size, V1_HEADER_BYTES);
}

static void counter_too_large_for_its_field_is_clamped_and_counted(void **state _unused_)
{
	struct v1_builder builder = {0};
	struct v1_transaction transaction;
	struct flow_event flow = flow_v4;
	struct v1_event event;

	v1_builder_start(&builder, 1, 0);
	flow.count = UINT32_MAX;
	assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow, false), 0);
	assert_int_equal(builder.clamped, 0);
	flow.count = 1ULL << 32;
	assert_int_equal(v1_builder_add(&builder, EVENT_FLOW, &flow, false), 0);
	assert_int_equal(builder.clamped, 1);

	assert_int_equal(v1_decode(builder.bytes, builder.size, &transaction), V1_OK);
	assert_true(v1_next_event(&transaction, &event));
	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.record.flow.count, UINT32_MAX);

	v1_builder_start(&builder, 1, 0);
	assert_int_equal(builder.clamped, 1);
}

/* ---- acknowledgements ---- */

static void acknowledgement_carries_its_sequence(void **state _unused_)
{
	/* "ACK\n", sequence 0x01020304 */
	static const uint8_t expected[] = {0x41, 0x43, 0x4b, 0x0a, 0x01, 0x02, 0x03, 0x04};
	uint8_t bytes[V1_ACK_BYTES];
	uint32_t sequence = 0;

	assert_int_equal(v1_encode_ack(0x01020304, bytes), sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	assert_true(v1_decode_ack(bytes, sizeof(bytes), &sequence));
	assert_int_equal(sequence, 0x01020304);
}

static void published_acknowledgement_has_no_sequence(void **state _unused_)
{
	uint8_t bytes[V1_DATAGRAM_MAX] = {'A', 'C', 'K', '\n'};

	for (size_t size = 4; size <= sizeof(bytes); size++) {
		uint32_t sequence = 1;

		assert_true(v1_decode_ack(bytes, size, &sequence));
		assert_int_equal(sequence, 0);
	}
}

static void other_bytes_are_no_acknowledgement(void **state _unused_)
{
	static const struct {
		uint8_t bytes[9];
		size_t size;
	} wrong[] = {
		{{0}, 0}, {{'A', 'C', 'K'}, 3}, {{'A', 'C', 'K', ' ', 0, 0, 0, 1}, 8},
		{{'a', 'c', 'k', '\n', 0, 0, 0, 1}, 8},
		{{'A', 'C', 'K', '\n', 1}, 5},                /* a sequence cut short */
		{{'A', 'C', 'K', '\n', 0x80, 0, 0, 0}, 8},    /* 2^31 */
		{{'A', 'C', 'K', '\n', 0, 0, 0, 1, 0xff}, 9}, /* more than padding follows */
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint32_t sequence = 77;

		if (v1_decode_ack(wrong[i].bytes, wrong[i].size, &sequence))
			fail_msg("number %zu is taken", i);
		assert_int_equal(sequence, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoded_vector_is_built_again_byte_for_byte),
		cmocka_unit_test(empty_builder_holds_a_header_alone),
		cmocka_unit_test(full_datagram_refuses_and_stays_as_it_is),
		cmocka_unit_test(events_of_both_kinds_do_not_share_a_datagram),
		cmocka_unit_test(event_without_a_payload_is_refused),
		cmocka_unit_test(counter_too_large_for_its_field_is_clamped_and_counted),
		cmocka_unit_test(acknowledgement_carries_its_sequence),
		cmocka_unit_test(published_acknowledgement_has_no_sequence),
		cmocka_unit_test(other_bytes_are_no_acknowledgement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
