// SPDX-License-Identifier: BSD-2-Clause
#include "engine/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/program.h"
#include "base/words.h"
#include "engine/function.h"
#include "launcher/cgroup.h"
#include "launcher/door.h"
#include "launcher/variables.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define QUEUE_LIMIT   (1U << 24) /* events */
#define SWEEP_NS      (10 * NS_PER_SEC)
#define MEMORY_MB_MIN 32U /* what the least of runtimes starts in */

static void engine_learn_level(struct engine *engine)
{
	if (engine->level_is_given)
		return;
	isolation_level_done(&engine->level);
	free(engine->level_error);
	engine->level_error = NULL;
	if (isolation_probe(engine->launcher, &engine->level, &engine->level_error) < 0 &&
		!engine->level_error)
		engine->level_error = strdup("out of memory");
}

const struct isolation_level *engine_level(const struct engine *engine)
{
	return &engine->level;
}

static bool kind_is_used(const void *user, const struct worker_kind *kind)
{
	const struct engine *engine = user;

	for (const struct function *at = engine->functions; at; at = at->next) {
		const struct worker_kind its = function_kind(at);

		if (!at->removed && at->prepared && worker_kind_equal(&its, kind))
			return true;
	}
	return false;
}

static void on_sweep(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct engine *engine = timer->user;

	spares_keep(&engine->spares, kind_is_used, engine);
}

int engine_new(struct loop *loop, const struct engine_options *options,
	const struct engine_ops *ops, void *user, struct engine **ret_engine)
{
	_cleanup_(engine_freep) struct engine *engine = calloc(1, sizeof(*engine));
	char launcher[PATH_MAX];
	int r;

	if (!engine)
		return -ENOMEM;
	engine->loop = loop;
	engine->ops = ops;
	engine->user = user;
	engine->pool.loop = loop;
	engine->sweep = (struct loop_timer){.fn = on_sweep, .user = engine};
	engine->pool.listener = (struct output_listener){.line = ops->output, .user = user};
	if (getrandom(&engine->secret, sizeof(engine->secret), 0) != sizeof(engine->secret))
		return -EIO;
	r = runtimes_init(&engine->runtimes, options->runtime_dir);
	for (size_t i = 0; i < options->runtime_count && r == 0; i++)
		r = runtimes_add(&engine->runtimes, &options->runtimes[i]);
	if (r < 0)
		return r;
	program_find("src/launcher/netlambda-worker", NETLAMBDA_LAUNCHER, launcher);
	engine->launcher = strdup(launcher);
	if (!engine->launcher)
		return -ENOMEM;
	spares_init(&engine->spares, &engine->pool, engine->launcher, options->spares);
	r = options->level ? isolation_level_copy(options->level, &engine->level) : 0;
	if (r < 0)
		return r;
	engine->level_is_given = options->level != NULL;
	if (!options->level)
		cgroup_prepare();
	engine_learn_level(engine);
	*ret_engine = TAKE_PTR(engine);
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	while (engine->functions) {
		struct function *function = engine->functions;

		builder_free(TAKE_PTR(function->committing));
		function_end(function);
	}
	loop_disarm_timer(&engine->sweep);
	spares_done(&engine->spares);
	worker_pool_done(&engine->pool);
	runtimes_done(&engine->runtimes);
	free(engine->launcher);
	isolation_level_done(&engine->level);
	free(engine->level_error);
	free(engine);
}

bool engine_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= FUNCTION_NAME_MAX || name[0] == '-' || name[len - 1] == '-')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool field_exists(const char *name)
{
	for (uint32_t id = 1; id < EVENT_USER_MIN; id++) {
		const struct schema *schema = schema_builtin(id);

		if (schema && schema_find_field(schema, name))
			return true;
	}
	return false;
}

static int check_key(const char *const *key, char **ret_error)
{
	for (size_t i = 0; key && key[i]; i++) {
		if (i == KEY_FIELDS_MAX)
			return error_set(
				ret_error, -EINVAL, "key: more than %d fields", KEY_FIELDS_MAX);
		if (!field_exists(key[i]))
			return error_set(
				ret_error, -EINVAL, "key: no event has a field \"%s\"", key[i]);
	}
	return 0;
}

static int check_config(const char *config, char **ret_error)
{
	json_error_t error;
	json_t *json = json_loads(config, JSON_REJECT_DUPLICATES, &error);
	bool is_object = json_is_object(json);

	if (!json)
		return error_set(ret_error, -EINVAL, "config: line %d: %s", error.line, error.text);
	json_decref(json);
	if (!is_object)
		return error_set(ret_error, -EINVAL, "config: expected a JSON object");
	return 0;
}

/* "port-scan.main": DIR/port-scan.js, its export "main". */
static int check_handler(const struct function_options *options, char **ret_error)
{
	const char *dot = strrchr(options->handler, '.');

	if (dot && dot != options->handler && dot[1] && !strchr(options->handler, '/'))
		return 0;
	return error_set(ret_error, -EINVAL,
		"handler \"%s\": expected FILE.FUNCTION, such as \"%s.main\"", options->handler,
		options->name);
}

static int find_handler(const struct function *function, char **ret_error)
{
	char *const *suffixes = function->runtime->suffixes;
	_cleanup_free_ char *names = NULL;
	int length = (int)(strrchr(function->handler, '.') - function->handler);

	for (size_t i = 0; suffixes[i]; i++) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/%.*s%s", function->dir, length, function->handler,
			    suffixes[i]) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (access(path, R_OK) == 0)
			return 0;
	}
	names = runtime_suffixes(function->runtime);
	return error_set(ret_error, -ENOENT,
		"handler \"%s\": no readable file %s/%.*s%s; a %s function is in a file %s%s",
		function->handler, function->dir, length, function->handler, suffixes[0],
		function->runtime->name, names ? names : suffixes[0],
		strcmp(function->runtime->name, "native") == 0 ? ", which is to be built first"
							       : "");
}

/* Those who write settings are told more closely by who reads them. */
static int check_surroundings(const struct function_options *options, char **ret_error)
{
	struct door doors[DOORS_MAX];
	int r = variables_check(options->environment);

	if (r < 0)
		return error_set(ret_error, -EINVAL,
			"env: expected at most %d different variables in %d bytes, as NAME=value",
			VARIABLES_MAX, VARIABLES_BYTES_MAX);
	r = doors_plan(options->network, doors);
	if (r < 0)
		return error_set(ret_error, -EINVAL,
			"network: expected at most %d different hosts with ports, as \"host:443\"",
			DOORS_MAX);
	return 0;
}

static int refuse_runtime(
	const struct engine *engine, const struct function_options *options, char **ret_error)
{
	_cleanup_free_ char *names = runtimes_names(&engine->runtimes);

	return error_set(ret_error, -EINVAL, "runtime \"%s\": there are %s", options->runtime,
		names ? names : "others");
}

static int check_options(
	const struct engine *engine, const struct function_options *options, char **ret_error)
{
	int r;

	if (!engine_name_is_valid(options->name))
		return error_set(ret_error, -EINVAL,
			"name \"%s\": expected at most 63 of a-z, 0-9 and \"-\", no \"-\" at an "
			"end",
			options->name);
	if (!runtimes_find(&engine->runtimes, options->runtime))
		return refuse_runtime(engine, options, ret_error);
	if (options->dir[0] != '/')
		return error_set(
			ret_error, -EINVAL, "dir \"%s\": expected an absolute path", options->dir);
	if (options->timeout_ns == 0 || options->attempts == 0 || options->batch_max == 0 ||
		options->queue_max == 0 || options->queue_max > QUEUE_LIMIT)
		return error_set(ret_error, -EINVAL,
			"timeout, attempts, batch and queue: expected at least 1, queue at most %u",
			QUEUE_LIMIT);
	if (options->memory_mb > 0 && options->memory_mb < MEMORY_MB_MIN)
		return error_set(
			ret_error, -EINVAL, "memory: expected at least %u (MiB)", MEMORY_MB_MIN);
	if (options->max > PARTITIONS || (options->max > 0 && options->min > options->max))
		return error_set(ret_error, -EINVAL,
			"min and max: expected at most %d workers, min not above max", PARTITIONS);
	r = check_key(options->key, ret_error);
	if (r == 0)
		r = check_config(options->config ? options->config : "{}", ret_error);
	if (r == 0)
		r = check_surroundings(options, ret_error);
	if (r == 0)
		r = check_handler(options, ret_error);
	return r;
}

/* What is lacking may have come meanwhile, by the operator's hand. */
static int choose_layers(struct function *function, char **ret_error)
{
	struct engine *engine = function->engine;
	uint32_t promised = ISOLATION_PROMISED;

	if (function->memory_mb > 0)
		promised |= LAYER_BIT(LAYER_MEMORY);
	if (function->cpu > 0)
		promised |= LAYER_BIT(LAYER_CPU);
	if (function->isolation != ISOLATION_NONE && engine->level.layers != LAYERS_ALL)
		engine_learn_level(engine);
	if (function->isolation != ISOLATION_NONE && engine->level_error)
		return error_set(ret_error, -EPERM, "isolation: %s", engine->level_error);
	return isolation_choose(
		&engine->level, function->isolation, promised, &function->layers, ret_error);
}

int function_prepare(struct function *function, char **ret_error)
{
	int r = find_handler(function, ret_error);

	if (r == 0)
		r = choose_layers(function, ret_error);
	function->prepared = r == 0;
	return r;
}

static int function_copy_options(struct function *function, const struct function_options *options)
{
	/* A batch must fit into a frame. */
	const unsigned int most =
		(PIPE_FRAME_MAX - 64U) / (EVENT_RECORD_MAX + sizeof(struct pipe_event));

	snprintf(function->name, sizeof(function->name), "%s", options->name);
	function->timeout_ns = options->timeout_ns;
	if (options->patience_ns != 0)
		function->patience_ns = MAX(options->patience_ns, 2 * options->timeout_ns);
	function->attempts = options->attempts;
	function->batch_max = MIN(options->batch_max, most);
	function->linger_ns = options->linger_ns;
	function->runtime = runtimes_find(&function->engine->runtimes, options->runtime);
	function->handler = strdup(options->handler);
	function->dir = strdup(options->dir);
	function->config = strdup(options->config ? options->config : "{}");
	function->network = words_copy(options->network);
	function->environment = words_copy(options->environment);
	if (!function->handler || !function->dir || !function->config || !function->network ||
		!function->environment)
		return -ENOMEM;
	for (size_t i = 0; options->key && options->key[i]; i++) {
		function->key[i] = strdup(options->key[i]);
		if (!function->key[i])
			return -ENOMEM;
	}
	function->queue_max = options->queue_max;
	function->state_keys = options->state_keys;
	function->state_bytes = options->state_bytes;
	function->memory_mb = options->memory_mb;
	function->cpu = options->cpu;
	return 0;
}

/* It has no worker yet: when it needs one, there is one. */
static void engine_expect_start(struct function *function)
{
	_cleanup_free_ char *error = NULL;
	struct worker_kind kind;

	if (!function->prepared && function_prepare(function, &error) < 0)
		return; /* said when it is started */
	kind = function_kind(function);
	spares_expect(&function->engine->spares, &kind);
}

int engine_add(struct engine *engine, const struct function_options *options,
	struct function **ret_function, char **ret_error)
{
	const struct scaler_bounds bounds = {
		.min = options->max > 0 ? options->min : 1,
		.max = MAX(options->max, 1U),
		.idle_ns = options->idle_ns > 0 ? options->idle_ns : SCALER_IDLE_NS,
	};
	struct function *function;
	int r;

	for (function = engine->functions; function; function = function->next)
		if (!function->removed && strcmp(function->name, options->name) == 0)
			return -EEXIST;
	r = check_options(engine, options, ret_error);
	if (r < 0)
		return r;
	function = calloc(1, sizeof(*function));
	if (!function)
		return -ENOMEM;
	function->engine = engine;
	function->isolation = options->isolation;
	r = function_copy_options(function, options);
	if (r == 0 && !options->keep_trying)
		r = function_prepare(function, ret_error);
	if (r == 0)
		r = function_begin(function, &bounds);
	if (r < 0) {
		function_free(function);
		return r;
	}
	function->next = engine->functions;
	engine->functions = function;
	if (function->instance_count == 0)
		engine_expect_start(function);
	*ret_function = function;
	return 0;
}

void engine_remove(struct function *function)
{
	struct engine *engine = function->engine;

	function_drop_events(function);
	function_end(function);
	/* Not at once: often another version of it takes its place. */
	loop_arm_timer(engine->loop, &engine->sweep, loop_now_ns(engine->loop) + SWEEP_NS);
}

int engine_spare_pid(const struct engine *engine, unsigned int number)
{
	for (unsigned int i = 0; i < engine->spares.count; i++) {
		const struct worker *worker = engine->spares.items[i]->worker;

		if (worker && worker_pid(worker) > 0 && number-- == 0)
			return worker_pid(worker);
	}
	return 0;
}
