// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "base/suggest.h"
#include "event/schema.h"
#include "server/api_json.h"
#include "server/server_private.h"

#include <microhttpd.h>
#include <string.h>

/* All that is known of one function, for `netlambda function describe`. */

static json_t *words_json(char *const *words)
{
	json_t *array = json_array();

	for (size_t i = 0; words && words[i]; i++)
		json_push(&array, json_text(words[i]));
	return array;
}

static json_t *environment_json(char *const *environment)
{
	json_t *object = json_object();

	for (size_t i = 0; environment && environment[i]; i++) {
		const char *value = strchr(environment[i], '=');
		_cleanup_free_ char *name =
			strndup(environment[i], (size_t)(value - environment[i]));

		json_put(&object, name ? name : "", json_text(value + 1));
	}
	return object;
}

static json_t *settings_json(const struct function_config *config)
{
	json_t *settings = json_object();

	json_put(&settings, "dir", json_text(config->dir));
	json_put(&settings, "key", words_json(config->key));
	json_put(&settings, "timeout_seconds",
		json_real((double)config->timeout_ns / (double)NS_PER_SEC));
	json_put(&settings, "attempts", json_integer(config->attempts));
	json_put(&settings, "patience_seconds",
		json_real((double)config->patience_ns / (double)NS_PER_SEC));
	json_put(&settings, "batch", json_integer(config->batch_max));
	json_put(&settings, "linger_seconds",
		json_real((double)config->linger_ns / (double)NS_PER_SEC));
	json_put(&settings, "queue", json_integer(config->queue_max));
	json_put(&settings, "min", json_integer(config->min));
	json_put(&settings, "max", json_integer(config->max));
	json_put(
		&settings, "idle_seconds", json_real((double)config->idle_ns / (double)NS_PER_SEC));
	json_put(&settings, "state_keys", json_integer(config->state_keys));
	json_put(&settings, "state_bytes", json_count(config->state_bytes));
	json_put(&settings, "isolation", json_string(isolation_name(config->isolation)));
	json_put(&settings, "memory_mb",
		config->memory_mb > 0 ? json_integer(config->memory_mb) : json_null());
	json_put(&settings, "cpu", config->cpu > 0 ? json_real(config->cpu / 100.0) : json_null());
	json_put(&settings, "network", words_json(config->network));
	json_put(&settings, "env", environment_json(config->environment));
	json_put(&settings, "config", json_embed(config->config));
	return settings;
}

static json_t *versions_json(const struct deployed *deployed)
{
	json_t *versions = json_array();

	for (size_t i = 0; i < deployed->version_count; i++) {
		const struct deployed_version *version = &deployed->versions[i];
		json_t *object = json_object();

		json_put(&object, "version", json_integer(version->version));
		json_put(&object, "active", json_boolean(i == deployed->active));
		json_put(&object, "code", json_text(version->code));
		json_put(&object, "deployed", json_time(version->deployed_ns));
		json_put(&object, "deployed_by", json_text(version->deployed_by));
		json_put(&object, "spec", json_deep_copy(version->spec));
		json_push(&versions, object);
	}
	return versions;
}

static json_t *triggers_json(const struct server *server, const struct unit *unit)
{
	const struct units *units = server->units;
	json_t *triggers = json_array();

	for (size_t i = 0; i < units->trigger_count; i++)
		if (units->triggers[i].function == unit_slot(units, unit))
			json_push(&triggers,
				json_sprintf("event:%s",
					schema_builtin(units->triggers[i].event_id)->name));
	for (size_t i = 0; i < server->timers.count; i++)
		if (server->timers.items[i].slot == unit_slot(units, unit))
			json_push(&triggers,
				json_sprintf("timer:%s", server->timers.items[i].schedule));
	for (size_t i = 0; i < server->paths.count; i++)
		if (strcmp(server->paths.items[i].function, unit->config->name) == 0)
			json_push(&triggers,
				json_sprintf(HTTP_PREFIX "%s", server->paths.items[i].path));
	return triggers;
}

/* The newest unit of that name, so that what is about to be replaced does not stand for it. */
static struct unit *find_unit(struct units *units, const char *name)
{
	for (size_t i = 0; i < UNITS_MAX; i++)
		if (units->units[i].config && strcmp(units->units[i].config->name, name) == 0)
			return &units->units[i];
	return NULL;
}

static void refuse_unknown(const struct units *units, struct api_call *call)
{
	const char *names[UNITS_MAX], *near;
	size_t count = 0;

	for (size_t i = 0; i < UNITS_MAX; i++)
		if (units->units[i].config)
			names[count++] = units->units[i].config->name;
	near = suggest_nearest(call->function, names, count);
	if (near)
		api_call_refuse(call, MHD_HTTP_NOT_FOUND,
			"there is no function \"%.64s\" (did you mean \"%s\"?)", call->function,
			near);
	else
		api_call_refuse(call, MHD_HTTP_NOT_FOUND,
			"there is no function \"%.64s\" (netlambda function list shows those there "
			"are)",
			call->function);
}

void server_call(struct server *server, struct api_call *call)
{
	struct unit *unit = find_unit(server->units, call->function);

	if (unit && json_is_true(json_object_get(call->body, "live")))
		live_call(&server->callers, unit, call);
	else if (unit)
		rehearse(&server->stage, unit->next ? unit->next : unit->config, call);
	else
		refuse_unknown(server->units, call);
}

void server_describe(struct server *server, struct api_call *call)
{
	const struct unit *unit = find_unit(server->units, call->function);
	const struct deployed *deployed = registry_find(&server->registry, call->function);
	const struct function_config *config;
	json_t *object;

	if (!unit && deployed) {
		api_call_refuse(call, MHD_HTTP_CONFLICT,
			"function \"%s\" is deployed, version %u, and cannot be had: %s",
			deployed->name, deployed->versions[deployed->active].version,
			deployed->error ? deployed->error : "no reason known");
		return;
	}
	if (!unit) {
		refuse_unknown(server->units, call);
		return;
	}
	config = unit->next ? unit->next : unit->config;
	object = server_function_json(server, unit);
	json_put(&object, "description", json_text(config->description));
	json_put(&object, "trigger_list", triggers_json(server, unit));
	json_put(&object, "settings", settings_json(config));
	if (deployed)
		json_put(&object, "versions", versions_json(deployed));
	api_call_answer(call, MHD_HTTP_OK, object);
}
