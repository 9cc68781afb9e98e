// SPDX-License-Identifier: BSD-2-Clause
#include "server/runtime_config.h"

#include "base/words.h"
#include "server/config_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHERE_MAX 128

/* A member that lists words, none empty; each begins with `start`. NULL: it is not there, or wrong. */
static const char *const *read_words(struct config_reader *reader, const char *prefix,
	const json_t *object, const char *name, const char *start)
{
	const json_t *json = json_object_get(object, name);
	size_t count = json_array_size(json);
	char where[WHERE_MAX];
	const char **words;

	snprintf(where, sizeof(where), "%.96s%.16s", prefix, name);
	if (!json)
		return NULL;
	if (count == 0 || count > RUNTIME_WORDS_MAX) {
		reader_fail(reader, where, "expected an array of 1 to %d texts", RUNTIME_WORDS_MAX);
		return NULL;
	}
	words = calloc(count + 1, sizeof(char *));
	for (size_t i = 0; words && i < count; i++) {
		const char *word = json_string_value(json_array_get(json, i));

		if (!word || !*word || strncmp(word, start, strlen(start)) != 0)
			reader_fail(reader, where, "expected texts%s%s%s",
				*start ? " that begin with \"" : "", start, *start ? "\"" : "");
		words[i] = strdup(word ? word : "");
	}
	if (!words)
		reader_fail(reader, where, "no memory");
	return words;
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

static void load_one(struct config_reader *reader, const char *where, const char *name,
	const json_t *json, struct runtime_config *config)
{
	static const char *const keys[] = {"command", "suffixes", "paths"};
	struct runtime_options *runtime = &config->items[config->count];
	char prefix[WHERE_MAX];

	if (!json_is_object(json)) {
		reader_fail(reader, where, "expected an object with command and suffixes");
		return;
	}
	snprintf(prefix, sizeof(prefix), "%.94s.", where);
	reader_allow_keys(reader, prefix, json, keys, ARRAY_SIZE(keys));
	config->count++;
	runtime->name = strdup(name);
	runtime->command = read_words(reader, prefix, json, "command", "");
	runtime->suffixes = read_words(reader, prefix, json, "suffixes", ".");
	runtime->paths = read_words(reader, prefix, json, "paths", "/");
	if (!runtimes_are_ours(name) && (!runtime->command || !runtime->suffixes))
		reader_fail(reader, where, "expected an object with command and suffixes");
}

void runtime_config_load(struct config_reader *reader, struct runtime_config *ret_config)
{
	json_t *runtimes = json_object_get(reader->root, "runtimes"), *json;
	const char *name;
	char where[WHERE_MAX];

	*ret_config = (struct runtime_config){0};
	if (!runtimes)
		return;
	if (!json_is_object(runtimes) ||
		json_object_size(runtimes) > RUNTIMES_MAX - RUNTIMES_OURS) {
		reader_fail(reader, "runtimes",
			"expected an object: name -> settings, of at most %d",
			RUNTIMES_MAX - RUNTIMES_OURS);
		return;
	}
	json_object_foreach (runtimes, name, json) {
		snprintf(where, sizeof(where), "runtimes.%.64s", name);
		if (!name_is_valid(name))
			reader_fail(reader, where, "expected a name of a-z, 0-9, \".\" and \"-\"");
		load_one(reader, where, name, json, ret_config);
	}
}

void runtime_config_done(struct runtime_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		free((char *)config->items[i].name);
		words_free((char **)config->items[i].command);
		words_free((char **)config->items[i].suffixes);
		words_free((char **)config->items[i].paths);
	}
	config->count = 0;
}

bool runtime_config_equal(const struct runtime_config *a, const struct runtime_config *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		const struct runtime_options *x = &a->items[i], *y = &b->items[i];

		if (strcmp(x->name, y->name) != 0 || !words_equal(x->command, y->command) ||
			!words_equal(x->suffixes, y->suffixes) || !words_equal(x->paths, y->paths))
			return false;
	}
	return a->count == b->count;
}
