// SPDX-License-Identifier: BSD-2-Clause
#include "server/api_json.h"

#include "base/attr.h"
#include "event/render.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* The length of the UTF-8 sequence at `at` by its first byte (RFC 3629 4); 0: none can start so. */
static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* jansson is the judge of what is valid: surrogates and overlong forms are not. */
static bool sequence_valid(const char *at, size_t left, size_t len)
{
	json_t *string = len > 0 && len <= left ? json_stringn(at, len) : NULL;
	bool valid = string != NULL;

	json_decref(string);
	return valid;
}

static json_t *json_repaired(const char *text)
{
	size_t left = strlen(text), len = 0;
	_cleanup_free_ char *repaired = malloc(left * strlen(REPLACEMENT) + 1);

	if (!repaired)
		return NULL;
	while (left > 0) {
		size_t sequence = sequence_length((unsigned char)*text);
		bool valid = sequence_valid(text, left, sequence);
		const char *from = valid ? text : REPLACEMENT;
		size_t from_len = valid ? sequence : strlen(REPLACEMENT);

		memcpy(repaired + len, from, from_len);
		len += from_len;
		text += valid ? sequence : 1;
		left -= valid ? sequence : 1;
	}
	return json_stringn(repaired, len);
}

void json_put(json_t **object, const char *key, json_t *value)
{
	/* Also releases `value` when the object is NULL. */
	if (json_object_set_new(*object, key, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

void json_push(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

json_t *json_count(uint64_t value)
{
	return json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX));
}

json_t *json_text(const char *text)
{
	json_t *string;

	if (!text)
		return json_null();
	string = json_string(text);
	return string ? string : json_repaired(text);
}

json_t *json_time(uint64_t ns)
{
	char text[TIME_TEXT_MAX];

	return ns > 0 ? json_string(time_render(ns, text)) : json_null();
}

json_t *json_embed(const char *text)
{
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	return value ? value : json_text(text);
}
