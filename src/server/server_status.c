// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "server/function_metrics.h"
#include "server/server_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What the API shows of the server. */

#define OVER_LIMIT_NS (10 * NS_PER_SEC) /* so long after a refusal the store still counts as full */

static size_t count_live_units(const struct units *units)
{
	size_t count = 0;

	for (size_t i = 0; i < UNITS_MAX; i++)
		count += unit_is_live(&units->units[i]);
	return count;
}

static uint64_t count_malformed(const struct ingest_counters *counters)
{
	uint64_t sum = counters->too_many_switches + counters->foreign_switches;

	for (int i = 0; i < V1_ERROR_COUNT; i++)
		sum += counters->malformed[i];
	return sum;
}

static size_t count_switches(const struct server *server)
{
	return switches_count(server->switches) + agents_count(link_agents(server->link));
}

/* What needs no room, or little, is taken while other results are refused again and again. */
static bool is_over_limit(const struct commits *commits)
{
	return commits->over_limit_ns != 0 &&
	       clock_monotonic_ns() < commits->over_limit_ns + OVER_LIMIT_NS;
}

static int find_store_error(const struct commits *commits)
{
	if (commits->last_error != 0)
		return commits->last_error;
	return is_over_limit(commits) ? -EDQUOT : commits->last_task_error;
}

static void show_store_health(const struct commits *commits, api_reason_fn fn, void *arg)
{
	int error = find_store_error(commits);
	char reason[192];

	if (error == 0)
		return;
	snprintf(reason, sizeof(reason), "the store refuses commits: %s%s", strerror(-error),
		commits_advice(error));
	fn(arg, reason);
}

/* Of a deployed function that is not at work, why; NULL: it is, or is about to be. */
static const char *why_not_had(const struct server *server, const struct deployed *deployed)
{
	for (size_t i = 0; i < UNITS_MAX; i++)
		if (server->units->units[i].config &&
			strcmp(server->units->units[i].config->name, deployed->name) == 0)
			return NULL;
	return deployed->error ? deployed->error : "no reason known";
}

static void show_deployed_health(const struct server *server, api_reason_fn fn, void *arg)
{
	char reason[256];

	for (size_t i = 0; i < server->registry.count; i++) {
		const struct deployed *deployed = &server->registry.functions[i];
		const char *why = why_not_had(server, deployed);

		if (!why)
			continue;
		snprintf(reason, sizeof(reason),
			"function %s is deployed and cannot be had: %.140s", deployed->name, why);
		fn(arg, reason);
	}
}

static void show_health(void *user, api_reason_fn fn, void *arg)
{
	const struct server *server = user;
	char reason[256];

	show_store_health(&server->commits, fn, arg);
	if (link_error(server->link) != 0) {
		snprintf(reason, sizeof(reason),
			"a receive worker has ended, and its switches are not heard: %s; start the "
			"server again",
			strerror(-link_error(server->link)));
		fn(arg, reason);
	}
	show_deployed_health(server, fn, arg);
	for (size_t i = 0; i < UNITS_MAX; i++) {
		const struct unit *unit = &server->units->units[i];
		struct function_stats stats;

		if (!unit->config)
			continue;
		if (!unit->function) {
			snprintf(reason, sizeof(reason), "function %s cannot be started: %.160s",
				unit->config->name, unit->error ? unit->error : "no reason given");
			fn(arg, reason);
			continue;
		}
		function_stats(unit->function, &stats);
		if (!stats.stalled && strcmp(stats.state, "failed") != 0)
			continue;
		snprintf(reason, sizeof(reason), "function %s %s: %.160s", unit->config->name,
			stats.stalled ? "gets nothing done" : "has failed",
			stats.error ? stats.error : "no reason given");
		fn(arg, reason);
	}
}

static void show_status(void *user, struct api_status *ret_status)
{
	const struct server *server = user;
	const struct ingest_counters *counters = &server->ingest.counters;
	struct link_totals totals;

	link_get_totals(server->link, &totals);
	*ret_status = (struct api_status){
		.config_path = server->config->path,
		.listen = server->config->listen,
		.protocol = link_describe(server->link),
		.version1 = server->config->version1,
		.version1_refused = totals.version1,
		.started_ns = server->started_ns,
		.datagrams = counters->datagrams + totals.datagrams,
		.malformed = count_malformed(counters) + totals.malformed,
		.events = counters->events[0] + counters->events[1] + totals.events[0] +
			  totals.events[1],
		.dropped = counters->shed + totals.shed,
		.alerts = server->commits.alerts,
		.dead_letters = server->commits.dead_letters,
		.switches = count_switches(server),
		.functions = count_live_units(server->units),
		.isolation = engine_level(server->engine),
	};
}

static void show_switch(const struct switch_ *sw, api_switch_fn fn, void *arg)
{
	struct interface_sums sums = interface_table_sum(&sw->interfaces);
	char address[ENDPOINT_TEXT_MAX] = "";
	const struct api_switch item = {
		.id = sw->id,
		.address = address,
		.first_seen_ns = sw->first_seen_ns,
		.last_seen_ns = sw->last_seen_ns,
		.sequence = sw->transaction.sequence,
		.transactions = sw->counters.transactions,
		.events = sw->counters.events,
		.duplicates = sw->receiver.duplicates,
		.stale = sw->receiver.stale,
		.restarts = sw->receiver.restarts,
		.packets = sums.packets,
		.bytes = sums.bytes,
		.shed = sums.shed,
	};

	if (sw->first_seen_ns != 0) /* else known from the store only */
		endpoint_render(&sw->address, address);
	fn(arg, &item);
}

static void show_switches(void *user, api_switch_fn fn, void *arg)
{
	const struct server *server = user;

	for (size_t i = 0; i < switches_count(server->switches); i++)
		show_switch(switches_at(server->switches, i), fn, arg);
	link_each_switch(server->link, fn, arg);
}

/* The names of the events that go to a unit, "port,flow". */
static void render_triggers(
	const struct server *server, const struct unit *unit, char *text, size_t size)
{
	const struct units *units = server->units;
	size_t slot = unit_slot(units, unit), len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < units->trigger_count && len < size; i++)
		if (units->triggers[i].function == slot)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len > 0 ? "," : "",
				schema_builtin(units->triggers[i].event_id)->name);
	for (size_t i = 0; i < server->timers.count && len < size; i++)
		if (server->timers.items[i].slot == slot && server->timers.items[i].number == 0)
			len += (size_t)snprintf(
				text + len, size - len, "%stimer", len > 0 ? "," : "");
	for (size_t i = 0; i < server->paths.count && len < size; i++)
		if (strcmp(server->paths.items[i].function, unit->config->name) == 0) {
			snprintf(text + len, size - len, "%shttp", len > 0 ? "," : "");
			return;
		}
}

/* `triggers` is room that the result borrows. */
static struct api_function unit_view(
	const struct server *server, const struct unit *unit, char *triggers, size_t size)
{
	struct api_function item = {
		.name = unit->config->name,
		.runtime = unit->config->runtime,
		.handler = unit->config->handler,
		.version = unit->config->version,
		.triggers = triggers,
		.letters_shed = unit->letters_shed,
		.calls_refused = unit->calls_refused,
		.stats = {.state = "failed",
			.error = unit->error,
			.isolation = unit->config->isolation},
	};

	if (unit->function)
		function_stats(unit->function, &item.stats);
	render_triggers(server, unit, triggers, size);
	return item;
}

static void show_deployed(
	const struct deployed *deployed, const char *why, api_function_fn fn, void *arg)
{
	const struct deployed_version *active = &deployed->versions[deployed->active];
	const char *runtime = json_string_value(json_object_get(active->spec, "runtime"));
	const char *handler = json_string_value(json_object_get(active->spec, "handler"));
	const struct api_function item = {
		.name = deployed->name,
		.runtime = runtime ? runtime : "",
		.handler = handler ? handler : "",
		.version = active->version,
		.triggers = "",
		.stats = {.state = "failed", .error = why},
	};

	fn(arg, &item);
}

static void show_functions(void *user, api_function_fn fn, void *arg)
{
	const struct server *server = user;
	char triggers[128];

	for (size_t i = 0; i < UNITS_MAX; i++) {
		const struct unit *unit = &server->units->units[i];
		struct api_function item;

		if (!unit->config)
			continue;
		item = unit_view(server, unit, triggers, sizeof(triggers));
		fn(arg, &item);
	}
	for (size_t i = 0; i < server->registry.count; i++) {
		const char *why = why_not_had(server, &server->registry.functions[i]);

		if (why)
			show_deployed(&server->registry.functions[i], why, fn, arg);
	}
}

json_t *server_function_json(const struct server *server, const struct unit *unit)
{
	char triggers[128];
	struct api_function item = unit_view(server, unit, triggers, sizeof(triggers));

	return api_function_json(&item);
}

/* ---- what the API is asked to do ---- */

static void take_call(void *user, struct api_call *call)
{
	struct server *server = user;

	if (call->verb == API_DESCRIBE)
		server_describe(server, call);
	else if (call->verb == API_CALL)
		server_call(server, call);
	else if (call->verb == API_RETRY)
		letters_retry(&server->letters, call);
	else if (call->verb == API_DROP)
		prune_letters(&server->commits, call);
	else
		deployer_call(&server->deployer, call);
}

/* Also by workers that are about to go. */
static bool is_code_needed(void *user, const char *code)
{
	const struct server *server = user;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		const struct unit *unit = &server->units->units[i];
		const char *base = unit->config ? strrchr(unit->config->dir, '/') : NULL;

		if (base && strcmp(base + 1, code) == 0)
			return true;
	}
	return registry_needs(&server->registry, code);
}

static void write_version1(struct metrics *m, const struct server *server)
{
	const struct ingest_counters *c = &server->ingest.counters;

	metrics_single(m, "netlambda_version1_enabled", METRIC_GAUGE,
		"Whether protocol version 1 is taken, which is in the clear.",
		server->version1 != NULL);
	if (!server->version1)
		return;
	metrics_single(m, "netlambda_version1_datagrams_total", METRIC_COUNTER,
		"Datagrams received.", c->datagrams);
	metrics_single(m, "netlambda_version1_bytes_total", METRIC_COUNTER,
		"UDP payload received, in bytes.", c->bytes);
	metrics_family(m, "netlambda_version1_malformed_total", METRIC_COUNTER,
		"Datagrams refused by the parser, by cause.");
	for (int i = V1_OK + 1; i < V1_ERROR_COUNT; i++)
		metrics_sample(m,
			(const struct metric_label[]){
				{"cause", v1_error_name((enum v1_error)i)}, {0}},
			c->malformed[i]);
	metrics_sample(m, (const struct metric_label[]){{"cause", "too-many-switches"}, {0}},
		c->too_many_switches);
	metrics_sample(m, (const struct metric_label[]){{"cause", "foreign-switch"}, {0}},
		c->foreign_switches);
	metrics_single(m, "netlambda_version1_put_off_total", METRIC_COUNTER,
		"Transactions not acknowledged since a function's queue was full; they come again.",
		c->put_off);
	metrics_single(m, "netlambda_version1_pending_resends_total", METRIC_COUNTER,
		"Resends of transactions that were being processed.", c->pending_resends);
	metrics_single(m, "netlambda_version1_acknowledgements_total", METRIC_COUNTER,
		"Acknowledgements sent.", c->acks);
	version1_write_metrics(server->version1, m);
}

/* Of both versions. */
static void write_event_metrics(struct metrics *m, const struct server *server)
{
	const struct ingest_counters *c = &server->ingest.counters;
	static const char *const classes[] = {"unacknowledged", "acknowledged"};
	struct link_totals totals;

	link_get_totals(server->link, &totals);
	metrics_family(m, "netlambda_events_total", METRIC_COUNTER,
		"Events taken, by class; resends are not counted again.");
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		metrics_sample(m, (const struct metric_label[]){{"class", classes[i]}, {0}},
			c->events[i] + totals.events[i]);
	metrics_single(m, "netlambda_events_unrouted_total", METRIC_COUNTER,
		"Events that no trigger names.", c->unrouted + totals.unrouted);
	metrics_single(m, "netlambda_events_shed_total", METRIC_COUNTER,
		"Unacknowledged events given up since the server or a function was too slow.",
		c->shed + totals.shed);
	metrics_single(m, "netlambda_simulated_drops_total", METRIC_COUNTER,
		"Datagrams thrown away as --drop-rate asks.",
		totals.simulated_drops + version1_simulated_drops(server->version1));
}

static void write_store_metrics(struct metrics *m, const struct server *server)
{
	struct committer_stats stats;
	struct alert_log_stats log = {0};
	uint64_t size = 0;

	(void)!store_size(server->reader, &size);
	committer_get_stats(server->committer, &stats);
	metrics_single(m, "netlambda_commits_total", METRIC_COUNTER, "Database transactions.",
		stats.commits);
	metrics_single(m, "netlambda_commit_failures_total", METRIC_COUNTER,
		"Results of functions that the store refused; they are run again.", stats.failures);
	metrics_single(m, "netlambda_commits_over_limit_total", METRIC_COUNTER,
		"Of these, those that would have made the store larger than it may be.",
		stats.over_limit);
	metrics_single(m, "netlambda_store_bytes", METRIC_GAUGE,
		"Of the database, free pages not counted.", size);
	metrics_single(m, "netlambda_store_bytes_max", METRIC_GAUGE,
		"From so much on it takes nothing that needs more; 0: no limit.",
		server->config->store_max);
	metrics_family(
		m, "netlambda_commit_seconds_total", METRIC_COUNTER, "Time spent committing.");
	metrics_sample_seconds(m, NULL, stats.busy_ns);
	metrics_single(m, "netlambda_commits_under_way", METRIC_GAUGE,
		"Results that are with the committer.", server->commits.under_way);
	metrics_single(m, "netlambda_alerts_total", METRIC_COUNTER, "Alerts raised.",
		server->commits.alerts);
	metrics_single(m, "netlambda_dead_letters_total", METRIC_COUNTER,
		"Events put aside after their last attempt.", server->commits.dead_letters);
	if (server->alert_log)
		alert_log_get_stats(server->alert_log, &log);
	metrics_single(m, "netlambda_alert_file_failures_total", METRIC_COUNTER,
		"Alerts that are in the database but not in the alert file.", log.failed);
	metrics_single(m, "netlambda_reloads_total", METRIC_COUNTER, "Configurations taken.",
		server->reloads);
	metrics_single(m, "netlambda_reload_failures_total", METRIC_COUNTER,
		"Configurations refused.", server->reload_failures);
}

struct switch_metric {
	const char *name;
	enum metric_type type;
	const char *help;
	uint64_t (*read)(const struct api_switch *item);
	bool version2; /* it is of version 2 only */
};

static uint64_t switch_events(const struct api_switch *item)
{
	return item->events;
}

static uint64_t switch_duplicates(const struct api_switch *item)
{
	return item->duplicates;
}

static uint64_t switch_restarts(const struct api_switch *item)
{
	return item->restarts;
}

static uint64_t switch_last_seen(const struct api_switch *item)
{
	return item->last_seen_ns / NS_PER_SEC;
}

static uint64_t switch_up(const struct api_switch *item)
{
	return item->session->opened_ns != 0;
}

static uint64_t switch_shed(const struct api_switch *item)
{
	uint64_t sum = 0;

	for (int lane = 0; lane < V2_LANES; lane++)
		sum += item->session->lanes[lane].shed;
	return sum;
}

static uint64_t switch_lost(const struct api_switch *item)
{
	uint64_t sum = 0;

	for (int lane = 0; lane < V2_LANES; lane++)
		sum += item->session->lanes[lane].lost;
	return sum;
}

static uint64_t switch_takeovers(const struct api_switch *item)
{
	return item->session->takeovers;
}

static uint64_t switch_expires(const struct api_switch *item)
{
	return item->session->until_ns / NS_PER_SEC;
}

static const struct switch_metric switch_metrics[] = {
	{"netlambda_switch_events_total", METRIC_COUNTER, "Events accepted from a switch.",
		switch_events, false},
	{"netlambda_switch_duplicates_total", METRIC_COUNTER, "Events that came again.",
		switch_duplicates, false},
	{"netlambda_switch_restarts_total", METRIC_COUNTER, "Restarts of a switch's agent.",
		switch_restarts, false},
	{"netlambda_switch_last_seen_timestamp_seconds", METRIC_GAUGE,
		"When a switch was last heard of.", switch_last_seen, false},
	{"netlambda_switch_up", METRIC_GAUGE, "Whether a switch has a session.", switch_up, true},
	{"netlambda_switch_shed_total", METRIC_COUNTER,
		"Events that a switch had no room for, as it declared.", switch_shed, true},
	{"netlambda_switch_lost_total", METRIC_COUNTER,
		"Events of a switch declared lost, whatever the cause.", switch_lost, true},
	{"netlambda_switch_takeovers_total", METRIC_COUNTER,
		"Times that an agent took over from another one with the same certificate.",
		switch_takeovers, true},
	{"netlambda_switch_certificate_expires_timestamp_seconds", METRIC_GAUGE,
		"When a switch's certificate expires.", switch_expires, true},
};

struct switch_samples {
	struct metrics *metrics;
	const struct switch_metric *metric;
};

static void write_switch(void *arg, const struct api_switch *item)
{
	const struct switch_samples *samples = arg;
	char id[16];

	if (samples->metric->version2 && !item->session)
		return;
	snprintf(id, sizeof(id), "%" PRIu32, item->id);
	metrics_sample(samples->metrics,
		(const struct metric_label[]){
			{"switch", id}, {"version", item->session ? "2" : "1"}, {0}},
		samples->metric->read(item));
}

static void write_switch_metrics(struct metrics *m, struct server *server)
{
	for (size_t i = 0; i < ARRAY_SIZE(switch_metrics); i++) {
		struct switch_samples samples = {m, &switch_metrics[i]};

		metrics_family(
			m, switch_metrics[i].name, switch_metrics[i].type, switch_metrics[i].help);
		show_switches(server, write_switch, &samples);
	}
}

static void write_isolation_metrics(struct metrics *m, const struct isolation_level *level)
{
	metrics_family(m, "netlambda_isolation_layer", METRIC_GAUGE,
		"Whether this system has a layer of isolation.");
	for (enum layer layer = 0; layer < LAYER_COUNT; layer++)
		metrics_sample(m, (const struct metric_label[]){{"layer", layer_name(layer)}, {0}},
			(level->layers & LAYER_BIT(layer)) != 0);
}

static void show_metrics(void *user, struct metrics *m)
{
	struct server *server = user;

	write_event_metrics(m, server);
	link_write_metrics(server->link, m);
	write_version1(m, server);
	write_store_metrics(m, server);
	gateway_put_metrics(&server->gateways.counts, m);
	metrics_single(m, "netlambda_calls_late_total", METRIC_COUNTER,
		"Requests and live calls whose function was not done in time.",
		server->callers.timeouts);
	metrics_single(m, "netlambda_timer_ticks_total", METRIC_COUNTER,
		"Times that functions were called by their schedule.", server->timers.ticks);
	metrics_single(m, "netlambda_timer_missed_total", METRIC_COUNTER,
		"Times due that were not made up for, since the function could not take them.",
		server->timers.missed);
	metrics_single(m, "netlambda_state_expired_total", METRIC_COUNTER,
		"Values and windows whose time was over, removed from the store.",
		server->sweeper.swept);
	metrics_single(
		m, "netlambda_switches", METRIC_GAUGE, "Switches known.", count_switches(server));
	write_switch_metrics(m, server);
	write_isolation_metrics(m, engine_level(server->engine));
	write_function_metrics(m, server->units, server->engine);
}

const struct api_ops server_api_ops = {
	.health = show_health,
	.status = show_status,
	.each_switch = show_switches,
	.each_function = show_functions,
	.metrics = show_metrics,
	.call = take_call,
	.code_needed = is_code_needed,
};
