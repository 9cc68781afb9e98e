// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/variables.h"

#include <errno.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS  "0123456789"

static size_t name_length(const char *variable)
{
	return strcspn(variable, "=");
}

bool variable_name_is_valid(const char *name, size_t len)
{
	return len > 0 && !strchr(DIGITS, name[0]) && strspn(name, LETTERS DIGITS) >= len;
}

bool variables_are_same_name(const char *a, const char *b)
{
	size_t len = name_length(a);

	return len == name_length(b) && memcmp(a, b, len) == 0;
}

static bool has_name(const char *const *list, size_t count, const char *variable)
{
	for (size_t i = 0; i < count; i++)
		if (variables_are_same_name(list[i], variable))
			return true;
	return false;
}

int variables_check(const char *const *list)
{
	size_t bytes = 0;

	for (size_t i = 0; list && list[i]; i++) {
		size_t len = name_length(list[i]);

		if (list[i][len] != '=' || !variable_name_is_valid(list[i], len))
			return -EINVAL;
		if (has_name(list, i, list[i]))
			return -EEXIST;
		bytes += strlen(list[i]) + 1;
		if (i == VARIABLES_MAX || bytes > VARIABLES_BYTES_MAX)
			return -E2BIG;
	}
	return 0;
}

int variables_join(const char *const *given, const char *const *usual,
	const char *ret_list[static VARIABLES_MAX + VARIABLES_USUAL_MAX + 1])
{
	const char *const *const lists[] = {given, usual};
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (size_t j = 0; lists[i][j]; j++) {
			if (has_name(ret_list, count, lists[i][j]))
				continue;
			if (count == VARIABLES_MAX + VARIABLES_USUAL_MAX)
				return -E2BIG;
			ret_list[count++] = lists[i][j];
		}
	}
	ret_list[count] = NULL;
	return 0;
}
