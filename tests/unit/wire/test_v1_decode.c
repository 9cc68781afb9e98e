// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test.h"
#include "tests/unit/wire/guard.h"
#include "tests/unit/wire/v1_vectors.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static struct v1_transaction decode_ok(const char *name, uint8_t bytes[static V1_VECTOR_MAX])
{
	struct v1_transaction transaction;
	size_t size = v1_vector_bytes(v1_vector_find(name), bytes);

	assert_string_equal(v1_error_name(v1_decode(bytes, size, &transaction)), "ok");
	return transaction;
}

static void assert_ip(const ip_addr *ip, const char *text)
{
	char found[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, ip->bytes, found, sizeof(found));
	assert_string_equal(found, text);
}

static void port_event_is_decoded_field_by_field(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("port-v4", bytes);
	struct v1_event event;

	assert_int_equal(transaction.switch_id, 7);
	assert_int_equal(transaction.sequence, 1);
	assert_true(transaction.wants_ack);
	assert_false(transaction.count_is_u32);
	assert_int_equal(transaction.event_count, 1);

	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.event_id, EVENT_PORT);
	assert_int_equal(event.record_size, sizeof(struct port_event));
	assert_ip(&event.record.port.srcip, "::ffff:10.0.0.3");
	assert_ip(&event.record.port.dstip, "::ffff:10.0.0.1");
	assert_int_equal(event.record.port.dstport, 80);
	assert_int_equal(event.record.port.protocol, 6);
	assert_int_equal(event.record.port.udp, 0);
	assert_int_equal(event.record.port.syn, 42);
	assert_int_equal(event.record.port.rst, 2);
	assert_int_equal(event.record.port.completed, 0);
	assert_int_equal(event.record.port.refused, 0);
	assert_int_equal(event.record.port.first, 0);
	assert_int_equal(event.record.port.last, 0);
	assert_false(v1_next_event(&transaction, &event));
}

static void flow_event_is_decoded_field_by_field(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("flow-v4", bytes);
	struct v1_event event;

	assert_int_equal(transaction.sequence, 0);
	assert_false(transaction.wants_ack);
	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.event_id, EVENT_FLOW);
	assert_int_equal(event.record_size, sizeof(struct flow_event));
	assert_ip(&event.record.flow.srcip, "::ffff:10.0.0.2");
	assert_ip(&event.record.flow.dstip, "::ffff:10.0.0.1");
	assert_int_equal(event.record.flow.srcport, 50000);
	assert_int_equal(event.record.flow.dstport, 80);
	assert_int_equal(event.record.flow.protocol, 6);
	assert_int_equal(event.record.flow.flags, 0);
	assert_int_equal(event.record.flow.ended, 0);
	assert_int_equal(event.record.flow.count, 1000);
	assert_int_equal(event.record.flow.size, 4294967298);
	assert_false(v1_next_event(&transaction, &event));
}

static void ipv6_forms_carry_whole_addresses(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("port-v6", bytes);
	struct v1_event event;

	assert_int_equal(transaction.switch_id, UINT32_MAX);
	assert_int_equal(transaction.sequence, V1_SEQUENCE_MAX);
	assert_true(v1_next_event(&transaction, &event));
	assert_ip(&event.record.port.srcip, "2001:db8::3");
	assert_ip(&event.record.port.dstip, "2001:db8::1");
	assert_int_equal(event.record.port.dstport, 53);
	assert_int_equal(event.record.port.protocol, 17);
	assert_int_equal(event.record.port.udp, 9);

	transaction = decode_ok("flow-v6", bytes);
	assert_true(v1_next_event(&transaction, &event));
	assert_ip(&event.record.flow.srcip, "2001:db8::2");
	assert_ip(&event.record.flow.dstip, "2001:db8::1");
	assert_int_equal(event.record.flow.srcport, 65535);
	assert_int_equal(event.record.flow.dstport, 22);
	assert_int_equal(event.record.flow.count, UINT32_MAX);
	assert_int_equal(event.record.flow.size, 1250999896491);
}

static void port_event_may_tell_handshakes(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("port-completed-v4", bytes);
	struct v1_event event;

	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.record_size, sizeof(struct port_event));
	assert_ip(&event.record.port.srcip, "::ffff:10.0.0.3");
	assert_int_equal(event.record.port.syn, 42);
	assert_int_equal(event.record.port.completed, 40);
	assert_int_equal(event.record.port.refused, 1);
	assert_false(v1_next_event(&transaction, &event));

	transaction = decode_ok("port-refused-v6", bytes);
	assert_true(v1_next_event(&transaction, &event));
	assert_ip(&event.record.port.dstip, "2001:db8::1");
	assert_int_equal(event.record.port.dstport, 23);
	assert_int_equal(event.record.port.completed, 0);
	assert_int_equal(event.record.port.refused, UINT32_MAX);
}

static void source_and_target_are_decoded_field_by_field(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("source-v4", bytes);
	struct v1_event event;

	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.event_id, EVENT_SOURCE);
	assert_int_equal(event.record_size, sizeof(struct source_event));
	assert_ip(&event.record.source.srcip, "::ffff:10.0.0.3");
	assert_int_equal(event.record.source.first, 1);
	assert_int_equal(event.record.source.last, 2);
	assert_int_equal(event.record.source.packets, 100);
	assert_int_equal(event.record.source.size, 6000);
	assert_int_equal(event.record.source.shed, 7);
	assert_int_equal(event.record.source.syn, 90);
	assert_int_equal(event.record.source.udp, 10);
	assert_int_equal(event.record.source.completed, 5);
	assert_int_equal(event.record.source.hosts, 3);
	assert_int_equal(event.record.source.ports, 98);
	assert_int_equal(event.record.source.ended, 0);
	assert_false(v1_next_event(&transaction, &event));

	transaction = decode_ok("target-v6", bytes);
	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.event_id, EVENT_TARGET);
	assert_ip(&event.record.target.dstip, "2001:db8::1");
	assert_int_equal(event.record.target.packets, 1ULL << 32);
	assert_int_equal(event.record.target.shed, UINT32_MAX);
	assert_int_equal(event.record.target.syn, UINT32_MAX);
	assert_int_equal(event.record.target.sources, 7108);
	assert_int_equal(event.record.target.ports, 1);
	assert_int_equal(event.record.target.ended, 1);
}

static void interface_event_is_decoded_field_by_field(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("interface", bytes);
	struct v1_event event;

	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.event_id, EVENT_INTERFACE);
	assert_int_equal(event.record_size, sizeof(struct interface_event));
	assert_int_equal(event.record.interface.ifindex, 3);
	assert_int_equal(event.record.interface.first, 0);
	assert_int_equal(event.record.interface.packets, 1000000);
	assert_int_equal(event.record.interface.size, 1000000000);
	assert_int_equal(event.record.interface.not_ip, 5);
	assert_int_equal(event.record.interface.malformed, 4);
	assert_int_equal(event.record.interface.flow_shed, 3);
	assert_int_equal(event.record.interface.port_shed, 2);
	assert_false(v1_next_event(&transaction, &event));
}

static void events_of_different_lengths_come_in_order(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("two-events", bytes);
	struct v1_event event;

	assert_int_equal(transaction.event_count, 2);
	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.event_id, EVENT_FLOW);
	assert_int_equal(event.record.flow.srcport, 8);
	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.event_id, EVENT_PORT);
	assert_ip(&event.record.port.srcip, "fe80::1");
	assert_ip(&event.record.port.dstip, "::ffff:10.0.0.1");
	assert_int_equal(event.record.port.protocol, 132);
	assert_false(v1_next_event(&transaction, &event));
	assert_int_equal(transaction.event_count, 2);
}

static void copy_of_a_transaction_iterates_on_its_own(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction first = decode_ok("two-events", bytes), second = first;
	struct v1_event event;

	assert_true(v1_next_event(&first, &event));
	assert_true(v1_next_event(&first, &event));
	assert_false(v1_next_event(&first, &event));
	assert_true(v1_next_event(&second, &event));
	assert_int_equal(event.event_id, EVENT_FLOW);
}

static void published_header_with_padding_is_accepted(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction = decode_ok("count-u32", bytes);
	struct v1_event event;

	assert_true(transaction.count_is_u32);
	assert_int_equal(transaction.event_count, 1);
	assert_int_equal(transaction.sequence, 1);
	assert_true(v1_next_event(&transaction, &event));
	assert_int_equal(event.record.port.syn, 42);
	assert_false(v1_next_event(&transaction, &event));
}

static void published_header_needs_no_padding(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction;

	v1_vector_bytes(v1_vector_find("count-u32"), bytes);
	assert_int_equal(v1_decode(bytes, 13 + 37, &transaction), V1_OK);
	assert_int_equal(v1_decode(bytes, 13 + 37 + 1, &transaction), V1_OK);
}

/* 65537 is 1 in sixteen bits: the promised events must not be forgotten by a narrow counter. */
static void count_above_16_bits_is_not_cut(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	struct v1_transaction transaction;
	size_t size = v1_vector_bytes(v1_vector_find("count-u32"), bytes);

	bytes[10] = 1;
	assert_string_equal(v1_error_name(v1_decode(bytes, 13 + 37, &transaction)), "short");
	assert_string_equal(v1_error_name(v1_decode(bytes, size, &transaction)), "bad-length");
}

static void each_vector_gives_its_error(void **state _unused_)
{
	bool reached[V1_ERROR_COUNT] = {false};

	for (size_t i = 0; i < v1_vector_count; i++) {
		uint8_t bytes[V1_VECTOR_MAX];
		struct v1_transaction transaction;
		size_t size = v1_vector_bytes(&v1_vectors[i], bytes);
		enum v1_error error = v1_decode(bytes, size, &transaction);

		if (error != v1_vectors[i].error)
			fail_msg("%s: found %s, expected %s", v1_vectors[i].name,
				v1_error_name(error), v1_error_name(v1_vectors[i].error));
		reached[error] = true;
	}
	for (int i = 0; i < V1_ERROR_COUNT; i++)
		if (!reached[i])
			fail_msg("no vector for %s", v1_error_name(i));
}

static void refused_datagram_leaves_the_output_alone(void **state _unused_)
{
	for (size_t i = 0; i < v1_vector_count; i++) {
		uint8_t bytes[V1_VECTOR_MAX];
		struct v1_transaction transaction, before;
		size_t size = v1_vector_bytes(&v1_vectors[i], bytes);

		memset(&before, 0x5a, sizeof(before));
		transaction = before;
		if (v1_decode(bytes, size, &transaction) != V1_OK)
			assert_memory_equal(&transaction, &before, sizeof(before));
	}
}

/* The padding of a u32 count may end anywhere; what is before it may not. */
static size_t shortest_accepted(const uint8_t *bytes, size_t size)
{
	struct v1_transaction transaction;

	assert_int_equal(v1_decode(bytes, size, &transaction), V1_OK);
	return (size_t)(transaction.events - bytes) + transaction.events_bytes;
}

static void datagram_cut_anywhere_is_short(void **state _unused_)
{
	for (size_t i = 0; i < v1_vector_count; i++) {
		uint8_t bytes[V1_VECTOR_MAX];
		size_t size = v1_vector_bytes(&v1_vectors[i], bytes), enough;
		struct v1_transaction transaction;

		if (v1_vectors[i].error != V1_OK)
			continue;
		enough = shortest_accepted(bytes, size);
		for (size_t cut = 0; cut < enough; cut++) {
			enum v1_error error = v1_decode(guard_place(bytes, cut), cut, &transaction);

			if (error != V1_SHORT)
				fail_msg("%s cut to %zu: found %s", v1_vectors[i].name, cut,
					v1_error_name(error));
		}
	}
}

/* Refused ones as well: whatever is wrong, nothing behind the end is looked at. */
static void nothing_is_read_behind_the_end(void **state _unused_)
{
	for (size_t i = 0; i < v1_vector_count; i++) {
		uint8_t bytes[V1_VECTOR_MAX];
		size_t size = v1_vector_bytes(&v1_vectors[i], bytes);

		for (size_t cut = 0; cut <= size; cut++) {
			struct v1_transaction transaction;
			struct v1_event event;
			unsigned int events = 0;

			if (v1_decode(guard_place(bytes, cut), cut, &transaction) != V1_OK)
				continue;
			while (v1_next_event(&transaction, &event))
				events++;
			assert_int_equal(events, transaction.event_count);
		}
	}
}

static void each_error_has_a_label_of_its_own(void **state _unused_)
{
	for (int i = 0; i < V1_ERROR_COUNT; i++) {
		assert_non_null(v1_error_name(i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(v1_error_name(i), v1_error_name(k));
	}
	assert_string_equal(v1_error_name(V1_ERROR_COUNT), "unknown");
}

/* The whole file, NUL-terminated, for the test's life. */
static int read_document(void **state)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol-1.md", "r");
	size_t size = 0;
	char *text = NULL;

	if (!file)
		return -1;
	if (getdelim(&text, &size, '\0', file) < 0)
		text = NULL;
	fclose(file);
	*state = text;
	return text ? 0 : -1;
}

static int free_document(void **state)
{
	free(*state);
	return 0;
}

static void protocol_document_shows_each_vector(void **state)
{
	const char *document = *state;

	for (size_t i = 0; i < v1_vector_count; i++) {
		_cleanup_free_ char *name = NULL, *block = NULL;
		const char *at;

		assert_true(asprintf(&name, "**%s**", v1_vectors[i].name) > 0);
		assert_true(asprintf(&block, "\n```\n%s```\n", v1_vectors[i].hex) > 0);
		at = strstr(document, name);
		if (!at)
			fail_msg("docs/protocol-1.md does not show %s", v1_vectors[i].name);
		if (v1_vectors[i].hex[0] && strstr(at, block) != strstr(at, "\n```\n"))
			fail_msg("docs/protocol-1.md shows %s otherwise", v1_vectors[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_event_is_decoded_field_by_field),
		cmocka_unit_test(flow_event_is_decoded_field_by_field),
		cmocka_unit_test(ipv6_forms_carry_whole_addresses),
		cmocka_unit_test(port_event_may_tell_handshakes),
		cmocka_unit_test(source_and_target_are_decoded_field_by_field),
		cmocka_unit_test(interface_event_is_decoded_field_by_field),
		cmocka_unit_test(events_of_different_lengths_come_in_order),
		cmocka_unit_test(copy_of_a_transaction_iterates_on_its_own),
		cmocka_unit_test(published_header_with_padding_is_accepted),
		cmocka_unit_test(published_header_needs_no_padding),
		cmocka_unit_test(count_above_16_bits_is_not_cut),
		cmocka_unit_test(each_vector_gives_its_error),
		cmocka_unit_test(refused_datagram_leaves_the_output_alone),
		cmocka_unit_test(datagram_cut_anywhere_is_short),
		cmocka_unit_test(nothing_is_read_behind_the_end),
		cmocka_unit_test(each_error_has_a_label_of_its_own),
		cmocka_unit_test_setup_teardown(
			protocol_document_shows_each_vector, read_document, free_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
