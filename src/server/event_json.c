// SPDX-License-Identifier: BSD-2-Clause
#include "server/event_json.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/suggest.h"
#include "event/render.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void put_uint(const struct schema_field *field, void *record, uint64_t value)
{
	const uint8_t value8 = (uint8_t)value;
	const uint16_t value16 = (uint16_t)value;
	const uint32_t value32 = (uint32_t)value;
	const void *from = field->size == 1   ? (const void *)&value8
			   : field->size == 2 ? (const void *)&value16
			   : field->size == 4 ? (const void *)&value32
					      : (const void *)&value;

	memcpy((uint8_t *)record + field->offset, from, field->size);
}

/* RFC 3339 in UTC, with or without a fraction; "": unknown. */
static int parse_time(const char *text, uint64_t *ret_ns)
{
	struct tm tm = {0};
	const char *rest = *text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : "Z";
	uint64_t ns = 0;

	if (!rest)
		return -EINVAL;
	if (*rest == '.')
		for (uint64_t unit = NS_PER_SEC / 10; *++rest >= '0' && *rest <= '9'; unit /= 10)
			ns += (uint64_t)(*rest - '0') * unit;
	if (strcmp(rest, "Z") != 0)
		return -EINVAL;
	*ret_ns = *text ? (uint64_t)timegm(&tm) * NS_PER_SEC + ns : 0;
	return 0;
}

static int put_text(const struct schema_field *field, void *record, const char *text)
{
	uint64_t ns;
	ip_addr ip;

	if (field->kind == FIELD_IP && ip_parse(text, &ip) == 0) {
		memcpy((uint8_t *)record + field->offset, &ip, sizeof(ip));
		return 0;
	}
	if (field->kind != FIELD_TIME || parse_time(text, &ns) < 0)
		return -EINVAL;
	put_uint(field, record, ns);
	return 0;
}

static int put_number(const struct schema_field *field, void *record, json_int_t value)
{
	const uint64_t most = field->size == 8 ? INT64_MAX : (1ULL << (8 * field->size)) - 1;

	if (field->kind == FIELD_IP || value < 0 || (uint64_t)value > most)
		return -EINVAL;
	put_uint(field, record, (uint64_t)value);
	return 0;
}

static int unknown_field(const struct schema *schema, const char *name, char **ret_error)
{
	const char *names[SCHEMA_FIELDS_MAX], *near;

	for (size_t i = 0; i < schema->field_count; i++)
		names[i] = schema->fields[i].name;
	near = suggest_nearest(name, names, schema->field_count);
	if (near)
		return error_set(ret_error, -EINVAL,
			"event %u (%s) has no field \"%.64s\" (did you mean \"%s\"?)",
			schema->event_id, schema->name, name, near);
	return error_set(ret_error, -EINVAL, "event %u (%s) has no field \"%.64s\"",
		schema->event_id, schema->name, name);
}

int event_from_json(const struct schema *schema, const json_t *data, void *record, char **ret_error)
{
	const char *name;
	json_t *value;
	int r = 0;

	memset(record, 0, schema->record_size);
	json_object_foreach ((json_t *)data, name, value) {
		const struct schema_field *field = schema_find_field(schema, name);

		if (!field)
			return unknown_field(schema, name, ret_error);
		if (json_is_string(value))
			r = put_text(field, record, json_string_value(value));
		else if (json_is_integer(value))
			r = put_number(field, record, json_integer_value(value));
		else
			r = -EINVAL;
		if (r < 0)
			return error_set(ret_error, r, "%s: expected %s", name,
				field->kind == FIELD_IP     ? "an address, as text"
				: field->kind == FIELD_TIME ? "a time, as \"2026-11-27T08:00:00Z\""
							    : "a number that fits");
	}
	return 0;
}

const struct schema *event_find(const json_t *name)
{
	const char *text = json_string_value(name);

	if (json_is_integer(name) && json_integer_value(name) > 0 &&
		json_integer_value(name) < EVENT_USER_MIN)
		return schema_builtin((uint32_t)json_integer_value(name));
	for (uint32_t id = 1; text && id < EVENT_USER_MIN; id++)
		if (schema_builtin(id) && strcmp(schema_builtin(id)->name, text) == 0)
			return schema_builtin(id);
	return NULL;
}
