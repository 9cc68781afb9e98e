// SPDX-License-Identifier: BSD-2-Clause
#include "server/deploy.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/suggest.h"
#include "server/api_json.h"
#include "server/trial.h"
#include "store/registry.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CODE_TEXT_MAX 64
#define GONE_LOOK_NS  (50 * NS_PER_MS)
#define PURGE_WAIT_NS NS_PER_SEC /* after the store refused a piece */

struct deployment {
	struct deployer *deployer;
	struct deployment *next;
	struct api_call *call;
	struct commit_request request;
	struct trial trial;
	char *name; /* the function's */
	char code[CODE_TEXT_MAX];
	json_t *spec;
	char *spec_text;
	char deployed_by[32];
	unsigned int version;   /* once it is committed, or what to go back to */
	struct config *checked; /* of this one function */
	bool purge;             /* with all that it remembers */
	bool more;              /* of that is there */
	struct loop_timer gone; /* looks whether its worker is */
};

static void deployment_free(struct deployment *deployment)
{
	struct deployment **at = &deployment->deployer->deployments;

	while (*at && *at != deployment)
		at = &(*at)->next;
	if (*at)
		*at = deployment->next;
	trial_stop(&deployment->trial);
	loop_disarm_timer(&deployment->gone);
	config_free(deployment->checked);
	json_decref(deployment->spec);
	free(deployment->spec_text);
	free(deployment->name);
	free(deployment);
}

/* ---- the end of it ---- */

static void refuse(struct deployment *deployment, unsigned int code, const char *error)
{
	api_call_refuse(deployment->call, code, "%s", error ? error : "out of memory");
	deployment_free(deployment);
}

/* What it is called by; of a version that is gone back to, it is not looked up. */
static void put_triggers(json_t **object, const struct deployment *deployment)
{
	json_t *triggers = json_object_get(deployment->spec, "triggers");

	if (deployment->spec)
		json_put(object, "triggers",
			json_is_array(triggers) ? json_incref(triggers) : json_array());
}

static void answer(struct deployment *deployment, unsigned int code)
{
	json_t *object = json_object();

	json_put(&object, "function", json_text(deployment->name));
	json_put(&object, "version",
		deployment->version > 0 ? json_integer(deployment->version) : json_null());
	if (deployment->code[0])
		json_put(&object, "code", json_text(deployment->code));
	put_triggers(&object, deployment);
	if (deployment->trial.stats.layers_chosen)
		api_put_layers(&object, &deployment->trial.stats);
	api_call_answer(deployment->call, code, object);
	deployment_free(deployment);
}

static void on_purged(struct commit_request *request);

static int task_purge(struct store *store, struct commit_request *request)
{
	struct deployment *deployment = container_of(request, struct deployment, request);
	int r = registry_purge(store, deployment->name, PURGE_ROWS);

	deployment->more = r > 0;
	return MIN(r, 0);
}

static void purge_piece(struct deployment *deployment)
{
	deployment->request.task = task_purge;
	deployment->request.done = on_purged;
	if (commits_submit_task(deployment->deployer->commits, &deployment->request) < 0)
		refuse(deployment, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
}

/* Until it is all gone nobody else gets the name, so a refusal is waited out. */
static void on_purged(struct commit_request *request)
{
	struct deployment *deployment = container_of(request, struct deployment, request);
	struct deployer *deployer = deployment->deployer;

	if (request->error < 0 && !deployer->commits->closed) {
		log_limited(LOG_LEVEL_WARNING,
			"what function=%s remembered cannot be removed yet: %s", deployment->name,
			strerror(-request->error));
		loop_arm_timer(
			deployer->loop, &deployment->gone, clock_monotonic_ns() + PURGE_WAIT_NS);
	} else if (request->error < 0 || deployment->more) {
		purge_piece(deployment); /* a server that stops takes no more, which is said */
	} else {
		answer(deployment, MHD_HTTP_OK);
	}
}

/* What it remembers can go when nobody writes it any more. */
static void on_gone_timer(struct loop_timer *timer, uint64_t now_ns)
{
	struct deployment *deployment = timer->user;
	struct deployer *deployer = deployment->deployer;

	if (!deployer->is_gone(deployer->user, deployment->name)) {
		loop_arm_timer(deployer->loop, timer, now_ns + GONE_LOOK_NS);
		return;
	}
	purge_piece(deployment);
}

static void on_committed(struct commit_request *request)
{
	struct deployment *deployment = container_of(request, struct deployment, request);
	struct deployer *deployer = deployment->deployer;
	_cleanup_free_ char *error = NULL;
	int r = request->error;

	if (r < 0) {
		if (asprintf(&error, "the store refuses: %s", strerror(-r)) < 0)
			error = NULL;
		refuse(deployment, MHD_HTTP_SERVICE_UNAVAILABLE, error);
		return;
	}
	r = registry_load(deployer->registry, deployer->reader);
	if (r == 0)
		r = deployer->activate(deployer->user, &error);
	if (r < 0 && !error &&
		asprintf(&error, "it is kept, but not put to work: %s", strerror(-r)) < 0)
		error = NULL;
	if (r < 0)
		refuse(deployment, MHD_HTTP_INTERNAL_SERVER_ERROR, error);
	else if (deployment->purge)
		on_gone_timer(&deployment->gone, clock_monotonic_ns());
	else
		answer(deployment, MHD_HTTP_OK);
}

static void submit(struct deployment *deployment,
	int (*task)(struct store *store, struct commit_request *request))
{
	int r;

	deployment->request.task = task;
	deployment->request.done = on_committed;
	r = commits_submit_task(deployment->deployer->commits, &deployment->request);
	if (r < 0)
		refuse(deployment, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
}

/* ---- on the committing thread ---- */

static int task_add(struct store *store, struct commit_request *request)
{
	struct deployment *deployment = container_of(request, struct deployment, request);
	const struct function_version version = {
		.function = deployment->name,
		.code = deployment->code,
		.spec = deployment->spec_text,
		.deployed_ns = clock_realtime_ns(),
		.deployed_by = deployment->deployed_by,
	};

	return registry_add(store, &version, &deployment->version);
}

static int task_activate(struct store *store, struct commit_request *request)
{
	struct deployment *deployment = container_of(request, struct deployment, request);

	return registry_activate(store, deployment->name, deployment->version);
}

static int task_remove(struct store *store, struct commit_request *request)
{
	struct deployment *deployment = container_of(request, struct deployment, request);

	return registry_remove(store, deployment->name, deployment->purge);
}

/* ---- deploy and update ---- */

static void on_tried(struct trial *trial, const char *error)
{
	struct deployment *deployment = container_of(trial, struct deployment, trial);

	if (error)
		refuse(deployment, MHD_HTTP_UNPROCESSABLE_CONTENT, error);
	else if (json_is_true(json_object_get(deployment->call->body, "dry_run")))
		answer(deployment, MHD_HTTP_OK);
	else
		submit(deployment, task_add);
}

/* `ret_path`: where it lies, to be freed. */
static int check_code(const struct deployment *deployment, char **ret_path, char **ret_error)
{
	_cleanup_free_ char *path = NULL;
	const char *code = deployment->code;
	struct stat st;

	if (!code[0] || strspn(code, "0123456789abcdef") != strlen(code)) {
		*ret_error = strdup("expected \"code\", as POST /v1/code gives it");
		return -EINVAL;
	}
	if (asprintf(&path, "%s/%s", deployment->deployer->registry->code_dir, code) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		*ret_path = TAKE_PTR(path);
		return 0;
	}
	if (asprintf(ret_error, "the code %s is not here (any more): send it again", code) < 0)
		*ret_error = NULL;
	return -ENOENT;
}

/* Where requests come for the function, nobody else's do. */
static int check_paths(
	const struct deployment *deployment, const struct config *merged, char **ret_error)
{
	const struct http_triggers *wanted = &deployment->checked->http_triggers;

	if (wanted->count > 0 && !deployment->deployer->file->http.listen)
		return error_set(ret_error, -EINVAL, "triggers: " HTTP_NO_LISTENER);
	for (size_t i = 0; i < wanted->count; i++)
		for (size_t j = 0; j < merged->http_triggers.count; j++) {
			const struct http_trigger *other = &merged->http_triggers.items[j];

			if (strcmp(other->path, wanted->items[i].path) == 0 &&
				strcmp(other->function, deployment->name) != 0)
				return error_set(ret_error, -EEXIST,
					"triggers: " HTTP_PREFIX "%s is function \"%s\"'s",
					other->path, other->function);
		}
	return 0;
}

/*
 * What triggers a function is a setting of its version, so that other code does not change it; where a deployment
 * says nothing of it, or an update takes it back, it is as the code's manifest has it.
 */
static int take_manifest_triggers(struct deployment *deployment, const char *dir)
{
	const json_t *given = json_object_get(deployment->call->body, "spec");
	json_t *triggers;
	int r = 0;

	if (json_object_get(deployment->spec, "triggers") ||
		(deployment->call->verb == API_UPDATE && !json_object_get(given, "triggers")))
		return 0;
	triggers = function_manifest_triggers(dir);
	if (!triggers)
		return -ENOMEM;
	if (json_array_size(triggers) > 0 &&
		json_object_set(deployment->spec, "triggers", triggers) < 0)
		r = -ENOMEM;
	json_decref(triggers);
	return r;
}

/* All that can be told without running anything. */
static int check_settings(struct deployment *deployment, char **ret_error)
{
	const struct deployment_source source = {
		.name = deployment->name,
		.code = deployment->code,
		.spec = deployment->spec,
	};
	_cleanup_free_ char *dir = NULL;
	struct config *merged = NULL;
	int r = check_code(deployment, &dir, ret_error);

	if (r == 0)
		r = take_manifest_triggers(deployment, dir);
	deployment->checked = calloc(1, sizeof(*deployment->checked));
	deployment->spec_text = json_dumps(deployment->spec, JSON_COMPACT | JSON_SORT_KEYS);
	if (!deployment->checked || !deployment->spec_text)
		return -ENOMEM;
	if (r == 0)
		r = config_copy_limits(deployment->deployer->file, deployment->checked);
	if (r == 0)
		r = registry_add_to(
			deployment->deployer->registry, &source, deployment->checked, ret_error);
	if (r < 0)
		return r;
	r = registry_merge(
		deployment->deployer->registry, deployment->deployer->file, &merged, ret_error);
	if (r == 0 && merged->function_count == CONFIG_FUNCTIONS_MAX &&
		!registry_find(deployment->deployer->registry, deployment->name)) {
		*ret_error = strdup("there are as many functions as there can be");
		r = -ENOSPC;
	}
	if (r == 0)
		r = check_paths(deployment, merged, ret_error);
	config_free(merged);
	return r;
}

static void try_code(struct deployment *deployment)
{
	_cleanup_free_ char *error = NULL;
	int r = check_settings(deployment, &error);

	deployment->trial.done = on_tried;
	if (r == 0)
		r = trial_start(&deployment->trial, deployment->deployer->engine,
			deployment->deployer->loop, &deployment->checked->functions[0], &error);
	if (r < 0 && !error)
		error = strdup(strerror(-r));
	if (r < 0)
		refuse(deployment, MHD_HTTP_UNPROCESSABLE_CONTENT, error);
}

/* What is given goes before what the active version has; null takes a setting away. */
static json_t *merge_spec(const json_t *old, const json_t *given)
{
	json_t *merged = json_deep_copy(old);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)given, key, value) {
		if (json_is_null(value))
			json_object_del(merged, key);
		else if (json_object_set(merged, key, value) < 0)
			return json_decref(merged), NULL;
	}
	return merged;
}

static void begin_version(struct deployment *deployment, const struct deployed *old)
{
	const json_t *body = deployment->call->body;
	const json_t *given = json_object_get(body, "spec");
	const char *code = json_string_value(json_object_get(body, "code"));
	bool update = deployment->call->verb == API_UPDATE;
	json_t *none = json_object();

	if (given && !json_is_object(given)) {
		json_decref(none);
		refuse(deployment, MHD_HTTP_BAD_REQUEST, "spec: expected an object");
		return;
	}
	if (update && !code)
		code = old->versions[old->active].code;
	snprintf(deployment->code, sizeof(deployment->code), "%s", code ? code : "");
	deployment->spec =
		merge_spec(update ? old->versions[old->active].spec : none, given ? given : none);
	json_decref(none);
	if (deployment->spec)
		try_code(deployment);
	else
		refuse(deployment, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
}

/* ---- rollback ---- */

/* Without a number: to the one before the active one. */
static void begin_rollback(struct deployment *deployment, const struct deployed *old)
{
	const json_t *given = json_object_get(deployment->call->body, "version");
	const struct deployed_version *version = NULL;

	if (json_is_integer(given) && json_integer_value(given) > 0)
		version = deployed_find(old, (unsigned int)json_integer_value(given));
	else if (!given && old->active > 0)
		version = &old->versions[old->active - 1];
	if (!version) {
		refuse(deployment, MHD_HTTP_NOT_FOUND,
			given ? "there is no such version (netlambda function versions lists them)"
			      : "there is no earlier version");
		return;
	}
	deployment->version = version->version;
	snprintf(deployment->code, sizeof(deployment->code), "%s", version->code);
	submit(deployment, task_activate);
}

/* ---- calls ---- */

static bool is_configured(const struct deployer *deployer, const char *name)
{
	for (size_t i = 0; i < deployer->file->function_count; i++)
		if (strcmp(deployer->file->functions[i].name, name) == 0)
			return true;
	return false;
}

static bool is_under_way(const struct deployer *deployer, const char *name)
{
	for (const struct deployment *other = deployer->deployments; other; other = other->next)
		if (strcmp(other->name, name) == 0)
			return true;
	return false;
}

static void refuse_unknown(const struct deployer *deployer, struct api_call *call)
{
	const char *names[CONFIG_FUNCTIONS_MAX], *near;
	size_t count = 0;

	for (; count < deployer->registry->count && count < ARRAY_SIZE(names); count++)
		names[count] = deployer->registry->functions[count].name;
	near = suggest_nearest(call->function, names, count);
	if (near)
		api_call_refuse(call, MHD_HTTP_NOT_FOUND,
			"no function \"%.64s\" is deployed (did you mean \"%s\"?)", call->function,
			near);
	else
		api_call_refuse(call, MHD_HTTP_NOT_FOUND, "no function \"%.64s\" is deployed",
			call->function);
}

/* Why a call cannot be begun; then it is answered. */
static bool refuse_call(
	const struct deployer *deployer, struct api_call *call, const struct deployed *old)
{
	if (!engine_name_is_valid(call->function))
		api_call_refuse(call, MHD_HTTP_BAD_REQUEST,
			"name \"%.64s\": expected at most 63 of a-z, 0-9 and \"-\", no \"-\" at an "
			"end",
			call->function);
	else if (is_configured(deployer, call->function))
		api_call_refuse(call, MHD_HTTP_CONFLICT,
			"function \"%s\" is in the server's file %s: change it there, or take "
			"another name",
			call->function, deployer->file->path);
	else if (!old && call->verb != API_DEPLOY)
		refuse_unknown(deployer, call);
	else if (is_under_way(deployer, call->function))
		api_call_refuse(call, MHD_HTTP_CONFLICT,
			"another change of function \"%s\" is under way", call->function);
	else
		return false;
	return true;
}

void deployer_call(struct deployer *deployer, struct api_call *call)
{
	const struct deployed *old = registry_find(deployer->registry, call->function);
	struct deployment *deployment;

	if (refuse_call(deployer, call, old))
		return;
	deployment = calloc(1, sizeof(*deployment));
	if (deployment) {
		*deployment = (struct deployment){
			.deployer = deployer,
			.next = deployer->deployments,
			.call = call,
			.name = strdup(call->function),
			.gone = {.fn = on_gone_timer, .user = deployment},
			.purge = call->verb == API_DELETE &&
				 json_is_true(json_object_get(call->body, "purge")),
		};
		snprintf(deployment->deployed_by, sizeof(deployment->deployed_by), "uid %u",
			(unsigned int)call->peer.uid);
	}
	if (!deployment || !deployment->name) {
		free(deployment);
		api_call_refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	deployer->deployments = deployment;
	if (call->verb == API_ROLLBACK)
		begin_rollback(deployment, old);
	else if (call->verb == API_DELETE)
		submit(deployment, task_remove);
	else
		begin_version(deployment, old);
}

bool deployer_purges(const struct deployer *deployer, const char *name)
{
	for (const struct deployment *other = deployer->deployments; other; other = other->next)
		if (other->purge && strcmp(other->name, name) == 0)
			return true;
	return false;
}

void deployer_stop(struct deployer *deployer)
{
	struct deployment *deployment = deployer->deployments;

	while (deployment) {
		struct deployment *next = deployment->next;

		if (!deployment->request.task || deployment->gone.at_ns > 0)
			refuse(deployment, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
		deployment = next;
	}
}
