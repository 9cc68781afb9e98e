// SPDX-License-Identifier: BSD-2-Clause
#include "engine/function.h"
#include "engine/writes.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EVENTS 5
#define ALL    UINT16_MAX /* partitions */

#define ALERT "{\"title\":\"t\",\"severity\":\"low\",\"category\":\"c\"} "

/* A RESULT frame's payload, as docs/functions.md has it. */
static const char result_text[] = /* clang-format off */
	"\5\0\0\0"                      /* 0: five events */
	"\1\0\0\0"                      /* 4: with what has changed */
	"\2\0\0\0"                      /* 8: exceptions */
	"\1\0\0\0" "\1" "\4\0\0\0oops\0" /* 12: the second failed */
	"\3\0\0\0" "\2"                 /* 26: the fourth was not run */
	"\1\0\0\0"                      /* 31: alerts */
	"\2\0\0\0" "\56\0\0\0" ALERT "\0" /* 35: of the third; its text is at 43 */
	"\2\0\0\0"                      /* 90: changes */
	"\0\0\0\0\0\0\0\x10"            /* 94: the key's hash, which says partition 1 */
	"\1\0\0\0k\0" "\1\0\0\0n\0"     /* 102: key, name */
	"\0" "\2\0\0\0" "42"            /* 114: a value */
	"\0"
	"\0\0\0\0\0\0\0\x20"            /* 122: partition 2 */
	"\1\0\0\0k\0" "\1\0\0\0m\0"     /* 130 */
	"\1";                           /* 142: deleted */
/* clang-format on */
#define RESULT_SIZE (sizeof(result_text) - 1)

struct fixture {
	struct engine engine; /* the builder looks up its clock */
	struct function function;
	struct event_pool pool;
	struct event_list events;
	struct builder *builder;
};

static int setup(void **state _unused_)
{
	return schema_init();
}

static struct event *make_event(struct event_pool *pool, uint16_t number)
{
	const struct port_event record = {.dstport = number};
	struct event *event = event_pool_take(pool, sizeof(record));

	assert_non_null(event);
	event->arrival = number;
	event->partition = (uint8_t)(number % PARTITIONS);
	event->attempts = 0;
	event->pipe = (struct pipe_event){
		.event_id = htole32(EVENT_PORT), .index = htole16(number), .switch_id = 7};
	memcpy(event->record, &record, sizeof(record));
	return event;
}

static void fixture_init(struct fixture *fixture)
{
	static const struct engine_ops ops;
	const struct builder_source source = {.function = &fixture->function, .name = "tested"};

	*fixture = (struct fixture){.engine = {.ops = &ops}};
	fixture->function = (struct function){.engine = &fixture->engine};
	assert_int_equal(builder_new(&source, &fixture->builder), 0);
	for (uint16_t i = 0; i < EVENTS; i++)
		event_list_push(&fixture->events, make_event(&fixture->pool, i));
}

static void fixture_done(struct fixture *fixture)
{
	builder_free(fixture->builder);
	event_pool_done(&fixture->pool);
}

static int add(struct fixture *fixture, const void *bytes, size_t size, uint16_t partitions)
{
	struct result_frame frame;
	int r = result_frame_read(bytes, size, EVENTS, &frame);

	return r < 0 ? r
		     : builder_add_result(
			       fixture->builder, &frame, partitions, fixture->events.first);
}

/* ---- frames ---- */

static void frame_says_what_became_of_its_events(void **state _unused_)
{
	struct result_frame frame;
	struct exception exception;
	struct frame_alert alert;

	assert_int_equal(
		result_frame_read((const uint8_t *)result_text, RESULT_SIZE, EVENTS, &frame), 0);
	assert_int_equal(frame.count, 5);
	assert_true(frame.collected);
	assert_true(result_frame_exception(&frame, &exception));
	assert_int_equal(exception.index, 1);
	assert_string_equal(exception.reason, "oops");
	assert_true(result_frame_exception(&frame, &exception));
	assert_int_equal(exception.index, 3);
	assert_null(exception.reason);
	assert_false(result_frame_exception(&frame, &exception));
	assert_true(result_frame_alert(&frame, &alert));
	assert_int_equal(alert.index, 2);
	assert_int_equal(alert.number, 0);
	assert_string_equal(alert.text, ALERT);
	assert_false(result_frame_alert(&frame, &alert));
}

static void result_frame_becomes_an_outcome(void **state _unused_)
{
	const uint32_t counts[PARTITIONS] = {1, 1, 1, 1, 1};
	struct fixture fixture;
	const struct outcome *outcome;

	fixture_init(&fixture);
	assert_int_equal(add(&fixture, result_text, RESULT_SIZE, ALL), 0);
	builder_add_events(fixture.builder, &fixture.events, counts);
	outcome = &builder_result(fixture.builder)->outcome;
	assert_int_equal(outcome->write_count, 2);
	assert_string_equal(outcome->writes[0].key, "k");
	assert_string_equal(outcome->writes[0].name, "n");
	assert_string_equal(outcome->writes[0].value, "42");
	assert_int_equal(outcome->writes[0].value_len, 2);
	assert_true(outcome->writes[0].hash == 0x1000000000000000);
	assert_null(outcome->writes[1].value);
	assert_int_equal(outcome->alert_count, 1);
	assert_string_equal(outcome->alerts[0].severity, "low");
	assert_int_equal(outcome->alerts[0].dstport, 2);
	assert_int_equal(builder_result(fixture.builder)->event_count, EVENTS);
	assert_int_equal(builder_counts(fixture.builder)[4], 1);
	fixture_done(&fixture);
}

/* The worker had told of it before it was told to forget the partition. */
static void changes_of_partitions_that_were_taken_away_are_left_out(void **state _unused_)
{
	struct fixture fixture;
	const struct outcome *outcome;

	fixture_init(&fixture);
	assert_int_equal(add(&fixture, result_text, RESULT_SIZE, 1U << 2), 0);
	outcome = &builder_result(fixture.builder)->outcome;
	assert_int_equal(outcome->write_count, 1);
	assert_string_equal(outcome->writes[0].name, "m");
	fixture_done(&fixture);
}

static void put_le32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
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

	if (add(fixture, bytes, size, ALL) != -EBADMSG)
		fail_msg("a frame of %zu bytes was taken", size);
	result = builder_result(fixture->builder);
	assert_int_equal(result->event_count, 0);
	assert_int_equal(result->outcome.write_count, 0);
	assert_int_equal(result->outcome.alert_count, 0);
	assert_int_equal(builder_bytes(fixture->builder), 0);
}

static void frame_cut_short_anywhere_is_refused_and_changes_nothing(void **state _unused_)
{
	struct fixture fixture;

	fixture_init(&fixture);
	for (size_t size = 0; size < RESULT_SIZE; size++) {
		uint8_t *map, *bytes = guarded(size, &map);

		memcpy(bytes, result_text, size);
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
		const char *what;
	} wrong[] = {
		{0, 6, "covers more than was sent"},
		{0, 3, "an exception beyond what it covers"},
		{4, 0, "a failure without what has changed"},
		{4, 3, "a reply that is not there"},
		{4, 5, "an unknown flag"},
		{8, 3, "more exceptions than there are"},
		{12, 3, "the same exception twice"},
		{12, 4, "exceptions out of order"},
		{16, 3, "an exception of an unknown kind"},
		{17, 5, "a reason that ends without its zero byte"},
		{22, 0, "a zero byte inside the reason"},
		{34, 255, "four billion alerts"},
		{35, 1, "an alert of the event that failed"},
		{35, 3, "an alert of the event that was not run"},
		{35, 5, "an alert of an event beyond"},
		{43, '[', "an alert that is no JSON"},
		{57, '?', "an alert without severity"},
		{93, 255, "four billion changes"},
		{103, 1, "a key that runs over the end"},
		{108, 0, "an empty name"},
		{114, 2, "neither deleted nor not"},
	};
	uint8_t bytes[RESULT_SIZE + 1] = {0};
	struct fixture fixture;

	fixture_init(&fixture);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		memcpy(bytes, result_text, RESULT_SIZE);
		bytes[wrong[i].at] = wrong[i].value;
		if (add(&fixture, bytes, RESULT_SIZE, ALL) != -EBADMSG)
			fail_msg("taken: %s", wrong[i].what);
		assert_refused(&fixture, bytes, RESULT_SIZE);
	}
	memcpy(bytes, result_text, RESULT_SIZE);
	assert_refused(&fixture, bytes, sizeof(bytes)); /* a byte too many */
	fixture_done(&fixture);
}

static const uint8_t reply_text[] = /* clang-format off */
	"\1\0\0\0"               /* 0: one event */
	"\3\0\0\0"               /* 4: with what has changed, and a reply */
	"\0\0\0\0" "\0\0\0\0" "\0\0\0\0" /* 8: no exception, alert, change */
	"\2\0\0\0" "42";        /* 20: the reply */
/* clang-format on */

static void a_reply_is_that_of_one_event_which_is_done(void **state _unused_)
{
	uint8_t bytes[sizeof(reply_text)];
	struct result_frame frame;

	assert_int_equal(result_frame_read(reply_text, sizeof(reply_text), 1, &frame), 0);
	assert_string_equal(frame.reply, "42");
	for (size_t size = 0; size < sizeof(reply_text); size++)
		assert_int_equal(result_frame_read(reply_text, size, 1, &frame), -EBADMSG);
	memcpy(bytes, reply_text, sizeof(bytes));
	bytes[0] = 2;
	assert_int_equal(result_frame_read(bytes, sizeof(bytes), 2, &frame), -EBADMSG);
	memcpy(bytes, reply_text, sizeof(bytes));
	bytes[24] = 0;
	assert_int_equal(result_frame_read(bytes, sizeof(bytes), 1, &frame), -EBADMSG);
}

static void frame_that_says_nothing_is_refused(void **state _unused_)
{
	static const uint8_t bytes[20] = {0};
	struct fixture fixture;

	fixture_init(&fixture);
	assert_refused(&fixture, bytes, sizeof(bytes));
	fixture_done(&fixture);
}

/* The same (key, name) changed by two batches is one row, with the later value. */
static void later_change_takes_the_place_of_an_earlier_one(void **state _unused_)
{
	uint8_t bytes[RESULT_SIZE];
	struct fixture fixture;
	const struct outcome *outcome;

	fixture_init(&fixture);
	memcpy(bytes, result_text, sizeof(bytes));
	assert_int_equal(add(&fixture, bytes, sizeof(bytes), ALL), 0);
	bytes[119] = '7'; /* the first digit of the value */
	assert_int_equal(add(&fixture, bytes, sizeof(bytes), ALL), 0);
	outcome = &builder_result(fixture.builder)->outcome;
	assert_int_equal(outcome->write_count, 2);
	assert_string_equal(outcome->writes[0].value, "72");
	assert_null(outcome->writes[1].value);
	assert_int_equal(outcome->alert_count, 2);
	fixture_done(&fixture);
}

/* Who says of a key that it has another's hash has that say nothing of the other's. */
static void changes_of_one_key_with_two_hashes_are_two(void **state _unused_)
{
	uint8_t bytes[RESULT_SIZE];
	struct fixture fixture;
	const struct outcome *outcome;

	fixture_init(&fixture);
	memcpy(bytes, result_text, sizeof(bytes));
	bytes[140] = 'n'; /* of the second change, which is of the same key, too */
	assert_int_equal(add(&fixture, bytes, sizeof(bytes), ALL), 0);
	outcome = &builder_result(fixture.builder)->outcome;
	assert_int_equal(outcome->write_count, 2);
	assert_string_equal(outcome->writes[0].value, "42");
	assert_null(outcome->writes[1].value);
	fixture_done(&fixture);
}

/* It would be kept, and no worker could be given it. */
static void a_value_that_fits_into_no_frame_is_refused(void **state _unused_)
{
	const size_t head = 119, size = head + STATE_VALUE_MAX + 2;
	_cleanup_free_ uint8_t *bytes = malloc(size);
	struct fixture fixture;

	assert_non_null(bytes);
	fixture_init(&fixture);
	memset(bytes, '1', size);
	memcpy(bytes, result_text, head);
	bytes[90] = 1; /* one change */
	bytes[size - 1] = 0;
	put_le32(bytes + 115, STATE_VALUE_MAX + 1);
	assert_refused(&fixture, bytes, size);
	put_le32(bytes + 115, STATE_VALUE_MAX);
	bytes[size - 2] = 0;
	assert_int_equal(add(&fixture, bytes, size - 1, ALL), 0);
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

/* ---- events ---- */

static void assert_numbers(const struct event_list *list, const char *expected)
{
	char text[256] = "";
	size_t len = 0;

	for (const struct event *event = list->first; event && len < sizeof(text);
		event = event->next)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%u", len > 0 ? " " : "", event->arrival);
	assert_string_equal(list->count > 0 ? text : "", expected);
}

static void push_all(struct event_pool *pool, struct event_list *list, const char *numbers)
{
	for (const char *at = numbers; *at; at += strcspn(at, " ") + (strchr(at, ' ') != NULL))
		event_list_push(list, make_event(pool, (uint16_t)atoi(at)));
}

static void lists_merge_by_arrival(void **state _unused_)
{
	static const struct {
		const char *list, *from, *merged;
	} cases[] = {
		{"", "", ""},
		{"", "1 2", "1 2"},
		{"1 2", "", "1 2"},
		{"3 4", "1 2", "1 2 3 4"},
		{"1 2", "3 4", "1 2 3 4"},
		{"1 4 6", "2 3 5 7 8", "1 2 3 4 5 6 7 8"},
		{"2", "1 3", "1 2 3"},
	};
	struct event_pool pool = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event_list list = {0}, from = {0};

		push_all(&pool, &list, cases[i].list);
		push_all(&pool, &from, cases[i].from);
		event_list_merge(&list, &from);
		assert_numbers(&list, cases[i].merged);
		assert_int_equal(from.count, 0);
		push_all(&pool, &list, "9"); /* its end is where it should be */
		if (!strstr(cases[i].merged, "8"))
			continue;
		assert_numbers(&list, "1 2 3 4 5 6 7 8 9");
	}
	event_pool_done(&pool);
}

static void arrival_is_counted_across_its_wrap(void **state _unused_)
{
	struct event_list list = {0}, from = {0};
	struct event_pool pool = {0};
	struct event *event = make_event(&pool, 3);

	push_all(&pool, &from, "1");
	event->arrival = UINT32_MAX;
	event_list_push(&list, event);
	event_list_merge(&list, &from);
	assert_numbers(&list, "4294967295 1");
	event_pool_done(&pool);
}

static void a_partitions_events_are_taken_out_in_their_order(void **state _unused_)
{
	struct event_list list = {0}, to = {0};
	struct event_pool pool = {0};

	push_all(&pool, &list, "1 2 17 3 33 4");
	event_list_extract(&list, 1, &to);
	assert_numbers(&list, "2 3 4");
	assert_numbers(&to, "1 17 33");
	push_all(&pool, &list, "5");
	assert_numbers(&list, "2 3 4 5");
	event_pool_done(&pool);
}

static void an_empty_pool_gives_its_memory_back(void **state _unused_)
{
	struct event_list list = {0};
	struct event_pool pool = {0};

	for (uint16_t i = 0; i < 20000; i++)
		event_list_push(&list, make_event(&pool, i));
	assert_true(pool.chunk_count > 30);
	for (uint16_t i = 0; i < 20000; i++) {
		struct event *event = event_list_take(&list);

		assert_int_equal(event->arrival, i);
		event_pool_give(&pool, event);
	}
	assert_int_equal(pool.chunk_count, 0);
	event_pool_give(&pool, make_event(&pool, 1));
	assert_int_equal(pool.chunk_count, 1); /* a little is kept */
	event_pool_done(&pool);
}

#define MANY        20000
#define CHUNK_BYTES (64 << 10)

/* The same in each run. */
static uint32_t next_random(void)
{
	static uint32_t random = 1;

	random = random * 1664525U + 1013904223U;
	return random >> 8;
}

static void take_many(struct event_pool *pool, struct event **events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		events[i] = make_event(pool, (uint16_t)i);
}

/* Every second, as if another worker had them, and in no order. */
static void give_half(struct event_pool *pool, struct event **events)
{
	for (size_t i = MANY / 2; i > 1; i--) {
		size_t a = 2 * (i - 1), b = 2 * (next_random() % i);
		struct event *event = events[a];

		events[a] = events[b];
		events[b] = event;
	}
	for (size_t i = 0; i < MANY; i += 2)
		event_pool_give(pool, events[i]);
}

static void events_follow_each_other_in_memory_however_they_were_given_back(void **state _unused_)
{
	static struct event *events[MANY], *again[MANY / 2];
	struct event_pool pool = {0};
	size_t jumps = 0;

	take_many(&pool, events, MANY);
	for (int round = 0; round < 10; round++) {
		give_half(&pool, events);
		take_many(&pool, again, MANY / 2);
		jumps = 0;
		for (size_t i = 1; i < MANY / 2; i++)
			jumps += again[i] < again[i - 1] ||
				 (char *)again[i] - (char *)again[i - 1] > CHUNK_BYTES;
		assert_in_range(jumps, 0, 2 * pool.chunk_count);
		for (size_t i = 0; i < MANY / 2; i++)
			events[2 * i] = again[i];
	}
	event_pool_done(&pool);
}

/* Those that are in use stay what they are, and no more than as much again lies idle for order's sake. */
static void scattered_room_is_no_more_than_what_is_used(void **state _unused_)
{
	static struct event *events[MANY];
	struct event_pool pool = {0};
	size_t chunks;

	take_many(&pool, events, MANY);
	chunks = pool.chunk_count;
	for (uint32_t i = 0; i < 20 * MANY; i++) {
		size_t which = next_random() % MANY;

		assert_int_equal(
			((const struct port_event *)(const void *)events[which]->record)->dstport,
			events[which]->arrival);
		event_pool_give(&pool, events[which]);
		events[which] = make_event(&pool, (uint16_t)which);
	}
	assert_in_range(pool.chunk_count, chunks, 2 * chunks);
	event_pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_says_what_became_of_its_events),
		cmocka_unit_test(result_frame_becomes_an_outcome),
		cmocka_unit_test(changes_of_partitions_that_were_taken_away_are_left_out),
		cmocka_unit_test(frame_cut_short_anywhere_is_refused_and_changes_nothing),
		cmocka_unit_test(frame_with_a_wrong_byte_is_refused),
		cmocka_unit_test(a_reply_is_that_of_one_event_which_is_done),
		cmocka_unit_test(frame_that_says_nothing_is_refused),
		cmocka_unit_test(later_change_takes_the_place_of_an_earlier_one),
		cmocka_unit_test(changes_of_one_key_with_two_hashes_are_two),
		cmocka_unit_test(a_value_that_fits_into_no_frame_is_refused),
		cmocka_unit_test(changes_are_one_a_key_and_name_however_many),
		cmocka_unit_test(lists_merge_by_arrival),
		cmocka_unit_test(arrival_is_counted_across_its_wrap),
		cmocka_unit_test(a_partitions_events_are_taken_out_in_their_order),
		cmocka_unit_test(an_empty_pool_gives_its_memory_back),
		cmocka_unit_test(events_follow_each_other_in_memory_however_they_were_given_back),
		cmocka_unit_test(scattered_room_is_no_more_than_what_is_used),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
