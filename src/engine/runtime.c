// SPDX-License-Identifier: BSD-2-Clause
#include "engine/runtime.h"

#include "base/program.h"
#include "base/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* `words` becomes a copy of what is given, if it is. */
static int words_set(char ***words, const char *const *given, size_t most)
{
	char **copy;

	if (!given)
		return 0;
	if (words_count(given) > most)
		return -E2BIG;
	copy = words_copy(given);
	if (!copy)
		return -ENOMEM;
	words_free(*words);
	*words = copy;
	return 0;
}

static struct runtime *find(struct runtimes *runtimes, const char *name)
{
	for (size_t i = 0; i < runtimes->count; i++)
		if (strcmp(runtimes->items[i].name, name) == 0)
			return &runtimes->items[i];
	return NULL;
}

const struct runtime *runtimes_find(const struct runtimes *runtimes, const char *name)
{
	return find((struct runtimes *)runtimes, name);
}

static int append(struct runtimes *runtimes, const char *name, struct runtime **ret_runtime)
{
	static const char *const none[] = {NULL};
	struct runtime *runtime = &runtimes->items[runtimes->count];

	if (runtimes->count == RUNTIMES_MAX)
		return -E2BIG;
	*runtime = (struct runtime){.name = strdup(name), .paths = words_copy(none)};
	if (!runtime->name || !runtime->paths) {
		free(runtime->name);
		words_free(runtime->paths);
		return -ENOMEM;
	}
	runtimes->count++;
	*ret_runtime = runtime;
	return 0;
}

bool runtimes_are_ours(const char *name)
{
	static const char *const ours[RUNTIMES_OURS] = {"nodejs", "python", "native"};

	for (size_t i = 0; i < RUNTIMES_OURS; i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	return false;
}

static bool is_below(const char *path, const char *const *dirs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(dirs[i]);

		if (strncmp(path, dirs[i], len) == 0 && (path[len] == '/' || path[len] == '\0'))
			return true;
	}
	return false;
}

/* Also the files that the command names, such as the script of an interpreter. */
static int set_paths(struct runtime *runtime, const char *const *given)
{
	const char *paths[2 * RUNTIME_WORDS_MAX + 1];
	size_t count = 0;

	for (; given && given[count]; count++)
		paths[count] = given[count];
	for (size_t i = 1; runtime->command[0] && runtime->command[i]; i++)
		if (runtime->command[i][0] == '/' && !is_below(runtime->command[i], paths, count) &&
			access(runtime->command[i], F_OK) == 0)
			paths[count++] = runtime->command[i];
	paths[count] = NULL;
	return words_set(&runtime->paths, paths, ARRAY_SIZE(paths));
}

int runtimes_add(struct runtimes *runtimes, const struct runtime_options *options)
{
	struct runtime *runtime = find(runtimes, options->name);
	int r = 0;

	if (!runtime && (!options->command || !options->suffixes))
		return -EINVAL;
	if (!runtime)
		r = append(runtimes, options->name, &runtime);
	if (r == 0)
		r = words_set(&runtime->command, options->command, RUNTIME_WORDS_MAX);
	if (r == 0)
		r = words_set(&runtime->suffixes, options->suffixes, RUNTIME_WORDS_MAX);
	if (r == 0 && words_count(options->paths) > RUNTIME_WORDS_MAX)
		return -E2BIG;
	return r == 0 ? set_paths(runtime, options->paths ? options->paths
							  : (const char *const *)runtime->paths)
		      : r;
}

static int add_nodejs(struct runtimes *runtimes, const char *runtime_dir, const char *script)
{
	/* Buffers and code lie outside of its heap. */
	const char *const command[] = {
		"node", "--max-old-space-size=" RUNTIME_HALF_MEMORY, script, NULL};
	static const char *const suffixes[] = {".js", ".mjs", ".cjs", NULL};
	const char *const paths[] = {runtime_dir, NULL};

	return runtimes_add(
		runtimes, &(struct runtime_options){"nodejs", command, suffixes, paths});
}

static int add_python(struct runtimes *runtimes, const char *runtime_dir, const char *script)
{
	/* The system's, whatever else PATH has. No user's site directory, and no bytecode beside the sources. */
	const char *const command[] = {"/usr/bin/python3", "-s", "-B", script, NULL};
	static const char *const suffixes[] = {".py", NULL};
	const char *const paths[] = {runtime_dir, NULL};

	return runtimes_add(
		runtimes, &(struct runtime_options){"python", command, suffixes, paths});
}

static int add_native(struct runtimes *runtimes)
{
	char program[PATH_MAX];
	const char *const command[] = {program, NULL};
	static const char *const suffixes[] = {".so", NULL};

	program_find("runtime/native/netlambda-native", NETLAMBDA_NATIVE, program);
	return runtimes_add(runtimes, &(struct runtime_options){"native", command, suffixes, NULL});
}

int runtimes_init(struct runtimes *runtimes, const char *runtime_dir)
{
	_cleanup_free_ char *nodejs = NULL, *python = NULL;
	int r;

	*runtimes = (struct runtimes){0};
	if (asprintf(&nodejs, "%s/nodejs/worker.js", runtime_dir) < 0) {
		nodejs = NULL;
		return -ENOMEM;
	}
	if (asprintf(&python, "%s/python/worker.py", runtime_dir) < 0) {
		python = NULL;
		return -ENOMEM;
	}
	r = add_nodejs(runtimes, runtime_dir, nodejs);
	if (r == 0)
		r = add_python(runtimes, runtime_dir, python);
	return r == 0 ? add_native(runtimes) : r;
}

const char *runtime_sized_word(
	const char *word, unsigned int memory_mb, char buffer[static RUNTIME_SIZED_MAX])
{
	const char *at = strstr(word, RUNTIME_HALF_MEMORY);

	if (!at)
		return word;
	snprintf(buffer, RUNTIME_SIZED_MAX, "%.*s%u%s", (int)(at - word), word, memory_mb / 2,
		at + strlen(RUNTIME_HALF_MEMORY));
	return buffer;
}

void runtimes_done(struct runtimes *runtimes)
{
	for (size_t i = 0; i < runtimes->count; i++) {
		free(runtimes->items[i].name);
		words_free(runtimes->items[i].command);
		words_free(runtimes->items[i].suffixes);
		words_free(runtimes->items[i].paths);
	}
	*runtimes = (struct runtimes){0};
}

static char *join(char *const *words, size_t count, const char *quote)
{
	char *joined = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&joined, &size);

	if (!file)
		return NULL;
	for (size_t i = 0; i < count; i++)
		fprintf(file, "%s%s%s%s",
			i == 0          ? ""
			: i + 1 < count ? ", "
					: " and ",
			quote, words[i], quote);
	if (fclose(file) != 0) {
		free(joined);
		return NULL;
	}
	return joined;
}

char *runtimes_names(const struct runtimes *runtimes)
{
	char *names[RUNTIMES_MAX];

	for (size_t i = 0; i < runtimes->count; i++)
		names[i] = runtimes->items[i].name;
	return join(names, runtimes->count, "\"");
}

char *runtime_suffixes(const struct runtime *runtime)
{
	return join(runtime->suffixes, words_count((const char *const *)runtime->suffixes), "");
}
