// SPDX-License-Identifier: BSD-2-Clause
/* Events whose handler's return value somebody waits for. */
#include "base/clock.h"
#include "base/log.h"
#include "event/render.h"
#include "tests/unit/engine/world.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define KEY "10.0.0.9"

static int setup(void **state _unused_)
{
	log_set_level(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	return schema_init();
}

static void world_begin_with(struct world *world, const char *handler)
{
	struct function_options o = options(handler);

	world_init(world);
	world_add(world, &o);
}

static void world_begin(struct world *world)
{
	world_begin_with(world, "answer.main");
}

static void call(struct world *world, uint32_t sequence, const char *said)
{
	const struct http_event record = {.size = 1};
	char data[128];

	snprintf(data, sizeof(data), "{\"method\":\"POST\",\"body\":{\"said\":\"%s\"}}", said);
	assert_int_equal(function_push(world->function,
				 &(struct event_run){
					 .event_id = EVENT_HTTP,
					 .epoch = 1,
					 .sequence = sequence,
					 .time_ns = 1763884800000000000ULL + sequence,
					 .records = &record,
					 .stride = sizeof(record),
					 .count = 1,
					 .origin = world,
					 .call = &(struct event_call){KEY, data},
				 }),
		1);
	world->want++;
}

static void assert_reply(const struct world *world, size_t number, const char *type,
	json_int_t calls, const char *said)
{
	json_t *reply = json_loads(world->replies[number].text, 0, NULL);
	const json_t *was = json_object_get(reply, "said");

	if (!reply)
		fail_msg("reply %zu is \"%s\"", number, world->replies[number].text);
	assert_string_equal(json_string_value(json_object_get(reply, "type")), type);
	assert_int_equal(json_integer_value(json_object_get(reply, "calls")), calls);
	if (said)
		assert_string_equal(json_string_value(was), said);
	json_decref(reply);
}

static void a_call_brings_back_what_the_handler_returns(void **state _unused_)
{
	struct world world;

	world_begin(&world);
	call(&world, 1, "hello");
	run_until(&world, all_finished);
	call(&world, 2, "hello");
	run_until(&world, all_finished);
	assert_reply(&world, 0, "http", 1, "hello");
	assert_reply(&world, 1, "http", 2, "hello");
	assert_string_equal(value_of(&world, KEY, "calls"), "2");
	world_done(&world);
}

static void calls_and_other_events_of_a_key_run_in_their_order(void **state _unused_)
{
	struct world world;

	world_begin(&world);
	for (uint32_t i = 0; i < 200; i++) {
		if (i % 50 == 49)
			call(&world, i, "hello");
		else
			assert_true(push_from(&world, 9, i, 1, ORDER_NONE));
		world.want = i + 1;
	}
	run_until(&world, all_finished);
	for (size_t i = 0; i < 4; i++)
		assert_reply(&world, 50 * i + 49, "http", (json_int_t)(50 * i + 50), "hello");
	assert_string_equal(world.replies[48].text, "(none)");
	assert_string_equal(value_of(&world, KEY, "calls"), "200");
	world_done(&world);
}

static void an_event_with_a_record_can_be_called_with(void **state _unused_)
{
	struct port_event record = {.syn = 7};
	struct world world;

	world_begin(&world);
	assert_int_equal(ip_parse(KEY, &record.srcip), 0);
	assert_int_equal(function_push(world.function,
				 &(struct event_run){
					 .event_id = EVENT_PORT,
					 .epoch = 1,
					 .records = &record,
					 .stride = sizeof(record),
					 .count = 1,
					 .origin = &world,
					 .call = &(struct event_call){"", ""},
				 }),
		1);
	world.want++;
	run_until(&world, all_finished);
	assert_reply(&world, 0, "port", 1, NULL);
	assert_string_equal(value_of(&world, KEY, "calls"), "1");
	world_done(&world);
}

static void a_batch_handler_is_called_with_it_alone(void **state _unused_)
{
	struct world world;

	if (strcmp(tested_runtime(), "perl") == 0)
		skip(); /* it has none */
	world_begin_with(&world, is_node() ? "answer.mainBatch" : "answer.main_batch");
	for (uint32_t i = 0; i < 10; i++)
		assert_true(push_from(&world, 9, i, 1, ORDER_NONE));
	call(&world, 10, "hello");
	call(&world, 11, "throw");
	call(&world, 12, "hello");
	world.want = 13;
	run_until(&world, all_finished);
	assert_reply(&world, 10, "http", 11, "hello");
	assert_non_null(strstr(world.replies[11].reason, "as told"));
	assert_reply(&world, 12, "http", 12, "hello");
	world_done(&world);
}

static void a_handler_that_returns_nothing_has_no_reply(void **state _unused_)
{
	struct world world;

	world_begin(&world);
	call(&world, 1, "nothing");
	run_until(&world, all_finished);
	assert_string_equal(world.replies[0].text, "(none)");
	assert_string_equal(world.replies[0].reason, "(none)");
	assert_string_equal(value_of(&world, KEY, "calls"), "1");
	world_done(&world);
}

static void assert_put_aside(const char *said, const char *reason)
{
	struct world world;

	world_begin(&world);
	call(&world, 1, said);
	call(&world, 2, "hello");
	run_until(&world, all_finished);
	assert_string_equal(world.replies[0].text, "(none)");
	if (!strstr(world.replies[0].reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, world.replies[0].reason);
	assert_int_equal(world.letter_count, 1);
	assert_non_null(strstr(world.letters[0].data, said));
	assert_reply(&world, 1, "http", 1, "hello");
	world_done(&world);
}

static void a_call_that_throws_is_put_aside_with_its_data(void **state _unused_)
{
	assert_put_aside("throw", "as told");
}

static void a_call_that_ends_its_worker_is_put_aside(void **state _unused_)
{
	assert_put_aside("exit", "exited");
}

static void a_reply_that_is_too_long_fails(void **state _unused_)
{
	if (strcmp(tested_runtime(), "perl") == 0)
		skip(); /* it has no limit of its own */
	assert_put_aside("endless", "2097");
}

static void a_refused_commit_is_answered_when_it_is_made_good(void **state _unused_)
{
	struct world world;

	world_begin(&world);
	world.commit_errors = 1;
	call(&world, 1, "hello");
	run_until(&world, all_finished);
	assert_int_equal(world.refusals, 1);
	assert_reply(&world, 0, "http", 1, "hello");
	assert_string_equal(value_of(&world, KEY, "calls"), "1");
	world_done(&world);
}

/* What is committed meanwhile is what it waits for. */
static bool is_mended(struct world *world)
{
	struct row *row = &world->rows[0];

	if (world->refusals > 0 && !row->used)
		*row = (struct row){.key = KEY, .name = "calls", .value = "1", .used = true};
	return all_finished(world);
}

static void a_call_that_was_put_aside_in_vain_may_yet_succeed(void **state _unused_)
{
	struct function_options o = options("answer.main");
	struct world world;

	skip_unless_native();
	o.attempts = 1;
	world_init(&world);
	world_add(&world, &o);
	world.commit_errors = 1;
	call(&world, 1, "again");
	run_until(&world, is_mended);
	assert_string_equal(world.replies[0].reason, "(none)");
	assert_reply(&world, 0, "http", 2, "hello");
	assert_int_equal(world.letter_count, 0);
	world_done(&world);
}

static void what_is_called_when_the_engine_ends_is_freed(void **state _unused_)
{
	struct world world;

	world_begin(&world);
	run_until(&world, is_ready);
	for (uint32_t i = 0; i < 10; i++)
		call(&world, i, "hello");
	world_done(&world);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_brings_back_what_the_handler_returns),
		cmocka_unit_test(calls_and_other_events_of_a_key_run_in_their_order),
		cmocka_unit_test(an_event_with_a_record_can_be_called_with),
		cmocka_unit_test(a_batch_handler_is_called_with_it_alone),
		cmocka_unit_test(a_handler_that_returns_nothing_has_no_reply),
		cmocka_unit_test(a_call_that_throws_is_put_aside_with_its_data),
		cmocka_unit_test(a_call_that_ends_its_worker_is_put_aside),
		cmocka_unit_test(a_reply_that_is_too_long_fails),
		cmocka_unit_test(a_refused_commit_is_answered_when_it_is_made_good),
		cmocka_unit_test(a_call_that_was_put_aside_in_vain_may_yet_succeed),
		cmocka_unit_test(what_is_called_when_the_engine_ends_is_freed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
