// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/wire/v1_vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void fail(const char *name, const char *what)
{
	fprintf(stderr, "vector \"%s\": %s\n", name, what);
	exit(EXIT_FAILURE);
}

const struct v1_vector *v1_vector_find(const char *name)
{
	for (size_t i = 0; i < v1_vector_count; i++)
		if (strcmp(v1_vectors[i].name, name) == 0)
			return &v1_vectors[i];
	fail(name, "there is none");
}

/* One octet and how often it stands there; returns what follows it, NULL if it is no octet. */
static const char *read_octet(const char *at, uint8_t *ret_octet, size_t *ret_times)
{
	unsigned int octet;
	int len = 0;

	*ret_times = 1;
	if (sscanf(at, "%2x%n", &octet, &len) != 1 || len != 2)
		return NULL;
	*ret_octet = (uint8_t)octet;
	at += len;
	if (sscanf(at, " x %zu%n", ret_times, &len) == 1)
		at += len;
	return at;
}

size_t v1_vector_bytes(const struct v1_vector *vector, uint8_t bytes[static V1_VECTOR_MAX])
{
	size_t size = 0;

	for (const char *at = vector->hex; *at;) {
		uint8_t octet;
		size_t times;

		at = read_octet(at, &octet, &times);
		if (!at)
			fail(vector->name, "no octet where one was expected");
		if (times > V1_VECTOR_MAX - size)
			fail(vector->name, "too long");
		memset(bytes + size, octet, times);
		size += times;
		if (at[0] == ' ' && at[1] == ' ')
			at += strcspn(at, "\n");
		if (*at)
			at++;
	}
	return size;
}
