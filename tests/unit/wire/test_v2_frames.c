// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test.h"
#include "tests/unit/wire/guard.h"
#include "tests/unit/wire/v2_vectors.h"
#include "wire/v2_message.h"

#include <stdio.h>
#include <string.h>

static const struct v2_vector *find(const char *name)
{
	for (size_t i = 0; i < v2_vector_count; i++)
		if (strcmp(v2_vectors[i].name, name) == 0)
			return &v2_vectors[i];
	fail_msg("no vector %s", name);
	return NULL;
}

/* A message of any type, as the end that takes it reads it. */
static enum v2_error read_message(uint8_t type, const uint8_t *bytes, size_t size)
{
	struct v2_schema_request request;
	struct v2_settings_result result;
	struct v2_schema_message schema;
	struct v2_settings settings;
	struct v2_welcome welcome;
	struct v2_hello hello;
	enum v2_error error;
	enum v2_bye bye;
	uint64_t token;

	switch (type) {
	case V2_CONTROL_HELLO:
		return v2_get_hello(bytes, size, &hello);
	case V2_CONTROL_WELCOME:
	case V2_CONTROL_REFUSED:
		return v2_get_welcome(bytes, size, &welcome);
	case V2_CONTROL_SCHEMA_REQUEST:
		return v2_get_schema_request(bytes, size, &request);
	case V2_CONTROL_SCHEMA:
		return v2_get_schema(bytes, size, &schema);
	case V2_CONTROL_SETTINGS:
		return v2_get_settings(bytes, size, &settings);
	case V2_CONTROL_SETTINGS_RESULT:
		return v2_get_settings_result(bytes, size, &result);
	case V2_CONTROL_BYE:
		return v2_get_bye(bytes, size, &bye, &error);
	case V2_CONTROL_PING:
	case V2_CONTROL_PONG:
		return v2_get_alive(bytes, size, &token);
	default:
		return V2_OK;
	}
}

static enum v2_error read_control(const uint8_t *bytes, size_t size)
{
	uint8_t type;
	enum v2_error error = v2_get_type(bytes, size, &type);

	return error == V2_OK ? read_message(type, bytes, size) : error;
}

/* Reads a packet (with its tag) or a control message that ends at the guard. */
static enum v2_error read_bytes(enum v2_vector_kind kind, const uint8_t *bytes, size_t size)
{
	const uint8_t *at = guard_place(bytes, size);
	struct v2_header header;
	enum v2_error error;

	if (kind == V2_VECTOR_CONTROL)
		return read_control(at, size);
	error = v2_get_header(at, size, &header);
	if (error != V2_OK)
		return error;
	return v2_check_frames(at + V2_HEADER_BYTES, size - V2_HEADER_BYTES - V2_TAG_BYTES,
		&v2_vector_schemas, kind == V2_VECTOR_TO_SERVER ? V2_TO_SERVER : V2_TO_AGENT);
}

static size_t vector_bytes(const struct v2_vector *vector, uint8_t bytes[static V1_VECTOR_MAX])
{
	size_t size = v2_vector_bytes(vector, bytes);

	if (vector->kind == V2_VECTOR_CONTROL)
		return size;
	memset(bytes + size, 0, V2_TAG_BYTES);
	return size + V2_TAG_BYTES;
}

static void each_vector_is_read_as_it_says(void **state _unused_)
{
	for (size_t i = 0; i < v2_vector_count; i++) {
		uint8_t bytes[V1_VECTOR_MAX];
		size_t size = vector_bytes(&v2_vectors[i], bytes);
		enum v2_error error = read_bytes(v2_vectors[i].kind, bytes, size);

		if (error != v2_vectors[i].error)
			fail_msg("%s: %s, not %s", v2_vectors[i].name, v2_error_name(error),
				v2_error_name(v2_vectors[i].error));
	}
}

/* A packet may end after any of its frames; anywhere else it is cut, and refused. */
static void no_vector_cut_short_reads_further(void **state _unused_)
{
	for (size_t i = 0; i < v2_vector_count; i++) {
		uint8_t bytes[V1_VECTOR_MAX];
		size_t size = vector_bytes(&v2_vectors[i], bytes);
		unsigned int accepted = 0;

		for (size_t cut = 0; cut < size; cut++)
			accepted += read_bytes(v2_vectors[i].kind, bytes, cut) == V2_OK;
		if (accepted > 2)
			fail_msg("%s is accepted at %u lengths", v2_vectors[i].name, accepted);
		if (v2_vectors[i].kind == V2_VECTOR_CONTROL)
			assert_int_equal(accepted, 0);
	}
}

/* The frames of a vector, with their bytes as the writers put them. */
static size_t write_again(
	const struct v2_vector *vector, const uint8_t *text, size_t size, uint8_t *ret_bytes)
{
	struct cursor in, out;

	cursor_read_init(&in, text, size);
	cursor_write_init(&out, ret_bytes, V1_VECTOR_MAX);
	while (cursor_left(&in) > 0) {
		struct v2_range ranges[V2_ACK_RANGES];
		struct v2_frame frame;

		assert_int_equal(v2_next_frame(&in, &v2_vector_schemas, &frame), V2_OK);
		switch (frame.type) {
		case V2_FRAME_PING:
			v2_put_ping(&out, 0);
			break;
		case V2_FRAME_EVENTS:
			v2_put_events(&out, &frame, 0);
			break;
		case V2_FRAME_SHED:
			v2_put_shed(&out, &frame, 0);
			break;
		case V2_FRAME_ACK:
			v2_get_ranges(&frame, ranges);
			v2_put_ack(&out, frame.ack.delay_us, ranges, frame.ack.count, 0);
			break;
		case V2_FRAME_PROCESSED:
			v2_put_processed(&out, &frame, 0);
			break;
		case V2_FRAME_PATH_CHALLENGE:
		case V2_FRAME_PATH_RESPONSE:
			v2_put_path(&out, frame.type, frame.path, 0);
			break;
		default:
			fail_msg("%s has frame type %u", vector->name, frame.type);
		}
	}
	assert_true(cursor_ok(&out));
	return out.pos;
}

static void what_is_read_is_written_again(void **state _unused_)
{
	static const char *const names[] = {"ping", "events", "shed", "path-response", "answer"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct v2_vector *vector = find(names[i]);
		uint8_t bytes[V1_VECTOR_MAX], again[V1_VECTOR_MAX];
		size_t size = v2_vector_bytes(vector, bytes) - V2_HEADER_BYTES;

		assert_int_equal(write_again(vector, bytes + V2_HEADER_BYTES, size, again), size);
		assert_memory_equal(again, bytes + V2_HEADER_BYTES, size);
	}
}

static void headers_are_written_as_read(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX], again[V2_HEADER_BYTES];
	size_t size = vector_bytes(find("events"), bytes);
	struct v2_header header;
	struct cursor c;

	assert_int_equal(v2_get_header(bytes, size, &header), V2_OK);
	assert_int_equal(header.phase, 1);
	assert_int_equal(header.session, 7);
	assert_int_equal(header.packet, 256);
	cursor_write_init(&c, again, sizeof(again));
	v2_put_header(&c, &header);
	assert_memory_equal(again, bytes, sizeof(again));
}

static void grease_changes_nothing(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	size_t size = v2_vector_bytes(find("greased"), bytes);
	struct v2_frame frame;
	struct cursor c;

	cursor_read_init(&c, bytes + V2_HEADER_BYTES, size - V2_HEADER_BYTES);
	assert_int_equal(v2_next_frame(&c, &v2_vector_schemas, &frame), V2_OK);
	assert_false(v2_frame_elicits(&frame));
	assert_int_equal(v2_next_frame(&c, &v2_vector_schemas, &frame), V2_OK);
	assert_int_equal(frame.type, V2_FRAME_PING);
	assert_int_equal(v2_next_frame(&c, &v2_vector_schemas, &frame), V2_OK);
	assert_int_equal(frame.events.lane, 1);
	assert_memory_equal(frame.events.records, "\x0a\x0b\x0c\x0d", 4);
}

static void acknowledged_ranges_are_those_of_the_text(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX];
	size_t size = v2_vector_bytes(find("answer"), bytes);
	struct v2_range ranges[V2_ACK_RANGES];
	struct v2_frame frame;
	struct cursor c;

	cursor_read_init(&c, bytes + V2_HEADER_BYTES, size - V2_HEADER_BYTES);
	assert_int_equal(v2_next_frame(&c, &v2_vector_schemas, &frame), V2_OK);
	assert_int_equal(frame.ack.delay_us, 250);
	assert_int_equal(frame.ack.count, 2);
	v2_get_ranges(&frame, ranges);
	assert_int_equal(ranges[0].first, 8);
	assert_int_equal(ranges[0].last, 10);
	assert_int_equal(ranges[1].first, 5);
	assert_int_equal(ranges[1].last, 5);
	assert_int_equal(v2_next_frame(&c, &v2_vector_schemas, &frame), V2_OK);
	assert_int_equal(frame.processed.before, 32);
	assert_int_equal(frame.processed.limit, 4128);
}

static void hello_says_who_and_what(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX], again[V2_CONTROL_MAX];
	size_t size = v2_vector_bytes(find("hello"), bytes);
	struct v2_hello hello, hello_again;

	assert_int_equal(v2_get_hello(bytes, size, &hello), V2_OK);
	assert_int_equal(hello.boot, 0x99);
	assert_int_equal(hello.epoch, 0);
	assert_int_equal(hello.datagram_max, 1472);
	assert_int_equal(hello.schemas.count, 1);
	assert_int_equal(hello.schemas.list[0].record_bytes, 72);
	assert_int_equal(hello.cipher_count, 3);
	assert_int_equal(hello.ciphers[0], V2_CIPHER_CHACHA20_POLY1305);
	/* Whatever the grease is. */
	for (uint64_t grease = 0; grease < 64; grease++) {
		size = v2_put_hello(again, sizeof(again), &hello, grease << 58 | grease);
		assert_int_equal(v2_get_hello(again, size, &hello_again), V2_OK);
		assert_memory_equal(&hello_again.schemas.list[0].hash, &hello.schemas.list[0].hash,
			sizeof(uint64_t));
		assert_int_equal(hello_again.cipher_count, hello.cipher_count);
		assert_memory_equal(hello_again.ciphers, hello.ciphers, hello.cipher_count);
	}
}

static void welcome_survives_the_wire(void **state _unused_)
{
	uint8_t bytes[V1_VECTOR_MAX], again[V2_CONTROL_MAX];
	size_t size = v2_vector_bytes(find("welcome"), bytes);
	struct v2_welcome welcome, copy;

	assert_int_equal(v2_get_welcome(bytes, size, &welcome), V2_OK);
	assert_int_equal(welcome.epoch, 3);
	assert_int_equal(welcome.before[1], 5);
	assert_int_equal(welcome.limit[1], 261);
	size = v2_put_welcome(again, sizeof(again), &welcome, 0x1234567);
	assert_int_equal(v2_get_welcome(again, size, &copy), V2_OK);
	assert_memory_equal(copy.before, welcome.before, sizeof(copy.before));
	assert_int_equal(copy.session, welcome.session);
	assert_int_equal(copy.cipher, V2_CIPHER_CHACHA20_POLY1305);
	/* What is not said is what every end has. */
	welcome.cipher = 0;
	size = v2_put_welcome(again, sizeof(again), &welcome, 0x1234567);
	assert_int_equal(v2_get_welcome(again, size, &copy), V2_OK);
	assert_int_equal(copy.cipher, V2_CIPHER_AES_256_GCM);
}

static void message_that_does_not_fit_is_not_written(void **state _unused_)
{
	struct v2_hello hello = {.boot = 1, .schemas = {.count = 3}};
	uint8_t bytes[V2_CONTROL_MAX];
	size_t size = v2_put_hello(bytes, sizeof(bytes), &hello, 0);

	assert_true(size > 0);
	for (size_t less = 0; less < size; less++)
		assert_int_equal(v2_put_hello(guard_end() - less, less, &hello, 0), 0);
}

static void errors_have_names_and_actions(void **state _unused_)
{
	for (int error = V2_OK; error < V2_ERROR_COUNT; error++) {
		assert_non_null(v2_error_name(error));
		/* Nothing that an outsider can send ends a session. */
		if (error > V2_OK && error <= V2_UNSEALED)
			assert_int_equal(v2_error_action(error), V2_ACTION_DROP);
	}
	assert_int_equal(v2_error_action(V2_ERROR_COUNT), V2_ACTION_CLOSE);
}

static void document_shows_each_vector(void **state _unused_)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol-2.md", "r");
	_cleanup_free_ char *document = NULL;
	size_t capacity = 0;

	assert_non_null(file);
	assert_true(getdelim(&document, &capacity, '\0', file) > 0);
	fclose(file);
	for (size_t i = 0; i < v2_vector_count; i++) {
		_cleanup_free_ char *name = NULL, *block = NULL;
		const char *at;

		assert_true(asprintf(&name, "**%s**", v2_vectors[i].name) > 0);
		assert_true(asprintf(&block, "\n```\n%s```\n", v2_vectors[i].hex) > 0);
		at = strstr(document, name);
		if (!at)
			fail_msg("docs/protocol-2.md does not show %s", v2_vectors[i].name);
		if (strstr(at, block) != strstr(at, "\n```\n"))
			fail_msg("docs/protocol-2.md shows %s otherwise", v2_vectors[i].name);
	}
}

static void document_names_each_error(void **state _unused_)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol-2.md", "r");
	_cleanup_free_ char *document = NULL;
	size_t capacity = 0;

	assert_non_null(file);
	assert_true(getdelim(&document, &capacity, '\0', file) > 0);
	fclose(file);
	for (int error = V2_SHORT; error < V2_ERROR_COUNT; error++) {
		_cleanup_free_ char *row = NULL;

		assert_true(asprintf(&row, "| %d | `%s` |", error, v2_error_name(error)) > 0);
		if (!strstr(document, row))
			fail_msg("docs/protocol-2.md has no row \"%s\"", row);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vector_is_read_as_it_says),
		cmocka_unit_test(no_vector_cut_short_reads_further),
		cmocka_unit_test(what_is_read_is_written_again),
		cmocka_unit_test(headers_are_written_as_read),
		cmocka_unit_test(grease_changes_nothing),
		cmocka_unit_test(acknowledged_ranges_are_those_of_the_text),
		cmocka_unit_test(hello_says_who_and_what),
		cmocka_unit_test(welcome_survives_the_wire),
		cmocka_unit_test(message_that_does_not_fit_is_not_written),
		cmocka_unit_test(errors_have_names_and_actions),
		cmocka_unit_test(document_shows_each_vector),
		cmocka_unit_test(document_names_each_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
