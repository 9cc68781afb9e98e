// SPDX-License-Identifier: BSD-2-Clause
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[VALUE_NONE] = "nothing",
	[VALUE_JSON] = "plain value",
	[VALUE_NUMBER] = "counter",
	[VALUE_WINDOW] = "window",
	[VALUE_DISTINCT] = "distinct",
	[VALUE_TOP] = "top",
	[VALUE_GROWTH] = "growth",
	[VALUE_ONCE] = "once",
};

const char *value_kind_name(enum value_kind kind)
{
	return names[kind];
}

size_t value_bytes(enum value_kind kind)
{
	const struct value *value = NULL;

	switch (kind) {
	case VALUE_JSON:
		return offsetof(struct value, json) + sizeof(value->json);
	case VALUE_NUMBER:
		return offsetof(struct value, number_lease) + sizeof(value->number_lease);
	case VALUE_ONCE:
		return offsetof(struct value, once) + sizeof(value->once);
	default:
		return sizeof(struct value);
	}
}

int value_init(struct value *value)
{
	switch (value->kind) {
	case VALUE_WINDOW:
		window_init(&value->window, value->window.length);
		return 0;
	case VALUE_DISTINCT:
		return distinct_init(&value->distinct, value->distinct.length, value->distinct.cap);
	case VALUE_TOP:
		return top_init(&value->top, value->top.length, value->top.k);
	case VALUE_GROWTH:
		growth_init(&value->growth);
		return 0;
	case VALUE_ONCE:
		once_init(&value->once, value->once.length);
		return 0;
	default:
		return -EINVAL;
	}
}

bool value_fits(const struct value *value, const struct value *wanted)
{
	if (value->kind != wanted->kind)
		return false;
	switch (value->kind) {
	case VALUE_WINDOW:
		return value->window.length == wanted->window.length;
	case VALUE_DISTINCT:
		return value->distinct.length == wanted->distinct.length &&
		       value->distinct.cap == wanted->distinct.cap;
	case VALUE_TOP:
		return value->top.length == wanted->top.length && value->top.k == wanted->top.k;
	case VALUE_ONCE:
		return value->once.length == wanted->once.length;
	default:
		return true;
	}
}

int value_set_json(struct value *value, const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	value->kind = VALUE_JSON;
	value->json.text = copy;
	value->json.len = len;
	value->json.lease = (struct lease){0};
	return 0;
}

/* {"$ttl":10000,"at":1763884800000,"value":...}, as value_put() and the other runtimes write it. */
int value_load(struct value *value, const char *text, size_t len)
{
	struct lease lease;
	int head = 0, r;

	if (sscanf(text, "{\"$ttl\":%lf,\"at\":%lf,\"value\":%n", &lease.ttl, &lease.at, &head) !=
			2 ||
		head == 0 || text[len - 1] != '}' || !(lease.ttl > 0))
		return value_set_json(value, text, len);
	r = value_set_json(value, text + head, len - (size_t)head - 1);
	if (r == 0)
		value->json.lease = lease;
	return r;
}

struct lease *value_lease(struct value *value)
{
	switch (value->kind) {
	case VALUE_JSON:
		return &value->json.lease;
	case VALUE_NUMBER:
		return &value->number_lease;
	default:
		return NULL;
	}
}

bool value_is_over(struct value *value, double now)
{
	const struct lease *lease = value_lease(value);

	return lease && lease->ttl > 0 && now - lease->at >= lease->ttl;
}

void value_done(struct value *value)
{
	if (value->kind == VALUE_JSON)
		free(value->json.text);
	else if (value->kind == VALUE_DISTINCT)
		distinct_done(&value->distinct);
	else if (value->kind == VALUE_TOP)
		top_done(&value->top);
	value->kind = VALUE_NONE;
}

bool value_is_reserved(const char *json)
{
	size_t name;

	if (strncmp(json, "{\"$", 3) != 0)
		return false;
	name = strspn(json + 3, "abcdefghijklmnopqrstuvwxyz");
	return name > 0 && strncmp(json + 3 + name, "\":", 2) == 0;
}

static int read_object(struct value *value, json_t *json)
{
	if (json_object_get(json, "$window")) {
		value->kind = VALUE_WINDOW;
		return window_read(&value->window, json);
	}
	if (json_object_get(json, "$distinct")) {
		value->kind = VALUE_DISTINCT;
		return distinct_read(&value->distinct, json);
	}
	if (json_object_get(json, "$top")) {
		value->kind = VALUE_TOP;
		return top_read(&value->top, json);
	}
	if (json_object_get(json, "$growth")) {
		value->kind = VALUE_GROWTH;
		return growth_read(&value->growth, json);
	}
	if (json_object_get(json, "$once")) {
		value->kind = VALUE_ONCE;
		return once_read(&value->once, json);
	}
	return -EBADMSG;
}

static int restore_object(struct value *value)
{
	json_t *json = json_loadb(value->json.text, value->json.len, JSON_DECODE_INT_AS_REAL, NULL);
	struct value object = {0};
	int r;

	if (!json)
		return 0;
	r = read_object(&object, json);
	json_decref(json);
	if (r < 0) {
		value_done(&object);
		return r == -ENOMEM ? r : 0;
	}
	value_done(value);
	*value = object;
	return 0;
}

int value_restore(struct value *value)
{
	struct lease lease;
	double number;

	if (value->kind != VALUE_JSON)
		return 0;
	if (value_is_reserved(value->json.text))
		return restore_object(value);
	if (!json_read_number(value->json.text, &number))
		return 0;
	lease = value->json.lease;
	value_done(value);
	value->kind = VALUE_NUMBER;
	value->number = number;
	value->number_lease = lease;
	return 0;
}

bool value_is_expired(struct value *value, double now)
{
	if (value->kind == VALUE_JSON && value->json.text[0] == '{' && value_restore(value) < 0)
		return false;
	if (value_is_over(value, now))
		return true;
	switch (value->kind) {
	case VALUE_WINDOW:
		return window_expired(&value->window, now);
	case VALUE_DISTINCT:
		return distinct_expired(&value->distinct, now);
	case VALUE_TOP:
		return top_expired(&value->top, now);
	case VALUE_GROWTH:
		return growth_expired(&value->growth, now);
	case VALUE_ONCE:
		return once_expired(&value->once, now);
	default:
		return value->kind == VALUE_NONE;
	}
}

size_t value_size(const struct value *value)
{
	switch (value->kind) {
	case VALUE_JSON:
		return value->json.len;
	case VALUE_NUMBER:
		return 16;
	case VALUE_DISTINCT:
		return distinct_size(&value->distinct);
	case VALUE_TOP:
		return top_size(&value->top);
	default:
		return 160;
	}
}

void value_put_row(struct value *value, struct pipe_buffer *to)
{
	const struct lease *lease = value_lease(value);

	if (!lease || lease->ttl == 0) {
		value_put(value, to);
		return;
	}
	json_put(to, "{\"$ttl\":");
	json_put_number(to, lease->ttl);
	json_put(to, ",\"at\":");
	json_put_number(to, lease->at);
	json_put(to, ",\"value\":");
	value_put(value, to);
	json_put(to, "}");
}

void value_put(const struct value *value, struct pipe_buffer *to)
{
	switch (value->kind) {
	case VALUE_JSON:
		json_put_bytes(to, value->json.text, value->json.len);
		break;
	case VALUE_NUMBER:
		json_put_number(to, value->number);
		break;
	case VALUE_WINDOW:
		window_put(&value->window, to);
		break;
	case VALUE_DISTINCT:
		distinct_put(&value->distinct, to);
		break;
	case VALUE_TOP:
		top_put(&value->top, to);
		break;
	case VALUE_GROWTH:
		growth_put(&value->growth, to);
		break;
	case VALUE_ONCE:
		once_put(&value->once, to);
		break;
	case VALUE_NONE:
		json_put(to, "null");
		break;
	}
}
