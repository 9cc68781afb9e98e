// SPDX-License-Identifier: BSD-2-Clause
#include "server/registry.h"

#include "base/error.h"
#include "base/log.h"
#include "event/schema.h"
#include "server/config_reader.h"
#include "server/surroundings.h"
#include "store/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const spec_keys[] = {FUNCTION_SETTINGS, FUNCTION_TRUST, "triggers"};

/* ---- what the store has ---- */

static void functions_free(struct deployed *functions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < functions[i].version_count; j++) {
			free(functions[i].versions[j].code);
			free(functions[i].versions[j].deployed_by);
			json_decref(functions[i].versions[j].spec);
		}
		free(functions[i].versions);
		free(functions[i].name);
		free(functions[i].error);
	}
	free(functions);
}

int registry_init(struct registry *registry, const char *code_dir)
{
	*registry = (struct registry){.code_dir = strdup(code_dir)};
	return registry->code_dir ? 0 : -ENOMEM;
}

void registry_done(struct registry *registry)
{
	functions_free(registry->functions, registry->count);
	free(registry->code_dir);
	*registry = (struct registry){0};
}

static struct deployed *push_function(struct registry *registry, const char *name)
{
	struct deployed *functions;

	if (registry->count > 0 && strcmp(registry->functions[registry->count - 1].name, name) == 0)
		return &registry->functions[registry->count - 1];
	functions = reallocarray(registry->functions, registry->count + 1, sizeof(*functions));
	if (!functions)
		return NULL;
	registry->functions = functions;
	functions[registry->count] = (struct deployed){.name = strdup(name)};
	return functions[registry->count].name ? &functions[registry->count++] : NULL;
}

static int on_version(void *user, const struct function_version *row)
{
	struct deployed *deployed = push_function(user, row->function);
	struct deployed_version *versions, *version;

	if (!deployed)
		return -ENOMEM;
	versions = reallocarray(deployed->versions, deployed->version_count + 1, sizeof(*versions));
	if (!versions)
		return -ENOMEM;
	deployed->versions = versions;
	version = &versions[deployed->version_count];
	*version = (struct deployed_version){
		.version = row->version,
		.code = strdup(row->code),
		.spec = json_loads(row->spec, 0, NULL),
		.deployed_ns = row->deployed_ns,
		.deployed_by = strdup(row->deployed_by),
	};
	if (row->active)
		deployed->active = deployed->version_count;
	deployed->version_count++;
	return version->code && version->deployed_by && version->spec ? 0 : -ENOMEM;
}

int registry_load(struct registry *registry, struct store *store)
{
	struct registry loaded = {0};
	int r = registry_each(store, on_version, &loaded);

	if (r < 0) {
		functions_free(loaded.functions, loaded.count);
		return r;
	}
	functions_free(registry->functions, registry->count);
	registry->functions = loaded.functions;
	registry->count = loaded.count;
	return 0;
}

const struct deployed *registry_find(const struct registry *registry, const char *name)
{
	for (size_t i = 0; i < registry->count; i++)
		if (strcmp(registry->functions[i].name, name) == 0)
			return &registry->functions[i];
	return NULL;
}

const struct deployed_version *deployed_find(const struct deployed *deployed, unsigned int version)
{
	for (size_t i = 0; i < deployed->version_count; i++)
		if (deployed->versions[i].version == version)
			return &deployed->versions[i];
	return NULL;
}

bool registry_needs(const struct registry *registry, const char *code)
{
	for (size_t i = 0; i < registry->count; i++)
		for (size_t j = 0; j < registry->functions[i].version_count; j++)
			if (strcmp(registry->functions[i].versions[j].code, code) == 0)
				return true;
	return false;
}

/* ---- joining the file's ---- */

static void push_trigger(
	struct config_reader *reader, struct config *config, const char *where, uint32_t event_id)
{
	size_t function = config->function_count - 1;
	struct trigger_config *triggers;

	function_config_check_event(reader, where, &config->functions[function], event_id);
	for (size_t i = 0; i < config->trigger_count; i++)
		if (config->triggers[i].event_id == event_id &&
			config->triggers[i].function == function)
			reader_fail(reader, where, "it is there twice");
	if (reader->error_code != 0)
		return;
	triggers = reallocarray(config->triggers, config->trigger_count + 1, sizeof(*triggers));
	if (!triggers) {
		reader_fail(reader, where, "out of memory");
		return;
	}
	config->triggers = triggers;
	triggers[config->trigger_count++] =
		(struct trigger_config){.event_id = event_id, .function = function};
}

static void push_timer(struct config_reader *reader, struct config *config, const char *schedule)
{
	_cleanup_free_ char *error = NULL;
	int r = config_add_timer(
		config, schedule, config->functions[config->function_count - 1].name, &error);

	if (r < 0)
		reader_fail(reader, "triggers", "timer:%s", error ? error : strerror(-r));
}

static void push_http(struct config_reader *reader, struct config *config, const char *path)
{
	_cleanup_free_ char *error = NULL;
	int r = http_triggers_add(&config->http_triggers, path,
		config->functions[config->function_count - 1].name, &error);

	if (r < 0)
		reader_fail(reader, "triggers", "%s", error ? error : strerror(-r));
}

static void add_trigger(struct config_reader *reader, struct config *config, const char *text)
{
	uint32_t event_id = text ? trigger_event_id(text) : 0;

	if (text && strncmp(text, "timer:", 6) == 0)
		push_timer(reader, config, text + 6);
	else if (text && strncmp(text, HTTP_PREFIX, strlen(HTTP_PREFIX)) == 0)
		push_http(reader, config, text + strlen(HTTP_PREFIX));
	else if (event_id != 0)
		push_trigger(reader, config, "triggers", event_id);
	else
		reader_fail(reader, "triggers",
			"\"%s\": expected event:ID, such as event:1 or event:port, "
			"timer:SCHEDULE, such as timer:@every 5m, or http:/PATH",
			text ? text : "?");
}

static void add_triggers(struct config_reader *reader, struct config *config, const json_t *spec)
{
	const json_t *triggers = json_object_get(spec, "triggers");
	json_t *trigger;
	size_t i;

	if (triggers && !json_is_array(triggers))
		reader_fail(reader, "triggers", "expected an array of texts");
	json_array_foreach (triggers, i, trigger)
		add_trigger(reader, config, json_string_value(trigger));
}

static void check_network(struct config_reader *reader, const struct function_config *function,
	const struct config *config)
{
	for (size_t i = 0; function->network && function->network[i]; i++)
		if (!network_allows((const char *const *)config->network, function->network[i]))
			reader_fail(reader, "network",
				"\"%s\": this server lets nothing that is deployed reach it (its "
				"configuration's \"network\")",
				function->network[i]);
}

static void add_function(struct config_reader *reader, const struct registry *registry,
	const struct deployment_source *source, struct config *config)
{
	struct function_config *function = &config->functions[config->function_count];
	_cleanup_free_ char *dir = NULL;

	if (asprintf(&dir, "%s/%s", registry->code_dir, source->code) < 0) {
		dir = NULL;
		reader_fail(reader, "", "out of memory");
		return;
	}
	reader_allow_keys(reader, "", source->spec, spec_keys, ARRAY_SIZE(spec_keys));
	function_config_load(reader,
		&(struct function_source){
			.name = source->name,
			.dir = dir,
			.manifest_optional = true,
			.override = source->spec,
			.isolation = config->isolation,
			.where = "",
		},
		function);
	/* Whoever may deploy may not take more than who runs the server gives. */
	if (function->isolation > config->isolation)
		reader_fail(reader, "isolation",
			"this server runs nothing that is deployed with less than \"%s\" (its "
			"configuration's \"isolation\")",
			isolation_name(config->isolation));
	check_network(reader, function, config);
	function->version = source->version;
	config->function_count++;
	if (reader->error_code == 0)
		add_triggers(reader, config, source->spec);
}

int registry_add_to(const struct registry *registry, const struct deployment_source *source,
	struct config *config, char **ret_error)
{
	size_t trigger_count = config->trigger_count, timer_count = config->timer_count;
	size_t http_count = config->http_triggers.count;
	struct config_reader reader = {0};

	if (config->function_count == CONFIG_FUNCTIONS_MAX)
		return error_set(
			ret_error, -ENOSPC, "there are %d functions already", CONFIG_FUNCTIONS_MAX);
	add_function(&reader, registry, source, config);
	if (reader.error_code == 0)
		return 0;
	function_config_done(&config->functions[--config->function_count]);
	config->trigger_count = trigger_count;
	while (config->timer_count > timer_count)
		free(config->timers[--config->timer_count].schedule);
	http_triggers_cut(&config->http_triggers, http_count);
	*ret_error = reader.error;
	return reader.error_code;
}

static int copy_file(const struct config *file, struct config *merged)
{
	int r = config_copy_limits(file, merged);

	if (r < 0)
		return r;
	for (size_t i = 0; i < file->function_count; i++) {
		r = function_config_copy(&file->functions[i], &merged->functions[i]);
		if (r < 0)
			return r;
		merged->function_count++;
	}
	merged->triggers = calloc(file->trigger_count + 1, sizeof(*merged->triggers));
	if (!merged->triggers)
		return -ENOMEM;
	for (size_t i = 0; i < file->trigger_count; i++)
		merged->triggers[i] = file->triggers[i];
	merged->trigger_count = file->trigger_count;
	for (size_t i = 0; i < file->timer_count; i++) {
		_cleanup_free_ char *error = NULL;

		r = config_add_timer(
			merged, file->timers[i].schedule, file->timers[i].function, &error);

		if (r < 0)
			return r;
	}
	return http_triggers_copy(&file->http_triggers, &merged->http_triggers);
}

static int refuse_both(const struct config *file, const char *name, char **ret_error)
{
	for (size_t i = 0; i < file->function_count; i++)
		if (strcmp(file->functions[i].name, name) == 0)
			return error_set(ret_error, -EEXIST,
				"%s: function \"%s\" is also deployed: take it out of the file, or "
				"have it deleted first (netlambda function delete %s)",
				file->path, name, name);
	return 0;
}

static void merge_function(
	const struct registry *registry, struct deployed *deployed, struct config *merged)
{
	const struct deployed_version *active = &deployed->versions[deployed->active];
	char *error = NULL;
	int r;

	free(deployed->error);
	deployed->error = NULL;
	r = registry_add_to(registry,
		&(struct deployment_source){
			.name = deployed->name,
			.code = active->code,
			.spec = active->spec,
			.version = active->version,
		},
		merged, &error);
	if (r == 0)
		return;
	deployed->error = error ? error : strdup(strerror(-r));
	log_error("the deployed function=%s version=%u cannot be had: %s", deployed->name,
		active->version, deployed->error ? deployed->error : "out of memory");
}

int registry_merge(struct registry *registry, const struct config *file, struct config **ret_merged,
	char **ret_error)
{
	_cleanup_(config_freep) struct config *merged = calloc(1, sizeof(*merged));
	int r = merged ? copy_file(file, merged) : -ENOMEM;

	for (size_t i = 0; i < registry->count && r == 0; i++) {
		r = refuse_both(file, registry->functions[i].name, ret_error);
		if (r == 0)
			merge_function(registry, &registry->functions[i], merged);
	}
	if (r == 0)
		*ret_merged = TAKE_PTR(merged);
	return r;
}
