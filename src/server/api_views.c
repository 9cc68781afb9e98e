// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "server/api_internal.h"
#include "server/api_json.h"

#include <stdio.h>
#include <unistd.h>

#define LETTERS_DEFAULT 100
#define LETTERS_MAX     1000

/* {"<name>": [...]}; takes the array. */
static json_t *wrap(const char *name, json_t *array)
{
	json_t *object = json_object();

	json_put(&object, name, array);
	return object;
}

/* ---- health ---- */

static void print_reason(void *arg, const char *reason)
{
	fprintf(arg, "%s\n", reason);
}

/* For load balancers and people: "ok", or a reason a line. */
enum MHD_Result api_answer_health(struct api *api, struct MHD_Connection *connection)
{
	unsigned int code = MHD_HTTP_SERVICE_UNAVAILABLE;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return api_send_json(api, connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
	api->ops->health(api->user, print_reason, out);
	if (ftell(out) == 0) {
		code = MHD_HTTP_OK;
		fputs("ok\n", out);
	}
	if (fclose(out) != 0) {
		free(text);
		text = NULL;
	}
	return api_send(api, connection, code, "text/plain; charset=utf-8", text, len);
}

/* ---- metrics ---- */

static void put_own_metrics(const struct api *api, struct metrics *metrics)
{
	static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(api->http.daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	metrics_family(
		metrics, "netlambda_build_info", METRIC_GAUGE, "Always 1; says the version.");
	metrics_sample(metrics,
		(const struct metric_label[]){{"version", NETLAMBDA_VERSION}, {NULL, NULL}}, 1);
	metrics_family(metrics, "netlambda_api_responses_total", METRIC_COUNTER,
		"HTTP responses of the API, by class of status code.");
	for (size_t i = 2; i < ARRAY_SIZE(classes); i++)
		metrics_sample(metrics,
			(const struct metric_label[]){{"code", classes[i]}, {NULL, NULL}},
			api->responses[i]);
	metrics_single(metrics, "netlambda_api_connections", METRIC_GAUGE,
		"Open connections to the API.", info ? info->num_connections : 0);
	metrics_single(metrics, "netlambda_api_followers", METRIC_GAUGE,
		"Clients that follow alerts now.", api_streams_count(api));
}

enum MHD_Result api_answer_metrics(struct api *api, struct MHD_Connection *connection)
{
	_cleanup_(metrics_freep) struct metrics *metrics = NULL;
	char *text = NULL;
	size_t len = 0;

	if (metrics_new(&metrics) == 0) {
		api->ops->metrics(api->user, metrics);
		put_own_metrics(api, metrics);
		api_put_process_metrics(api, metrics);
		if (metrics_finish(metrics, &text, &len) < 0)
			text = NULL;
	}
	return api_send(api, connection, MHD_HTTP_OK, METRICS_CONTENT_TYPE, text, len);
}

/* ---- isolation ---- */

static json_t *name_layers(uint32_t layers)
{
	json_t *array = json_array();

	for (enum layer layer = 0; layer < LAYER_COUNT; layer++)
		if (layers & LAYER_BIT(layer))
			json_push(&array, json_text(layer_name(layer)));
	return array;
}

/* What does not run has no layers and lacks none. */
void api_put_layers(json_t **object, const struct function_stats *stats)
{
	uint32_t lacking = stats->layers_chosen ? LAYERS_ALL & ~stats->layers : 0;

	json_put(object, "isolation", json_text(isolation_name(stats->isolation)));
	json_put(object, "isolation_layers", name_layers(stats->layers));
	json_put(object, "isolation_lacks", name_layers(lacking));
}

static json_t *describe_lacking(const struct isolation_level *level)
{
	json_t *array = json_array();

	for (enum layer layer = 0; layer < LAYER_COUNT; layer++) {
		json_t *object;

		if (level->layers & LAYER_BIT(layer))
			continue;
		object = json_object();
		json_put(&object, "layer", json_text(layer_name(layer)));
		json_put(&object, "reason", json_text(level->lacks[layer]));
		json_push(&array, object);
	}
	return array;
}

/* ---- status ---- */

static void push_reason(void *arg, const char *reason)
{
	json_push(arg, json_text(reason));
}

static void put_server(json_t **object, const struct api_status *status)
{
	uint64_t now_ns = clock_realtime_ns();
	uint64_t up_ns = now_ns > status->started_ns ? now_ns - status->started_ns : 0;

	json_put(object, "version", json_string(NETLAMBDA_VERSION));
	json_put(object, "pid", json_integer(getpid()));
	json_put(object, "started", json_time(status->started_ns));
	json_put(object, "uptime_seconds", json_count(up_ns / NS_PER_SEC));
	json_put(object, "config", json_text(status->config_path));
	json_put(object, "listen", json_text(status->listen));
	json_put(object, "protocol", json_text(status->protocol));
	json_put(object, "version1", json_boolean(status->version1));
	json_put(object, "version1_refused", json_count(status->version1_refused));
}

static void put_totals(json_t **object, const struct api_status *status)
{
	json_put(object, "datagrams", json_count(status->datagrams));
	json_put(object, "malformed", json_count(status->malformed));
	json_put(object, "events", json_count(status->events));
	json_put(object, "dropped", json_count(status->dropped));
	json_put(object, "alerts", json_count(status->alerts));
	json_put(object, "dead_letters", json_count(status->dead_letters));
	json_put(object, "switches", json_count(status->switches));
	json_put(object, "functions", json_count(status->functions));
	json_put(object, "isolation_lacks", describe_lacking(status->isolation));
}

enum MHD_Result api_answer_status(struct api *api, struct MHD_Connection *connection)
{
	json_t *object = json_object(), *reasons = json_array();
	struct api_status status = {0};

	api->ops->status(api->user, &status);
	api->ops->health(api->user, push_reason, &reasons);
	json_put(&object, "healthy", json_boolean(json_array_size(reasons) == 0));
	json_put(&object, "reasons", reasons);
	put_server(&object, &status);
	put_totals(&object, &status);
	return api_send_json(api, connection, MHD_HTTP_OK, object);
}

/* ---- switches ---- */

static json_t *describe_lanes(const struct api_session *session)
{
	json_t *array = json_array();

	for (int i = 0; i < V2_LANES; i++) {
		const struct api_lane *lane = &session->lanes[i];
		json_t *object = json_object();

		json_put(&object, "lane", json_text(lane->name));
		json_put(&object, "received", json_count(lane->received));
		json_put(&object, "processed", json_count(lane->processed));
		json_put(&object, "waiting", json_count(lane->waiting));
		json_put(&object, "shed", json_count(lane->shed));
		json_put(&object, "lost", json_count(lane->lost));
		json_push(&array, object);
	}
	return array;
}

/* What there is of a session that is open; null: none is. */
static json_t *describe_session(const struct api_session *session)
{
	json_t *object;

	if (session->opened_ns == 0)
		return json_null();
	object = json_object();
	json_put(&object, "opened", json_time(session->opened_ns));
	json_put(&object, "cipher", json_text(session->cipher));
	json_put(&object, "connected", json_boolean(session->connected));
	json_put(&object, "address_validated", json_boolean(session->validated));
	json_put(&object, "datagram_bytes", json_count(session->datagram_bytes));
	return object;
}

static void put_version2(json_t **object, const struct api_session *session)
{
	json_put(object, "name", json_text(session->name));
	json_put(object, "serial", json_text(session->serial));
	json_put(object, "certificate_expires", json_time(session->until_ns));
	json_put(object, "session", describe_session(session));
	json_put(object, "epoch", json_count(session->epoch));
	json_put(object, "epoch_began", json_time(session->since_ns));
	json_put(object, "sessions", json_count(session->sessions));
	json_put(object, "takeovers", json_count(session->takeovers));
	json_put(object, "datagrams", json_count(session->datagrams));
	json_put(object, "refused", json_count(session->refused));
	json_put(object, "address_changes", json_count(session->path_changes));
	json_put(object, "lanes", describe_lanes(session));
}

static void push_switch(void *arg, const struct api_switch *item)
{
	json_t *object = json_object();

	json_put(&object, "id", json_count(item->id));
	json_put(&object, "version", json_integer(item->session ? 2 : 1));
	json_put(&object, "address", json_text(item->address));
	json_put(&object, "first_seen", json_time(item->first_seen_ns));
	json_put(&object, "last_seen", json_time(item->last_seen_ns));
	json_put(&object, "sequence", json_count(item->sequence));
	json_put(&object, "transactions", json_count(item->transactions));
	json_put(&object, "events", json_count(item->events));
	json_put(&object, "duplicates", json_count(item->duplicates));
	json_put(&object, "stale", json_count(item->stale));
	json_put(&object, "restarts", json_count(item->restarts));
	json_put(&object, "packets", json_count(item->packets));
	json_put(&object, "bytes", json_count(item->bytes));
	json_put(&object, "shed", json_count(item->shed));
	if (item->session)
		put_version2(&object, item->session);
	json_push(arg, object);
}

enum MHD_Result api_answer_switches(struct api *api, struct MHD_Connection *connection)
{
	json_t *array = json_array();

	api->ops->each_switch(api->user, push_switch, &array);
	return api_send_json(api, connection, MHD_HTTP_OK, wrap("switches", array));
}

/* ---- functions ---- */

static void put_workers(json_t **object, const struct function_stats *stats)
{
	json_t *pids = json_array();
	uint64_t memory = 0;

	for (size_t i = 0; i < ARRAY_SIZE(stats->worker_pids) && stats->worker_pids[i] != 0; i++) {
		json_push(&pids, json_integer(stats->worker_pids[i]));
		memory += api_process_memory(stats->worker_pids[i]);
	}
	json_put(object, "worker_pids", pids);
	json_put(object, "memory_bytes", json_count(memory));
}

static json_t *json_seconds(uint64_t ns)
{
	return json_real((double)ns / (double)NS_PER_SEC);
}

/* Of the last half to whole minute. */
static void put_latency(json_t **object, const struct latency_summary *latency)
{
	double seconds = (double)latency->span_ns / (double)NS_PER_SEC;
	json_t *quantiles = json_object();

	json_put(&quantiles, "p50", json_seconds(latency->p50_ns));
	json_put(&quantiles, "p90", json_seconds(latency->p90_ns));
	json_put(&quantiles, "p99", json_seconds(latency->p99_ns));
	json_put(&quantiles, "max", json_seconds(latency->max_ns));
	json_put(object, "latency_seconds", quantiles);
	json_put(object, "events_per_second",
		json_real(seconds > 0 ? (double)latency->events / seconds : 0));
}

static void put_stats(json_t **object, const struct function_stats *stats)
{
	json_put(object, "state", json_text(stats->state));
	json_put(object, "error", json_text(stats->error));
	json_put(object, "error_time", json_time(stats->error_ns));
	api_put_layers(object, stats);
	json_put(object, "workers", json_integer(stats->workers));
	json_put(object, "workers_wanted", json_integer(stats->workers_wanted));
	put_workers(object, stats);
	put_latency(object, &stats->latency);
	json_put(object, "events", json_count(stats->events));
	json_put(object, "batches", json_count(stats->batches));
	json_put(object, "failures", json_count(stats->failures));
	json_put(object, "crashes", json_count(stats->crashes));
	json_put(object, "timeouts", json_count(stats->timeouts));
	json_put(object, "dead_letters", json_count(stats->dead_letters));
	json_put(object, "dropped", json_count(stats->dropped));
	json_put(object, "moves", json_count(stats->moves));
	json_put(object, "alerts", json_count(stats->alerts));
	json_put(object, "refused", json_count(stats->refused));
	json_put(object, "state_keys", json_count(stats->keys));
	json_put(object, "state_keys_evicted", json_count(stats->keys_evicted));
	json_put(object, "state_keys_fetched", json_count(stats->keys_fetched));
	json_put(object, "state_entries", json_count(stats->kept.entries));
	json_put(object, "state_bytes", json_count(stats->kept.bytes));
	json_put(object, "state_bytes_max",
		stats->kept_max > 0 ? json_count(stats->kept_max) : json_null());
	json_put(object, "state_full", json_boolean(stats->full));
	json_put(object, "queued", json_count(stats->queued));
	json_put(object, "busy_seconds", json_seconds(stats->busy_ns));
}

json_t *api_function_json(const struct api_function *item)
{
	json_t *object = json_object();

	json_put(&object, "name", json_text(item->name));
	json_put(&object, "runtime", json_text(item->runtime));
	json_put(&object, "handler", json_text(item->handler));
	json_put(&object, "triggers", json_text(item->triggers));
	json_put(&object, "origin", json_string(item->version > 0 ? "deployed" : "configured"));
	json_put(&object, "version", item->version > 0 ? json_integer(item->version) : json_null());
	put_stats(&object, &item->stats);
	json_put(&object, "letters_shed", json_count(item->letters_shed));
	json_put(&object, "calls_refused", json_count(item->calls_refused));
	return object;
}

static void push_function(void *arg, const struct api_function *item)
{
	json_push(arg, api_function_json(item));
}

enum MHD_Result api_answer_functions(struct api *api, struct MHD_Connection *connection)
{
	json_t *array = json_array();

	api->ops->each_function(api->user, push_function, &array);
	return api_send_json(api, connection, MHD_HTTP_OK, wrap("functions", array));
}

/* ---- dead letters ---- */

static int push_letter(
	void *user, uint64_t row, const char *function, const struct dead_letter *letter)
{
	json_t *object = json_object();

	json_put(&object, "row", json_count(row));
	json_put(&object, "function", json_text(function));
	json_put(&object, "time", json_time(letter->time_ns));
	json_put(&object, "switch", json_count(letter->switch_id));
	json_put(&object, "event_id", json_count(letter->event_id));
	json_put(&object, "sequence", json_count(letter->sequence));
	json_put(&object, "index", json_count(letter->index));
	json_put(&object, "attempts", json_count(letter->attempts));
	json_put(&object, "reason", json_text(letter->reason));
	json_put(&object, "data", json_embed(letter->data));
	json_push(user, object);
	return 0;
}

enum MHD_Result api_answer_dead_letters(struct api *api, struct MHD_Connection *connection)
{
	static const struct api_number limit_number = {"limit", 1, LETTERS_MAX, LETTERS_DEFAULT};
	json_t *array;
	uint64_t limit;

	if (api_get_number(connection, &limit_number, &limit) < 0)
		return api_send_error(api, connection, MHD_HTTP_BAD_REQUEST,
			"limit: expected a number from 1 to %d", LETTERS_MAX);
	array = json_array();
	if (store_each_dead_letter(api->store, api_get_text(connection, "function"),
		    (unsigned int)limit, push_letter, &array) < 0) {
		json_decref(array);
		return api_send_error(api, connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"cannot read dead letters: %s", store_error(api->store));
	}
	return api_send_json(api, connection, MHD_HTTP_OK, wrap("dead_letters", array));
}
