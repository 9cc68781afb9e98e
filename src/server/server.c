// SPDX-License-Identifier: BSD-2-Clause
#include "server/server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/program.h"
#include "server/server_private.h"
#include "store/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_NS (50 * NS_PER_MS)
#define STOP_NS   (2 * NS_PER_SEC)

static int on_load_state(void *user, const struct state_range *range, state_row_fn row, void *arg)
{
	struct server *server = user;

	return store_load_state(server->reader, range, row, arg);
}

static int on_sum_state(void *user, const char *function, struct state_sum *ret_sum)
{
	struct server *server = user;

	return store_sum_state(server->reader, function, ret_sum);
}

static void on_commit(void *user, struct result *result)
{
	struct server *server = user;

	if (!stage_take_result(&server->stage, result))
		commits_submit(&server->commits, result);
}

static void on_output(void *user, const char *function, const char *line)
{
	struct server *server = user;

	log_rings_add(server->logs, function, line, clock_realtime_ns());
	if (server->api)
		api_logs_added(server->api, function);
}

static bool is_version1(const struct finished_event *event)
{
	const struct stream *stream = event->origin;

	return !stream || (stream->id & 0xff) == STREAM_V1;
}

static void on_dropped(void *user, struct function *function, const struct finished_event *event)
{
	struct server *server = user;
	const struct unit *unit = units_find(server->units, function);

	if (letters_own(&server->letters, event->origin, NULL)) {
		letters_release(&server->letters, event->origin);
		return;
	}
	if (callers_own(&server->callers, event->origin)) {
		callers_finish(event, true);
		return;
	}
	if (!unit) /* it was but called */
		return;
	if (event->event_id == EVENT_TIMER) {
		if (timers_take_back(&server->timers, unit_slot(server->units, unit), event))
			loop_arm_timer(server->loop, &server->schedule_timer,
				loop_now_ns(server->loop) + 1);
		return;
	}
	if (is_version1(event))
		ingest_drop(
			&server->ingest, unit_slot(server->units, unit), event, unit->next != NULL);
	else
		agents_drop(link_agents(server->link), unit_slot(server->units, unit), event,
			unit->next != NULL);
}

static const struct engine_ops engine_ops = {
	.output = on_output,
	.commit = on_commit,
	.sum_state = on_sum_state,
	.load_state = on_load_state,
	.dropped = on_dropped,
};

static void on_unit_removed(void *user, size_t slot, bool replaced)
{
	struct server *server = user;

	if (!replaced) {
		ingest_forget_unit(&server->ingest, slot);
		agents_forget_unit(link_agents(server->link), slot);
	}
}

static void settle_units(struct server *server)
{
	uint64_t now_ns = clock_monotonic_ns();
	bool waiting = false;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		struct unit *unit = &server->units->units[i];

		units_settle(server->units, server->engine, unit, now_ns, on_unit_removed, server);
		waiting = waiting || unit->retired;
	}
	if (waiting)
		loop_arm_timer(server->loop, &server->settle_timer, now_ns + SETTLE_NS);
	/* What was started has room. */
	if (server->link)
		link_has_room(server->link);
}

static void on_settle_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	settle_units(timer->user);
}

static void on_committer_done(void *user)
{
	loop_wake(user);
}

static void on_wake(void *user)
{
	struct server *server = user;

	commits_collect(&server->commits);
	link_take(server->link);
	if (server->stopping && server->commits.under_way == 0)
		loop_stop(server->loop);
}

/* Where the marks of a stream belong; NULL: it is forgotten. */
static struct stream *find_stream(const struct server *server, uint64_t id)
{
	struct switch_ *sw;
	struct agent *agent;

	if ((id & 0xff) == STREAM_V1) {
		sw = switches_get(server->switches, stream_switch(id), clock_realtime_ns());
		return sw ? &sw->stream : NULL;
	}
	agent = (id & 0xff) < V2_LANES ? agents_get(link_agents(server->link), stream_switch(id))
				       : NULL;
	return agent ? &agent->lanes[id & 0xff].stream : NULL;
}

struct restoring {
	struct server *server;
	size_t slot;
};

static int restore_mark(void *user, const char *function _unused_, const struct mark *mark)
{
	const struct restoring *restoring = user;
	struct server *server = restoring->server;
	struct stream *stream = find_stream(server, mark->stream);

	if (strcmp(mark->key, MARK_KEY_UNKNOWN) == 0)
		return 0; /* it was not there when the database was upgraded */
	if (stream)
		return stream_restore(stream, server->units, restoring->slot, mark);
	log_warning("switch=%u is forgotten: more switches in the store than switches_max",
		stream_switch(mark->stream));
	return 0;
}

/* What new units had of the streams before the server started, or before they were removed for a while. */
static int restore_marks(struct server *server)
{
	int r = 0;

	for (size_t i = 0; i < UNITS_MAX && r == 0; i++) {
		struct restoring restoring = {server, i};
		struct unit *unit = &server->units->units[i];

		if (!unit->is_new)
			continue;
		if (server->store)
			r = store_claim_marks(
				server->store, unit->config->name, unit->division->key);
		if (r == 0)
			r = store_each_mark(
				server->reader, unit->config->name, restore_mark, &restoring);
		unit->is_new = r < 0;
	}
	return r;
}

static int open_stores(struct server *server, char **ret_error)
{
	const char *path = server->config->store;
	enum store_flags flags = server->config->relaxed_durability ? STORE_RELAXED : 0;
	int r;

	r = store_open(path, flags, &server->store, ret_error);
	if (r == 0)
		r = store_open(path, STORE_READ_ONLY, &server->reader, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "%s: %s", path, strerror(-r));
	if (server->config->alerts) {
		r = alert_log_open(server->config->alerts, &server->alert_log);
		if (r < 0)
			return error_set(
				ret_error, r, "%s: %s", server->config->alerts, strerror(-r));
	}
	return 0;
}

static int start_committer(struct server *server, char **ret_error)
{
	int r = committer_new(server->store, on_committer_done, server->loop, &server->committer);

	if (r < 0)
		return error_set(
			ret_error, r, "cannot start the committing thread: %s", strerror(-r));
	server->store = NULL; /* the committer's now */
	committer_limit(server->committer, server->config->store_max);
	committer_limit_letters(server->committer, server->config->dead_letters_max);
	server->commits.committer = server->committer;
	return 0;
}

/* Version 2, and version 1 beside it or alone, if that is on. */
static int open_link(struct server *server, char **ret_error)
{
	const struct link_options options = {
		.config = server->config,
		.drop_rate = server->options.drop_rate,
		.key_log = server->options.key_log,
	};
	const struct agents_source source = {
		.loop = server->loop,
		.units = server->units,
		.commits = &server->commits,
	};
	int version1_fd = -1, r;

	r = link_new(&options, &source, server->reader, &server->link, &version1_fd, ret_error);
	if (r == 0) {
		server->commits.agents = link_agents(server->link);
		server->ingest.agents = link_agents(server->link);
		if (version1_fd >= 0)
			r = version1_new(server->loop, version1_fd, &server->ingest,
				server->options.drop_rate, &server->version1);
	}
	return r < 0 ? error_set(ret_error, r, "cannot open the ports: %s", strerror(-r)) : 0;
}

/* ---- timers ---- */

/* Looks again in a minute at the latest: the clock may have been set. */
static void run_timers(struct server *server)
{
	uint64_t now_ns = clock_realtime_ns();
	uint64_t next_ns = timers_run(&server->timers, server->units, now_ns);
	uint64_t after_ns = next_ns > now_ns ? next_ns - now_ns : 1;

	if (next_ns == 0)
		loop_disarm_timer(&server->schedule_timer);
	else
		loop_arm_timer(server->loop, &server->schedule_timer,
			clock_monotonic_ns() + MIN(after_ns, 60 * NS_PER_SEC));
}

static void on_schedule_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	run_timers(timer->user);
}

/* ---- functions: those of the file and those deployed ---- */

/* What is in force, for all to see, and for those who ask for it. */
static int configure_paths(struct server *server, const struct config *merged)
{
	struct http_triggers copy = {0};
	int r = http_triggers_copy(&merged->http_triggers, &copy);

	if (r < 0)
		return r;
	http_triggers_done(&server->paths);
	server->paths = copy;
	if (copy.count > 0 && !server->config->http.listen)
		log_warning("functions have HTTP triggers, but " HTTP_NO_LISTENER);
	return 0;
}

/* What is at work is not given up for a file with which it cannot be had. */
static int check_deployed(struct server *server, char **ret_error)
{
	for (size_t i = 0; i < server->registry.count; i++) {
		const struct deployed *deployed = &server->registry.functions[i];

		if (deployed->error && units_find_live(server->units, deployed->name))
			return error_set(ret_error, -EINVAL,
				"the deployed function \"%s\" could not be had any more: %s",
				deployed->name, deployed->error);
	}
	return 0;
}

/* A name is free again when all that it stood for is gone. */
static int check_purged(struct server *server, const struct config *file, char **ret_error)
{
	for (size_t i = 0; i < file->function_count; i++)
		if (deployer_purges(&server->deployer, file->functions[i].name))
			return error_set(ret_error, -EBUSY,
				"function \"%s\" was deleted, and what it remembered is being "
				"removed: reload again when that is done",
				file->functions[i].name);
	return 0;
}

/* Makes the functions and triggers of `file` and of the registry the wanted ones. */
static int configure_units(struct server *server, const struct config *file, char **ret_error)
{
	_cleanup_(config_freep) struct config *merged = NULL;
	int r = registry_merge(&server->registry, file, &merged, ret_error);

	if (r == 0 && file != server->config)
		r = check_deployed(server, ret_error);
	if (r == 0 && file != server->config)
		r = check_purged(server, file, ret_error);
	if (r == 0)
		r = units_configure(server->units, server->engine, merged, clock_monotonic_ns());
	if (r == 0 && server->committer)
		r = restore_marks(server);
	if (r == 0)
		r = timers_configure(&server->timers, server->units, merged, clock_realtime_ns());
	if (r == 0)
		r = configure_paths(server, merged);
	if (r == 0)
		run_timers(server);
	return r;
}

static int server_activate(void *user, char **ret_error)
{
	struct server *server = user;
	int r = configure_units(server, server->config, ret_error);

	if (r == 0)
		settle_units(server);
	return r;
}

static bool is_function_gone(void *user, const char *function)
{
	const struct server *server = user;

	for (size_t i = 0; i < UNITS_MAX; i++)
		if (server->units->units[i].config &&
			strcmp(server->units->units[i].config->name, function) == 0)
			return false;
	return true;
}

/* What the end of the server before interrupted, in pieces all the same: the database's log is to stay small. */
static int finish_purges(struct server *server, char **ret_error)
{
	char name[64] = "";
	int r;

	while ((r = registry_next_purge(server->store, name)) > 0) {
		log_info(
			"function=%s was deleted: the rest of what it remembered is removed", name);
		do
			r = registry_purge(server->store, name, PURGE_ROWS);
		while (r > 0);
		if (r < 0)
			break;
	}
	return r < 0 ? error_set(ret_error, r,
			       "%s: cannot remove what function \"%s\" remembered, which was "
			       "deleted: %s",
			       server->config->store, name, strerror(-r))
		     : 0;
}

static int open_registry(struct server *server, char **ret_error)
{
	int r = registry_init(&server->registry, server->config->code_dir);

	if (r == 0)
		r = finish_purges(server, ret_error);
	if (r == 0)
		r = registry_load(&server->registry, server->reader);
	if (r < 0)
		return error_set(ret_error, r, "%s: cannot read the deployed functions: %s",
			server->config->store, strerror(-r));
	server->stage = (struct stage){
		.loop = server->loop, .engine = server->engine, .logs = server->logs};
	pruner_start(&server->pruner, server->loop, &server->commits, server->config);
	sweeper_start(&server->sweeper, server->loop, &server->commits, server->engine);
	server->deployer = (struct deployer){
		.loop = server->loop,
		.engine = server->engine,
		.commits = &server->commits,
		.registry = &server->registry,
		.reader = server->reader,
		.file = server->config,
		.activate = server_activate,
		.is_gone = is_function_gone,
		.user = server,
	};
	return 0;
}

static void on_switch_forgotten(void *user, const struct switch_ *sw)
{
	struct server *server = user;

	log_info("switch=%u is forgotten: it was not heard of for long, and another is", sw->id);
	prune_stream(&server->commits, sw->stream.id);
}

static void allow_switches(struct server *server)
{
	server->ingest.allowed = server->config->version1_switches;
	server->ingest.allowed_count = server->config->version1_switch_count;
}

static int start_functions(struct server *server, char **ret_error)
{
	const struct engine_options options = {
		.runtime_dir = server->config->runtime_dir,
		.runtimes = server->config->runtimes.items,
		.runtime_count = server->config->runtimes.count,
		.spares = server->config->spare_workers,
	};
	int r;

	r = switches_new(server->config->switches_max, &server->switches);
	if (r < 0)
		return r;
	server->units = units_new();
	server->logs = log_rings_new();
	if (!server->units || !server->logs)
		return -ENOMEM;
	server->ingest = (struct ingest){
		.switches = server->switches,
		.units = server->units,
		.reply = version1_reply,
	};
	allow_switches(server);
	server->commits = (struct commits){
		.ingest = &server->ingest,
		.alert_log = server->alert_log,
		.letters = &server->letters,
		.callers = &server->callers,
	};
	server->letters.loop = server->loop;
	server->letters.units = server->units;
	server->letters.reader = server->reader;
	server->callers.loop = server->loop;
	r = engine_new(server->loop, &options, &engine_ops, server, &server->engine);
	if (r == 0)
		r = open_link(server, ret_error);
	if (r == 0)
		r = open_registry(server, ret_error);
	if (r == 0)
		r = server_activate(server, ret_error);
	if (r == 0)
		r = restore_marks(server);
	if (r == 0)
		r = start_committer(server, ret_error);
	switches_watch(server->switches, on_switch_forgotten, server);
	return r < 0 ? error_set(ret_error, r, "cannot start the functions: %s", strerror(-r)) : 0;
}

static int open_api(struct server *server, char **ret_error)
{
	char unpack_program[PATH_MAX];
	const struct api_options options = {
		.socket_path = server->config->api,
		.store_path = server->config->store,
		.code_dir = server->config->code_dir,
		.unpack_program = unpack_program,
		.logs = server->logs,
	};
	int r;

	program_find("src/archive/netlambda-unpack", UNPACK_PROGRAM, unpack_program);

	r = api_new(server->loop, &options, &server_api_ops, server, &server->api, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "%s: %s", server->config->api, strerror(-r));
	server->commits.api = server->api;
	return 0;
}

static void shift_gateways(struct server *server, const struct gateway_change *change)
{
	const char *listen = server->config->http.listen;

	gateways_shift(&server->gateways, change);
	if (change->changes)
		log_info("http=%s", listen ? listen : "off");
}

static int open_gateway(struct server *server, char **ret_error)
{
	struct gateway_change change;
	int r;

	server->gateways.options = (struct gateway_options){
		.loop = server->loop,
		.triggers = &server->paths,
		.callers = &server->callers,
		.units = server->units,
	};
	r = gateways_prepare(&server->gateways, &server->config->http, &change, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "http: %s", strerror(-r));
	shift_gateways(server, &change);
	return 0;
}

/* Whoever can send to the socket can say what a switch saw: worth a line at every start. */
static void warn_of_version1(const struct config *config)
{
	if (config->version1)
		log_warning("PROTOCOL VERSION 1 IS ON at %s: it is neither authenticated nor "
			    "encrypted; let only the switches reach this port, and give them "
			    "certificates (netlambda-pki(1))",
			config->listen);
}

int server_new(struct loop *loop, struct config *config, const struct server_options *options,
	struct server **ret_server, char **ret_error)
{
	_cleanup_(server_freep) struct server *server = calloc(1, sizeof(*server));
	int r;

	if (!server) {
		config_free(config);
		return -ENOMEM;
	}
	server->loop = loop;
	server->config = config;
	server->options = *options;
	server->started_ns = clock_realtime_ns();
	server->settle_timer = (struct loop_timer){.fn = on_settle_timer, .user = server};
	server->schedule_timer = (struct loop_timer){.fn = on_schedule_timer, .user = server};
	loop_on_wake(loop, on_wake, server);
	r = open_stores(server, ret_error);
	if (r == 0)
		r = start_functions(server, ret_error);
	if (r == 0)
		r = open_api(server, ret_error);
	if (r == 0)
		r = open_gateway(server, ret_error);
	if (r < 0)
		return r;
	warn_of_version1(server->config);
	log_info("ready listen=%s protocol=\"%s\" api=%s triggers=%zu", server->config->listen,
		link_describe(server->link), server->config->api, server->units->trigger_count);
	notify_manager("READY=1");
	*ret_server = TAKE_PTR(server);
	return 0;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->version1)
		version1_stop(server->version1);
	if (server->link)
		link_stop(server->link);
	loop_disarm_timer(&server->settle_timer);
	loop_disarm_timer(&server->stop_timer);
	loop_disarm_timer(&server->schedule_timer);
	loop_on_wake(server->loop, NULL, NULL);
	callers_stop(&server->callers);
	gateways_done(&server->gateways);
	api_free(server->api);
	server->api = NULL;
	server->commits.api = NULL;
	deployer_stop(&server->deployer);
	pruner_stop(&server->pruner);
	sweeper_stop(&server->sweeper);
	stage_clear(&server->stage);
	letters_stop(&server->letters);
	server->commits.closed = true;
	/* What is queued is committed and reported while the engine still knows of it. */
	if (server->committer) {
		committer_stop(server->committer);
		commits_collect(&server->commits);
	}
	engine_free(server->engine);
	committer_free(server->committer);
	if (server->link)
		link_free(server->link);
	if (server->version1)
		version1_free(server->version1);
	registry_done(&server->registry);
	log_rings_free(server->logs);
	timers_done(&server->timers);
	http_triggers_done(&server->paths);
	units_free(server->units);
	switches_free(server->switches);
	alert_log_close(server->alert_log);
	store_close(server->reader);
	store_close(server->store);
	config_free(server->config);
	free(server);
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void warn_restart_needed(const struct config *running, const struct config *wanted)
{
	const struct {
		const char *key, *a, *b;
	} fixed[] = {
		{"listen", running->listen, wanted->listen},
		{"api", running->api, wanted->api},
		{"store", running->store, wanted->store},
		{"alerts", running->alerts, wanted->alerts},
		{"runtime_dir", running->runtime_dir, wanted->runtime_dir},
		{"tls.credentials", running->tls.credentials, wanted->tls.credentials},
		{"tls.key", running->tls.key, wanted->tls.key},
		{"tls.ca", running->tls.ca, wanted->tls.ca},
		{"tls.crl", running->tls.crl, wanted->tls.crl},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!text_equal(fixed[i].a, fixed[i].b))
			log_warning("key=%s takes effect at the next start", fixed[i].key);
	if (!tls_config_equal(&running->tls, &wanted->tls))
		log_warning(
			"tls.switches, tls.ciphers and tls.grace take effect at the next start");
	if (!runtime_config_equal(&running->runtimes, &wanted->runtimes))
		log_warning("key=runtimes takes effect at the next start");
	if (running->switches_max != wanted->switches_max ||
		running->spare_workers != wanted->spare_workers ||
		running->relaxed_durability != wanted->relaxed_durability ||
		running->version1 != wanted->version1 || running->window != wanted->window ||
		running->receive_workers != wanted->receive_workers)
		log_warning("switches_max, spare_workers, durability, version1, window and "
			    "receive_workers take effect at the next start");
}

static void swap_http(struct config *a, struct config *b)
{
	struct http_settings held = a->http;

	a->http = b->http;
	b->http = held;
}

/* All that can fail, before anything is given up. */
static int take_config(struct server *server, struct config *config, char **ret_error)
{
	struct gateway_change change;
	int r = gateways_prepare(&server->gateways, &config->http, &change, ret_error);

	if (r < 0)
		return error_set(ret_error, r, "http: %s", strerror(-r));
	swap_http(server->config, config);
	r = configure_units(server, config, ret_error);
	if (r == 0) {
		shift_gateways(server, &change);
		return 0;
	}
	swap_http(server->config, config);
	gateways_drop(&change);
	return r;
}

void server_reload(struct server *server)
{
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	int r;

	if (server->alert_log)
		alert_log_reopen(server->alert_log);
	r = config_load(server->config->path, &config, &error);
	if (r == 0)
		r = take_config(server, config, &error);
	if (r < 0) {
		server->reload_failures++;
		log_error("not reloaded, nothing is changed: %s", error ? error : strerror(-r));
		return;
	}
	server->reloads++;
	warn_restart_needed(server->config, config);
	settle_units(server);
	log_info("reloaded file=%s triggers=%zu", config->path, server->units->trigger_count);
	config_swap_functions(server->config, config);
	allow_switches(server);
	if (server->config->store_max != config->store_max)
		server->commits.over_limit_ns = 0;
	server->config->store_max = config->store_max;
	committer_limit(server->committer, config->store_max);
	server->config->tls.limits = config->tls.limits;
	link_set_limits(server->link, &config->tls.limits);
	server->config->alerts_keep_ns = config->alerts_keep_ns;
	server->config->dead_letters_keep_ns = config->dead_letters_keep_ns;
	server->config->dead_letters_max = config->dead_letters_max;
	committer_limit_letters(server->committer, config->dead_letters_max);
}

static void on_stop_timer(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct server *server = timer->user;

	log_warning(
		"stopping with commits=%zu under way; the switches will send these events again",
		server->commits.under_way);
	loop_stop(server->loop);
}

void server_stop(struct server *server)
{
	if (server->stopping) {
		loop_stop(server->loop);
		return;
	}
	server->stopping = true;
	notify_manager("STOPPING=1");
	if (server->version1)
		version1_stop(server->version1);
	link_stop(server->link);
	if (server->commits.under_way == 0) {
		loop_stop(server->loop);
		return;
	}
	server->stop_timer = (struct loop_timer){.fn = on_stop_timer, .user = server};
	loop_arm_timer(server->loop, &server->stop_timer, clock_monotonic_ns() + STOP_NS);
}
