// SPDX-License-Identifier: BSD-2-Clause
#include "server/units.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A retired unit that is not idle by then loses its queue: what was to be acknowledged comes again.
 */
#define RETIRE_NS (5 * NS_PER_SEC)

struct units *units_new(void)
{
	return calloc(1, sizeof(struct units));
}

static void function_config_free(struct function_config *config)
{
	if (!config)
		return;
	function_config_done(config);
	free(config);
}

void units_free(struct units *units)
{
	if (!units)
		return;
	for (size_t i = 0; i < UNITS_MAX; i++) {
		function_config_free(units->units[i].config);
		function_config_free(units->units[i].next);
		free(units->units[i].error);
	}
	free(units->triggers);
	divisions_done(&units->divisions);
	free(units);
}

struct unit *units_find_live(struct units *units, const char *function)
{
	for (size_t i = 0; i < UNITS_MAX; i++)
		if (unit_is_live(&units->units[i]) &&
			strcmp(units->units[i].config->name, function) == 0)
			return &units->units[i];
	return NULL;
}

struct unit *units_find(struct units *units, const struct function *function)
{
	for (size_t i = 0; i < UNITS_MAX; i++)
		if (units->units[i].function == function)
			return &units->units[i];
	return NULL;
}

/* The slot of a function's name: its own, else a free one; -1 if there is none. */
static int find_slot(const struct units *units, const char *name, const bool *taken)
{
	int free_slot = -1;

	for (int i = 0; i < UNITS_MAX; i++) {
		const struct unit *unit = &units->units[i];

		if (unit->config && strcmp(unit->config->name, name) == 0)
			return i;
		if (!unit->config && !taken[i] && free_slot < 0)
			free_slot = i;
	}
	return free_slot;
}

void unit_options(const struct function_config *config, struct function_options *ret_options)
{
	*ret_options = (struct function_options){
		.name = config->name,
		.runtime = config->runtime,
		.handler = config->handler,
		.dir = config->dir,
		.config = config->config,
		.key = (const char *const *)config->key,
		.timeout_ns = config->timeout_ns,
		.attempts = config->attempts,
		.patience_ns = config->patience_ns,
		.batch_max = config->batch_max,
		.linger_ns = config->linger_ns,
		.queue_max = config->queue_max,
		.min = config->min,
		.max = config->max,
		.idle_ns = config->idle_ns,
		.state_keys = config->state_keys,
		.state_bytes = config->state_bytes,
		.isolation = config->isolation,
		.keep_trying = true,
		.memory_mb = config->memory_mb,
		.cpu = config->cpu,
		.network = (const char *const *)config->network,
		.environment = (const char *const *)config->environment,
	};
}

static const struct division *find_division(
	struct units *units, const struct function_config *config)
{
	return divisions_get_fields(&units->divisions, (const char *const *)config->key);
}

static void unit_start(struct units *units, struct unit *unit, struct engine *engine)
{
	const struct function_config *config = unit->config;
	struct function_options options;
	int r;

	unit->division = find_division(units, config); /* it is there: units_configure() looked */
	unit_options(config, &options);
	r = engine_add(engine, &options, &unit->function, &unit->error);
	if (r < 0)
		log_error("cannot start function=%s error=\"%s\": it gets no events", config->name,
			unit->error ? unit->error : strerror(-r));
}

static void unit_retire(struct unit *unit, struct function_config *next, uint64_t now_ns)
{
	function_config_free(unit->next);
	unit->next = next;
	if (!unit->retired)
		unit->retire_at_ns = now_ns + RETIRE_NS;
	unit->retired = true;
}

/* The wanted configuration of a slot meets what is there. Takes `wanted`. */
static void unit_want(struct units *units, struct unit *unit, struct engine *engine,
	struct function_config *wanted, uint64_t now_ns)
{
	if (!unit->config) {
		unit->config = wanted;
		unit->is_new = true;
		unit_start(units, unit, engine);
	} else if (!unit->retired && function_config_equal(unit->config, wanted) &&
		   unit->function) {
		if (unit->config->version != wanted->version)
			function_forget_error(unit->function);
		function_config_free(unit->config);
		unit->config = wanted;
	} else {
		unit_retire(unit, wanted, now_ns);
	}
}

static void steal(struct function_config *from, struct function_config *to)
{
	*to = *from;
	*from = (struct function_config){0};
}

int units_configure(
	struct units *units, struct engine *engine, struct config *config, uint64_t now_ns)
{
	struct trigger_config *triggers = calloc(config->trigger_count + 1, sizeof(*triggers));
	struct function_config *wanted[UNITS_MAX] = {NULL};
	int slots[CONFIG_FUNCTIONS_MAX];
	bool taken[UNITS_MAX] = {false};
	int r = triggers ? 0 : -ENOMEM;

	for (size_t i = 0; i < config->function_count && r == 0; i++) {
		slots[i] = find_slot(units, config->functions[i].name, taken);
		if (slots[i] < 0) {
			r = -ENOSPC;
			break;
		}
		taken[slots[i]] = true;
		wanted[slots[i]] = calloc(1, sizeof(**wanted));
		r = wanted[slots[i]] && find_division(units, &config->functions[i]) ? 0 : -ENOMEM;
	}
	if (r < 0) {
		for (size_t i = 0; i < UNITS_MAX; i++)
			free(wanted[i]);
		free(triggers);
		return r;
	}
	for (size_t i = 0; i < config->trigger_count; i++)
		triggers[i] = (struct trigger_config){.event_id = config->triggers[i].event_id,
			.function = (size_t)slots[config->triggers[i].function]};
	for (size_t i = 0; i < config->function_count; i++)
		steal(&config->functions[i], wanted[slots[i]]);
	config->function_count = 0;
	for (size_t i = 0; i < UNITS_MAX; i++) {
		if (wanted[i])
			unit_want(units, &units->units[i], engine, wanted[i], now_ns);
		else if (units->units[i].config)
			unit_retire(&units->units[i], NULL, now_ns);
	}
	free(units->triggers);
	units->triggers = triggers;
	units->trigger_count = config->trigger_count;
	return 0;
}

static bool unit_is_idle(const struct unit *unit)
{
	struct function_stats stats;

	if (!unit->function)
		return true;
	function_stats(unit->function, &stats);
	return stats.queued == 0;
}

bool units_settle(struct units *units, struct engine *engine, struct unit *unit, uint64_t now_ns,
	void (*removed)(void *user, size_t slot, bool replaced), void *user)
{
	if (!unit->retired || unit->commits > 0)
		return false;
	if (!unit_is_idle(unit) && now_ns < unit->retire_at_ns)
		return false;
	if (unit->function)
		engine_remove(unit->function);
	removed(user, unit_slot(units, unit), unit->next != NULL);
	log_info("function=%s is %s", unit->config->name, unit->next ? "replaced" : "removed");
	function_config_free(unit->config);
	free(unit->error);
	*unit = (struct unit){.config = unit->next};
	if (unit->config)
		unit_start(units, unit, engine);
	return true;
}
