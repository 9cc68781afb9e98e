// SPDX-License-Identifier: BSD-2-Clause
#include "replay/setup.h"

#include "base/error.h"
#include "event/schema.h"
#include "server/function_config.h"
#include "server/http_config.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST "function.json"
#define WORKER   "runtime/nodejs/worker.js"
#define LEVELS   4 /* from the program up to the tree that it was built in */

/* Where functions/ and runtime/ are. */
struct data_dirs {
	char functions[PATH_MAX];
	char runtime[PATH_MAX];
};

static bool join(char path[static PATH_MAX], const char *dir, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* ---- where the functions are ---- */

/* A program that was built and not installed takes what lies in its own tree. */
static bool find_tree(char tree[static PATH_MAX])
{
	char worker[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", tree, PATH_MAX - 1);

	if (len < 0)
		return false;
	tree[len] = '\0';
	for (int level = 0; level < LEVELS; level++) {
		char *slash = strrchr(tree, '/');

		if (!slash || slash == tree)
			return false;
		*slash = '\0';
		if (join(worker, tree, WORKER) && access(worker, R_OK) == 0)
			return true;
	}
	return false;
}

static int find_data(const char *functions_dir, struct data_dirs *ret_dirs)
{
	char base[PATH_MAX];

	if (!find_tree(base))
		strcpy(base, NETLAMBDA_DATA_DIR);
	if (!join(ret_dirs->functions, base, "functions") ||
		!join(ret_dirs->runtime, base, "runtime"))
		return -ENAMETOOLONG;
	if (functions_dir && !realpath(functions_dir, ret_dirs->functions))
		return -errno;
	return 0;
}

/* ---- a configuration of all functions of a directory ---- */

/* `key`: as the configuration has it, "1" or "timer:@every 5m". */
static int add_key(json_t *triggers, const char *key, const char *function)
{
	json_t *names = json_object_get(triggers, key);

	if (!names) {
		names = json_array();
		if (json_object_set_new(triggers, key, names) < 0)
			return -ENOMEM;
	}
	return json_array_append_new(names, json_string(function)) < 0 ? -ENOMEM : 0;
}

static int add_trigger(json_t *triggers, uint32_t event_id, const char *function)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", event_id);
	return add_key(triggers, id, function);
}

static int add_text(json_t *triggers, const char *text, const char *function)
{
	uint32_t event_id = trigger_event_id(text);

	if (event_id != 0)
		return add_trigger(triggers, event_id, function);
	if (strncmp(text, TIMER_PREFIX, strlen(TIMER_PREFIX)) == 0 ||
		strncmp(text, HTTP_PREFIX, strlen(HTTP_PREFIX)) == 0)
		return add_key(triggers, text, function);
	return -EINVAL;
}

/* The manifest's triggers, which go before its events. */
static int add_texts(json_t *triggers, const json_t *texts, const char *function,
	const char *manifest, char **ret_error)
{
	json_t *text;
	size_t i;

	json_array_foreach (texts, i, text) {
		int r = json_is_string(text) ? add_text(triggers, json_string_value(text), function)
					     : -EINVAL;

		if (r == -EINVAL)
			return error_set(ret_error, r, "%s: triggers: " FUNCTION_TRIGGERS_EXPECTED,
				manifest);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_events(json_t *triggers, const json_t *events, const char *function,
	const char *manifest, char **ret_error)
{
	json_t *id;
	size_t i;
	int r = 0;

	json_array_foreach (events, i, id)
		if (r == 0 && !json_is_integer(id))
			r = error_set(ret_error, -EINVAL, "%s: events: " FUNCTION_EVENTS_EXPECTED,
				manifest);
		else if (r == 0)
			r = add_trigger(triggers, (uint32_t)json_integer_value(id), function);
	for (uint32_t any = 1; json_array_size(events) == 0 && any < EVENT_USER_MIN && r == 0;
		any++)
		if (schema_is_sent(any))
			r = add_trigger(triggers, any, function);
	return r;
}

/* Without a list a function takes any event. What else may be wrong, config_load() says better. */
static int add_function(json_t *triggers, const char *dir, const char *function, char **ret_error)
{
	char path[PATH_MAX];
	json_t *manifest, *texts;
	json_error_t error;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s/" MANIFEST, dir, function) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (access(path, F_OK) < 0)
		return 0;
	manifest = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!manifest)
		return error_set(ret_error, -EINVAL, "%s:%d: %s", path, error.line, error.text);
	texts = json_object_get(manifest, "triggers");
	r = json_array_size(texts) > 0 ? add_texts(triggers, texts, function, path, ret_error)
				       : add_events(triggers, json_object_get(manifest, "events"),
						 function, path, ret_error);
	json_decref(manifest);
	return r;
}

static int add_functions(json_t *triggers, const char *dir, char **ret_error)
{
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, NULL, alphasort);
	int r = 0;

	if (count < 0)
		return error_set(ret_error, -errno, "%s: %s; give --config or --functions", dir,
			strerror(errno));
	for (int i = 0; i < count; i++) {
		if (r == 0 && entries[i]->d_name[0] != '.')
			r = add_function(triggers, dir, entries[i]->d_name, ret_error);
		free(entries[i]);
	}
	free(entries);
	if (r == 0 && json_object_size(triggers) == 0)
		return error_set(ret_error, -ENOENT,
			"%s: no function there (NAME/" MANIFEST "); give --config or --functions",
			dir);
	return r;
}

/* One function alone: its name is its folder's. */
static int add_one(json_t *triggers, const char *function_dir, char **ret_error)
{
	_cleanup_free_ char *real = realpath(function_dir, NULL);
	char *name = real ? strrchr(real, '/') : NULL;
	int r;

	if (!real)
		return error_set(ret_error, -errno, "%s: %s", function_dir, strerror(errno));
	*name++ = '\0';
	r = add_function(triggers, real, name, ret_error);
	if (r == 0 && json_object_size(triggers) == 0)
		return error_set(ret_error, -ENOENT,
			"%s: there is no " MANIFEST " in it, or nothing triggers it", function_dir);
	return r;
}

static int add_wanted(const struct setup_options *options, const struct data_dirs *dirs,
	json_t *triggers, char **ret_error)
{
	if (options->function_dir)
		return add_one(triggers, options->function_dir, ret_error);
	return add_functions(triggers, dirs->functions, ret_error);
}

/* Writes the file that the operator would have written. */
static int write_config(const struct setup_options *options, const char *path, char **ret_error)
{
	_cleanup_free_ char *parent = NULL;
	struct data_dirs dirs;
	json_t *root, *triggers;
	int r;

	if (options->function_dir && asprintf(&parent, "%s/..", options->function_dir) < 0) {
		parent = NULL;
		return -ENOMEM;
	}
	r = find_data(parent ? parent : options->functions_dir, &dirs);
	if (r < 0)
		return error_set(ret_error, r, "%s: %s",
			parent ? options->function_dir : options->functions_dir, strerror(-r));
	root = json_object();
	triggers = json_object();
	json_object_set_new(root, "functions_dir", json_string(dirs.functions));
	json_object_set_new(root, "runtime_dir", json_string(dirs.runtime));
	json_object_set_new(root, "triggers", triggers);
	json_object_set_new(root, "http", json_object());
	r = json_object_size(root) == 4 ? add_wanted(options, &dirs, triggers, ret_error) : -ENOMEM;
	if (r == 0 && json_dump_file(root, path, JSON_INDENT(2)) < 0)
		r = error_set(ret_error, -EIO, "%s: cannot write", path);
	json_decref(root);
	return r;
}

int setup_load(const struct setup_options *options, struct config **ret_config, char **ret_error)
{
	_cleanup_(config_freep) struct config *config = NULL;
	const char *path = options->config_path;
	char made[PATH_MAX];
	int r;

	if (!path) {
		path = made;
		r = join(made, options->scratch_dir, "server.json") ? 0 : -ENAMETOOLONG;
		if (r == 0)
			r = write_config(options, made, ret_error);
		if (r < 0)
			return r;
	}
	r = config_load(path, &config, ret_error);
	if (r < 0)
		return r;
	free(config->store);
	config->store = strdup(options->store_path);
	if (!config->store)
		return -ENOMEM;
	*ret_config = TAKE_PTR(config);
	return 0;
}
