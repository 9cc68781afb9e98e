// SPDX-License-Identifier: BSD-2-Clause
#include "server/server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/program.h"
#include "server/server_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Batches of datagrams taken in one go before other sources get their turn. */
#define RECEIVE_ROUNDS 16
#define SETTLE_NS      (50 * NS_PER_MS)
#define STOP_NS        (2 * NS_PER_SEC)

/* splitmix64: good enough to throw datagrams away with. */
static double random_unit(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (double)((z ^ (z >> 31)) >> 11) / (double)(1ULL << 53);
}

static void receive_one(struct server *server, const struct datagram *datagram, uint64_t now_ns)
{
	if (server->options.drop_rate > 0 &&
		random_unit(&server->random) < server->options.drop_rate) {
		server->simulated_drops++;
		return;
	}
	ingest_datagram(&server->ingest, datagram->from, datagram->bytes, datagram->size, now_ns);
}

static void on_datagrams(struct loop_io *io, uint32_t events _unused_)
{
	struct server *server = io->user;

	for (int round = 0; round < RECEIVE_ROUNDS; round++) {
		int n = udp_receive(server->receiver, io->fd);
		uint64_t now_ns = clock_realtime_ns();
		struct datagram datagram;

		if (n < 0) {
			server->receive_failures++;
			log_limited(LOG_LEVEL_WARNING, "cannot receive error=\"%s\"", strerror(-n));
		}
		if (n <= 0)
			break;
		while (udp_receiver_next(server->receiver, &datagram))
			receive_one(server, &datagram, now_ns);
	}
}

/* An answer that cannot be sent now is as one lost on the way: the switch asks again. */
static void on_reply(void *user, const struct endpoint *to, const void *bytes, size_t size)
{
	struct server *server = user;

	if (sendto(server->udp_fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (const struct sockaddr *)&to->address, to->len) != (ssize_t)size)
		server->reply_failures++;
}

static int on_load_state(void *user, const struct state_range *range, state_row_fn row, void *arg)
{
	struct server *server = user;

	return store_load_state(server->reader, range, row, arg);
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

static void on_dropped(void *user, struct function *function, const struct finished_event *event)
{
	struct server *server = user;
	const struct unit *unit = units_find(server->units, function);

	if (letters_own(&server->letters, event->origin, NULL)) {
		letters_release(&server->letters, event->origin);
		return;
	}
	if (unit) /* else it was but called */
		ingest_drop(
			&server->ingest, unit_slot(server->units, unit), event, unit->next != NULL);
}

static const struct engine_ops engine_ops = {
	.output = on_output,
	.commit = on_commit,
	.load_state = on_load_state,
	.dropped = on_dropped,
};

static void on_unit_removed(void *user, size_t slot, bool replaced)
{
	struct server *server = user;

	if (!replaced)
		ingest_forget_unit(&server->ingest, slot);
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
	if (server->stopping && server->commits.under_way == 0)
		loop_stop(server->loop);
}

static int restore_mark(void *user, const char *function, const struct mark *mark)
{
	struct server *server = user;
	struct switch_ *sw;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		const struct unit *unit = &server->units->units[i];

		if (!unit->config || strcmp(unit->config->name, function) != 0)
			continue;
		if ((mark->stream & 0xff) != STREAM_V1)
			return 0;
		sw = switches_get(
			server->switches, stream_switch(mark->stream), clock_realtime_ns());
		if (!sw) {
			log_warning("switch=%u is forgotten: more switches in the store than "
				    "switches_max",
				stream_switch(mark->stream));
			return 0;
		}
		return stream_restore(&sw->stream, i, mark);
	}
	return 0;
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
	r = committer_new(server->store, on_committer_done, server->loop, &server->committer);
	if (r < 0)
		return error_set(
			ret_error, r, "cannot start the committing thread: %s", strerror(-r));
	server->store = NULL; /* the committer's now */
	return 0;
}

static int open_socket(struct server *server, char **ret_error)
{
	struct endpoint endpoint;
	int r;

	r = endpoint_parse(server->config->listen, &endpoint, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "listen: %s", strerror(-r));
	r = udp_listen(&endpoint);
	if (r < 0)
		return error_set(ret_error, r, "cannot listen on udp %s: %s",
			server->config->listen, strerror(-r));
	server->udp_fd = r;
	r = udp_receiver_new(UDP_MESSAGES_MAX, &server->receiver);
	return r < 0 ? error_set(ret_error, r, "%s", strerror(-r)) : 0;
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

/* Makes the functions and triggers of `file` and of the registry the wanted ones. */
static int configure_units(struct server *server, const struct config *file, char **ret_error)
{
	_cleanup_(config_freep) struct config *merged = NULL;
	int r = registry_merge(&server->registry, file, &merged, ret_error);

	if (r == 0)
		r = units_configure(server->units, server->engine, merged, clock_monotonic_ns());
	if (r == 0)
		r = timers_configure(&server->timers, server->units, merged, clock_realtime_ns());
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

static int open_registry(struct server *server, char **ret_error)
{
	int r = registry_init(&server->registry, server->config->code_dir);

	if (r == 0)
		r = registry_load(&server->registry, server->reader);
	if (r < 0)
		return error_set(ret_error, r, "%s: cannot read the deployed functions: %s",
			server->config->store, strerror(-r));
	server->stage = (struct stage){
		.loop = server->loop, .engine = server->engine, .logs = server->logs};
	pruner_start(&server->pruner, server->loop, &server->commits, server->config);
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
		.reply = on_reply,
		.user = server,
	};
	allow_switches(server);
	server->commits = (struct commits){
		.ingest = &server->ingest,
		.committer = server->committer,
		.alert_log = server->alert_log,
		.letters = &server->letters,
	};
	server->letters.units = server->units;
	server->letters.reader = server->reader;
	r = engine_new(server->loop, &options, &engine_ops, server, &server->engine);
	if (r == 0)
		r = open_registry(server, ret_error);
	if (r == 0)
		r = server_activate(server, ret_error);
	if (r == 0)
		r = store_each_mark(server->reader, restore_mark, server);
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

/* Whoever can send to the socket can say what a switch saw: worth a line at every start. */
static void warn_if_open(const char *listen)
{
	if (strncmp(listen, "127.", 4) != 0 && strncmp(listen, "[::1]", 5) != 0 &&
		strncmp(listen, "localhost", 9) != 0)
		log_warning(
			"listen=%s: protocol version 1 is neither authenticated nor encrypted; let "
			"only the switches reach this port",
			listen);
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
	server->udp_fd = -1;
	server->started_ns = clock_realtime_ns();
	server->settle_timer = (struct loop_timer){.fn = on_settle_timer, .user = server};
	server->schedule_timer = (struct loop_timer){.fn = on_schedule_timer, .user = server};
	if (getrandom(&server->random, sizeof(server->random), 0) < 0)
		return -errno;
	loop_on_wake(loop, on_wake, server);
	r = open_stores(server, ret_error);
	if (r == 0)
		r = open_socket(server, ret_error);
	if (r == 0)
		r = start_functions(server, ret_error);
	if (r == 0)
		r = open_api(server, ret_error);
	if (r < 0)
		return r;
	server->udp_io = (struct loop_io){.fn = on_datagrams, .user = server};
	r = loop_add_io(loop, &server->udp_io, server->udp_fd, EPOLLIN);
	if (r < 0)
		return r;
	warn_if_open(server->config->listen);
	log_info("ready listen=%s api=%s triggers=%zu", server->config->listen, server->config->api,
		server->units->trigger_count);
	notify_manager("READY=1");
	*ret_server = TAKE_PTR(server);
	return 0;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->udp_io.loop)
		loop_remove_io(&server->udp_io);
	loop_disarm_timer(&server->settle_timer);
	loop_disarm_timer(&server->stop_timer);
	loop_disarm_timer(&server->schedule_timer);
	loop_on_wake(server->loop, NULL, NULL);
	api_free(server->api);
	server->api = NULL;
	server->commits.api = NULL;
	deployer_stop(&server->deployer);
	pruner_stop(&server->pruner);
	stage_clear(&server->stage);
	server->commits.closed = true;
	/* What is queued is committed and reported while the engine still knows of it. */
	if (server->committer)
		committer_stop(server->committer);
	if (server->engine) {
		commits_collect(&server->commits);
		engine_free(server->engine);
	}
	committer_free(server->committer);
	registry_done(&server->registry);
	log_rings_free(server->logs);
	timers_done(&server->timers);
	units_free(server->units);
	switches_free(server->switches);
	alert_log_close(server->alert_log);
	store_close(server->reader);
	store_close(server->store);
	udp_receiver_free(server->receiver);
	if (server->udp_fd >= 0)
		close(server->udp_fd);
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
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!text_equal(fixed[i].a, fixed[i].b))
			log_warning("key=%s takes effect at the next start", fixed[i].key);
	if (!runtime_config_equal(&running->runtimes, &wanted->runtimes))
		log_warning("key=runtimes takes effect at the next start");
	if (running->switches_max != wanted->switches_max ||
		running->spare_workers != wanted->spare_workers ||
		running->relaxed_durability != wanted->relaxed_durability)
		log_warning("switches_max, spare_workers and durability take effect at the next "
			    "start");
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
		r = configure_units(server, config, &error);
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
	server->config->isolation = config->isolation; /* of what is deployed from now on */
	server->config->alerts_keep_ns = config->alerts_keep_ns;
	server->config->dead_letters_keep_ns = config->dead_letters_keep_ns;
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
	loop_remove_io(&server->udp_io);
	if (server->commits.under_way == 0) {
		loop_stop(server->loop);
		return;
	}
	server->stop_timer = (struct loop_timer){.fn = on_stop_timer, .user = server};
	loop_arm_timer(server->loop, &server->stop_timer, clock_monotonic_ns() + STOP_NS);
}
