// SPDX-License-Identifier: BSD-2-Clause
#include "server/gateway_secrets.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (64U << 10)

static int read_secret(const char *path, char **ret_text, char **ret_error)
{
	_cleanup_free_ char *text = NULL;
	FILE *file;
	size_t size;

	if (!path)
		return 0;
	file = fopen(path, "re");
	if (!file)
		return error_set(ret_error, -errno, "%s: %s", path, strerror(errno));
	text = calloc(1, FILE_BYTES_MAX + 1);
	size = text ? fread(text, 1, FILE_BYTES_MAX, file) : 0;
	fclose(file);
	while (size > 0 && strchr(" \t\r\n", text[size - 1]))
		text[--size] = '\0';
	if (size == 0)
		return error_set(ret_error, -EINVAL, "%s: it is empty", path);
	*ret_text = TAKE_PTR(text);
	return 0;
}

void secrets_done(struct secrets *secrets)
{
	free(secrets->token);
	free(secrets->certificate);
	free(secrets->key);
}

int secrets_read(
	const struct http_settings *settings, struct secrets *ret_secrets, char **ret_error)
{
	int r;

	*ret_secrets = (struct secrets){0};
	r = read_secret(settings->token_file, &ret_secrets->token, ret_error);
	if (r == 0)
		r = read_secret(settings->certificate, &ret_secrets->certificate, ret_error);
	if (r == 0)
		r = read_secret(settings->key, &ret_secrets->key, ret_error);
	return r;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool secrets_equal(const struct secrets *a, const struct secrets *b)
{
	return text_equal(a->token, b->token) && text_equal(a->certificate, b->certificate) &&
	       text_equal(a->key, b->key);
}
