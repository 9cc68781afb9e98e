// SPDX-License-Identifier: BSD-2-Clause
/* Descriptions of schemas, and what must hold for any bytes. */
#include "event/description.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_field(const struct schema *schema, const struct schema_field *field)
{
	uint8_t record[EVENT_RECORD_MAX] = {0};

	REQUIRE(strlen(field->name) > 0 && field->size > 0);
	REQUIRE(field->offset + field->size <= schema->record_size);
	REQUIRE(schema_find_field(schema, field->name) == field);
	REQUIRE(schema_read_uint(field, record) == 0);
	REQUIRE(field_kind_name(field->kind) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t again[DESCRIPTION_MAX];
	struct schema schema, copy;
	size_t written;

	if (schema_read_description(bytes, size, &schema) < 0)
		return 0;
	REQUIRE(schema.record_size > 0 && schema.record_size <= EVENT_RECORD_MAX);
	REQUIRE(schema.field_count > 0 && schema.field_count <= SCHEMA_FIELDS_MAX);
	for (uint16_t i = 0; i < schema.field_count; i++)
		check_field(&schema, &schema.fields[i]);
	/* Written again it says the same; kinds that are unknown have become numbers. */
	written = schema_describe(&schema, again, sizeof(again));
	REQUIRE(written == size);
	REQUIRE(schema_read_description(again, written, &copy) == 0);
	REQUIRE(memcmp(&copy, &schema, sizeof(schema)) == 0);
	return 0;
}
