// SPDX-License-Identifier: BSD-2-Clause
#include "event/description.h"

#include "base/cursor.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FORMAT          1
#define ORDER_LITTLE    0
#define ORDER_BIG       1
#define KIND_NUMBER_MIN 128 /* from here on an unknown kind is shown as a number */

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define ORDER_OURS ORDER_LITTLE
#else
#define ORDER_OURS ORDER_BIG
#endif

/* Numbers of the protocol, which do not change with the enum. */
static const uint8_t kinds[] = {
	[FIELD_UINT] = 0,
	[FIELD_INT] = 1,
	[FIELD_IP] = 2,
	[FIELD_PORT] = 3,
	[FIELD_PROTO] = 4,
	[FIELD_FLAGS] = 5,
	[FIELD_TIME] = 6,
	[FIELD_BYTES] = 7,
};

/* ---- writing ---- */

static void put_text(struct cursor *c, const char *text)
{
	size_t len = strlen(text);

	cursor_put_be(c, len, 1);
	cursor_put_bytes(c, text, len);
}

size_t schema_describe(const struct schema *schema, uint8_t *bytes, size_t size)
{
	struct cursor c;

	cursor_write_init(&c, bytes, size);
	cursor_put_be(&c, FORMAT, 1);
	cursor_put_be(&c, ORDER_OURS, 1);
	cursor_put_be(&c, schema->event_id, 4);
	cursor_put_be(&c, schema->record_size, 2);
	put_text(&c, schema->name);
	cursor_put_be(&c, schema->field_count, 1);
	for (uint16_t i = 0; i < schema->field_count; i++) {
		const struct schema_field *field = &schema->fields[i];

		cursor_put_be(&c, kinds[field->kind], 1);
		cursor_put_be(&c, field->offset, 2);
		cursor_put_be(&c, field->size, 1);
		put_text(&c, field->name);
	}
	return cursor_ok(&c) ? c.pos : 0;
}

/* ---- reading ---- */

/* Names are what functions write in their code: no other characters, so no surprises there. */
static bool get_name(struct cursor *c, char name[static SCHEMA_NAME_MAX])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	uint8_t len = cursor_get_u8(c);

	if (len == 0 || len >= SCHEMA_NAME_MAX)
		return false;
	cursor_get_bytes(c, name, len);
	name[len] = '\0';
	return cursor_ok(c) && strspn(name, letters) == len && (name[0] < '0' || name[0] > '9');
}

static bool is_number(uint16_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static bool size_fits(const struct schema_field *field)
{
	switch (field->kind) {
	case FIELD_IP:
		return field->size == 16;
	case FIELD_PORT:
		return field->size == 2;
	case FIELD_PROTO:
	case FIELD_FLAGS:
		return field->size == 1;
	case FIELD_TIME:
	case FIELD_BYTES:
		return field->size == 8;
	default:
		return is_number(field->size);
	}
}

static bool get_kind(struct cursor *c, enum field_kind *ret_kind)
{
	uint8_t kind = cursor_get_u8(c);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i] == kind) {
			*ret_kind = (enum field_kind)i;
			return true;
		}
	}
	*ret_kind = FIELD_UINT;
	return kind >= KIND_NUMBER_MIN;
}

static bool get_field(struct cursor *c, const struct schema *schema, struct schema_field *field)
{
	if (!get_kind(c, &field->kind))
		return false;
	field->offset = cursor_get_be16(c);
	field->size = cursor_get_u8(c);
	if (!get_name(c, field->name) || schema_find_field(schema, field->name))
		return false;
	return size_fits(field) && field->offset + field->size <= schema->record_size;
}

static bool get_schema(struct cursor *c, struct schema *schema)
{
	uint8_t count;

	if (cursor_get_u8(c) != FORMAT || cursor_get_u8(c) != ORDER_OURS)
		return false;
	schema->event_id = cursor_get_be32(c);
	schema->record_size = cursor_get_be16(c);
	if (schema->record_size == 0 || schema->record_size > EVENT_RECORD_MAX)
		return false;
	if (!get_name(c, schema->name))
		return false;
	count = cursor_get_u8(c);
	if (!cursor_ok(c) || count == 0 || count > SCHEMA_FIELDS_MAX)
		return false;
	while (schema->field_count < count) {
		if (!get_field(c, schema, &schema->fields[schema->field_count]))
			return false;
		schema->field_count++;
	}
	return cursor_left(c) == 0;
}

int schema_read_description(const uint8_t *bytes, size_t size, struct schema *ret_schema)
{
	struct schema schema = {0};
	struct cursor c;

	cursor_read_init(&c, bytes, size);
	if (size > DESCRIPTION_MAX || !get_schema(&c, &schema))
		return -EBADMSG;
	*ret_schema = schema;
	return 0;
}
