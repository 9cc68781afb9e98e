// SPDX-License-Identifier: BSD-2-Clause
#include "server/function_config.h"

#include "base/clock.h"
#include "base/words.h"
#include "event/key.h"
#include "event/schema.h"
#include "server/config_reader.h"
#include "server/surroundings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS_MAX    100
#define BATCH_MAX       4096
#define QUEUE_MAX       (1U << 20)
#define STATE_KEYS_MAX  10000000
#define STATE_BYTES_MIN (64U << 10)
#define MEMORY_MAX      (1U << 20) /* MiB */
#define CPU_MAX         1024       /* processors */

static const char *const manifest_keys[] = {"description", "events", "triggers", FUNCTION_SETTINGS};

void function_config_done(struct function_config *config)
{
	free(config->name);
	free(config->dir);
	free(config->description);
	free(config->runtime);
	free(config->handler);
	free(config->config);
	for (size_t i = 0; config->key[i]; i++)
		free(config->key[i]);
	words_free(config->network);
	words_free(config->environment);
	*config = (struct function_config){0};
}

static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int copy_words(char *const *words, char ***ret_copy)
{
	*ret_copy = words ? words_copy((const char *const *)words) : NULL;
	return words && !*ret_copy ? -ENOMEM : 0;
}

int function_config_copy(const struct function_config *config, struct function_config *ret_copy)
{
	struct function_config copy = *config;
	int r = copy_text(config->name, &copy.name);

	r |= copy_text(config->dir, &copy.dir);
	r |= copy_text(config->description, &copy.description);
	r |= copy_text(config->runtime, &copy.runtime);
	r |= copy_text(config->handler, &copy.handler);
	r |= copy_text(config->config, &copy.config);
	for (size_t i = 0; config->key[i]; i++)
		r |= copy_text(config->key[i], &copy.key[i]);
	r |= copy_words(config->network, &copy.network);
	r |= copy_words(config->environment, &copy.environment);
	if (r != 0) {
		function_config_done(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

/* What it takes and what people are told of it make no difference to a running one. */
bool function_config_equal(const struct function_config *a, const struct function_config *b)
{
	if (!words_equal((const char *const *)a->key, (const char *const *)b->key))
		return false;
	return strcmp(a->name, b->name) == 0 && strcmp(a->dir, b->dir) == 0 &&
	       strcmp(a->runtime, b->runtime) == 0 && strcmp(a->handler, b->handler) == 0 &&
	       strcmp(a->config, b->config) == 0 && a->timeout_ns == b->timeout_ns &&
	       a->attempts == b->attempts && a->patience_ns == b->patience_ns &&
	       a->batch_max == b->batch_max && a->linger_ns == b->linger_ns &&
	       a->queue_max == b->queue_max && a->min == b->min && a->max == b->max &&
	       a->idle_ns == b->idle_ns && a->state_keys == b->state_keys &&
	       a->state_bytes == b->state_bytes && a->isolation == b->isolation &&
	       a->memory_mb == b->memory_mb && a->cpu == b->cpu &&
	       words_equal((const char *const *)a->network, (const char *const *)b->network) &&
	       words_equal(
		       (const char *const *)a->environment, (const char *const *)b->environment);
}

static void read_key_fields(struct config_reader *reader, const char *prefix, const json_t *object,
	struct function_config *config)
{
	const json_t *json = json_object_get(object, "key");
	char name[256];
	json_t *field;
	size_t i;

	snprintf(name, sizeof(name), "%skey", prefix);
	if (!json || reader->error_code != 0)
		return;
	if (!json_is_array(json) || json_array_size(json) > FUNCTION_KEY_MAX) {
		reader_fail(reader, name, "expected an array of at most %d field names",
			FUNCTION_KEY_MAX);
		return;
	}
	for (i = 0; config->key[i]; i++) {
		free(config->key[i]);
		config->key[i] = NULL;
	}
	json_array_foreach (json, i, field) {
		if (!json_is_string(field)) {
			reader_fail(reader, name, "expected an array of field names");
			return;
		}
		config->key[i] = strdup(json_string_value(field));
	}
}

static void read_events(
	struct config_reader *reader, const json_t *object, struct function_config *config)
{
	const json_t *events = json_object_get(object, "events");
	json_t *id;
	size_t i;

	if (events && (!json_is_array(events) || json_array_size(events) > FUNCTION_EVENTS_MAX))
		reader_fail(reader, "events", "expected an array of at most %d event ids",
			FUNCTION_EVENTS_MAX);
	if (reader->error_code != 0)
		return;
	json_array_foreach (events, i, id) {
		if (!json_is_integer(id)) {
			reader_fail(reader, "events", FUNCTION_EVENTS_EXPECTED);
			return;
		}
		config->events[config->event_count++] = (uint32_t)json_integer_value(id);
	}
}

/* They are for who deploys and tests the folder, not for who runs it from the server's file. */
static void check_triggers(struct config_reader *reader, const json_t *object)
{
	const json_t *triggers = json_object_get(object, "triggers");
	json_t *text;
	size_t i;

	if (triggers && !json_is_array(triggers))
		reader_fail(reader, "triggers", FUNCTION_TRIGGERS_EXPECTED);
	json_array_foreach (triggers, i, text)
		if (!json_is_string(text) && reader->error_code == 0)
			reader_fail(reader, "triggers", FUNCTION_TRIGGERS_EXPECTED);
}

/* `config` objects are merged, so that an override names only what it changes. */
static void read_settings(struct config_reader *reader, const char *prefix, const json_t *object,
	struct function_config *config, json_t *settings)
{
	json_t *json = json_object_get(object, "config");
	char name[256];

	reader_string(reader, prefix, object, "runtime", &config->runtime);
	reader_string(reader, prefix, object, "handler", &config->handler);
	reader_duration(reader, prefix, object, "timeout", &config->timeout_ns);
	reader_count(reader, prefix, object, "attempts", ATTEMPTS_MAX, &config->attempts);
	reader_duration(reader, prefix, object, "patience", &config->patience_ns);
	reader_count(reader, prefix, object, "batch", BATCH_MAX, &config->batch_max);
	reader_duration(reader, prefix, object, "linger", &config->linger_ns);
	reader_count(reader, prefix, object, "queue", QUEUE_MAX, &config->queue_max);
	reader_range(
		reader, prefix, object, "min", &(struct number_range){0, PARTITIONS}, &config->min);
	reader_count(reader, prefix, object, "max", PARTITIONS, &config->max);
	reader_duration(reader, prefix, object, "idle", &config->idle_ns);
	reader_range(reader, prefix, object, "state_keys",
		&(struct number_range){PARTITIONS, STATE_KEYS_MAX}, &config->state_keys);
	reader_size(reader, prefix, object, "state_bytes", STATE_BYTES_MIN, &config->state_bytes);
	reader_count(reader, prefix, object, "memory", MEMORY_MAX, &config->memory_mb);
	reader_hundredths(reader, prefix, object, "cpu", CPU_MAX, &config->cpu);
	read_key_fields(reader, prefix, object, config);
	read_environment(reader, prefix, object, &config->environment);
	snprintf(name, sizeof(name), "%sconfig", prefix);
	if (json && !json_is_object(json))
		reader_fail(reader, name, "expected an object");
	else if (json && json_object_update_recursive(settings, json) < 0)
		reader_fail(reader, name, "out of memory");
}

void read_isolation(struct config_reader *reader, const char *prefix, const json_t *object,
	enum isolation *isolation)
{
	_cleanup_free_ char *text = NULL;
	char name[280];

	reader_string(reader, prefix, object, "isolation", &text);
	snprintf(name, sizeof(name), "%sisolation", prefix);
	if (text && isolation_parse(text, isolation) < 0)
		reader_fail(reader, name, "expected \"strict\", \"best-effort\" or \"none\"");
}

static void read_manifest(
	struct config_reader *reader, struct function_config *config, json_t *settings)
{
	reader_allow_keys(reader, "", reader->root, manifest_keys, ARRAY_SIZE(manifest_keys));
	reader_string(reader, "", reader->root, "description", &config->description);
	read_events(reader, reader->root, config);
	check_triggers(reader, reader->root);
	read_settings(reader, "", reader->root, config, settings);
}

/* The manifest's errors name its own file, and become the reader's. */
static void load_manifest(struct config_reader *reader, const struct function_source *source,
	struct function_config *config, json_t *settings)
{
	_cleanup_free_ char *path = NULL;
	struct config_reader manifest;

	if (asprintf(&path, "%s/%s", config->dir, FUNCTION_FILE) < 0) {
		path = NULL;
		reader_fail(reader, source->where, "out of memory");
		return;
	}
	if (source->manifest_optional && access(path, F_OK) < 0)
		return;
	if (reader_open(&manifest, path) == 0)
		read_manifest(&manifest, config, settings);
	if (manifest.error_code == 0 && !config->handler &&
		!json_object_get(source->override, "handler"))
		reader_fail(&manifest, "", "no \"handler\" (as \"file.function\")");
	if (manifest.error_code != 0) {
		reader->error_code = manifest.error_code;
		reader->error = manifest.error;
	}
	reader_close(&manifest);
}

static int set_defaults(struct function_config *config, const struct function_source *source)
{
	*config = (struct function_config){
		.name = strdup(source->name),
		.dir = strdup(source->dir),
		.runtime = strdup("nodejs"),
		.timeout_ns = 10 * NS_PER_SEC,
		.attempts = 3,
		.patience_ns = 60 * NS_PER_SEC,
		.batch_max = 256,
		.queue_max = 65536,
		.isolation = source->isolation,
		.min = 1,
		.max = 1,
		.idle_ns = 60 * NS_PER_SEC,
		.state_keys = 100000,
		.state_bytes = 1ULL << 30,
	};
	return config->name && config->dir && config->runtime ? 0 : -ENOMEM;
}

void function_config_load(struct config_reader *reader, const struct function_source *source,
	struct function_config *ret_config)
{
	json_t *settings = json_object();
	char prefix[260];

	snprintf(prefix, sizeof(prefix), "%s%s", source->where, *source->where ? "." : "");
	if (set_defaults(ret_config, source) < 0 || !settings)
		reader_fail(reader, source->where, "out of memory");
	else
		load_manifest(reader, source, ret_config, settings);
	if (source->override && reader->error_code == 0)
		read_settings(reader, prefix, source->override, ret_config, settings);
	if (source->override && reader->error_code == 0)
		read_isolation(reader, prefix, source->override, &ret_config->isolation);
	if (source->override && reader->error_code == 0)
		read_network(reader, prefix, source->override, &ret_config->network);
	if (reader->error_code == 0 && ret_config->linger_ns >= ret_config->patience_ns)
		reader_fail(reader, source->where, "linger: expected less than \"patience\"");
	if (reader->error_code == 0 && ret_config->min > ret_config->max)
		reader_fail(reader, source->where, "min: there are at most %u workers (max)",
			ret_config->max);
	if (reader->error_code == 0 && !ret_config->handler)
		reader_fail(reader, source->where, "no \"handler\" (as \"file.function\")");
	ret_config->config = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
	if (!ret_config->config)
		reader_fail(reader, source->where, "out of memory");
	json_decref(settings);
}

json_t *function_manifest_triggers(const char *dir)
{
	_cleanup_free_ char *path = NULL;
	json_t *manifest, *triggers, *id;
	size_t i;

	if (asprintf(&path, "%s/%s", dir, FUNCTION_FILE) < 0) {
		path = NULL;
		return NULL;
	}
	manifest = json_load_file(path, 0, NULL);
	triggers = json_object_get(manifest, "triggers");
	triggers = json_array_size(triggers) > 0 ? json_incref(triggers) : json_array();
	if (json_array_size(triggers) == 0)
		json_array_foreach (json_object_get(manifest, "events"), i, id)
			json_array_append_new(triggers,
				json_sprintf("event:%lld", (long long)json_integer_value(id)));
	json_decref(manifest);
	return triggers;
}

uint32_t trigger_event_id(const char *text)
{
	char *end;
	unsigned long id;

	if (strncmp(text, "event:", 6) != 0)
		return 0;
	text += 6;
	for (uint32_t known = 1; known < EVENT_USER_MIN; known++)
		if (schema_is_sent(known) && strcmp(schema_builtin(known)->name, text) == 0)
			return known;
	id = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && id < EVENT_USER_MIN &&
			       schema_is_sent((uint32_t)id)
		       ? (uint32_t)id
		       : 0;
}

static bool takes(const struct function_config *config, uint32_t event_id)
{
	for (size_t i = 0; i < config->event_count; i++)
		if (config->events[i] == event_id)
			return true;
	return config->event_count == 0;
}

void function_config_check_event(struct config_reader *reader, const char *where,
	const struct function_config *config, uint32_t event_id)
{
	const struct schema *schema = schema_builtin(event_id);

	if (!takes(config, event_id)) {
		reader_fail(reader, where,
			"function \"%s\" does not take event %u (its %s says which)", config->name,
			event_id, FUNCTION_FILE);
		return;
	}
	for (size_t i = 0; config->key[i]; i++)
		if (!schema_find_field(schema, config->key[i]))
			reader_fail(reader, where,
				"function \"%s\" is keyed by \"%s\", which event %u (%s) does not "
				"have",
				config->name, config->key[i], event_id, schema->name);
}
