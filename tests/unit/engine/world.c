// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/engine/world.h"

#include "base/clock.h"
#include "event/key.h"
#include "event/render.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct row *find_row(struct world *world, const char *key, const char *name)
{
	struct row *free_row = NULL;

	for (size_t i = 0; i < ROWS_MAX; i++) {
		struct row *row = &world->rows[i];

		if (row->used && strcmp(row->key, key) == 0 && strcmp(row->name, name) == 0)
			return row;
		if (!row->used && !free_row)
			free_row = row;
	}
	assert_non_null(free_row);
	return free_row;
}

const char *value_of(struct world *world, const char *key, const char *name)
{
	struct row *row = find_row(world, key, name);

	return row->used ? row->value : "(none)";
}

static void take_writes(struct world *world, const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->write_count; i++) {
		const struct state_row *write = &outcome->writes[i];
		struct row *row = find_row(world, write->key, write->name);

		row->used = write->value != NULL;
		if (!row->used)
			continue;
		assert_int_equal(strlen(write->value), write->value_len);
		snprintf(row->key, sizeof(row->key), "%s", write->key);
		snprintf(row->name, sizeof(row->name), "%s", write->name);
		snprintf(row->value, sizeof(row->value), "%s", write->value);
	}
}

static void take_alerts(struct world *world, const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->alert_count && world->alert_count < 64; i++) {
		const struct alert *alert = &outcome->alerts[i];
		__typeof__(&world->alerts[0]) to = &world->alerts[world->alert_count++];

		snprintf(to->id, sizeof(to->id), "%s", alert->id);
		snprintf(to->title, sizeof(to->title), "%s", alert->title);
		snprintf(to->severity, sizeof(to->severity), "%s", alert->severity);
		snprintf(
			to->srcip, sizeof(to->srcip), "%s", alert->srcip ? alert->srcip : "(null)");
		snprintf(
			to->dstip, sizeof(to->dstip), "%s", alert->dstip ? alert->dstip : "(null)");
		snprintf(to->data, sizeof(to->data), "%s", alert->data ? alert->data : "(null)");
		to->srcport = alert->srcport;
		to->dstport = alert->dstport;
		to->protocol = alert->protocol;
	}
}

static void take_letters(struct world *world, const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->dead_letter_count && world->letter_count < 64; i++) {
		const struct dead_letter *letter = &outcome->dead_letters[i];
		__typeof__(&world->letters[0]) to = &world->letters[world->letter_count++];

		to->sequence = letter->sequence;
		to->attempts = letter->attempts;
		snprintf(to->reason, sizeof(to->reason), "%s", letter->reason);
		snprintf(to->data, sizeof(to->data), "%s", letter->data);
	}
}

static void take_reply(struct world *world, const struct finished_event *event)
{
	__typeof__(&world->replies[0]) to;

	if (world->finished_count >= ARRAY_SIZE(world->replies))
		return;
	to = &world->replies[world->finished_count];
	snprintf(to->text, sizeof(to->text), "%s", event->reply ? event->reply : "(none)");
	snprintf(to->reason, sizeof(to->reason), "%s", event->reason ? event->reason : "(none)");
}

static struct state_sum sum_of(const struct world *world)
{
	struct state_sum sum = {0};

	for (size_t i = 0; i < ROWS_MAX; i++) {
		const struct row *row = &world->rows[i];

		if (!row->used)
			continue;
		sum.entries++;
		sum.bytes += strlen(row->key) + strlen(row->name) + strlen(row->value);
	}
	return sum;
}

/* A mark says that all before is done, so nothing may be finished out of order. */
static void note_finished(struct world *world, const struct finished_event *event)
{
	uint64_t *done_to = &world->done_to[event->partition];

	assert_ptr_equal(event->origin, world);
	assert_true(world->finished_count < EVENTS_MAX);
	if (event->position < *done_to)
		fail_msg("%llu is finished after %llu of its partition",
			(unsigned long long)event->position, (unsigned long long)*done_to);
	*done_to = event->position;
	take_reply(world, event);
	world->finished[world->finished_count++] = (uint32_t)event->position;
}

static void on_commit_done(struct loop_timer *timer, uint64_t now_ns _unused_)
{
	struct world *world = timer->user;
	struct result *result = TAKE_PTR(world->result);
	struct result_iterator iterator;
	struct finished_event event;

	if (world->commit_errors > 0) {
		world->commit_errors--;
		world->refusals++;
		engine_committed(result, -ENOSPC);
		return;
	}
	world->commits++;
	take_writes(world, &result->outcome);
	*result->outcome.sum = sum_of(world);
	take_alerts(world, &result->outcome);
	take_letters(world, &result->outcome);
	result_iterate(result, &iterator);
	while (result_next(&iterator, &event)) {
		note_finished(world, &event);
	}
	world->largest = MAX(world->largest, result->event_count);
	engine_committed(result, 0);
}

static void commit(void *user, struct result *result)
{
	struct world *world = user;

	assert_null(world->result); /* one at a time, or a refusal could not be undone */
	assert_true(result->event_count > 0);
	world->result = result;
	loop_arm_timer(world->loop, &world->commit_timer, clock_monotonic_ns() + world->commit_ns);
}

static int sum_state(void *user, const char *function _unused_, struct state_sum *ret_sum)
{
	*ret_sum = sum_of(user);
	return 0;
}

void forget_value(struct world *world, const char *key, const char *name)
{
	find_row(world, key, name)->used = false;
	engine_sum_state(world->engine);
}

static struct state_row row_of(const struct row *row)
{
	return (struct state_row){
		key_hash_text(row->key), row->key, row->name, row->value, strlen(row->value)};
}

static int compare_places(
	const struct state_row *a, uint64_t hash, const char *key, const char *name)
{
	int r = a->hash < hash ? -1 : a->hash > hash;

	if (r == 0)
		r = strcmp(a->key, key);
	return r != 0 ? r : strcmp(a->name, name);
}

static int compare_rows(const void *a, const void *b)
{
	const struct state_row *other = b;

	return compare_places(a, other->hash, other->key, other->name);
}

static int load_state(void *user, const struct state_range *range, state_row_fn fn, void *arg)
{
	const struct state_place *after = range->after;
	static struct state_row rows[ROWS_MAX];
	struct world *world = user;
	size_t count = 0, given;
	int r = 0;

	world->loads += range->partition == 0 && !after;
	for (size_t i = 0; i < ROWS_MAX; i++) {
		struct state_row row = row_of(&world->rows[i]);

		if (world->rows[i].used && key_partition(row.hash) == range->partition &&
			(!range->hash || row.hash == *range->hash) &&
			(!after || compare_places(&row, after->hash, after->key, after->name) > 0))
			rows[count++] = row;
	}
	qsort(rows, count, sizeof(rows[0]), compare_rows);
	for (given = 0; given < MIN(count, range->limit) && r == 0; given++)
		r = fn(arg, &rows[given]);
	return r < 0 ? r : (int)given;
}

static void output(void *user, const char *function _unused_, const char *line)
{
	struct world *world = user;

	world->printed += strlen(line);
}

static const struct engine_ops ops = {
	.commit = commit, .sum_state = sum_state, .load_state = load_state, .output = output};

void skip_unless_native(void)
{
	if (strcmp(tested_runtime(), "native") != 0)
		skip();
}

const char *tested_runtime(void)
{
	const char *runtime = getenv("TESTED_RUNTIME");

	return runtime ? runtime : "nodejs";
}

bool is_node(void)
{
	return strcmp(tested_runtime(), "nodejs") == 0;
}

struct function_options options(const char *handler)
{
	static const char *const key[] = {"srcip", NULL};

	return (struct function_options){
		.name = "tested",
		.runtime = tested_runtime(),
		.handler = handler,
		.dir = strcmp(tested_runtime(), "native") == 0 ? TEST_NATIVE : TEST_FUNCTIONS,
		.key = key,
		.timeout_ns = 60 * NS_PER_SEC,
		.attempts = 3,
		.batch_max = 64,
		.queue_max = 4096,
	};
}

static void init(struct world *world, const struct isolation_level *level, unsigned int spares)
{
	/* As the server's file would name it. */
	static const char *const perl[] = {
		"/usr/bin/perl", TEST_RUNTIME "/example/worker.pl", NULL};
	static const char *const suffixes[] = {".pl", NULL}, *const paths[] = {
								     "/usr/share/perl", NULL};
	static const char *const liar[] = {"/usr/bin/python3", TEST_FUNCTIONS "/liar.py", NULL};
	static const char *const liar_suffixes[] = {".py", NULL};
	static const struct runtime_options runtimes[] = {
		{"perl", perl, suffixes, paths}, {"liar", liar, liar_suffixes, NULL}};
	const struct engine_options engine_options = {
		.runtime_dir = TEST_RUNTIME,
		.runtimes = runtimes,
		.runtime_count = ARRAY_SIZE(runtimes),
		.level = level,
		.spares = spares,
	};

	*world = (struct world){.commit_ns = NS_PER_MS, .epoch = 1};
	world->commit_timer = (struct loop_timer){.fn = on_commit_done, .user = world};
	assert_int_equal(loop_new(&world->loop), 0);
	assert_int_equal(engine_new(world->loop, &engine_options, &ops, world, &world->engine), 0);
}

void world_init(struct world *world)
{
	init(world, NULL, 0);
}

void world_init_with(struct world *world, const struct isolation_level *level)
{
	init(world, level, 0);
}

void world_init_spares(struct world *world, unsigned int spares)
{
	init(world, NULL, spares);
}

void world_add(struct world *world, const struct function_options *function_options)
{
	char *error = NULL;
	int r = engine_add(world->engine, function_options, &world->function, &error);

	if (r < 0)
		print_error("engine_add: %d: %s\n", r, error);
	assert_int_equal(r, 0);
}

void world_done(struct world *world)
{
	engine_free(world->engine);
	loop_free(world->loop);
}

static void on_watch(struct loop_timer *timer, uint64_t now_ns)
{
	struct world *world = timer->user;
	static uint64_t deadline;

	if (world->timed_out) {
		deadline = now_ns + TEST_NS;
		world->timed_out = false;
	}
	if (world->until(world)) {
		loop_stop(world->loop);
	} else if (now_ns > deadline) {
		world->timed_out = true;
		loop_stop(world->loop);
	} else {
		loop_arm_timer(world->loop, timer, now_ns + NS_PER_MS);
	}
}

void run_until(struct world *world, bool (*until)(struct world *world))
{
	struct function_stats stats;

	world->until = until;
	world->timed_out = true; /* sets the deadline */
	world->watch_timer = (struct loop_timer){.fn = on_watch, .user = world};
	loop_arm_timer(world->loop, &world->watch_timer, clock_monotonic_ns());
	assert_int_equal(loop_run(world->loop), 0);
	function_stats(world->function, &stats);
	if (world->timed_out)
		fail_msg("not there in time: state %s, error %s, queued %zu, finished %zu of %zu",
			stats.state, stats.error, stats.queued, world->finished_count, world->want);
}

bool all_finished(struct world *world)
{
	return world->finished_count >= world->want && !world->result;
}

bool is_ready(struct world *world)
{
	struct function_stats stats;

	function_stats(world->function, &stats);
	return strcmp(stats.state, "ready") == 0;
}

bool push_from(
	struct world *world, uint8_t source, uint32_t sequence, uint32_t syn, enum order order)
{
	struct port_event record = {.dstport = 80, .protocol = 6, .syn = syn, .udp = order};
	const struct event_run run = {
		.event_id = EVENT_PORT,
		.switch_id = 7,
		.epoch = world->epoch,
		.sequence = sequence,
		.time_ns = 1763884800000000000ULL + sequence,
		.records = &record,
		.stride = sizeof(record),
		.count = 1,
		.origin = world,
		.droppable = world->droppable,
	};

	assert_int_equal(ip_parse("10.0.0.0", &record.srcip), 0);
	record.srcip.bytes[15] = source;
	assert_int_equal(ip_parse("2001:db8::1", &record.dstip), 0);
	return function_push(world->function, &run) == 1;
}

bool push(struct world *world, uint32_t sequence, uint32_t syn, enum order order)
{
	return push_from(world, 3, sequence, syn, order);
}

void push_many(struct world *world, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_true(push(world, from + i, 1, ORDER_NONE));
	world->want += count;
}

void push_order(struct world *world, uint32_t sequence, enum order order)
{
	assert_true(push(world, sequence, 1, order));
	world->want++;
}

void assert_in_order(const struct world *world)
{
	assert_int_equal(world->finished_count, world->want);
	for (size_t i = 0; i < world->finished_count; i++)
		assert_int_equal(world->finished[i], i);
}
