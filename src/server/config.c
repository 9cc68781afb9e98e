// SPDX-License-Identifier: BSD-2-Clause
#include "server/config.h"

#include "base/suggest.h"
#include "base/words.h"
#include "engine/engine.h"
#include "event/schema.h"
#include "server/config_reader.h"
#include "server/surroundings.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef NETLAMBDA_DATA_DIR
#define NETLAMBDA_DATA_DIR "/usr/share/netlambda"
#endif

#define SWITCHES_MAX    65536
#define WORKERS_DEFAULT 4 /* at most; otherwise one a core */
#define WINDOW_MAX      (1U << 20)
#define STORE_MAX_MIN   (64U << 10)
#define SPARES          4 /* workers */
#define LETTERS_MAX     (1U << 30)

static const char *const server_keys[] = {"listen", "api", "store", "store_max", "durability",
	"alerts", "functions_dir", "code_dir", "runtime_dir", "runtimes", "spare_workers",
	"switches_max", "isolation", "network", "version1", "version1_switches", "tls",
	"receive_workers", "window", "alerts_keep", "dead_letters_keep", "dead_letters_max", "http",
	"functions", "triggers"};
static const char *const function_keys[] = {"dir", FUNCTION_SETTINGS, FUNCTION_TRUST};

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
	free(config->code_dir);
	free(config->runtime_dir);
	runtime_config_done(&config->runtimes);
	tls_config_done(&config->tls);
	words_free(config->network);
	for (size_t i = 0; i < config->function_count; i++)
		function_config_done(&config->functions[i]);
	free(config->version1_switches);
	free(config->triggers);
	for (size_t i = 0; i < config->timer_count; i++)
		free(config->timers[i].schedule);
	free(config->timers);
	http_settings_done(&config->http);
	http_triggers_done(&config->http_triggers);
	free(config);
}

int config_copy_limits(const struct config *from, struct config *to)
{
	to->isolation = from->isolation;
	if (!from->network)
		return 0;
	to->network = words_copy((const char *const *)from->network);
	return to->network ? 0 : -ENOMEM;
}

void config_swap_functions(struct config *a, struct config *b)
{
	struct config held = *a;

	memcpy(a->functions, b->functions, sizeof(a->functions));
	a->function_count = b->function_count;
	a->triggers = b->triggers;
	a->trigger_count = b->trigger_count;
	a->timers = b->timers;
	a->timer_count = b->timer_count;
	a->http_triggers = b->http_triggers;
	memcpy(b->functions, held.functions, sizeof(b->functions));
	b->function_count = held.function_count;
	b->triggers = held.triggers;
	b->trigger_count = held.trigger_count;
	b->timers = held.timers;
	b->timer_count = held.timer_count;
	b->http_triggers = held.http_triggers;
	a->version1_switches = b->version1_switches;
	a->version1_switch_count = b->version1_switch_count;
	b->version1_switches = held.version1_switches;
	b->version1_switch_count = held.version1_switch_count;
	a->isolation = b->isolation;
	b->isolation = held.isolation;
	a->network = b->network;
	b->network = held.network;
}

int config_add_timer(
	struct config *config, const char *schedule, const char *function, char **ret_error)
{
	struct timer_config timer = {0}, *timers;
	int r = cron_parse(schedule, &timer.cron, ret_error);

	if (r < 0)
		return r;
	snprintf(timer.function, sizeof(timer.function), "%s", function);
	timers = reallocarray(config->timers, config->timer_count + 1, sizeof(*timers));
	if (!timers)
		return -ENOMEM;
	config->timers = timers;
	timer.schedule = strdup(schedule);
	if (!timer.schedule)
		return -ENOMEM;
	timers[config->timer_count++] = timer;
	return 0;
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

static bool is_function_folder(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", dir, FUNCTION_FILE) < (int)sizeof(path) &&
	       stat(path, &st) == 0;
}

struct loading {
	struct config_reader *reader;
	struct config *config;
	const char *base_dir;
};

/* The folder of the function that `where` ("triggers.1") names; NULL: the reader says why. */
static char *find_folder(
	struct loading *loading, const char *where, const char *name, const json_t *override)
{
	struct config_reader *reader = loading->reader;
	_cleanup_free_ char *dir = NULL;
	char overridden[256], prefix[260];

	snprintf(overridden, sizeof(overridden), "functions.%s", name);
	snprintf(prefix, sizeof(prefix), "%s.", overridden);
	reader_string(reader, prefix, override, "dir", &dir);
	if (reader->error_code != 0)
		return NULL;
	if (dir ? path_resolve(&dir, loading->base_dir) < 0
		: asprintf(&dir, "%s/%s", loading->config->functions_dir, name) < 0) {
		reader_fail(reader, where, "out of memory");
		return NULL;
	}
	if (is_function_folder(dir))
		return TAKE_PTR(dir);
	if (json_object_get(override, "dir"))
		reader_fail(reader, overridden, "%s has no " FUNCTION_FILE, dir);
	else
		suggest_function(reader, where, name, loading->config->functions_dir);
	return NULL;
}

/* Builds the configuration of the function that `where` names. */
static void load_function(struct loading *loading, const char *where, const char *name,
	struct function_config *function)
{
	const json_t *functions = json_object_get(loading->reader->root, "functions");
	const json_t *override = json_object_get(functions, name);
	_cleanup_free_ char *dir = find_folder(loading, where, name, override);
	char overridden[256];

	if (!dir)
		return;
	snprintf(overridden, sizeof(overridden), "functions.%s", name);
	function_config_load(loading->reader,
		&(struct function_source){
			.name = name,
			.dir = dir,
			.override = override,
			.isolation = loading->config->isolation,
			.where = overridden,
		},
		function);
}

static bool is_triggered(const struct config *config, uint32_t event_id, size_t function)
{
	for (size_t i = 0; i < config->trigger_count; i++)
		if (config->triggers[i].event_id == event_id &&
			config->triggers[i].function == function)
			return true;
	return false;
}

/* The place of the function that a trigger names, loaded if it is the first to; the reader says if it cannot be. */
static size_t claim_function(struct loading *loading, const char *where, const json_t *json)
{
	struct config *config = loading->config;
	const char *name = json_string_value(json);
	size_t i;

	if (!name) {
		reader_fail(
			loading->reader, where, "expected a function's name, or an array of them");
		return 0;
	}
	for (i = 0; i < config->function_count; i++)
		if (strcmp(config->functions[i].name, name) == 0)
			return i;
	if (i == CONFIG_FUNCTIONS_MAX) {
		reader_fail(loading->reader, where, "more than %d functions", CONFIG_FUNCTIONS_MAX);
		return 0;
	}
	load_function(loading, where, name, &config->functions[i]);
	config->function_count++;
	return i;
}

static void load_event_trigger(
	struct loading *loading, const char *where, uint32_t event_id, size_t function)
{
	struct config *config = loading->config;
	struct trigger_config *triggers;

	function_config_check_event(loading->reader, where, &config->functions[function], event_id);
	if (is_triggered(config, event_id, function))
		reader_fail(loading->reader, where, "function \"%s\" is named twice",
			config->functions[function].name);
	triggers = reallocarray(
		config->triggers, config->trigger_count + 1, sizeof(*config->triggers));
	if (!triggers) {
		reader_fail(loading->reader, where, "out of memory");
		return;
	}
	config->triggers = triggers;
	triggers[config->trigger_count++] =
		(struct trigger_config){.event_id = event_id, .function = function};
}

static void load_timer_trigger(
	struct loading *loading, const char *where, const char *schedule, size_t function)
{
	_cleanup_free_ char *error = NULL;
	int r = config_add_timer(
		loading->config, schedule, loading->config->functions[function].name, &error);

	if (r < 0)
		reader_fail(loading->reader, where, "%s", error ? error : strerror(-r));
}

static void load_http_trigger(
	struct loading *loading, const char *where, const char *path, size_t function)
{
	struct config *config = loading->config;
	_cleanup_free_ char *error = NULL;
	int r = http_triggers_add(
		&config->http_triggers, path, config->functions[function].name, &error);

	if (r < 0)
		reader_fail(loading->reader, where, "%s", error ? error : strerror(-r));
	else if (!config->http.listen)
		reader_fail(loading->reader, where, HTTP_NO_LISTENER);
}

/* "1", "timer:@every 5m" or "http:/scans", and one function. */
static void load_trigger(
	struct loading *loading, const char *where, const char *key, const json_t *json)
{
	size_t function = claim_function(loading, where, json);

	if (loading->reader->error_code != 0)
		return;
	if (strncmp(key, TIMER_PREFIX, strlen(TIMER_PREFIX)) == 0)
		load_timer_trigger(loading, where, key + strlen(TIMER_PREFIX), function);
	else if (strncmp(key, HTTP_PREFIX, strlen(HTTP_PREFIX)) == 0)
		load_http_trigger(loading, where, key + strlen(HTTP_PREFIX), function);
	else
		load_event_trigger(loading, where, (uint32_t)strtoul(key, NULL, 10), function);
}

static bool is_trigger(const char *key)
{
	char *end;
	unsigned long id = strtoul(key, &end, 10);

	if (strncmp(key, TIMER_PREFIX, strlen(TIMER_PREFIX)) == 0 ||
		strncmp(key, HTTP_PREFIX, strlen(HTTP_PREFIX)) == 0)
		return true;
	return *key >= '0' && *key <= '9' && !*end && id <= UINT32_MAX &&
	       schema_is_sent((uint32_t)id);
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
		char where[256];

		snprintf(where, sizeof(where), "triggers.%s", key);
		if (!is_trigger(key)) {
			reader_fail(reader, where,
				"not the id of an event (1 port, 2 flow, 3 source, 4 target, "
				"5 interface), nor timer:SCHEDULE or http:/PATH");
			return;
		}
		if (!json_is_array(value))
			load_trigger(loading, where, key, value);
		json_array_foreach (value, i, element) {
			snprintf(where, sizeof(where), "triggers.%s.%zu", key, i);
			load_trigger(loading, where, key, element);
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

int config_compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void read_version1_switches(struct config_reader *reader, struct config *config)
{
	const json_t *ids = json_object_get(reader->root, "version1_switches"), *id;
	size_t i;

	if (!ids || reader->error_code != 0)
		return;
	if (json_is_array(ids) && json_array_size(ids) > 0 && json_array_size(ids) <= SWITCHES_MAX)
		config->version1_switches = calloc(json_array_size(ids), sizeof(uint32_t));
	json_array_foreach (ids, i, id) {
		if (!config->version1_switches || !json_is_integer(id) ||
			json_integer_value(id) < 0 || json_integer_value(id) > UINT32_MAX)
			break;
		config->version1_switches[i] = (uint32_t)json_integer_value(id);
	}
	if (!config->version1_switches || i < json_array_size(ids)) {
		reader_fail(reader, "version1_switches", "expected an array of 1 to %d switch ids",
			SWITCHES_MAX);
		return;
	}
	config->version1_switch_count = i;
	qsort(config->version1_switches, i, sizeof(uint32_t), config_compare_ids);
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
	reader_size(reader, "", root, "store_max", STORE_MAX_MIN, &config->store_max);
	reader_string(reader, "", root, "functions_dir", &config->functions_dir);
	reader_string(reader, "", root, "code_dir", &config->code_dir);
	reader_string(reader, "", root, "runtime_dir", &config->runtime_dir);
	runtime_config_load(reader, &config->runtimes);
	http_settings_load(reader, &config->http);
	reader_string(reader, "", root, "durability", &durability);
	read_isolation(reader, "", root, &config->isolation);
	read_network_limit(reader, "", root, &config->network);
	reader_count(reader, "", root, "switches_max", SWITCHES_MAX, &config->switches_max);
	reader_range(reader, "", root, "spare_workers", &(struct number_range){0, SPARES_MAX},
		&config->spare_workers);
	read_version1_switches(reader, config);
	reader_count(
		reader, "", root, "receive_workers", CONFIG_WORKERS_MAX, &config->receive_workers);
	reader_count(reader, "", root, "window", WINDOW_MAX, &config->window);
	reader_bool(reader, "", root, "version1", &config->version1);
	tls_config_read(reader, &config->tls);
	reader_keep(reader, "", root, "alerts_keep", &config->alerts_keep_ns);
	reader_keep(reader, "", root, "dead_letters_keep", &config->dead_letters_keep_ns);
	reader_count(reader, "", root, "dead_letters_max", LETTERS_MAX, &config->dead_letters_max);
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
	config->spare_workers = SPARES;
	config->dead_letters_max = 100000;
	config->receive_workers =
		(unsigned int)MIN(MAX(sysconf(_SC_NPROCESSORS_ONLN), 1), WORKERS_DEFAULT);
	config->window = 16384;
	return config->path && config->listen && config->api && config->store &&
			       config->functions_dir && config->runtime_dir
		       ? 0
		       : -ENOMEM;
}

static int resolve_paths(struct config *config, const char *base_dir)
{
	char **paths[] = {&config->api, &config->store, &config->alerts, &config->functions_dir,
		&config->code_dir, &config->runtime_dir, &config->tls.credentials, &config->tls.key,
		&config->tls.ca, &config->tls.crl, &config->http.token_file,
		&config->http.certificate, &config->http.key};
	_cleanup_free_ char *store = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int r = path_resolve(paths[i], base_dir);

		if (r < 0)
			return r;
	}
	if (config->code_dir)
		return 0;
	store = strdup(config->store);
	if (!store || asprintf(&config->code_dir, "%s/functions", dirname(store)) < 0) {
		config->code_dir = NULL;
		return -ENOMEM;
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
	if (r == 0)
		r = tls_config_find(&config->tls, !config->version1);
	if (r < 0)
		reader_fail(&reader, "", "%s", strerror(-r));
	loading.base_dir = base_dir;
	if (reader.error_code == 0)
		load_triggers(&loading);
	reader_close(&reader);
	if (reader.error_code != 0) {
		*ret_error = reader.error;
		return reader.error_code;
	}
	*ret_config = TAKE_PTR(config);
	return 0;
}
