// SPDX-License-Identifier: BSD-2-Clause
#include "cli/test_responses.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const json_t *find_header(const json_t *headers, const char *wanted)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)headers, name, value)
		if (strcasecmp(name, wanted) == 0)
			return value;
	return NULL;
}

static bool has_headers(const json_t *response, const json_t *expected)
{
	const json_t *headers = json_object_get(response, "headers");
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)expected, name, value)
		if (!json_equal(find_header(headers, name), value))
			return false;
	return json_is_object(expected);
}

/* What is no part of a response is expected in vain. */
static bool is_expected(const json_t *response, const json_t *expected)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)expected, name, value)
		if (strcmp(name, "headers") == 0
				? !has_headers(response, value)
				: !json_equal(json_object_get(response, name), value))
			return false;
	return json_is_object(expected);
}

static json_t *difference(size_t i, const json_t *request, json_t *response)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	const char *path = json_string_value(json_object_get(request, "path"));
	json_t *expected = json_object_get(request, "response");
	json_t *one = json_object();

	json_object_set_new(one, "request",
		json_sprintf("request %zu, %s %s", i + 1, method ? method : "GET", path));
	if (expected)
		json_object_set(one, "missing", expected);
	if (response)
		json_object_set(one, "unexpected", response);
	return one;
}

json_t *responses_differing(const json_t *requests, const json_t *responses)
{
	json_t *differing = json_array(), *request;
	size_t i;

	json_array_foreach ((json_t *)requests, i, request) {
		json_t *response = json_array_get(responses, i);

		if (!is_expected(response, json_object_get(request, "response")) &&
			json_array_append_new(differing, difference(i, request, response)) < 0)
			return json_decref(differing), NULL;
	}
	return differing;
}

void responses_expect(json_t *requests, const json_t *responses)
{
	json_t *request;
	size_t i;

	json_array_foreach (requests, i, request)
		json_object_set(request, "response", json_array_get(responses, i));
}
