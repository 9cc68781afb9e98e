// SPDX-License-Identifier: BSD-2-Clause
#include "server/http_config.h"

#include "base/error.h"
#include "server/address_limit.h"
#include "server/config_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN "127.0.0.1:8080"

/* ---- where requests are taken ---- */

void http_settings_done(struct http_settings *settings)
{
	free(settings->listen);
	free(settings->token_file);
	free(settings->certificate);
	free(settings->key);
	*settings = (struct http_settings){0};
}

/* The machine's own, by its number: a name could come to mean another. */
static bool is_loopback(const char *listen)
{
	return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}

static void check(struct config_reader *reader, const struct http_settings *settings)
{
	if (reader->error_code != 0)
		return;
	if (!settings->certificate != !settings->key)
		reader_fail(reader, settings->key ? "http.key" : "http.certificate",
			"\"certificate\" and \"key\" belong together");
	else if (!is_loopback(settings->listen) && !(settings->key && settings->token_file))
		reader_fail(reader, "http.listen",
			"%s can be reached from other machines, and so needs \"certificate\", "
			"\"key\" "
			"and \"token_file\"; or take 127.0.0.1, with a proxy in front",
			settings->listen);
}

void http_settings_load(struct config_reader *reader, struct http_settings *ret_settings)
{
	static const char *const keys[] = {
		"listen", "token_file", "certificate", "key", "connections_per_address"};
	const json_t *http = json_object_get(reader->root, "http");

	*ret_settings = (struct http_settings){0};
	if (!http || reader->error_code != 0)
		return;
	if (!json_is_object(http)) {
		reader_fail(
			reader, "http", "expected an object, such as {\"listen\": \"%s\"}", LISTEN);
		return;
	}
	reader_allow_keys(reader, "http.", http, keys, ARRAY_SIZE(keys));
	ret_settings->listen = strdup(LISTEN);
	if (!ret_settings->listen)
		reader_fail(reader, "http", "out of memory");
	reader_string(reader, "http.", http, "listen", &ret_settings->listen);
	reader_string(reader, "http.", http, "token_file", &ret_settings->token_file);
	reader_string(reader, "http.", http, "certificate", &ret_settings->certificate);
	reader_string(reader, "http.", http, "key", &ret_settings->key);
	reader_count(reader, "http.", http, "connections_per_address", ADDRESS_LIMIT_CONNECTIONS,
		&ret_settings->connections_per_address);
	check(reader, ret_settings);
}

/* ---- which function gets them ---- */

static bool path_is_valid(const char *path)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"/-._~";
	size_t len = strspn(path, allowed);
	bool is_open = path[len] == '*';

	return path[0] == '/' && strlen(path) <= HTTP_PATH_MAX && !strstr(path, "//") &&
	       !strstr(path, "/.") && path[len + is_open] == '\0' &&
	       (!is_open || path[len - 1] == '/');
}

int http_triggers_add(
	struct http_triggers *triggers, const char *path, const char *function, char **ret_error)
{
	struct http_trigger *items;

	if (!path_is_valid(path))
		return error_set(ret_error, -EINVAL,
			HTTP_PREFIX "%.160s: expected a path of at most %d letters, digits and "
				    "/-._~, such as http:/scans, or http:/scans/* for all below",
			path, HTTP_PATH_MAX);
	for (size_t i = 0; i < triggers->count; i++)
		if (strcmp(triggers->items[i].path, path) == 0)
			return error_set(ret_error, -EEXIST,
				HTTP_PREFIX "%s is there already, for function \"%s\"", path,
				triggers->items[i].function);
	items = reallocarray(triggers->items, triggers->count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	triggers->items = items;
	items[triggers->count] = (struct http_trigger){.path = strdup(path)};
	snprintf(items[triggers->count].function, sizeof(items->function), "%s", function);
	if (!items[triggers->count].path)
		return -ENOMEM;
	triggers->count++;
	return 0;
}

int http_triggers_copy(const struct http_triggers *triggers, struct http_triggers *ret_copy)
{
	struct http_triggers copy = {0};

	for (size_t i = 0; i < triggers->count; i++) {
		_cleanup_free_ char *error = NULL;

		if (http_triggers_add(&copy, triggers->items[i].path, triggers->items[i].function,
			    &error) < 0) {
			http_triggers_done(&copy);
			return -ENOMEM;
		}
	}
	*ret_copy = copy;
	return 0;
}

void http_triggers_cut(struct http_triggers *triggers, size_t count)
{
	while (triggers->count > count)
		free(triggers->items[--triggers->count].path);
}

void http_triggers_done(struct http_triggers *triggers)
{
	http_triggers_cut(triggers, 0);
	free(triggers->items);
	triggers->items = NULL;
}

static bool matches(const char *pattern, const char *path)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return strncmp(pattern, path, len - 1) == 0;
	return strcmp(pattern, path) == 0;
}

const struct http_trigger *http_triggers_find(
	const struct http_triggers *triggers, const char *path)
{
	const struct http_trigger *best = NULL;

	for (size_t i = 0; i < triggers->count; i++) {
		const struct http_trigger *item = &triggers->items[i];

		if (matches(item->path, path) && (!best || strlen(item->path) > strlen(best->path)))
			best = item;
	}
	return best;
}
