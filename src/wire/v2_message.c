// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_message.h"

#include "wire/v2_control_bytes.h"

#define SETTING_BYTES     10 /* key, value */
#define SETTING_SKIPPABLE 0x8000
#define SECOND_US         1000000ULL
#define DAY_US            (86400 * SECOND_US)
#define DISTINCT_MAX      5000 /* the most distinct hosts or ports that may be asked for */

/* ---- types ---- */

enum v2_error v2_get_type(const uint8_t *bytes, size_t size, uint8_t *ret_type)
{
	struct cursor c;
	uint8_t type;
	enum v2_error error = v2_message_body(bytes, size, &type, &c);

	if (error != V2_OK)
		return error;
	if (type < V2_CONTROL_HELLO || (type > V2_CONTROL_BYE && type < V2_SKIPPABLE_MIN))
		return V2_BAD_CONTROL;
	*ret_type = type;
	return V2_OK;
}

/* The body of a message of one type. */
static enum v2_error get_body(
	const uint8_t *bytes, size_t size, uint8_t expected, struct cursor *ret_body)
{
	uint8_t type;
	enum v2_error error = v2_message_body(bytes, size, &type, ret_body);

	return error == V2_OK && type != expected ? V2_BAD_CONTROL : error;
}

/* All of the body was read, and no more. */
static enum v2_error get_end(const struct cursor *c)
{
	return cursor_ok(c) && cursor_left(c) == 0 ? V2_OK : V2_BAD_CONTROL;
}

/* ---- schemas ---- */

size_t v2_put_schema_request(uint8_t *bytes, size_t size, const struct v2_schema_request *request)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, V2_CONTROL_SCHEMA_REQUEST);
	for (uint8_t i = 0; i < request->count; i++)
		cursor_put_be(&c, request->hashes[i], 8);
	return v2_message_end(&c);
}

enum v2_error v2_get_schema_request(
	const uint8_t *bytes, size_t size, struct v2_schema_request *ret_request)
{
	struct v2_schema_request request = {0};
	struct cursor c;
	size_t count;

	if (get_body(bytes, size, V2_CONTROL_SCHEMA_REQUEST, &c) != V2_OK)
		return V2_BAD_CONTROL;
	count = cursor_left(&c) / 8;
	if (count == 0 || count > V2_SCHEMAS_MAX)
		return V2_BAD_CONTROL;
	request.count = (uint8_t)count;
	for (size_t i = 0; i < count; i++)
		request.hashes[i] = cursor_get_be64(&c);
	if (get_end(&c) != V2_OK)
		return V2_BAD_CONTROL;
	*ret_request = request;
	return V2_OK;
}

size_t v2_put_schema(uint8_t *bytes, size_t size, const struct v2_schema_message *schema)
{
	struct cursor c;

	if (schema->size > V2_DESCRIPTION_MAX)
		return 0;
	v2_message_begin(&c, bytes, size, V2_CONTROL_SCHEMA);
	cursor_put_be(&c, schema->hash, 8);
	cursor_put_bytes(&c, schema->description, schema->size);
	return v2_message_end(&c);
}

enum v2_error v2_get_schema(const uint8_t *bytes, size_t size, struct v2_schema_message *ret_schema)
{
	struct v2_schema_message schema = {0};
	struct cursor c;

	if (get_body(bytes, size, V2_CONTROL_SCHEMA, &c) != V2_OK)
		return V2_BAD_CONTROL;
	schema.hash = cursor_get_be64(&c);
	schema.size = cursor_left(&c);
	if (!cursor_ok(&c) || schema.size == 0 || schema.size > V2_DESCRIPTION_MAX)
		return V2_BAD_CONTROL;
	schema.description = cursor_get(&c, schema.size);
	*ret_schema = schema;
	return V2_OK;
}

/* ---- settings ---- */

const struct v2_setting_kind v2_setting_kinds[] = {
	{V2_SETTING_PERIOD, "period", 10000, DAY_US},
	{V2_SETTING_FLOW_IDLE, "flow-idle", 1000, DAY_US},
	{V2_SETTING_FANOUT, "fanout", 0, DAY_US},
	{V2_SETTING_SOURCE_HOSTS, "source-hosts", 0, DISTINCT_MAX},
	{V2_SETTING_SOURCE_PORTS, "source-ports", 0, DISTINCT_MAX},
	{V2_SETTING_SOURCE_HALF_OPEN, "source-half-open", 0, UINT32_MAX},
	{V2_SETTING_TARGET_SOURCES, "target-sources", 0, DISTINCT_MAX},
	{V2_SETTING_TARGET_PORTS, "target-ports", 0, DISTINCT_MAX},
	{V2_SETTING_TARGET_HALF_OPEN, "target-half-open", 0, UINT32_MAX},
};
const size_t v2_setting_kind_count = ARRAY_SIZE(v2_setting_kinds);

const struct v2_setting_kind *v2_setting_kind(uint16_t key)
{
	for (size_t i = 0; i < ARRAY_SIZE(v2_setting_kinds); i++)
		if (v2_setting_kinds[i].key == key)
			return &v2_setting_kinds[i];
	return NULL;
}

const char *v2_settings_status_name(enum v2_settings_status status)
{
	static const char *const names[V2_SETTINGS_STATUSES] = {
		[V2_SETTINGS_APPLIED] = "applied",
		[V2_SETTINGS_UNKNOWN_KEY] = "unknown-key",
		[V2_SETTINGS_OUT_OF_BOUNDS] = "out-of-bounds",
		[V2_SETTINGS_FAILED] = "failed",
	};

	return status < V2_SETTINGS_STATUSES ? names[status] : "unknown";
}

size_t v2_put_settings(uint8_t *bytes, size_t size, const struct v2_settings *settings)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, V2_CONTROL_SETTINGS);
	cursor_put_be(&c, settings->generation, 8);
	for (uint8_t i = 0; i < settings->count; i++) {
		cursor_put_be(&c, settings->list[i].key, 2);
		cursor_put_be(&c, settings->list[i].value, 8);
	}
	return v2_message_end(&c);
}

static bool has_key(const struct v2_settings *settings, uint16_t key)
{
	for (uint8_t i = 0; i < settings->count; i++)
		if (settings->list[i].key == key)
			return true;
	return false;
}

enum v2_error v2_get_settings(const uint8_t *bytes, size_t size, struct v2_settings *ret_settings)
{
	struct v2_settings settings = {0};
	struct cursor c;

	if (get_body(bytes, size, V2_CONTROL_SETTINGS, &c) != V2_OK)
		return V2_BAD_CONTROL;
	settings.generation = cursor_get_be64(&c);
	while (cursor_left(&c) >= SETTING_BYTES) {
		struct v2_setting setting = {
			.key = cursor_get_be16(&c), .value = cursor_get_be64(&c)};

		if (has_key(&settings, setting.key))
			return V2_BAD_PARAMETER;
		if (setting.key >= SETTING_SKIPPABLE && !v2_setting_kind(setting.key))
			continue;
		if (settings.count == V2_SETTINGS_MAX)
			return V2_BAD_PARAMETER;
		settings.list[settings.count++] = setting;
	}
	if (get_end(&c) != V2_OK || settings.generation == 0)
		return V2_BAD_CONTROL;
	*ret_settings = settings;
	return V2_OK;
}

void v2_check_settings(const struct v2_settings *settings, struct v2_settings_result *ret_result)
{
	struct v2_settings_result result = {
		.generation = settings->generation, .status = V2_SETTINGS_APPLIED};

	for (uint8_t i = 0; i < settings->count && result.key == 0; i++) {
		const struct v2_setting *setting = &settings->list[i];
		const struct v2_setting_kind *kind = v2_setting_kind(setting->key);

		if (kind && setting->value >= kind->min && setting->value <= kind->max)
			continue;
		result.status = kind ? V2_SETTINGS_OUT_OF_BOUNDS : V2_SETTINGS_UNKNOWN_KEY;
		result.key = setting->key;
	}
	*ret_result = result;
}

size_t v2_put_settings_result(uint8_t *bytes, size_t size, const struct v2_settings_result *result)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, V2_CONTROL_SETTINGS_RESULT);
	cursor_put_be(&c, result->generation, 8);
	cursor_put_be(&c, result->status, 1);
	cursor_put_be(&c, 0, 1);
	cursor_put_be(&c, result->key, 2);
	return v2_message_end(&c);
}

enum v2_error v2_get_settings_result(
	const uint8_t *bytes, size_t size, struct v2_settings_result *ret_result)
{
	struct v2_settings_result result = {0};
	struct cursor c;

	if (get_body(bytes, size, V2_CONTROL_SETTINGS_RESULT, &c) != V2_OK)
		return V2_BAD_CONTROL;
	result.generation = cursor_get_be64(&c);
	result.status = cursor_get_u8(&c);
	cursor_get_u8(&c);
	result.key = cursor_get_be16(&c);
	if (get_end(&c) != V2_OK || result.status >= V2_SETTINGS_STATUSES)
		return V2_BAD_CONTROL;
	*ret_result = result;
	return V2_OK;
}

/* ---- signs of life, and the last word ---- */

size_t v2_put_alive(uint8_t *bytes, size_t size, uint8_t type, uint64_t token)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, type);
	cursor_put_be(&c, token, 8);
	return v2_message_end(&c);
}

enum v2_error v2_get_alive(const uint8_t *bytes, size_t size, uint64_t *ret_token)
{
	struct cursor c;
	uint64_t token;
	uint8_t type;

	if (v2_message_body(bytes, size, &type, &c) != V2_OK ||
		(type != V2_CONTROL_PING && type != V2_CONTROL_PONG))
		return V2_BAD_CONTROL;
	token = cursor_get_be64(&c);
	if (get_end(&c) != V2_OK)
		return V2_BAD_CONTROL;
	*ret_token = token;
	return V2_OK;
}

const char *v2_bye_name(enum v2_bye bye)
{
	static const char *const names[V2_BYE_REASONS] = {
		[V2_BYE_NONE] = "none",
		[V2_BYE_DONE] = "done",
		[V2_BYE_RENEWED] = "renewed",
		[V2_BYE_REPLACED] = "replaced",
		[V2_BYE_REVOKED] = "revoked",
		[V2_BYE_ERROR] = "error",
		[V2_BYE_BUSY] = "busy",
	};

	return bye < V2_BYE_REASONS ? names[bye] : "unknown";
}

bool v2_bye_ends_session(enum v2_bye bye)
{
	return bye == V2_BYE_REVOKED || bye == V2_BYE_ERROR;
}

size_t v2_put_bye(uint8_t *bytes, size_t size, enum v2_bye bye, enum v2_error error)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, V2_CONTROL_BYE);
	cursor_put_be(&c, bye, 1);
	cursor_put_be(&c, error, 1);
	cursor_put_be(&c, 0, 2);
	return v2_message_end(&c);
}

enum v2_error v2_get_bye(
	const uint8_t *bytes, size_t size, enum v2_bye *ret_bye, enum v2_error *ret_error)
{
	uint8_t bye, error;
	struct cursor c;

	if (get_body(bytes, size, V2_CONTROL_BYE, &c) != V2_OK)
		return V2_BAD_CONTROL;
	bye = cursor_get_u8(&c);
	error = cursor_get_u8(&c);
	cursor_get_be16(&c);
	if (get_end(&c) != V2_OK || bye == V2_BYE_NONE)
		return V2_BAD_CONTROL;
	*ret_bye = bye < V2_BYE_REASONS ? bye : V2_BYE_DONE;
	*ret_error = error < V2_ERROR_COUNT ? error : V2_OK;
	return V2_OK;
}

size_t v2_put_grease_message(uint8_t *bytes, size_t size, uint64_t grease)
{
	struct cursor c;

	v2_message_begin(&c, bytes, size, (uint8_t)(V2_SKIPPABLE_MIN | (grease >> 56 & 0x7f)));
	cursor_put_be(&c, grease, grease % 8);
	return v2_message_end(&c);
}
