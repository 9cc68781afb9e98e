// SPDX-License-Identifier: BSD-2-Clause
#include "replay/backend.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "server/commits.h"
#include "server/ingest.h"
#include "server/switches.h"
#include "server/timers.h"
#include "server/units.h"
#include "store/committer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TICK_NS   (20 * NS_PER_MS) /* between looks at what reports nothing by itself */
#define QUEUE_MIN 4096             /* events: a datagram always fits into an empty queue */

struct backend {
	struct loop *loop; /* borrowed */
	struct config *config;
	struct backend_options options;
	struct loop_timer tick;
	char *error;
	const bool *wanted; /* of backend_wait_for() */

	struct store *store;  /* for writing; NULL once the committer has it */
	struct store *reader; /* this thread's */
	struct committer *committer;
	struct switches *switches;
	struct units *units;
	struct engine *engine;
	struct ingest ingest;
	struct commits commits;
	struct callers callers;
	struct timers timers;
	uint64_t look_ns; /* when timers are to be looked at; 0: never */
	bool begun;       /* the capture's time is known */

	struct backend_row *rows; /* one for each trigger */
	size_t row_count;
};

/* ---- what the server's parts call ---- */

static void on_reply(void *user, const struct endpoint *to _unused_, const void *bytes, size_t size)
{
	struct backend *backend = user;

	backend->options.reply(backend->options.user, bytes, size);
}

static struct backend_row *find_row(
	struct backend *backend, const char *function, uint32_t event_id)
{
	for (size_t i = 0; i < backend->row_count; i++)
		if (backend->rows[i].event_id == event_id &&
			strcmp(backend->rows[i].function, function) == 0)
			return &backend->rows[i];
	return NULL;
}

/* Each event comes by in exactly one result; if one is not committed, the replay fails. */
static void note_result(struct backend *backend, const struct result *result)
{
	const struct outcome *outcome = &result->outcome;
	struct result_iterator iterator;
	struct finished_event event;
	struct backend_row *row;

	result_iterate(result, &iterator);
	while (result_next(&iterator, &event)) {
		row = find_row(backend, outcome->function, event.event_id);
		if (row)
			row->events++;
	}
	for (size_t i = 0; i < outcome->alert_count; i++) {
		row = find_row(backend, outcome->function, outcome->alerts[i].event_id);
		if (row)
			row->alerts++;
	}
	for (size_t i = 0; i < outcome->dead_letter_count; i++) {
		row = find_row(backend, outcome->function, outcome->dead_letters[i].event_id);
		if (row)
			row->dead_letters++;
	}
}

static void on_commit(void *user, struct result *result)
{
	struct backend *backend = user;

	note_result(backend, result);
	commits_submit(&backend->commits, result);
}

static int on_load_state(void *user, const struct state_range *range, state_row_fn row, void *arg)
{
	struct backend *backend = user;

	return store_load_state(backend->reader, range, row, arg);
}

/* In the capture's time, like everything else. */
static uint64_t on_raised(void *user _unused_, uint64_t event_time_ns)
{
	return event_time_ns;
}

static const struct engine_ops engine_ops = {
	.commit = on_commit,
	.load_state = on_load_state,
	.raised_ns = on_raised,
};

static void on_committer_done(void *user)
{
	loop_wake(user);
}

static void on_wake(void *user)
{
	struct backend *backend = user;

	commits_collect(&backend->commits);
	loop_stop(backend->loop);
}

static void on_tick(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct backend *backend = timer->user;

	loop_stop(backend->loop);
}

/* ---- making it ---- */

static int open_stores(struct backend *backend, char **ret_error)
{
	const char *path = backend->config->store;
	int r;

	r = store_open(path, STORE_RELAXED, &backend->store, ret_error);
	if (r == 0)
		r = store_open(path, STORE_READ_ONLY, &backend->reader, ret_error);
	if (r < 0)
		return error_set(ret_error, r, "%s: %s", path, strerror(-r));
	r = committer_new(backend->store, on_committer_done, backend->loop, &backend->committer);
	if (r < 0)
		return error_set(
			ret_error, r, "cannot start the committing thread: %s", strerror(-r));
	backend->store = NULL; /* the committer's now */
	return 0;
}

static int start_functions(struct backend *backend)
{
	const struct engine_options options = {
		.runtime_dir = backend->config->runtime_dir,
		.runtimes = backend->config->runtimes.items,
		.runtime_count = backend->config->runtimes.count,
	};
	struct config *config = backend->config;
	int r;

	r = switches_new(1, &backend->switches);
	if (r < 0)
		return r;
	backend->units = units_new();
	if (!backend->units)
		return -ENOMEM;
	backend->ingest = (struct ingest){
		.switches = backend->switches,
		.units = backend->units,
		.reply = on_reply,
		.user = backend,
	};
	backend->commits = (struct commits){
		.ingest = &backend->ingest,
		.committer = backend->committer,
		.callers = &backend->callers,
	};
	backend->callers.loop = backend->loop;
	for (size_t i = 0; i < config->function_count; i++) {
		config->functions[i].queue_max = MAX(config->functions[i].queue_max, QUEUE_MIN);
		/* Nothing depends on how fast it goes. */
		config->functions[i].patience_ns = 0;
		config->functions[i].min = config->functions[i].max;
	}
	r = engine_new(backend->loop, &options, &engine_ops, backend, &backend->engine);
	if (r < 0)
		return r;
	return units_configure(backend->units, backend->engine, config, clock_monotonic_ns());
}

static int make_rows(struct backend *backend)
{
	const struct units *units = backend->units;

	backend->rows = calloc(units->trigger_count + 1, sizeof(*backend->rows));
	if (!backend->rows)
		return -ENOMEM;
	for (size_t i = 0; i < units->trigger_count; i++)
		backend->rows[i] = (struct backend_row){
			.event_id = units->triggers[i].event_id,
			.function = units->units[units->triggers[i].function].config->name,
		};
	backend->row_count = units->trigger_count;
	return 0;
}

int backend_new(struct loop *loop, struct config *config, const struct backend_options *options,
	struct backend **ret_backend, char **ret_error)
{
	_cleanup_(backend_freep) struct backend *backend = calloc(1, sizeof(*backend));
	int r;

	if (!backend) {
		config_free(config);
		return -ENOMEM;
	}
	backend->loop = loop;
	backend->config = config;
	backend->options = *options;
	backend->tick = (struct loop_timer){.fn = on_tick, .user = backend};
	loop_on_wake(loop, on_wake, backend);
	r = open_stores(backend, ret_error);
	if (r == 0)
		r = start_functions(backend);
	if (r == 0)
		r = make_rows(backend);
	if (r < 0)
		return error_set(ret_error, r, "cannot start the functions: %s", strerror(-r));
	*ret_backend = TAKE_PTR(backend);
	return 0;
}

void backend_free(struct backend *backend)
{
	if (!backend)
		return;
	loop_disarm_timer(&backend->tick);
	loop_on_wake(backend->loop, NULL, NULL);
	backend->commits.closed = true;
	/* What is queued is committed and reported while the engine still knows of it. */
	if (backend->committer)
		committer_stop(backend->committer);
	if (backend->engine) {
		commits_collect(&backend->commits);
		engine_free(backend->engine);
	}
	committer_free(backend->committer);
	units_free(backend->units);
	timers_done(&backend->timers);
	switches_free(backend->switches);
	store_close(backend->reader);
	store_close(backend->store);
	config_free(backend->config);
	free(backend->rows);
	free(backend->error);
	free(backend);
}

/* ---- waiting ---- */

/* A function that cannot run would otherwise be waited for without end. */
static int check_unit(struct backend *backend, const struct unit *unit, bool starting)
{
	struct function_stats stats;

	if (!unit->config)
		return 0;
	if (!unit->function)
		return error_set(&backend->error, -ENOEXEC,
			"function %s cannot be started; the line above says why",
			unit->config->name);
	function_stats(unit->function, &stats);
	if (strcmp(stats.state, "failed") != 0 && !(starting && stats.error))
		return 0;
	return error_set(&backend->error, -ENOEXEC, "function %s: %s", unit->config->name,
		stats.error ? stats.error : "does not start");
}

static int check(struct backend *backend, bool starting)
{
	if (*backend->options.interrupted)
		return -EINTR;
	if (backend->commits.refused > 0)
		return error_set(&backend->error, backend->commits.last_error,
			"%s: cannot commit: %s", backend->config->store,
			strerror(-backend->commits.last_error));
	for (size_t i = 0; i < UNITS_MAX; i++) {
		int r = check_unit(backend, &backend->units->units[i], starting);

		if (r < 0)
			return r;
	}
	return 0;
}

static int run_until(
	struct backend *backend, bool (*until)(const struct backend *backend), bool starting)
{
	int r = 0;

	while (r == 0 && !until(backend)) {
		r = check(backend, starting);
		if (r < 0)
			break;
		backend->options.waiting(backend->options.user);
		loop_arm_timer(backend->loop, &backend->tick, clock_monotonic_ns() + TICK_NS);
		r = loop_run(backend->loop);
	}
	loop_disarm_timer(&backend->tick);
	return r;
}

static void unit_stats(const struct unit *unit, struct function_stats *ret_stats)
{
	*ret_stats = (struct function_stats){.state = "ready"};
	if (unit->function)
		function_stats(unit->function, ret_stats);
}

static bool is_ready(const struct backend *backend)
{
	struct function_stats stats;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		const struct unit *unit = &backend->units->units[i];

		unit_stats(unit, &stats);
		if ((unit->config && !unit->function) || strcmp(stats.state, "ready") != 0)
			return false;
	}
	return true;
}

static bool has_room(const struct backend *backend)
{
	struct function_stats stats;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		const struct unit *unit = &backend->units->units[i];

		unit_stats(unit, &stats);
		if (unit->function && stats.queued + V1_EVENTS_MAX > unit->config->queue_max)
			return false;
	}
	return true;
}

static bool is_idle(const struct backend *backend)
{
	struct function_stats stats;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		unit_stats(&backend->units->units[i], &stats);
		if (stats.queued > 0)
			return false;
	}
	return backend->commits.under_way == 0;
}

static bool is_wanted(const struct backend *backend)
{
	return *backend->wanted;
}

int backend_wait_ready(struct backend *backend)
{
	return run_until(backend, is_ready, true);
}

/* Schedules begin with the capture, and each time that is due comes, in its turn: nobody is ever late here. */
static int pass_time(struct backend *backend, uint64_t now_ns)
{
	int r = 0;

	if (!backend->begun) {
		backend->begun = true;
		r = timers_configure(&backend->timers, backend->units, backend->config, now_ns);
		backend->look_ns = timers_run(&backend->timers, backend->units, now_ns);
	}
	while (r == 0 && backend->look_ns != 0 && backend->look_ns <= now_ns) {
		r = run_until(backend, has_room, false);
		if (r == 0)
			backend->look_ns =
				timers_run(&backend->timers, backend->units, backend->look_ns);
	}
	return r;
}

int backend_deliver(struct backend *backend, const void *bytes, size_t size, uint64_t now_ns)
{
	static const struct endpoint nobody = {0};
	int r = pass_time(backend, now_ns);

	if (r == 0)
		r = run_until(backend, has_room, false);
	if (r == 0)
		ingest_datagram(&backend->ingest, &nobody, bytes, size, now_ns);
	return r;
}

int backend_wait_for(struct backend *backend, const bool *done)
{
	backend->wanted = done;
	return run_until(backend, is_wanted, false);
}

/* What was encoded here is understood here, and there was room for it; else it would be lost. */
static int check_taken(struct backend *backend)
{
	const struct ingest_counters *counters = &backend->ingest.counters;
	uint64_t lost = counters->shed + counters->put_off + counters->too_many_switches;

	for (int error = 0; error < V1_ERROR_COUNT; error++)
		lost += counters->malformed[error];
	if (lost == 0)
		return 0;
	return error_set(&backend->error, -EPROTO,
		"the server's part did not take %llu of the events", (unsigned long long)lost);
}

int backend_drain(struct backend *backend)
{
	int r = run_until(backend, is_idle, false);

	return r < 0 ? r : check_taken(backend);
}

int backend_pump(struct backend *backend)
{
	int r;

	loop_arm_timer(backend->loop, &backend->tick, 1);
	r = loop_run(backend->loop);
	return r < 0 ? r : check(backend, false);
}

const struct unit *backend_find_path(const struct backend *backend, const char *path)
{
	const struct http_trigger *trigger =
		http_triggers_find(&backend->config->http_triggers, path);

	return trigger ? units_find_live(backend->units, trigger->function) : NULL;
}

struct callers *backend_callers(struct backend *backend)
{
	return &backend->callers;
}

/* ---- about it ---- */

char *backend_take_error(struct backend *backend)
{
	return TAKE_PTR(backend->error);
}

uint64_t backend_alerts(const struct backend *backend)
{
	return backend->commits.alerts;
}

static int compare_rows(const void *a, const void *b)
{
	const struct backend_row *left = a, *right = b;

	if (left->event_id != right->event_id)
		return left->event_id < right->event_id ? -1 : 1;
	return strcmp(left->function, right->function);
}

const struct backend_row *backend_rows(struct backend *backend, size_t *ret_count)
{
	qsort(backend->rows, backend->row_count, sizeof(*backend->rows), compare_rows);
	*ret_count = backend->row_count;
	return backend->rows;
}

struct store *backend_store(const struct backend *backend)
{
	return backend->reader;
}
