// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/server/core.h"

#include "base/clock.h"
#include "event/render.h"
#include "event/schema.h"

#include <stdio.h>
#include <string.h>

#define TEST_NS (120 * NS_PER_SEC)

static int on_load_state(void *user, const struct state_range *range, state_row_fn row, void *arg)
{
	struct core *core = user;

	return store_load_state(core->reader, range, row, arg);
}

static void on_commit(void *user, struct result *result)
{
	struct core *core = user;

	if (core->before_commit)
		core->before_commit(core);
	commits_submit(&core->commits, result);
}

const char *const core_functions[CORE_FUNCTIONS] = {"tested", "other"};

static void on_dropped(void *user, struct function *function, const struct finished_event *event)
{
	struct core *core = user;
	const struct unit *unit = units_find(core->units, function);
	size_t slot = unit_slot(core->units, unit);

	if (!event->origin)
		return;
	if ((((struct stream *)event->origin)->id & 0xff) == STREAM_V1)
		ingest_drop(&core->ingest, slot, event, unit->next != NULL);
	else
		agents_drop(core->agents, slot, event, unit->next != NULL);
}

static const struct engine_ops engine_ops = {
	.commit = on_commit, .load_state = on_load_state, .dropped = on_dropped};

static void on_committer_done(void *user)
{
	struct core *core = user;

	if (core->committed)
		core->committed();
	loop_wake(core->loop);
}

static void on_wake(void *user)
{
	struct core *core = user;

	commits_collect(&core->commits);
	if (core->after_commits)
		core->after_commits(core);
}

static void on_reply(void *user, const struct endpoint *to _unused_, const void *bytes, size_t size)
{
	struct core *core = user;

	assert_true(core->ack_count < ARRAY_SIZE(core->acks));
	assert_true(v1_decode_ack(bytes, size, &core->acks[core->ack_count++]));
}

static void on_processed(void *user, struct agent *agent _unused_, uint8_t lane, uint64_t before)
{
	struct core *core = user;

	assert_true(before > core->processed[lane]);
	core->processed[lane] = before;
	if (core->on_processed)
		core->on_processed(core, lane, before);
}

static void on_room(void *user, struct agent *agent _unused_, uint8_t lane)
{
	struct core *core = user;

	core->rooms[lane]++;
	if (core->on_room)
		core->on_room(core, lane);
}

static void on_admitted(void *user, struct agent *agent _unused_, const struct v2_mark *mark)
{
	struct core *core = user;

	core->admitted = *mark;
	core->admissions++;
	memset(core->processed, 0, sizeof(core->processed));
}

static const struct agents_ops agents_ops = {on_processed, on_room, on_admitted};

static int restore_mark(void *user, const char *function, const struct mark *mark)
{
	struct core *core = user;
	uint32_t id = stream_switch(mark->stream);
	size_t slot = strcmp(function, core_functions[1]) == 0;
	struct stream *stream =
		(mark->stream & 0xff) == STREAM_V1
			? &switches_get(core->switches, id, 0)->stream
			: &agents_get(core->agents, id)->lanes[mark->stream & 0xff].stream;

	return stream_restore(stream, core->units, slot, mark);
}

static char *copy(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	return copy;
}

static struct function_config function_config(const struct core_options *options, size_t number)
{
	static const char *const by_source[] = {"srcip", NULL};
	const char *const *key = options->keys[number] ? options->keys[number] : by_source;
	struct function_config config = {
		.name = copy(core_functions[number]),
		.runtime = copy("nodejs"),
		.handler = copy(options->handler),
		.dir = copy(TEST_FUNCTIONS),
		.config = copy("{}"),
		.timeout_ns = 60 * NS_PER_SEC,
		.attempts = 100, /* what is told to fail shall not end as a dead letter */
		.batch_max = 64,
		.queue_max = (unsigned int)options->queue_max,
		.min = options->workers,
		.max = options->workers,
		.state_keys = (unsigned int)options->state_keys,
	};

	for (size_t i = 0; key[i]; i++)
		config.key[i] = copy(key[i]);
	return config;
}

/* As the server does with its file and what is deployed. */
static void configure(struct core *core)
{
	const size_t count = MAX(core->options.functions, 1U);
	struct config *config = calloc(1, sizeof(*config));

	assert_non_null(config);
	config->triggers = calloc(count, sizeof(config->triggers[0]));
	assert_non_null(config->triggers);
	for (size_t i = 0; i < count; i++) {
		config->functions[config->function_count++] = function_config(&core->options, i);
		config->triggers[config->trigger_count++] =
			(struct trigger_config){.event_id = EVENT_PORT, .function = i};
	}
	assert_int_equal(
		units_configure(core->units, core->engine, config, clock_monotonic_ns()), 0);
	config_free(config);
}

static void start_functions(struct core *core)
{
	const struct engine_options engine_options = {.runtime_dir = TEST_RUNTIME};

	assert_int_equal(
		engine_new(core->loop, &engine_options, &engine_ops, core, &core->engine), 0);
	configure(core);
	for (size_t i = 0; i < MAX(core->options.functions, 1U); i++)
		if (!core->units->units[i].function)
			fail_msg("%s", core->units->units[i].error);
}

void core_rekey(struct core *core, size_t function, const char *const *key)
{
	core->options.keys[function] = key;
	configure(core);
}

static void on_unit_removed(void *user _unused_, size_t slot _unused_, bool replaced)
{
	assert_true(replaced);
}

bool core_settle(struct core *core, uint64_t now_ns)
{
	bool waiting = false;

	for (size_t i = 0; i < CORE_FUNCTIONS; i++) {
		struct unit *unit = &core->units->units[i];

		units_settle(core->units, core->engine, unit, now_ns, on_unit_removed, core);
		waiting |= unit->retired;
	}
	return waiting;
}

static void open_stores(struct core *core, const char *path)
{
	_cleanup_free_ char *error = NULL;
	struct store *store = NULL;

	if (store_open(path, 0, &store, &error) < 0 ||
		store_open(path, STORE_READ_ONLY, &core->reader, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(committer_new(store, on_committer_done, core, &core->committer), 0);
}

void core_open(struct core *core, const struct core_options *options)
{
	const struct agents_source source = {
		.loop = core->loop, .commits = &core->commits, .ops = &agents_ops, .user = core};
	struct agents_options agents_options = {.max = 4, .incarnations = {1, 1000000}};
	struct agents_source with = source;

	core->options = *options;
	assert_int_equal(schema_init(), 0);
	assert_int_equal(loop_new(&core->loop), 0);
	loop_on_wake(core->loop, on_wake, core);
	open_stores(core, options->path);
	assert_int_equal(switches_new(4, &core->switches), 0);
	core->units = units_new();
	core->ingest = (struct ingest){
		.switches = core->switches, .units = core->units, .reply = on_reply, .user = core};
	core->commits = (struct commits){.ingest = &core->ingest, .committer = core->committer};
	start_functions(core);
	for (size_t i = 0; i < V2_LANES; i++)
		agents_options.window[i] = options->window;
	if (options->incarnations.burst > 0)
		agents_options.incarnations = options->incarnations;
	with.loop = core->loop;
	with.units = core->units;
	assert_int_equal(agents_new(&agents_options, &with, &core->agents), 0);
	core->commits.agents = core->agents;
	core->ingest.agents = core->agents;
	assert_int_equal(agents_restore(core->agents, core->reader), 0);
	core->agent = agents_get(core->agents, CORE_SWITCH);
	assert_non_null(core->agent);
	for (size_t i = 0; i < V2_LANES; i++)
		core->processed[i] = core->agent->lanes[i].stream.processed;
	assert_int_equal(store_each_mark(core->reader, NULL, restore_mark, core), 0);
}

void core_close(struct core *core)
{
	loop_on_wake(core->loop, NULL, NULL);
	loop_disarm_timer(&core->watch);
	core->commits.closed = true;
	committer_stop(core->committer);
	commits_collect(&core->commits);
	engine_free(core->engine);
	committer_free(core->committer);
	agents_free(core->agents);
	units_free(core->units);
	switches_free(core->switches);
	store_close(core->reader);
	loop_free(core->loop);
	*core = (struct core){0};
}

static void on_watch(struct loop_timer *timer, uint64_t now_ns)
{
	struct core *core = timer->user;

	if (core->until(core) || now_ns > core->deadline_ns)
		loop_stop(core->loop);
	else
		loop_arm_timer(core->loop, timer, now_ns + NS_PER_MS);
}

void core_run_until(struct core *core, bool (*until)(struct core *core))
{
	core->until = until;
	core->deadline_ns = clock_monotonic_ns() + TEST_NS;
	core->watch = (struct loop_timer){.fn = on_watch, .user = core};
	loop_arm_timer(core->loop, &core->watch, 1);
	assert_int_equal(loop_run(core->loop), 0);
	if (!until(core))
		fail_msg(
			"not there in time: queued %zu, lane 1: processed %llu base %llu next %llu",
			core_stats(core).queued, (unsigned long long)core->processed[1],
			(unsigned long long)core->agent->lanes[1].stream.base,
			(unsigned long long)core->agent->lanes[1].stream.next);
}

static bool is_processed(struct core *core)
{
	return core->processed[core->wanted_lane] >= core->wanted;
}

void core_run_to(struct core *core, uint8_t lane, uint64_t before)
{
	core->wanted_lane = lane;
	core->wanted = before;
	core_run_until(core, is_processed);
	assert_int_equal(core->processed[lane], before);
}

static bool is_admitted(struct core *core)
{
	return core->agent->next_boot == 0;
}

enum v2_admission core_hello(struct core *core, uint64_t boot, uint64_t epoch, struct v2_mark *ret)
{
	const struct v2_hello hello = {.boot = boot, .epoch = epoch};
	enum v2_admission admission = agent_hello(core->agent, &hello, ret);

	if (admission != V2_ADMIT_NEW)
		return admission;
	core_run_until(core, is_admitted);
	*ret = core->admitted;
	return admission;
}

uint64_t core_offer(struct core *core, uint8_t lane, uint8_t source, uint64_t count, uint32_t syn)
{
	static struct port_event records[4096];
	const struct agent_run run = {
		.event_id = EVENT_PORT,
		.sequence = agent_next(core->agent, lane),
		.count = count,
		.records = records,
		.stride = sizeof(records[0]),
		.time_ns = 1763884800000000000ULL,
	};

	assert_true(count <= ARRAY_SIZE(records));
	for (uint64_t i = 0; i < count; i++) {
		records[i] = (struct port_event){.dstport = 80, .syn = syn + (uint32_t)i};
		assert_int_equal(ip_parse("10.0.0.0", &records[i].srcip), 0);
		records[i].srcip.bytes[15] = source;
	}
	if (lane < V2_LANES_ACKED)
		return agent_offer(core->agent, lane, &run);
	agent_update(core->agent, &run);
	return count;
}

struct wanted {
	const char *key, *name;
	char *text;
};

static int find_row(void *user, const struct state_row *row)
{
	struct wanted *wanted = user;

	if (strcmp(row->key, wanted->key) == 0 && strcmp(row->name, wanted->name) == 0)
		snprintf(wanted->text, 64, "%s", row->value);
	return 0;
}

const char *core_state(struct core *core, const char *key, const char *name, char text[static 64])
{
	struct wanted wanted = {key, name, text};

	text[0] = '\0';
	assert_int_equal(store_each_state(core->reader, "tested", find_row, &wanted), 0);
	return text;
}

struct function_stats core_stats(const struct core *core)
{
	struct function_stats stats;

	function_stats(core->units->units[0].function, &stats);
	return stats;
}
