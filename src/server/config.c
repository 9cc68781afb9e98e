// SPDX-License-Identifier: BSD-2-Clause
#include "server/config.h"

#include "base/clock.h"
#include "base/suggest.h"
#include "event/schema.h"
#include "server/config_reader.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#ifndef NETLAMBDA_DATA_DIR
#define NETLAMBDA_DATA_DIR "/usr/share/netlambda"
#endif

#define FUNCTION_FILE "function.json"
#define ATTEMPTS_MAX  100
#define BATCH_MAX     4096
#define QUEUE_MAX     (1U << 20)
#define SWITCHES_MAX  65536

static const char *const server_keys[] = {"listen", "api", "store", "durability", "alerts",
	"functions_dir", "runtime_dir", "switches_max", "functions", "triggers"};
static const char *const function_keys[] = {
	"dir", "runtime", "handler", "key", "timeout", "attempts", "batch", "queue", "config"};
static const char *const manifest_keys[] = {"description", "events", "runtime", "handler", "key",
	"timeout", "attempts", "batch", "queue", "config"};

void function_config_done(struct function_config *function)
{
	free(function->name);
	free(function->dir);
	free(function->runtime);
	free(function->handler);
	free(function->config);
	for (size_t i = 0; function->key[i]; i++)
		free(function->key[i]);
	*function = (struct function_config){0};
}

void config_free(struct config *config)
{
	if (!config)
		return;
	free(config->path);
	free(config->listen);
	free(config->api);
	free(config->store);
	free(config->alerts);
	free(config->functions_dir);
	free(config->runtime_dir);
	for (size_t i = 0; i < config->function_count; i++)
		function_config_done(&config->functions[i]);
	free(config->triggers);
	free(config);
}

bool function_config_equal(const struct function_config *a, const struct function_config *b)
{
	for (size_t i = 0; a->key[i] || b->key[i]; i++)
		if (!a->key[i] || !b->key[i] || strcmp(a->key[i], b->key[i]) != 0)
			return false;
	return strcmp(a->name, b->name) == 0 && strcmp(a->dir, b->dir) == 0 &&
	       strcmp(a->runtime, b->runtime) == 0 && strcmp(a->handler, b->handler) == 0 &&
	       strcmp(a->config, b->config) == 0 && a->timeout_ns == b->timeout_ns &&
	       a->attempts == b->attempts && a->batch_max == b->batch_max &&
	       a->queue_max == b->queue_max;
}

/* Makes a path that is relative to `dir` (the folder of the file it stands in) absolute. */
static int path_resolve(char **path, const char *dir)
{
	char *resolved;

	if (!*path || **path == '/')
		return 0;
	if (asprintf(&resolved, "%s/%s", dir, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = resolved;
	return 0;
}

/* The folder of a file, absolute. */
static int folder_of(const char *path, char **ret_dir)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	char *dir;

	if (!real)
		return -errno;
	dir = strdup(dirname(real));
	if (!dir)
		return -ENOMEM;
	*ret_dir = dir;
	return 0;
}

static void read_key_fields(struct config_reader *reader, const char *prefix, const json_t *object,
	struct function_config *function)
{
	const json_t *json = json_object_get(object, "key");
	char name[256];
	json_t *field;
	size_t i;

	snprintf(name, sizeof(name), "%skey", prefix);
	if (!json || reader->error_code != 0)
		return;
	if (!json_is_array(json) || json_array_size(json) > CONFIG_KEY_MAX) {
		reader_fail(reader, name, "expected an array of at most %d field names",
			CONFIG_KEY_MAX);
		return;
	}
	for (i = 0; function->key[i]; i++) {
		free(function->key[i]);
		function->key[i] = NULL;
	}
	json_array_foreach (json, i, field) {
		if (!json_is_string(field)) {
			reader_fail(reader, name, "expected an array of field names");
			return;
		}
		function->key[i] = strdup(json_string_value(field));
	}
}

/* `config` objects are merged, so that an override names only what it changes. */
static void read_function_settings(struct config_reader *reader, const char *prefix,
	const json_t *object, struct function_config *function, json_t *settings)
{
	json_t *json = json_object_get(object, "config");
	char name[256];

	reader_string(reader, prefix, object, "runtime", &function->runtime);
	reader_string(reader, prefix, object, "handler", &function->handler);
	reader_duration(reader, prefix, object, "timeout", &function->timeout_ns);
	reader_count(reader, prefix, object, "attempts", ATTEMPTS_MAX, &function->attempts);
	reader_count(reader, prefix, object, "batch", BATCH_MAX, &function->batch_max);
	reader_count(reader, prefix, object, "queue", QUEUE_MAX, &function->queue_max);
	read_key_fields(reader, prefix, object, function);
	snprintf(name, sizeof(name), "%sconfig", prefix);
	if (json && !json_is_object(json))
		reader_fail(reader, name, "expected an object");
	else if (json && json_object_update_recursive(settings, json) < 0)
		reader_fail(reader, name, "out of memory");
}

/* Which events a function takes, as its manifest says; an empty set takes any. */
struct event_set {
	json_t *ids;
};

static void read_manifest(struct config_reader *reader, struct function_config *function,
	json_t *settings, struct event_set *ret_events)
{
	json_t *events = json_object_get(reader->root, "events"), *id;
	size_t i;

	reader_allow_keys(reader, "", reader->root, manifest_keys, ARRAY_SIZE(manifest_keys));
	if (events && !json_is_array(events))
		reader_fail(reader, "events", "expected an array of event ids");
	json_array_foreach (events, i, id)
		if (!json_is_integer(id))
			reader_fail(reader, "events", "expected an array of event ids");
	read_function_settings(reader, "", reader->root, function, settings);
	if (reader->error_code == 0 && !function->handler)
		reader_fail(reader, "", "no \"handler\" (as \"file.function\")");
	if (reader->error_code == 0)
		ret_events->ids = json_incref(events);
}

/* The folders below functions_dir, for "did you mean". */
static void suggest_function(struct config_reader *reader, const char *where, const char *name,
	const char *functions_dir)
{
	struct dirent **entries = NULL;
	int count = scandir(functions_dir, &entries, NULL, alphasort);
	const char *names[256], *near;
	size_t known = 0;

	for (int i = 0; i < count && known < ARRAY_SIZE(names); i++)
		if (entries[i]->d_name[0] != '.')
			names[known++] = entries[i]->d_name;
	near = suggest_nearest(name, names, known);
	if (near)
		reader_fail(reader, where, "no function named \"%s\" (did you mean \"%s\"?)", name,
			near);
	else
		reader_fail(reader, where, "no function named \"%s\" in %s", name, functions_dir);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

static int function_defaults(struct function_config *function, const char *name)
{
	*function = (struct function_config){
		.name = strdup(name),
		.runtime = strdup("nodejs"),
		.timeout_ns = 10 * NS_PER_SEC,
		.attempts = 3,
		.batch_max = 256,
		.queue_max = 65536,
	};
	return function->name && function->runtime ? 0 : -ENOMEM;
}

/* Takes the manifest's part; its errors, which name its own file, replace the reader's. */
static void load_manifest(struct config_reader *reader, struct function_config *function,
	json_t *settings, struct event_set *ret_events)
{
	_cleanup_free_ char *path = NULL;
	struct config_reader manifest;

	if (asprintf(&path, "%s/%s", function->dir, FUNCTION_FILE) < 0) {
		path = NULL;
		reader_fail(reader, "", "out of memory");
		return;
	}
	if (reader_open(&manifest, path) == 0)
		read_manifest(&manifest, function, settings, ret_events);
	if (manifest.error_code != 0) {
		reader->error_code = manifest.error_code;
		reader->error = manifest.error;
	}
	reader_close(&manifest);
}

static bool is_function_folder(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", dir, FUNCTION_FILE) < (int)sizeof(path) &&
	       stat(path, &st) == 0;
}

/* Builds the configuration of the function that `where` ("triggers.1") names. */
static void load_function(struct config_reader *reader, const struct config *config,
	const char *base_dir, const char *where, const char *name, struct function_config *function,
	struct event_set *ret_events)
{
	const json_t *functions = json_object_get(reader->root, "functions");
	const json_t *override = json_object_get(functions, name);
	json_t *settings = json_object();
	char overridden[256], prefix[260];

	snprintf(overridden, sizeof(overridden), "functions.%s", name);
	snprintf(prefix, sizeof(prefix), "%s.", overridden);
	if (!settings || function_defaults(function, name) < 0) {
		reader_fail(reader, where, "out of memory");
		goto out;
	}
	reader_string(reader, prefix, override, "dir", &function->dir);
	if (reader->error_code != 0)
		goto out;
	if (function->dir ? path_resolve(&function->dir, base_dir) < 0
			  : asprintf(&function->dir, "%s/%s", config->functions_dir, name) < 0) {
		reader_fail(reader, where, "out of memory");
		goto out;
	}
	if (!is_function_folder(function->dir)) {
		if (json_object_get(override, "dir"))
			reader_fail(reader, overridden, "%s has no " FUNCTION_FILE, function->dir);
		else
			suggest_function(reader, where, name, config->functions_dir);
		goto out;
	}
	load_manifest(reader, function, settings, ret_events);
	if (override && reader->error_code == 0)
		read_function_settings(reader, prefix, override, function, settings);
	function->config = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
	if (!function->config)
		reader_fail(reader, where, "out of memory");
out:
	json_decref(settings);
}

/* Key fields must be in the records of every event that triggers the function. */
static void check_trigger(struct config_reader *reader, const char *where, uint32_t event_id,
	const struct function_config *function, const struct event_set *events)
{
	const struct schema *schema = schema_builtin(event_id);
	bool taken = json_array_size(events->ids) == 0;
	json_t *id;
	size_t i;

	json_array_foreach (events->ids, i, id)
		taken = taken || json_integer_value(id) == (json_int_t)event_id;
	if (!taken) {
		reader_fail(reader, where,
			"function \"%s\" does not take event %u (its %s says which)",
			function->name, event_id, FUNCTION_FILE);
		return;
	}
	for (i = 0; function->key[i]; i++)
		if (!schema_find_field(schema, function->key[i]))
			reader_fail(reader, where,
				"function \"%s\" is keyed by \"%s\", which event %u (%s) does not "
				"have",
				function->name, function->key[i], event_id, schema->name);
}

struct loading {
	struct config_reader *reader;
	struct config *config;
	const char *base_dir;
	struct event_set events[CONFIG_FUNCTIONS_MAX]; /* beside config->functions */
};

static bool is_triggered(const struct config *config, uint32_t event_id, size_t function)
{
	for (size_t i = 0; i < config->trigger_count; i++)
		if (config->triggers[i].event_id == event_id &&
			config->triggers[i].function == function)
			return true;
	return false;
}

static void load_trigger(
	struct loading *loading, const char *where, uint32_t event_id, const json_t *json)
{
	struct config *config = loading->config;
	const char *name = json_string_value(json);
	struct trigger_config *triggers;
	size_t i;

	if (!name) {
		reader_fail(
			loading->reader, where, "expected a function's name, or an array of them");
		return;
	}
	for (i = 0; i < config->function_count; i++)
		if (strcmp(config->functions[i].name, name) == 0)
			break;
	if (i == CONFIG_FUNCTIONS_MAX) {
		reader_fail(loading->reader, where, "more than %d functions", CONFIG_FUNCTIONS_MAX);
		return;
	}
	if (i == config->function_count) {
		load_function(loading->reader, config, loading->base_dir, where, name,
			&config->functions[i], &loading->events[i]);
		config->function_count++;
	}
	if (loading->reader->error_code != 0)
		return;
	check_trigger(loading->reader, where, event_id, &config->functions[i], &loading->events[i]);
	if (is_triggered(config, event_id, i))
		reader_fail(loading->reader, where, "function \"%s\" is named twice", name);
	triggers = reallocarray(
		config->triggers, config->trigger_count + 1, sizeof(*config->triggers));
	if (!triggers) {
		reader_fail(loading->reader, where, "out of memory");
		return;
	}
	config->triggers = triggers;
	triggers[config->trigger_count++] =
		(struct trigger_config){.event_id = event_id, .function = i};
}

static void load_triggers(struct loading *loading)
{
	struct config_reader *reader = loading->reader;
	json_t *triggers = json_object_get(reader->root, "triggers"), *value, *element;
	const char *key;
	size_t i;

	if (!triggers)
		return;
	if (!json_is_object(triggers)) {
		reader_fail(reader, "triggers", "expected an object: event id -> function(s)");
		return;
	}
	json_object_foreach (triggers, key, value) {
		char where[256], *end;
		unsigned long id = strtoul(key, &end, 10);

		snprintf(where, sizeof(where), "triggers.%s", key);
		if (*key < '0' || *key > '9' || *end || id > UINT32_MAX ||
			!schema_builtin((uint32_t)id)) {
			reader_fail(reader, where,
				"not the id of an event (1 port, 2 flow, 3 source, 4 target, "
				"5 interface)");
			return;
		}
		if (!json_is_array(value))
			load_trigger(loading, where, (uint32_t)id, value);
		json_array_foreach (value, i, element) {
			snprintf(where, sizeof(where), "triggers.%s.%zu", key, i);
			load_trigger(loading, where, (uint32_t)id, element);
		}
	}
}

/* Overrides are checked also for functions that no trigger names: a typing error shall not hide. */
static void check_overrides(struct config_reader *reader)
{
	json_t *functions = json_object_get(reader->root, "functions"), *value;
	const char *name;

	if (functions && !json_is_object(functions)) {
		reader_fail(reader, "functions", "expected an object: name -> settings");
		return;
	}
	json_object_foreach (functions, name, value) {
		char where[256];

		snprintf(where, sizeof(where), "functions.%s", name);
		if (!json_is_object(value)) {
			reader_fail(reader, where, "expected an object");
			return;
		}
		snprintf(where, sizeof(where), "functions.%s.", name);
		reader_allow_keys(reader, where, value, function_keys, ARRAY_SIZE(function_keys));
	}
}

static void read_server_settings(struct config_reader *reader, struct config *config)
{
	_cleanup_free_ char *durability = NULL;
	const json_t *root = reader->root;

	reader_allow_keys(reader, "", root, server_keys, ARRAY_SIZE(server_keys));
	reader_string(reader, "", root, "listen", &config->listen);
	reader_string(reader, "", root, "api", &config->api);
	reader_string(reader, "", root, "store", &config->store);
	reader_string(reader, "", root, "alerts", &config->alerts);
	reader_string(reader, "", root, "functions_dir", &config->functions_dir);
	reader_string(reader, "", root, "runtime_dir", &config->runtime_dir);
	reader_string(reader, "", root, "durability", &durability);
	reader_count(reader, "", root, "switches_max", SWITCHES_MAX, &config->switches_max);
	if (durability && strcmp(durability, "full") != 0 && strcmp(durability, "relaxed") != 0)
		reader_fail(reader, "durability", "expected \"full\" or \"relaxed\"");
	config->relaxed_durability = durability && strcmp(durability, "relaxed") == 0;
}

static int config_defaults(struct config *config, const char *path)
{
	config->path = strdup(path);
	config->listen = strdup("127.0.0.1:5005");
	config->api = strdup("/run/netlambda/api.sock");
	config->store = strdup("/var/lib/netlambda/state.db");
	config->functions_dir = strdup(NETLAMBDA_DATA_DIR "/functions");
	config->runtime_dir = strdup(NETLAMBDA_DATA_DIR "/runtime");
	config->switches_max = 4096;
	return config->path && config->listen && config->api && config->store &&
			       config->functions_dir && config->runtime_dir
		       ? 0
		       : -ENOMEM;
}

static int resolve_paths(struct config *config, const char *base_dir)
{
	char **paths[] = {&config->api, &config->store, &config->alerts, &config->functions_dir,
		&config->runtime_dir};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int r = path_resolve(paths[i], base_dir);

		if (r < 0)
			return r;
	}
	return 0;
}

int config_load(const char *path, struct config **ret_config, char **ret_error)
{
	_cleanup_(config_freep) struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ char *base_dir = NULL;
	struct config_reader reader;
	struct loading loading = {.reader = &reader, .config = config};
	int r;

	if (!config || config_defaults(config, path) < 0)
		return -ENOMEM;
	r = reader_open(&reader, path);
	if (r == 0) {
		read_server_settings(&reader, config);
		check_overrides(&reader);
		r = folder_of(path, &base_dir);
	}
	if (r == 0)
		r = resolve_paths(config, base_dir);
	if (r < 0)
		reader_fail(&reader, "", "%s", strerror(-r));
	loading.base_dir = base_dir;
	if (reader.error_code == 0)
		load_triggers(&loading);
	for (size_t i = 0; i < config->function_count; i++)
		json_decref(loading.events[i].ids);
	reader_close(&reader);
	if (reader.error_code != 0) {
		*ret_error = reader.error;
		return reader.error_code;
	}
	*ret_config = TAKE_PTR(config);
	return 0;
}
