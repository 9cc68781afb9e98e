// SPDX-License-Identifier: BSD-2-Clause
#include "engine/function.h"
#include "engine/writes.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUEUE_EVENTS 4

/* A RESULT frame's payload, as docs/functions.md has it. */
static const uint8_t result_frame[] = {
	3,
	0,
	0,
	0, /* done */
	1,
	4,
	0,
	0,
	0,
	'o',
	'o',
	'p',
	's',
	0, /* the fourth failed */
	2,
	0,
	0,
	0, /* state changes */
	1,
	0,
	0,
	0,
	'k',
	0,
	1,
	0,
	0,
	0,
	'n',
	0, /* key, name */
	0,
	2,
	0,
	0,
	0,
	'4',
	'2',
	0, /* value */
	1,
	0,
	0,
	0,
	'k',
	0,
	1,
	0,
	0,
	0,
	'm',
	0,
	1, /* key, name, deleted */
	1,
	0,
	0,
	0, /* alerts */
	2,
	0,
	0,
	0,
	46,
	0,
	0,
	0, /* of the third event; length */
	'{',
	'"',
	't',
	'i',
	't',
	'l',
	'e',
	'"',
	':',
	'"',
	't',
	'"',
	',',
	'"',
	's',
	'e',
	'v',
	'e',
	'r',
	'i',
	't',
	'y',
	'"',
	':',
	'"',
	'l',
	'o',
	'w',
	'"',
	',',
	'"',
	'c',
	'a',
	't',
	'e',
	'g',
	'o',
	'r',
	'y',
	'"',
	':',
	'"',
	'c',
	'"',
	'}',
	' ',
	0,
};

struct fixture {
	struct engine engine; /* the builder looks up its clock */
	struct function function;
	struct queue queue;
	struct builder *builder;
};

static int setup(void **state _unused_)
{
	return schema_init();
}

static void fixture_init(struct fixture *fixture)
{
	static const struct engine_ops ops;
	const struct builder_source source = {.function = &fixture->function, .name = "tested"};

	fixture->engine = (struct engine){.ops = &ops};
	fixture->function = (struct function){.engine = &fixture->engine};
	assert_int_equal(queue_init(&fixture->queue, QUEUE_EVENTS), 0);
	assert_int_equal(builder_new(&source, &fixture->builder), 0);
	for (uint32_t i = 0; i < QUEUE_EVENTS; i++) {
		struct port_event record = {.dstport = (uint16_t)i};
		const struct event_ref event = {
			.event_id = EVENT_PORT, .sequence = i, .record = &record};

		assert_int_equal(queue_push(&fixture->queue, &event, sizeof(record)), 0);
	}
	fixture->queue.sent = QUEUE_EVENTS;
}

static void fixture_done(struct fixture *fixture)
{
	builder_free(fixture->builder);
	queue_done(&fixture->queue);
}

static void result_frame_becomes_an_outcome(void **state _unused_)
{
	struct fixture fixture;
	struct verdict verdict;
	const struct outcome *outcome;

	fixture_init(&fixture);
	assert_int_equal(builder_add_result(fixture.builder, &fixture.queue, 4, result_frame,
				 sizeof(result_frame), &verdict),
		0);
	assert_int_equal(verdict.done, 3);
	assert_true(verdict.failed);
	assert_string_equal(verdict.message, "oops");
	outcome = &builder_result(fixture.builder)->outcome;
	assert_int_equal(outcome->write_count, 2);
	assert_string_equal(outcome->writes[0].key, "k");
	assert_string_equal(outcome->writes[0].name, "n");
	assert_string_equal(outcome->writes[0].value, "42");
	assert_int_equal(outcome->writes[0].value_len, 2);
	assert_null(outcome->writes[1].value);
	assert_int_equal(outcome->alert_count, 1);
	assert_string_equal(outcome->alerts[0].severity, "low");
	assert_int_equal(outcome->alerts[0].dstport, 2);
	assert_int_equal(builder_result(fixture.builder)->event_count, 3);
	fixture_done(&fixture);
}

/* `size` bytes that end where a page begins that cannot be read. */
static uint8_t *guarded(size_t size, uint8_t **ret_map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED && size <= page);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	*ret_map = map;
	return map + page - size;
}

static void assert_refused(struct fixture *fixture, const uint8_t *bytes, size_t size)
{
	const struct result *result;
	struct verdict verdict = {.done = 77};

	assert_int_equal(
		builder_add_result(fixture->builder, &fixture->queue, 4, bytes, size, &verdict),
		-EBADMSG);
	result = builder_result(fixture->builder);
	assert_int_equal(verdict.done, 77);
	assert_int_equal(result->event_count, 0);
	assert_int_equal(result->outcome.write_count, 0);
	assert_int_equal(result->outcome.alert_count, 0);
	assert_int_equal(builder_bytes(fixture->builder), 0);
}

static void frame_cut_short_anywhere_is_refused_and_changes_nothing(void **state _unused_)
{
	struct fixture fixture;

	fixture_init(&fixture);
	for (size_t size = 0; size < sizeof(result_frame); size++) {
		uint8_t *map, *bytes = guarded(size, &map);

		memcpy(bytes, result_frame, size);
		assert_refused(&fixture, bytes, size);
		munmap(map, 2 * (size_t)sysconf(_SC_PAGESIZE));
	}
	fixture_done(&fixture);
}

static void frame_with_a_wrong_byte_is_refused(void **state _unused_)
{
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {
		{0, 4},    /* done, and yet one of them failed */
		{4, 2},    /* neither failed nor not */
		{5, 5},    /* the message ends without its zero byte */
		{11, 0},   /* a zero byte inside the message */
		{17, 255}, /* four billion state changes */
		{30, 2},   /* neither deleted nor not */
		{51, 200}, /* more alerts than there are */
		{55, 3},   /* an alert of the event that failed */
		{63, '['}, /* no JSON */
		{84, '?'}, /* no such member: no severity */
	};
	uint8_t bytes[sizeof(result_frame) + 1] = {0};
	struct fixture fixture;

	fixture_init(&fixture);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		memcpy(bytes, result_frame, sizeof(result_frame));
		bytes[wrong[i].at] = wrong[i].value;
		assert_refused(&fixture, bytes, sizeof(result_frame));
	}
	memcpy(bytes, result_frame, sizeof(result_frame));
	assert_refused(&fixture, bytes, sizeof(bytes)); /* a byte too many */
	fixture_done(&fixture);
}

static void changes_without_a_done_event_are_refused(void **state _unused_)
{
	static const uint8_t bytes[] = {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 1, 0, 0, 0, 0};
	struct fixture fixture;

	fixture_init(&fixture);
	assert_refused(&fixture, bytes, sizeof(bytes));
	fixture_done(&fixture);
}

/* The same (key, name) changed by two batches is one row, with the later value. */
static void later_change_takes_the_place_of_an_earlier_one(void **state _unused_)
{
	uint8_t bytes[sizeof(result_frame)];
	struct fixture fixture;
	struct verdict verdict;
	const struct outcome *outcome;

	fixture_init(&fixture);
	memcpy(bytes, result_frame, sizeof(bytes));
	assert_int_equal(builder_add_result(fixture.builder, &fixture.queue, 4, bytes,
				 sizeof(bytes), &verdict),
		0);
	bytes[35] = '7'; /* the first digit of the value */
	assert_int_equal(builder_add_result(fixture.builder, &fixture.queue, 4, bytes,
				 sizeof(bytes), &verdict),
		0);
	outcome = &builder_result(fixture.builder)->outcome;
	assert_int_equal(outcome->write_count, 2);
	assert_string_equal(outcome->writes[0].value, "72");
	assert_null(outcome->writes[1].value);
	assert_int_equal(outcome->alert_count, 2);
	fixture_done(&fixture);
}

static void changes_are_one_a_key_and_name_however_many(void **state _unused_)
{
	static char texts[3000][8];
	const struct siphash_key secret = {1, 2};
	struct write_set set;

	write_set_init(&set, &secret);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < ARRAY_SIZE(texts); i++) {
			const struct state_row write = {
				.key = texts[i], .name = texts[i] + 4, .value_len = i + round};

			snprintf(texts[i], sizeof(texts[i]), "%03u", i / 3);
			snprintf(texts[i] + 4, 4, "%u", i % 3);
			assert_int_equal(write_set_reserve(&set, 1), 0);
			write_set_put(&set, &write, texts[i], 6);
		}
		assert_int_equal(set.count, ARRAY_SIZE(texts));
	}
	for (uint32_t i = 0; i < set.count; i++)
		assert_int_equal(set.items[i].value_len, i + 1);
	write_set_done(&set);
}

static void queue_keeps_its_events_apart_when_it_wraps(void **state _unused_)
{
	struct queue queue;
	uint32_t pushed = 0, committed = 0;

	assert_int_equal(queue_init(&queue, 5), 0);
	for (int round = 0; round < 50; round++) {
		struct port_event record = {0};
		struct event_ref event = {.event_id = EVENT_PORT, .record = &record};

		while (queue_count(&queue) < 5) {
			event.sequence = record.syn = pushed++;
			assert_int_equal(queue_push(&queue, &event, sizeof(record)), 0);
		}
		assert_int_equal(queue_push(&queue, &event, sizeof(record)), -ENOBUFS);
		for (uint32_t i = 0; i < 5; i++) {
			const struct event_ref *at = queue_at(&queue, queue.committed + i);

			assert_int_equal(at->sequence, committed + i);
			assert_int_equal(
				((const struct port_event *)at->record)->syn, committed + i);
		}
		queue.sent += 4;
		assert_int_equal(queue_waiting(&queue), 1);
		queue.decided += 3;
		queue_rewind_sent(&queue);
		assert_int_equal(queue_waiting(&queue), 2);
		queue_commit(&queue, 3);
		committed += 3;
		queue_rewind_decided(&queue);
		assert_int_equal(queue_waiting(&queue), 2);
	}
	queue_done(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(result_frame_becomes_an_outcome),
		cmocka_unit_test(frame_cut_short_anywhere_is_refused_and_changes_nothing),
		cmocka_unit_test(frame_with_a_wrong_byte_is_refused),
		cmocka_unit_test(changes_without_a_done_event_are_refused),
		cmocka_unit_test(later_change_takes_the_place_of_an_earlier_one),
		cmocka_unit_test(changes_are_one_a_key_and_name_however_many),
		cmocka_unit_test(queue_keeps_its_events_apart_when_it_wraps),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
