// SPDX-License-Identifier: BSD-2-Clause
#include "server/call_event.h"

#include "base/error.h"
#include "event/render.h"
#include "server/api_json.h"
#include "server/event_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 64 /* characters of a field's */

void call_event_done(struct call_event *event)
{
	free(event->key);
	free(event->data);
	*event = (struct call_event){0};
}

struct called_event call_event_called(const struct call_event *event, uint64_t wait_ns)
{
	return (struct called_event){
		.event_id = event->schema->event_id,
		.record = event->record,
		.record_size = event->schema->record_size,
		.call = {.key = event->key, .data = event->data},
		.wait_ns = wait_ns,
	};
}

/* ---- the key of a request ---- */

/* The first event that has all of a key's fields: what those are is the same in each. */
static const struct schema *find_schema(const struct function_config *config)
{
	for (uint32_t id = 1; id < EVENT_USER_MIN; id++) {
		const struct schema *schema = schema_builtin(id);
		size_t i = 0;

		while (schema && config->key[i] && schema_find_field(schema, config->key[i]))
			i++;
		if (schema && !config->key[i])
			return schema;
	}
	return NULL;
}

/* A query has texts only. */
static json_t *value_of(const char *text)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && errno == 0)
		return json_integer(number);
	return json_string(text);
}

static int render_key(const struct function_config *config, const struct schema *schema,
	const void *record, char **ret_key)
{
	char key[FUNCTION_KEY_MAX * (VALUE_MAX + 1)];
	size_t len = 0;

	for (size_t i = 0; config->key[i]; i++) {
		char value[VALUE_MAX];

		field_render(
			schema_find_field(schema, config->key[i]), record, value, sizeof(value));
		len += (size_t)snprintf(
			key + len, sizeof(key) - len, "%s%s", i > 0 ? "|" : "", value);
	}
	*ret_key = strdup(key);
	return *ret_key ? 0 : -ENOMEM;
}

static int read_key(
	const struct function_config *config, const json_t *query, char **ret_key, char **ret_error)
{
	const struct schema *schema = find_schema(config);
	_Alignas(8) uint8_t record[EVENT_RECORD_MAX];
	json_t *values = json_object();
	size_t wanted = 0, given = 0;
	int r = 0;

	for (; config->key[wanted]; wanted++) {
		const char *text = json_string_value(json_object_get(query, config->key[wanted]));

		given += text != NULL;
		if (text)
			json_put(&values, config->key[wanted], value_of(text));
	}
	if (given > 0 && (given < wanted || !schema))
		r = error_set(ret_error, -EINVAL,
			schema ? "the query has some of the fields of the function's key: give "
				 "all, "
				 "or none"
			       : "no event has the fields of the function's key");
	else if (given > 0)
		r = event_from_json(schema, values, record, ret_error);
	json_decref(values);
	if (r == 0 && given > 0)
		return render_key(config, schema, record, ret_key);
	if (r == 0)
		*ret_key = strdup("");
	return r == 0 && !*ret_key ? -ENOMEM : r;
}

/* ---- events ---- */

int call_event_request(const json_t *request, size_t size, const struct function_config *config,
	struct call_event *ret_event, char **ret_error)
{
	const struct http_event record = {.size = (uint32_t)size};
	struct call_event event = {.schema = schema_builtin(EVENT_HTTP)};
	int r = read_key(config, json_object_get(request, "query"), &event.key, ret_error);

	if (r < 0)
		return r;
	memcpy(event.record, &record, sizeof(record));
	event.data = json_dumps(request, JSON_COMPACT);
	if (!event.data) {
		call_event_done(&event);
		return -ENOMEM;
	}
	*ret_event = event;
	return 0;
}

static bool texts_only(const json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)object, name, value)
		if (!json_is_string(value))
			return false;
	return json_is_object(object);
}

static int check_request(const json_t *request, char **ret_error)
{
	static const char *const names[] = {"method", "path", "query", "headers", "body"};
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)request, name, value) {
		size_t i = 0;

		while (i < ARRAY_SIZE(names) && strcmp(names[i], name) != 0)
			i++;
		if (i == ARRAY_SIZE(names))
			return error_set(ret_error, -EINVAL,
				"event http has no \"%.64s\": expected method, path, query, "
				"headers, "
				"body",
				name);
		if (i < 2 ? !json_is_string(value) : i < 4 && !texts_only(value))
			return error_set(ret_error, -EINVAL, "%s: expected %s", name,
				i < 2 ? "a text" : "an object of texts");
	}
	return 0;
}

/* Of a request as somebody writes it: what is left out is as in the plainest one. */
static int read_request(const json_t *data, const struct function_config *config,
	struct call_event *ret_event, char **ret_error)
{
	json_t *request;
	int r = check_request(data, ret_error);

	if (r < 0)
		return r;
	request = json_pack("{s:s, s:s, s:{}, s:{}, s:n}", "method", "GET", "path", "/", "query",
		"headers", "body");
	if (request && data && json_object_update(request, (json_t *)data) < 0) {
		json_decref(request);
		request = NULL;
	}
	r = request ? call_event_request(request, 0, config, ret_event, ret_error) : -ENOMEM;
	json_decref(request);
	return r;
}

int call_event_read(const json_t *body, const struct function_config *config,
	struct call_event *ret_event, char **ret_error)
{
	const json_t *data = json_object_get(body, "data");
	struct call_event event = {.schema = event_find(json_object_get(body, "event"))};
	int r;

	if (!event.schema)
		return error_set(ret_error, -EINVAL,
			"event: expected the name or the id of one, such as \"port\"");
	if (data && !json_is_object(data))
		return error_set(
			ret_error, -EINVAL, "data: expected an object with the event's fields");
	if (event.schema->event_id == EVENT_HTTP)
		return read_request(data, config, ret_event, ret_error);
	r = event_from_json(event.schema, data, event.record, ret_error);
	if (r < 0)
		return r;
	event.key = strdup("");
	event.data = strdup("");
	if (!event.key || !event.data) {
		call_event_done(&event);
		return -ENOMEM;
	}
	*ret_event = event;
	return 0;
}
