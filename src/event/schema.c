// SPDX-License-Identifier: BSD-2-Clause
#include "event/schema.h"

#include <string.h>

static const char *const kind_names[] = {
	[FIELD_UINT] = "uint",
	[FIELD_INT] = "int",
	[FIELD_IP] = "ip",
	[FIELD_PORT] = "port",
	[FIELD_PROTO] = "proto",
	[FIELD_FLAGS] = "flags",
	[FIELD_TIME] = "time",
	[FIELD_BYTES] = "bytes",
};

const struct schema_field *schema_find_field(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->field_count; i++)
		if (strcmp(schema->fields[i].name, name) == 0)
			return &schema->fields[i];
	return NULL;
}

const char *field_kind_name(enum field_kind kind)
{
	return kind_names[kind];
}

uint64_t schema_read_uint(const struct schema_field *field, const void *record)
{
	const uint8_t *at = (const uint8_t *)record + field->offset;
	uint64_t value64;
	uint32_t value32;
	uint16_t value16;

	switch (field->size) {
	case 1:
		return *at;
	case 2:
		memcpy(&value16, at, sizeof(value16));
		return value16;
	case 4:
		memcpy(&value32, at, sizeof(value32));
		return value32;
	case 8:
		memcpy(&value64, at, sizeof(value64));
		return value64;
	default:
		return 0;
	}
}
