// SPDX-License-Identifier: BSD-2-Clause
#include "base/cursor.h"
#include "event/description.h"
#include "tests/unit/test.h"
#include "tests/unit/wire/guard.h"
#include "tests/unit/wire/v2_vectors.h"
#include "wire/v2_message.h"

#include <errno.h>
#include <string.h>

static int setup(void **state _unused_)
{
	return schema_init();
}

static void built_in_schemas_survive_the_way(void **state _unused_)
{
	for (uint32_t id = EVENT_PORT; id <= EVENT_INTERFACE; id++) {
		const struct schema *schema = schema_builtin(id);
		uint8_t bytes[DESCRIPTION_MAX];
		struct schema again;
		size_t size = schema_describe(schema, bytes, sizeof(bytes));

		assert_in_range(size, 50, 200);
		assert_int_equal(schema_read_description(bytes, size, &again), 0);
		assert_memory_equal(&again, schema, sizeof(again));
	}
}

static void largest_schema_fits(void **state _unused_)
{
	struct schema schema = {.event_id = UINT32_MAX,
			      .record_size = EVENT_RECORD_MAX,
			      .field_count = SCHEMA_FIELDS_MAX},
		      again;
	uint8_t bytes[DESCRIPTION_MAX];
	size_t size;

	memset(schema.name, 'n', SCHEMA_NAME_MAX - 1);
	for (uint16_t i = 0; i < SCHEMA_FIELDS_MAX; i++) {
		struct schema_field *field = &schema.fields[i];

		memset(field->name, 'a' + i % 26, SCHEMA_NAME_MAX - 1);
		field->name[0] = i < 26 ? 'a' : 'b';
		field->name[1] = (char)('a' + i % 26);
		field->kind = FIELD_UINT;
		field->offset = (uint16_t)(i * 8);
		field->size = 8;
	}
	size = schema_describe(&schema, bytes, sizeof(bytes));
	assert_true(size > 1000 && size <= V2_DESCRIPTION_MAX);
	assert_int_equal(schema_read_description(bytes, size, &again), 0);
	assert_memory_equal(&again, &schema, sizeof(again));
	for (size_t less = 0; less < size; less += 11)
		assert_int_equal(schema_describe(&schema, guard_end() - less, less), 0);
}

static void description_of_the_document_is_read_and_has_its_hash(void **state _unused_)
{
	const struct v2_vector *vector = v2_vectors;
	uint8_t bytes[V1_VECTOR_MAX];
	struct v2_schema_message message;
	struct schema schema;
	uint64_t hash;
	size_t size;

	while (strcmp(vector->name, "schema") != 0)
		vector++;
	size = v2_vector_bytes(vector, bytes);
	assert_int_equal(v2_get_schema(bytes, size, &message), V2_OK);
	assert_int_equal(description_hash(message.description, message.size, &hash), 0);
	assert_true(hash == message.hash);
	assert_int_equal(schema_read_description(message.description, message.size, &schema), 0);
	assert_int_equal(schema.event_id, 16);
	assert_string_equal(schema.name, "dropped");
	assert_int_equal(schema.field_count, 2);
	assert_string_equal(schema.fields[0].name, "srcip");
	assert_int_equal(schema.fields[0].kind, FIELD_IP);
	assert_int_equal(schema.fields[1].offset, 16);
}

/* The bytes of a small schema, with one of them changed. */
static int read_changed(size_t at, uint8_t value)
{
	const struct schema small = {.event_id = 16,
		.name = "drop",
		.record_size = 24,
		.field_count = 2,
		.fields = {{"srcip", FIELD_IP, 0, 16}, {"count", FIELD_UINT, 16, 8}}};
	uint8_t bytes[DESCRIPTION_MAX];
	struct schema schema = {.event_id = 99};
	size_t size = schema_describe(&small, bytes, sizeof(bytes));
	int r;

	assert_true(at < size);
	bytes[at] = value;
	r = schema_read_description(guard_place(bytes, size), size, &schema);
	if (r < 0)
		assert_int_equal(schema.event_id, 99);
	return r;
}

static void what_does_not_hold_together_is_refused(void **state _unused_)
{
	enum {
		FORMAT = 0,
		ORDER = 1,
		RECORD = 7,
		NAME = 9,
		COUNT = 13,
		KIND = 14,
		OFFSET = 16,
		SIZE = 17
	};

	assert_int_equal(read_changed(FORMAT, 1), 0);
	assert_int_equal(read_changed(FORMAT, 2), -EBADMSG);
	assert_int_equal(read_changed(ORDER, 1), -EBADMSG); /* big-endian records */
	assert_int_equal(read_changed(RECORD, 23), -EBADMSG);
	assert_int_equal(read_changed(RECORD, 0), -EBADMSG);
	assert_int_equal(read_changed(NAME, '-'), -EBADMSG);
	assert_int_equal(read_changed(NAME, 0), -EBADMSG);
	assert_int_equal(read_changed(NAME, '7'), -EBADMSG); /* no name begins with a digit */
	assert_int_equal(read_changed(COUNT, 0), -EBADMSG);
	assert_int_equal(read_changed(COUNT, 1), -EBADMSG);
	assert_int_equal(read_changed(COUNT, 3), -EBADMSG);
	assert_int_equal(read_changed(COUNT, 33), -EBADMSG);
	assert_int_equal(read_changed(KIND, 8), -EBADMSG);
	assert_int_equal(read_changed(KIND, 3), -EBADMSG); /* a port of 16 octets */
	assert_int_equal(read_changed(OFFSET, 9), -EBADMSG);
	assert_int_equal(read_changed(SIZE, 8), -EBADMSG);
	assert_int_equal(read_changed(SIZE, 0), -EBADMSG);
}

static void field_of_one_name_twice_is_refused(void **state _unused_)
{
	const struct schema twice = {.event_id = 16,
		.name = "drop",
		.record_size = 16,
		.field_count = 2,
		.fields = {{"count", FIELD_UINT, 0, 8}, {"count", FIELD_UINT, 8, 8}}};
	uint8_t bytes[DESCRIPTION_MAX];
	struct schema schema;

	assert_int_equal(schema_read_description(
				 bytes, schema_describe(&twice, bytes, sizeof(bytes)), &schema),
		-EBADMSG);
}

/* A newer agent's: shown as what it looks like. */
static void unknown_kind_that_may_be_overlooked_is_a_number(void **state _unused_)
{
	const struct schema one = {.event_id = 16,
		.name = "drop",
		.record_size = 8,
		.field_count = 1,
		.fields = {{"count", FIELD_INT, 0, 8}}};
	uint8_t bytes[DESCRIPTION_MAX];
	struct schema schema;
	size_t size = schema_describe(&one, bytes, sizeof(bytes));

	bytes[14] = 200;
	assert_int_equal(schema_read_description(bytes, size, &schema), 0);
	assert_int_equal(schema.fields[0].kind, FIELD_UINT);
}

static void cut_anywhere_it_is_refused(void **state _unused_)
{
	uint8_t bytes[DESCRIPTION_MAX];
	struct schema schema;
	size_t size = schema_describe(schema_builtin(EVENT_FLOW), bytes, sizeof(bytes));

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(
			schema_read_description(guard_place(bytes, cut), cut, &schema), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_in_schemas_survive_the_way),
		cmocka_unit_test(largest_schema_fits),
		cmocka_unit_test(description_of_the_document_is_read_and_has_its_hash),
		cmocka_unit_test(what_does_not_hold_together_is_refused),
		cmocka_unit_test(field_of_one_name_twice_is_refused),
		cmocka_unit_test(unknown_kind_that_may_be_overlooked_is_a_number),
		cmocka_unit_test(cut_anywhere_it_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
