// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/server/live_api.h"

#include "base/clock.h"
#include "tests/unit/store/fixture.h"

static void report_health(void *user, api_reason_fn fn, void *arg)
{
	const struct live_api *live = user;

	if (live->unhealthy)
		fn(arg, live->unhealthy);
}

static void report_status(void *user _unused_, struct api_status *ret_status)
{
	static const struct isolation_level level = {
		.layers = LAYERS_ALL & ~LAYER_BIT(LAYER_LANDLOCK),
		.lacks[LAYER_LANDLOCK] =
			(char *)"landlock_create_ruleset: Function not implemented",
	};

	*ret_status = (struct api_status){
		.config_path = "/etc/netlambda/server.json",
		.listen = "127.0.0.1:5000",
		.started_ns = clock_realtime_ns() - 3661 * NS_PER_SEC,
		.datagrams = 1000,
		.malformed = 1,
		.events = 4000,
		.alerts = 3,
		.switches = 2,
		.functions = 1,
		.isolation = &level,
	};
}

static const struct api_session sealed = {
	.name = "edge-7",
	.serial = "ab12",
	.cipher = "AES-256-GCM",
	.connected = true,
	.validated = true,
	.epoch = 3,
	.datagram_bytes = 1472,
	.datagrams = 12,
	.sessions = 2,
	.lanes = {{.name = "urgent"}, {.name = "port", .received = 9, .processed = 7, .waiting = 2},
		{.name = "last", .shed = 4, .lost = 4}, {.name = "update", .lost = 38}},
};

static void report_switches(void *user _unused_, api_switch_fn fn, void *arg)
{
	struct api_session session = sealed;
	const struct api_switch switches[] = {
		{.id = 1,
			.address = "10.0.0.1:4000",
			.first_seen_ns = clock_realtime_ns() - 60 * NS_PER_SEC,
			.last_seen_ns = clock_realtime_ns(),
			.sequence = 17,
			.transactions = 20,
			.events = 44,
			.duplicates = 3,
			.packets = 123456789,
			.bytes = 98765432100},
		{.id = 4294967295, .address = "[2001:db8::1]:4000"},
		{.id = 7, .session = &session, .address = "10.0.0.7:5005", .events = 47},
	};

	session.opened_ns = clock_realtime_ns() - 5 * NS_PER_SEC;
	session.until_ns = clock_realtime_ns() + 10 * 86400 * NS_PER_SEC + NS_PER_SEC / 2;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		fn(arg, &switches[i]);
}

static void report_functions(void *user _unused_, api_function_fn fn, void *arg)
{
	const struct api_function function = {
		.name = "port-scan",
		.runtime = "nodejs",
		.handler = "port-scan.main",
		.triggers = "port",
		.stats = {.events = 12,
			.alerts = 2,
			.queued = 5,
			.isolation = ISOLATION_BEST_EFFORT,
			.layers = LAYERS_ALL & ~LAYER_BIT(LAYER_LANDLOCK),
			.layers_chosen = true,
			.busy_ns = 1500 * NS_PER_MS,
			.worker_pids = {4711},
			.state = "ready",
			.error = "TypeError: \"x\" \xff\033[31m",
			/* 3 days and an hour ago, or a little more. */
			.error_ns = clock_realtime_ns() - (3 * 86400 + 3600 + 600) * NS_PER_SEC},
	};

	fn(arg, &function);
}

static void report_metrics(void *user _unused_, struct metrics *metrics)
{
	metrics_single(metrics, "netlambda_test", METRIC_GAUGE, "A test's.", 42);
}

static const struct api_ops ops = {
	.health = report_health,
	.status = report_status,
	.each_switch = report_switches,
	.each_function = report_functions,
	.metrics = report_metrics,
};

static void on_wake(void *user)
{
	struct live_api *live = user;

	if (live->api)
		api_alerts_committed(live->api);
	else
		loop_stop(live->loop);
}

static void *run_loop(void *user)
{
	struct live_api *live = user;

	return loop_run(live->loop) == 0 ? NULL : live;
}

void live_api_open(struct live_api *live)
{
	const struct api_options options = {.socket_path = live->socket, .store_path = live->db};
	_cleanup_free_ char *error = NULL;

	assert_int_equal(loop_new(&live->loop), 0);
	loop_on_wake(live->loop, on_wake, live);
	if (api_new(live->loop, &options, &ops, live, &live->api, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(pthread_create(&live->thread, NULL, run_loop, live), 0);
}

/* The API is the loop's thread's until that has ended. */
void live_api_close(struct live_api *live)
{
	struct api *api = live->api;
	void *failed;

	__atomic_store_n(&live->api, NULL, __ATOMIC_SEQ_CST);
	loop_wake(live->loop);
	pthread_join(live->thread, &failed);
	assert_null(failed);
	api_free(api);
	loop_free(live->loop);
}

int live_api_start(void **state)
{
	struct live_api *live = calloc(1, sizeof(*live));

	if (!live)
		return -1;
	strcpy(live->dir, "/tmp/netlambda-api.XXXXXX");
	if (!mkdtemp(live->dir))
		return -1;
	snprintf(live->socket, sizeof(live->socket), "%s/api.sock", live->dir);
	snprintf(live->db, sizeof(live->db), "%s/store.db", live->dir);
	live->store = open_store(live->db, STORE_RELAXED);
	live_api_open(live);
	*state = live;
	return 0;
}

int live_api_stop(void **state)
{
	struct live_api *live = *state;

	live_api_close(live);
	store_close(live->store);
	nftw(live->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(live);
	return 0;
}

void live_api_alert(struct live_api *live, const char *id, const char *function)
{
	struct alert alert = make_alert(id);
	const struct outcome outcome = {.function = function, .alerts = &alert, .alert_count = 1};

	alert.raised_ns = clock_realtime_ns();
	alert.time_ns = alert.raised_ns;
	assert_int_equal(store_commit(live->store, &outcome, 1), 0);
	loop_wake(live->loop);
}

void live_api_dead_letter(struct live_api *live, const char *function)
{
	const struct dead_letter letter = {
		.time_ns = clock_realtime_ns(),
		.switch_id = 7,
		.event_id = 1,
		.sequence = 3,
		.attempts = 3,
		.reason = "TypeError: boo",
		.data = "{\"syn\": 12}",
	};
	const struct outcome outcome = {
		.function = function, .dead_letters = &letter, .dead_letter_count = 1};

	assert_int_equal(store_commit(live->store, &outcome, 1), 0);
}
