// SPDX-License-Identifier: BSD-2-Clause
#include "event/schema.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stddef.h>

static int setup(void **state _unused_)
{
	return schema_init();
}

static void port_fields_are_read_from_btf(void **state _unused_)
{
	const struct schema *schema = schema_builtin(EVENT_PORT);
	const struct schema_field *field;

	assert_non_null(schema);
	assert_string_equal(schema->name, "port");
	assert_int_equal(schema->record_size, sizeof(struct port_event));
	assert_int_equal(schema->field_count, 11);

	field = schema_find_field(schema, "srcip");
	assert_non_null(field);
	assert_int_equal(field->kind, FIELD_IP);
	assert_int_equal(field->offset, offsetof(struct port_event, srcip));
	assert_int_equal(field->size, 16);

	field = schema_find_field(schema, "syn");
	assert_non_null(field);
	assert_int_equal(field->kind, FIELD_UINT);
	assert_int_equal(field->offset, offsetof(struct port_event, syn));
	assert_int_equal(field->size, 4);
}

static void semantic_typedefs_decide_the_kind(void **state _unused_)
{
	const struct schema *schema = schema_builtin(EVENT_FLOW);
	const struct {
		const char *name;
		enum field_kind kind;
	} expected[] = {
		{"dstip", FIELD_IP},
		{"srcport", FIELD_PORT},
		{"protocol", FIELD_PROTO},
		{"flags", FIELD_FLAGS},
		{"first", FIELD_TIME},
		{"size", FIELD_BYTES},
		{"count", FIELD_UINT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct schema_field *field = schema_find_field(schema, expected[i].name);

		assert_non_null(field);
		assert_string_equal(
			field_kind_name(field->kind), field_kind_name(expected[i].kind));
	}
}

static void padding_is_not_a_field(void **state _unused_)
{
	assert_null(schema_find_field(schema_builtin(EVENT_PORT), "pad"));
	assert_null(schema_find_field(schema_builtin(EVENT_PORT), "pad2"));
}

static void integers_are_read_by_their_size(void **state _unused_)
{
	const struct schema *schema = schema_builtin(EVENT_FLOW);
	struct flow_event flow = {.srcport = 0xfffe, .protocol = 17, .count = 1ULL << 40};

	assert_int_equal(schema_read_uint(schema_find_field(schema, "srcport"), &flow), 0xfffe);
	assert_int_equal(schema_read_uint(schema_find_field(schema, "protocol"), &flow), 17);
	assert_int_equal(schema_read_uint(schema_find_field(schema, "count"), &flow), 1ULL << 40);
}

static void unknown_event_has_no_schema(void **state _unused_)
{
	assert_null(schema_builtin(0));
	assert_null(schema_builtin(EVENT_USER_MIN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_fields_are_read_from_btf),
		cmocka_unit_test(semantic_typedefs_decide_the_kind),
		cmocka_unit_test(padding_is_not_a_field),
		cmocka_unit_test(integers_are_read_by_their_size),
		cmocka_unit_test(unknown_event_has_no_schema),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
