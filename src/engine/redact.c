// SPDX-License-Identifier: BSD-2-Clause
#include "engine/redact.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_secret(const char *header)
{
	static const char *const secrets[] = {"authorization", "proxy-authorization", "cookie"};

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		if (strcasecmp(header, secrets[i]) == 0)
			return true;
	return false;
}

/* Returns how many there were, or -ENOMEM. */
static int redact_headers(json_t *headers)
{
	const char *name;
	json_t *value;
	int count = 0;

	json_object_foreach (headers, name, value) {
		if (!is_secret(name))
			continue;
		/* A name that is there keeps its place: the iteration goes on. */
		if (json_object_set_new(headers, name, json_string(REDACTED)) < 0)
			return -ENOMEM;
		count++;
	}
	return count;
}

int request_redact(const char *data, char **ret_data)
{
	json_t *request = json_loads(data, JSON_ALLOW_NUL, NULL);
	int count = request ? redact_headers(json_object_get(request, "headers")) : 1;
	char *text = NULL;

	if (count > 0)
		text = request ? json_dumps(request, JSON_COMPACT) : strdup(REDACTED);
	json_decref(request);
	if (count < 0 || (count > 0 && !text))
		return -ENOMEM;
	*ret_data = text;
	return 0;
}
