// SPDX-License-Identifier: BSD-2-Clause
#include "api.h"

static const char *type_name(const json_t *json)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "an array",
		[JSON_STRING] = "a text",
		[JSON_INTEGER] = "a number",
		[JSON_REAL] = "a number",
		[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",
		[JSON_NULL] = "null",
	};

	return names[json_typeof(json)];
}

/* NULL: it is not there. */
static const json_t *find(const struct lambda_context *context, const char *path)
{
	const json_t *at = context->around->config;

	while (at && *path) {
		size_t len = strcspn(path, ".");

		at = json_object_getn(at, path, len);
		path += len + (path[len] == '.');
	}
	return at;
}

static void refuse(
	struct lambda_context *context, const char *path, const char *expected, const json_t *found)
{
	context_refuse(
		context, "config: %s: expected %s, found %s", path, expected, type_name(found));
}

double lambda_config_number(struct lambda_context *context, const char *path, double otherwise)
{
	const json_t *json = find(context, path);

	if (!json)
		return otherwise;
	if (!json_is_number(json))
		refuse(context, path, "a number", json);
	return json_number_value(json);
}

bool lambda_config_bool(struct lambda_context *context, const char *path, bool otherwise)
{
	const json_t *json = find(context, path);

	if (!json)
		return otherwise;
	if (!json_is_boolean(json))
		refuse(context, path, "true or false", json);
	return json_is_true(json);
}

const char *lambda_config_text(
	struct lambda_context *context, const char *path, const char *otherwise)
{
	const json_t *json = find(context, path);

	if (!json)
		return otherwise;
	if (!json_is_string(json))
		refuse(context, path, "a text", json);
	return json_string_value(json);
}

/* "10s", "500ms", "5m", "1h", "2d". False: it is none. */
static bool parse_length(const char *text, double *ret_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {{"ms", 1}, {"s", LAMBDA_SECOND}, {"m", LAMBDA_MINUTE}, {"h", LAMBDA_HOUR},
		{"d", LAMBDA_DAY}};
	size_t digits = strspn(text, "0123456789.");
	char *unit;
	double number = strtod(text, &unit);

	if (digits == 0 || unit != text + digits)
		return false;
	unit += strspn(unit, " ");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		*ret_ms = number * units[i].ms;
		return true;
	}
	return false;
}

uint64_t lambda_config_length(struct lambda_context *context, const char *path, uint64_t otherwise)
{
	const json_t *json = find(context, path);
	double ms = 0;

	if (!json)
		return otherwise;
	if (json_is_number(json))
		ms = json_number_value(json);
	else if (!json_is_string(json) || !parse_length(json_string_value(json), &ms))
		refuse(context, path, "a length such as \"10s\"", json);
	if (ms < 0 || ms > 1e15) {
		context_refuse(context,
			"config: %s: expected a length such as \"10s\", found %g ms", path, ms);
		return otherwise;
	}
	return (uint64_t)ms;
}
