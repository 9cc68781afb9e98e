// SPDX-License-Identifier: BSD-2-Clause
#include "schemas.h"

#include "engine/pipe.h"

#include <errno.h>
#include <stdio.h>

static bool read_kind(const char *name, enum field_kind *ret_kind)
{
	for (enum field_kind kind = FIELD_UINT; kind <= FIELD_BYTES; kind++) {
		if (strcmp(field_kind_name(kind), name) != 0)
			continue;
		*ret_kind = kind;
		return true;
	}
	return false;
}

static bool read_name(struct cursor *c, char name[static SCHEMA_NAME_MAX])
{
	const char *text = pipe_get_text(c, NULL);

	if (!text || strlen(text) >= SCHEMA_NAME_MAX)
		return false;
	strcpy(name, text);
	return true;
}

static bool read_field(struct cursor *c, const struct schema *schema, struct schema_field *field)
{
	bool named = read_name(c, field->name);
	const char *kind = pipe_get_text(c, NULL);

	field->offset = cursor_get_le16(c);
	field->size = cursor_get_le16(c);
	if (!named || !kind || !cursor_ok(c) || !read_kind(kind, &field->kind))
		return false;
	if (field->kind == FIELD_IP ? field->size != sizeof(ip_addr)
				    : field->size == 0 || field->size > sizeof(uint64_t))
		return false;
	return field->offset + field->size <= schema->record_size;
}

static bool read_schema(struct cursor *c, struct schema *schema)
{
	schema->event_id = cursor_get_le32(c);
	if (!read_name(c, schema->name))
		return false;
	schema->record_size = cursor_get_le16(c);
	schema->field_count = cursor_get_le16(c);
	if (schema->field_count > SCHEMA_FIELDS_MAX)
		return false;
	for (size_t i = 0; i < schema->field_count; i++)
		if (!read_field(c, schema, &schema->fields[i]))
			return false;
	return cursor_ok(c);
}

int schemas_add(struct schemas *schemas, struct cursor *c)
{
	struct event_form *form = &schemas->forms[schemas->count];
	const struct schema_field *last;

	if (schemas->count == SCHEMAS_MAX)
		return -E2BIG;
	if (!read_schema(c, &form->schema))
		return -EBADMSG;
	last = schema_find_field(&form->schema, "last");
	form->last = last && last->kind == FIELD_TIME ? last->offset : -1;
	form->stride = (uint16_t)pipe_align(form->schema.record_size);
	schemas->count++;
	return 0;
}

void schemas_plan_keys(struct schemas *schemas, const char *const *names)
{
	for (size_t i = 0; i < schemas->count; i++)
		key_plan_init(&schemas->forms[i].key, &schemas->forms[i].schema, names);
}

const struct event_form *schemas_find(const struct schemas *schemas, uint32_t event_id)
{
	for (size_t i = 0; i < schemas->count; i++)
		if (schemas->forms[i].schema.event_id == event_id)
			return &schemas->forms[i];
	return NULL;
}
