// SPDX-License-Identifier: BSD-2-Clause
#include "server/ingest.h"

#include "event/key.h"
#include "event/render.h"
#include "event/schema.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#define NOW_NS 1790000000000000000ULL

/* An ingest, at first without functions, whose answers are kept. */
struct bench {
	struct loop *loop;
	struct engine *engine;
	struct ingest ingest;
	struct endpoint switch_at;
	uint32_t acks[16];
	struct endpoint acked_to;
	size_t ack_count;
	uint32_t forgotten;
	unsigned int removals;
};

static void on_reply(void *user, const struct endpoint *to, const void *bytes, size_t size)
{
	struct bench *bench = user;

	assert_true(bench->ack_count < ARRAY_SIZE(bench->acks));
	assert_true(v1_decode_ack(bytes, size, &bench->acks[bench->ack_count++]));
	bench->acked_to = *to;
}

static struct endpoint endpoint(const char *text)
{
	struct endpoint endpoint;
	char *error = NULL;

	assert_int_equal(endpoint_parse(text, &endpoint, &error), 0);
	return endpoint;
}

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	if (!bench || schema_init() < 0 || switches_new(2, &bench->ingest.switches) < 0)
		return -1;
	bench->ingest.units = units_new();
	bench->ingest.units->units[0].division = divisions_get(&bench->ingest.units->divisions, "");
	bench->ingest.reply = on_reply;
	bench->ingest.user = bench;
	bench->switch_at = endpoint("10.0.0.9:4000");
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	engine_free(bench->engine);
	loop_free(bench->loop);
	units_free(bench->ingest.units);
	switches_free(bench->ingest.switches);
	free(bench);
	return 0;
}

static void build(
	struct v1_builder *builder, uint32_t switch_id, uint32_t sequence, int syn, bool ack)
{
	struct port_event port = {.dstport = 80, .protocol = 6, .syn = (uint32_t)syn};

	assert_int_equal(ip_parse("10.0.0.3", &port.srcip), 0);
	assert_int_equal(ip_parse("10.0.0.1", &port.dstip), 0);
	*builder = (struct v1_builder){0};
	v1_builder_start(builder, switch_id, sequence);
	assert_int_equal(v1_builder_add(builder, EVENT_PORT, &port, ack), 0);
}

static void arrive(struct bench *bench, const struct v1_builder *builder)
{
	ingest_datagram(&bench->ingest, &bench->switch_at, builder->bytes, builder->size, NOW_NS);
}

/* All events of id 1 go to a unit that cannot take any now, as one that is being replaced. */
static void route_to_unit_without_function(struct bench *bench)
{
	struct trigger_config *triggers = calloc(1, sizeof(*triggers));

	assert_non_null(triggers);
	triggers[0] = (struct trigger_config){.event_id = EVENT_PORT, .function = 0};
	bench->ingest.units->units[0].config = calloc(1, sizeof(struct function_config));
	bench->ingest.units->units[0].retired = !bench->ingest.units->units[0].function;
	bench->ingest.units->triggers = triggers;
	bench->ingest.units->trigger_count = 1;
}

static void on_dropped(
	void *user, struct function *function _unused_, const struct finished_event *event)
{
	struct bench *bench = user;

	ingest_drop(&bench->ingest, 0, event, bench->ingest.units->units[0].next != NULL);
}

/* The unit gets a function whose worker is never started: what it is given stays in its queue. */
static void start_function(struct bench *bench, size_t queue_max)
{
	static const struct engine_ops ops = {.dropped = on_dropped};
	const struct engine_options options = {.runtime_dir = "/nowhere"};
	const struct function_options function_options = {
		.name = "tested",
		.runtime = "nodejs",
		.handler = "sum.main",
		.dir = TEST_FUNCTIONS,
		.timeout_ns = 1,
		.attempts = 1,
		.batch_max = 1,
		.queue_max = queue_max,
	};
	_cleanup_free_ char *error = NULL;

	assert_int_equal(loop_new(&bench->loop), 0);
	assert_int_equal(engine_new(bench->loop, &options, &ops, bench, &bench->engine), 0);
	if (engine_add(bench->engine, &function_options, &bench->ingest.units->units[0].function,
		    &error) < 0)
		fail_msg("%s", error);
	route_to_unit_without_function(bench);
}

static size_t queued(const struct bench *bench)
{
	struct function_stats stats;

	function_stats(bench->ingest.units->units[0].function, &stats);
	return stats.queued;
}

static void what_no_function_takes_is_acknowledged_at_once(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	build(&builder, 7, 1, 1, true);
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 1);
	assert_int_equal(bench->acks[0], 1);
	assert_int_equal(bench->ingest.counters.unrouted, 1);
	assert_int_equal(bench->ingest.counters.events[1], 1);
}

static void what_is_only_for_a_function_that_cannot_be_is_acknowledged_at_once(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	route_to_unit_without_function(bench);
	bench->ingest.units->units[0].retired = false; /* nothing is to come in its place */
	build(&builder, 7, 1, 1, true);
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 1);
	assert_int_equal(bench->ingest.counters.unrouted, 1);
}

static void a_resend_is_acknowledged_again_and_counted_once(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	build(&builder, 7, 1, 1, true);
	arrive(bench, &builder);
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 2);
	assert_int_equal(bench->ingest.counters.events[1], 1);
	assert_int_equal(switches_at(bench->ingest.switches, 0)->receiver.duplicates, 1);
}

static void unacknowledged_events_get_no_answer(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	build(&builder, 7, 1, 1, false);
	arrive(bench, &builder);
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 0);
	assert_int_equal(bench->ingest.counters.events[0], 2);
}

static void a_refused_transaction_is_not_acknowledged_until_it_is_taken(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	route_to_unit_without_function(bench);
	build(&builder, 7, 1, 1, true);
	arrive(bench, &builder);
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 0);
	assert_int_equal(bench->ingest.counters.put_off, 2);
	assert_int_equal(bench->ingest.counters.events[1], 1); /* counted once for all attempts */

	bench->ingest.units->trigger_count = 0;
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 1);
}

static void unacknowledged_events_that_are_refused_are_counted_as_shed(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	route_to_unit_without_function(bench);
	build(&builder, 7, 1, 1, false);
	arrive(bench, &builder);
	assert_int_equal(bench->ingest.counters.shed, 1);
}

static struct mark mark_of(const struct v1_builder *builder, uint32_t sequence)
{
	struct mark mark = {.key = "",
		.stream = stream_id(7, STREAM_V1),
		.incarnation = {sequence, v1_digest(builder->bytes, builder->size)}};

	for (size_t i = 0; i < PARTITIONS; i++)
		mark.positions[i] = 1;
	return mark;
}

/* As after a restart of the server: committed, but the acknowledgement got lost. */
static void restore(struct bench *bench, const struct mark *mark)
{
	struct switch_ *sw = switches_get(bench->ingest.switches, 7, NOW_NS);

	assert_non_null(sw);
	assert_int_equal(stream_restore(&sw->stream, bench->ingest.units, 0, mark), 0);
}

static void a_transaction_that_the_marks_know_is_not_run_again(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;
	struct mark mark;

	start_function(bench, 10);
	build(&builder, 7, 5, 1, true);
	mark = mark_of(&builder, 5);
	restore(bench, &mark);
	arrive(bench, &builder);
	assert_int_equal(queued(bench), 0);
	assert_int_equal(bench->ack_count, 1);
	assert_int_equal(bench->acks[0], 5);
}

static void build_of_sources(struct v1_builder *builder, uint8_t sources)
{
	struct port_event port = {.dstport = 80};

	*builder = (struct v1_builder){0};
	v1_builder_start(builder, 7, 5);
	assert_int_equal(ip_parse("10.0.0.0", &port.srcip), 0);
	for (uint8_t i = 0; i < sources; i++) {
		port.srcip.bytes[15] = i;
		assert_int_equal(v1_builder_add(builder, EVENT_PORT, &port, true), 0);
	}
}

/* The function had the key "srcip" when the server ended. Now it has none, and so one partition. */
static void a_transaction_that_was_begun_by_another_key_is_gone_on_with(void **state)
{
	enum { SOURCES = 8 };
	const unsigned int partition = key_partition(key_hash_text("10.0.0.3"));
	struct bench *bench = *state;
	struct v1_builder builder;
	struct mark mark;
	size_t done = 0;

	start_function(bench, 10);
	build_of_sources(&builder, SOURCES);
	mark = mark_of(&builder, 5);
	mark.key = "srcip";
	memset(mark.positions, 0, sizeof(mark.positions));
	mark.positions[partition] = 4;
	for (unsigned int i = 0; i < 4; i++) {
		char source[16];

		snprintf(source, sizeof(source), "10.0.0.%u", i);
		done += key_partition(key_hash_text(source)) == partition;
	}
	restore(bench, &mark);
	arrive(bench, &builder);
	assert_int_equal(queued(bench), SOURCES - done);
	assert_int_equal(bench->ack_count, 0);
	/* Another transaction: of it the mark says nothing. */
	stream_forget(&switches_at(bench->ingest.switches, 0)->stream);
	assert_null(switches_at(bench->ingest.switches, 0)->stream.progress[0]->earlier);
}

static void a_full_queue_gets_the_rest_when_the_transaction_comes_again(void **state)
{
	struct bench *bench = *state;
	struct port_event port = {.dstport = 80};
	struct v1_builder builder = {0};
	struct stream *stream;

	start_function(bench, 2);
	v1_builder_start(&builder, 7, 1);
	for (uint32_t i = 0; i < 3; i++) {
		port.syn = i;
		assert_int_equal(v1_builder_add(&builder, EVENT_PORT, &port, true), 0);
	}
	arrive(bench, &builder);
	stream = &switches_at(bench->ingest.switches, 0)->stream;
	assert_int_equal(queued(bench), 2);
	assert_int_equal(stream->next, 2);
	assert_int_equal(bench->ingest.counters.put_off, 1);
	arrive(bench, &builder);
	assert_int_equal(queued(bench), 2); /* not twice */
	assert_int_equal(bench->ingest.counters.put_off, 2);
	assert_int_equal(bench->ingest.counters.events[1], 3); /* counted once */
	assert_int_equal(bench->ack_count, 0);
}

static void a_new_transaction_waits_for_what_is_left_of_another(void **state)
{
	struct bench *bench = *state;
	struct v1_builder first, second;

	start_function(bench, 10);
	build(&first, 7, 9, 1, true);
	build(&second, 7, 1, 2, true);
	arrive(bench, &first);
	v1_receiver_abandon(&switches_at(bench->ingest.switches, 0)->receiver);
	arrive(bench, &second); /* its agent was restarted */
	assert_int_equal(queued(bench), 1);
	assert_int_equal(bench->ingest.counters.pending_resends, 1);
}

static void a_removed_unit_frees_what_waits_for_it(void **state)
{
	struct bench *bench = *state;
	struct unit *unit = &bench->ingest.units->units[0];
	struct v1_builder builder;

	start_function(bench, 10);
	build(&builder, 7, 1, 1, true);
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 0);
	engine_remove(unit->function);
	unit->function = NULL;
	ingest_forget_unit(&bench->ingest, 0);
	assert_int_equal(bench->ack_count, 1); /* nobody else waits for it */
}

static void what_a_replaced_unit_had_not_done_is_its_successors(void **state)
{
	struct bench *bench = *state;
	struct unit *unit = &bench->ingest.units->units[0];
	struct v1_builder builder;

	start_function(bench, 10);
	build(&builder, 7, 1, 1, true);
	arrive(bench, &builder);
	unit->next = calloc(1, sizeof(*unit->next));
	unit->retired = true;
	engine_remove(unit->function);
	unit->function = NULL;
	assert_int_equal(bench->ack_count, 0);
	arrive(bench, &builder); /* it is not there yet */
	assert_int_equal(bench->ack_count, 0);
	assert_int_equal(bench->ingest.counters.put_off, 1);
}

static void on_removed(void *user, size_t slot _unused_, bool replaced _unused_)
{
	struct bench *bench = user;

	bench->removals++;
}

static void retire(struct bench *bench)
{
	struct unit *unit = &bench->ingest.units->units[0];
	struct function_config *next = calloc(1, sizeof(*next));

	unit->config->name = strdup("tested");
	/* Which the engine refuses: what comes after is not tried here. */
	*next = (struct function_config){.name = strdup("tested"),
		.runtime = strdup("none"),
		.handler = strdup("sum.main"),
		.dir = strdup("/")};
	unit->next = next;
	unit->retired = true;
}

static bool settle(struct bench *bench)
{
	struct units *units = bench->ingest.units;

	return units_settle(
		units, bench->engine, &units->units[0], 1000 * NS_PER_SEC, on_removed, bench);
}

static void a_retired_unit_gives_up_its_queue_in_the_end(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	start_function(bench, 10);
	build(&builder, 7, 1, 1, true);
	arrive(bench, &builder);
	retire(bench);
	assert_true(settle(bench));
	assert_int_equal(bench->removals, 1);
}

/* An agent that was restarted may send, byte for byte, what the one before it sent long ago. */
static void marks_of_an_earlier_agent_do_not_swallow_a_new_transaction(void **state)
{
	struct bench *bench = *state;
	struct v1_builder first, second;
	struct mark mark;

	build(&first, 7, 1, 1, true);
	build(&second, 7, 2, 1, true);
	mark = mark_of(&second, 2);
	restore(bench, &mark);
	arrive(bench, &first); /* no function takes it: acknowledged at once */
	assert_int_equal(bench->ack_count, 1);

	route_to_unit_without_function(bench);
	arrive(bench, &second); /* the function has to have it, and cannot now */
	assert_int_equal(bench->ingest.counters.put_off, 1);
	assert_int_equal(bench->ack_count, 1);
}

static void malformed_datagrams_are_counted_by_cause_and_change_nothing(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	build(&builder, 7, 1, 1, true);
	builder.bytes[0] = 9;
	arrive(bench, &builder);
	ingest_datagram(&bench->ingest, &bench->switch_at, "\x01", 1, NOW_NS);
	assert_int_equal(bench->ingest.counters.malformed[V1_BAD_VERSION], 1);
	assert_int_equal(bench->ingest.counters.malformed[V1_SHORT], 1);
	assert_int_equal(switches_count(bench->ingest.switches), 0);
	assert_int_equal(bench->ack_count, 0);
}

static void invented_switches_stop_at_the_cap(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;

	for (uint32_t id = 1; id <= 5; id++) {
		build(&builder, id, 1, 1, true);
		arrive(bench, &builder);
	}
	assert_int_equal(switches_count(bench->ingest.switches), 2);
	assert_int_equal(bench->ingest.counters.too_many_switches, 3);
	assert_int_equal(bench->ack_count, 2);
}

static void arrive_at(struct bench *bench, uint32_t id, uint64_t now_ns)
{
	struct v1_builder builder;

	build(&builder, id, 1, 1, true);
	ingest_datagram(&bench->ingest, &bench->switch_at, builder.bytes, builder.size, now_ns);
}

static void note_forgotten(void *user, const struct switch_ *sw)
{
	struct bench *bench = user;

	assert_int_equal(bench->forgotten, 0);
	bench->forgotten = sw->id;
}

/* Else whoever invents ids keeps the real ones out for ever. */
static void a_switch_not_heard_of_for_long_makes_room(void **state)
{
	struct bench *bench = *state;
	const uint64_t later_ns = NOW_NS + SWITCH_IDLE_NS;

	switches_watch(bench->ingest.switches, note_forgotten, bench);
	arrive_at(bench, 1, NOW_NS);
	arrive_at(bench, 2, NOW_NS);
	arrive_at(bench, 1, later_ns);
	arrive_at(bench, 3, later_ns - 1);
	assert_int_equal(bench->ingest.counters.too_many_switches, 1);
	assert_int_equal(bench->forgotten, 0);
	arrive_at(bench, 3, later_ns + SWITCH_IDLE_NS / 100);
	assert_int_equal(bench->forgotten, 2);
	assert_int_equal(switches_count(bench->ingest.switches), 2);
	assert_int_equal(switches_at(bench->ingest.switches, 0)->id, 1);
	assert_int_equal(switches_at(bench->ingest.switches, 1)->id, 3);
	assert_int_equal(bench->ingest.counters.too_many_switches, 1);
}

static void a_switch_with_something_under_way_is_not_forgotten(void **state)
{
	struct bench *bench = *state;

	start_function(bench, 10);
	arrive_at(bench, 1, NOW_NS);
	arrive_at(bench, 2, NOW_NS);
	arrive_at(bench, 3, NOW_NS + 10 * SWITCH_IDLE_NS);
	assert_int_equal(bench->ingest.counters.too_many_switches, 1);
	assert_int_equal(switches_count(bench->ingest.switches), 2);
	assert_int_equal(queued(bench), 2);
}

static void only_allowed_switches_are_listened_to(void **state)
{
	static const uint32_t allowed[] = {3, 7, 9};
	struct bench *bench = *state;

	bench->ingest.allowed = allowed;
	bench->ingest.allowed_count = ARRAY_SIZE(allowed);
	arrive_at(bench, 7, NOW_NS);
	arrive_at(bench, 8, NOW_NS);
	assert_int_equal(bench->ingest.counters.foreign_switches, 1);
	assert_int_equal(switches_count(bench->ingest.switches), 1);
	assert_int_equal(bench->ack_count, 1);
}

static void the_answer_goes_where_the_last_resend_came_from(void **state)
{
	struct bench *bench = *state;
	struct v1_builder builder;
	struct switch_ *sw = switches_get(bench->ingest.switches, 7, NOW_NS);
	char text[ENDPOINT_TEXT_MAX];
	uint64_t incarnation[2] = {1, 0};

	assert_non_null(sw);
	build(&builder, 7, 1, 1, true);
	incarnation[1] = v1_digest(builder.bytes, builder.size);
	sw->transaction = (struct transaction){1, incarnation[1], 1, {.len = 0}};
	v1_receiver_begin(&sw->receiver, 1, incarnation[1]);
	stream_begin(&sw->stream, incarnation, 0);

	bench->switch_at = endpoint("10.0.0.9:4001");
	arrive(bench, &builder);
	assert_int_equal(bench->ack_count, 0);
	sw->stream.processed = 1;
	ingest_processed(&bench->ingest, &sw->stream);
	assert_int_equal(bench->ack_count, 1);
	assert_string_equal(endpoint_render(&bench->acked_to, text), "10.0.0.9:4001");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_no_function_takes_is_acknowledged_at_once),
		TEST(what_is_only_for_a_function_that_cannot_be_is_acknowledged_at_once),
		TEST(a_resend_is_acknowledged_again_and_counted_once),
		TEST(unacknowledged_events_get_no_answer),
		TEST(a_refused_transaction_is_not_acknowledged_until_it_is_taken),
		TEST(unacknowledged_events_that_are_refused_are_counted_as_shed),
		TEST(a_transaction_that_the_marks_know_is_not_run_again),
		TEST(a_transaction_that_was_begun_by_another_key_is_gone_on_with),
		TEST(a_full_queue_gets_the_rest_when_the_transaction_comes_again),
		TEST(a_new_transaction_waits_for_what_is_left_of_another),
		TEST(a_removed_unit_frees_what_waits_for_it),
		TEST(a_retired_unit_gives_up_its_queue_in_the_end),
		TEST(what_a_replaced_unit_had_not_done_is_its_successors),
		TEST(marks_of_an_earlier_agent_do_not_swallow_a_new_transaction),
		TEST(malformed_datagrams_are_counted_by_cause_and_change_nothing),
		TEST(invented_switches_stop_at_the_cap),
		TEST(a_switch_not_heard_of_for_long_makes_room),
		TEST(a_switch_with_something_under_way_is_not_forgotten),
		TEST(only_allowed_switches_are_listened_to),
		TEST(the_answer_goes_where_the_last_resend_came_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
