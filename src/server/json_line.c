// SPDX-License-Identifier: BSD-2-Clause
#include "server/json_line.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* From the opening quote to behind the closing one. */
static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p + 1 : p;
}

/* Behind the value that starts at `p`: brackets are counted, strings are skipped as a whole. */
static const char *skip_value(const char *p)
{
	unsigned int depth = 0;

	while (*p) {
		if (*p == '"') {
			p = skip_string(p);
		} else if (strchr("[{", *p)) {
			depth++;
			p++;
		} else if (strchr("]},", *p)) {
			if (depth == 0)
				return p;
			depth -= *p != ',';
			p++;
		} else {
			p++;
		}
		if (depth == 0 && *p && strchr(",]}", *p))
			return p;
	}
	return p;
}

static bool key_is(const char *quoted, const char *name, size_t len)
{
	return strncmp(quoted + 1, name, len) == 0 && quoted[1 + len] == '"';
}

/* The member's key (or the element itself) inside the container that starts at `p`, or NULL. */
static const char *find_member(const char *p, const char *name, size_t len, const char **ret_value)
{
	bool object = *p == '{';
	unsigned long index = 0;

	if (*p != '{' && *p != '[')
		return NULL;
	for (p = skip_space(p + 1); *p && *p != '}' && *p != ']'; index++) {
		const char *member = p, *value = p;
		bool found;

		if (object)
			value = skip_space(skip_space(skip_string(p)) + 1);
		found = object ? key_is(member, name, len) : index == strtoul(name, NULL, 10);
		if (found) {
			*ret_value = value;
			return member;
		}
		p = skip_space(skip_value(value));
		if (*p == ',')
			p = skip_space(p + 1);
	}
	return NULL;
}

/*
 * The first component of `path` that names a member. Names may hold dots, so the longest that fits
 * is taken: "functions.a.b" finds "a.b" before "a".
 */
static const char *descend(const char *container, const char **path, const char **ret_value)
{
	for (size_t len = strlen(*path); len > 0; len--) {
		const char *member;

		if ((*path)[len] != '\0' && (*path)[len] != '.')
			continue;
		member = find_member(container, *path, len, ret_value);
		if (member) {
			*path += len + ((*path)[len] == '.');
			return member;
		}
	}
	return NULL;
}

unsigned int json_line(const char *text, const char *path)
{
	const char *value = skip_space(text), *at = value;
	unsigned int line = 1;

	while (*path) {
		const char *member = descend(value, &path, &value);

		if (!member)
			break;
		at = member;
	}
	for (const char *p = text; p < at; p++)
		line += *p == '\n';
	return line;
}
