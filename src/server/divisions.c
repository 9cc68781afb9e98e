// SPDX-License-Identifier: BSD-2-Clause
#include "server/divisions.h"

#include "base/words.h"
#include "event/key_plans.h"

#include <string.h>

void divisions_done(struct divisions *divisions)
{
	while (divisions->first) {
		struct division *next = divisions->first->next;

		free(divisions->first);
		divisions->first = next;
	}
}

static struct division *division_new(const char *key)
{
	_cleanup_free_ char *text = strdup(key);
	const char *fields[KEY_FIELDS_MAX + 1] = {NULL};
	size_t size = strlen(key) + 1;
	struct division *division = text ? calloc(1, sizeof(*division) + size) : NULL;
	char *rest = text;

	if (!division)
		return NULL;
	memcpy(division->key, key, size);
	for (size_t i = 0; i < KEY_FIELDS_MAX && *text && rest; i++)
		fields[i] = strsep(&rest, ",");
	key_plans_init(division->plans, fields);
	return division;
}

const struct division *divisions_get(struct divisions *divisions, const char *key)
{
	struct division *division = divisions->first;

	while (division && strcmp(division->key, key) != 0)
		division = division->next;
	if (division)
		return division;
	division = division_new(key);
	if (!division)
		return NULL;
	division->next = divisions->first;
	divisions->first = division;
	return division;
}

const struct division *divisions_get_fields(struct divisions *divisions, const char *const *fields)
{
	_cleanup_free_ char *key = words_join(fields, ",");

	return key ? divisions_get(divisions, key) : NULL;
}
