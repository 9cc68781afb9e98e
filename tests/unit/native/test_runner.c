// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/native/bench.h"

#include <stdio.h>

static struct bench bench;

static int setup(void **state _unused_)
{
	bench_init(&bench);
	return 0;
}

static int teardown(void **state _unused_)
{
	bench_done(&bench);
	return 0;
}

static void assert_failed(size_t n, uint32_t index, const char *reason)
{
	assert_true(n < bench.failed_count);
	assert_int_equal(bench.failed[n].index, index);
	if (!strstr(bench.failed[n].reason, reason))
		fail_msg("found \"%s\", expected \"%s\"", bench.failed[n].reason, reason);
}

/* ---- what a function is called with ---- */

static char seen[512];

static int look(const struct lambda_event *event, struct lambda_context *context)
{
	snprintf(seen, sizeof(seen), "%u %u %llu %zu %s %s %u | %s | %s", event->id,
		event->switch_id, (unsigned long long)event->time_ns, event->size,
		lambda_ip(context, &event->port->srcip), lambda_ip(context, &event->port->dstip),
		event->port->syn, lambda_key(context), lambda_event_id(context));
	return 0;
}

static void event_has_its_record_key_and_identity(void **state _unused_)
{
	bench.runner.handler = look;
	bench_push(&bench, 3, 5, 1500);
	bench_run(&bench);
	assert_string_equal(
		seen, "1 7 1763884801500000000 80 10.0.0.3 10.0.0.1 5 | 10.0.0.3 | 7-0-0");
	bench_push_event(&bench,
		&(struct pipe_event){.switch_id = htole32(1),
			.epoch = htole32(9),
			.index = htole16(2),
			.sequence = htole64(1ULL << 40)},
		&(struct port_event){.srcip = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}});
	bench_run(&bench);
	assert_string_equal(seen, "1 1 0 80 2001:db8::1 :: 0 | 2001:db8::1 | 1-9-2-1099511627776");
}

static int count_window(const struct lambda_event *event _unused_, struct lambda_context *context)
{
	lambda_set_number(context, "sum", lambda_window_add(context, "w", 10 * LAMBDA_SECOND, 1));
	return 0;
}

static void runaway_clock_of_a_switch_does_not_move_windows(void **state _unused_)
{
	const uint64_t lasts[] = {0, START_NS + 86400000000000ULL, START_NS + 1900000000ULL};

	bench.runner.handler = count_window;
	for (size_t i = 0; i < ARRAY_SIZE(lasts); i++) {
		struct port_event record = {.last = lasts[i]};
		struct pipe_event event = {.time_ns = htole64(START_NS + i * 1000000000ULL)};

		bench_push_event(&bench, &event, &record);
	}
	bench_run(&bench);
	assert_string_equal(bench_value(&bench, "::", "sum"), "3");
}

/* ---- failures ---- */

static int fail_at_three(const struct lambda_event *event, struct lambda_context *context)
{
	lambda_counter_add(context, "sum", event->port->syn);
	lambda_distinct_add_number(context, "d", 10 * LAMBDA_SECOND, 0, event->port->syn);
	lambda_top_add(context, "t", 3, 0, lambda_format(context, "v%u", event->port->syn), 1);
	lambda_alert(context, &(struct lambda_alert){
				      .title = lambda_format(context, "syn %u", event->port->syn)});
	if (event->port->syn != 3)
		return 0;
	lambda_delete(context, "sum");
	return lambda_fail(context, "%s", "three");
}

static void event_that_fails_takes_its_changes_back(void **state _unused_)
{
	bench.runner.handler = fail_at_three;
	for (uint32_t syn = 1; syn <= 4; syn++)
		bench_push(&bench, 3, syn, syn);
	bench_push(&bench, 4, 7, 5); /* of another partition */
	bench_run(&bench);
	assert_int_equal(bench.failed_count, 1);
	assert_failed(0, 2, "three");
	assert_int_equal(bench.skipped_count, 1);
	assert_int_equal(bench.skipped[0], 3);
	assert_int_equal(bench.alert_count, 3);
	assert_non_null(strstr(bench.alerts[1].text, "\"syn 2\""));
	assert_int_equal(bench.alerts[2].index, 4);
	assert_string_equal(bench_value(&bench, "10.0.0.3", "sum"), "3");
	assert_string_equal(bench_value(&bench, "10.0.0.3", "t"),
		"{\"$top\":0,\"k\":3,\"at\":0,\"parts\":[[0,\"v1\",1,0,\"v2\",1,0]]}");
	assert_string_equal(bench_value(&bench, "10.0.0.4", "sum"), "7");
	bench_push(&bench, 3, 4, 5);
	bench_run(&bench);
	assert_int_equal(bench.failed_count + bench.skipped_count, 0);
	assert_string_equal(bench_value(&bench, "10.0.0.3", "sum"), "7");
}

static int use_wrongly(const struct lambda_event *event, struct lambda_context *context)
{
	lambda_counter_add(context, "before", 1);
	switch (event->port->syn) {
	case 1:
		lambda_counter_add(context, "", 1);
		break;
	case 2:
		lambda_set_text(context, "text", "a");
		lambda_counter_add(context, "text", 1);
		break;
	case 3:
		lambda_counter_add(context, "c", NAN);
		break;
	case 4:
		lambda_set(context, "json", "{\"a\": }");
		break;
	case 5:
		lambda_set(context, "json", " { \"$window\" : 1 }");
		break;
	case 6:
		lambda_window_add(context, "w", 9, 1);
		break;
	case 7:
		lambda_distinct_add(context, "d", LAMBDA_SECOND, 0, "\xff");
		break;
	case 8:
		lambda_set_text(context, "text", "\xc0\x80");
		break;
	case 9:
		return 5;
	}
	return 0;
}

static void refusal_fails_the_event_whatever_it_returns(void **state _unused_)
{
	static const char *const reasons[] = {"expected a name", "\"text\" holds something else",
		"expected a number", "\"json\" is no JSON", "reserved", "expected a length",
		"expected a value", "no UTF-8", "the handler returned 5"};

	bench.runner.handler = use_wrongly;
	for (uint32_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		bench_push(&bench, 3, i + 1, 0);
		bench_run(&bench);
		assert_failed(0, 0, reasons[i]);
		assert_int_equal(bench.write_count, 0);
	}
	assert_int_equal(state_size(bench.runner.state), 0);
}

/* ---- values ---- */

static int keep_values(const struct lambda_event *event, struct lambda_context *context)
{
	const char *json = lambda_get(context, "json");

	if (event->port->syn == 0) {
		assert_null(json);
		assert_null(lambda_get_text(context, "text"));
		assert_true(lambda_get_number(context, "number", -1) == -1);
		lambda_set(context, "json", "{ \"a b\" : [ 1 , \"c \\\" d\" ] }");
		lambda_set_text(context, "text", "say \"h\xc3\xa4\"\n\x01");
		lambda_set_number(context, "number", 0.1);
		lambda_set_number(context, "large", 1e300);
		lambda_set_number(context, "exact", 9007199254740991);
		return 0;
	}
	assert_string_equal(json, "{\"a b\":[1,\"c \\\" d\"]}");
	assert_string_equal(lambda_get_text(context, "text"), "say \"h\xc3\xa4\"\n\x01");
	assert_true(lambda_get_number(context, "number", -1) == 0.1);
	assert_string_equal(lambda_get(context, "number"), "0.1");
	lambda_get_number(context, "text", 0); /* which fails the event */
	return 0;
}

static void values_are_kept_as_json(void **state _unused_)
{
	bench.runner.handler = keep_values;
	bench_push(&bench, 3, 0, 0);
	bench_run(&bench);
	assert_int_equal(bench.failed_count, 0);
	assert_string_equal(
		bench_value(&bench, "10.0.0.3", "text"), "\"say \\\"h\xc3\xa4\\\"\\u000a\\u0001\"");
	assert_string_equal(bench_value(&bench, "10.0.0.3", "large"), "1e+300");
	assert_string_equal(bench_value(&bench, "10.0.0.3", "exact"), "9007199254740991");
	bench_push(&bench, 3, 1, 0);
	bench_run(&bench);
	assert_failed(0, 0, "\"text\" holds something else than a counter");
}

/* ---- alerts ---- */

static const struct lambda_alert *raised;

static int raise_it(const struct lambda_event *event, struct lambda_context *context)
{
	for (uint32_t i = 0; i < event->port->syn; i++)
		lambda_alert(context, raised);
	return 0;
}

static void alerts_are_checked_where_they_are_made(void **state _unused_)
{
	static const struct {
		struct lambda_alert alert;
		const char *reason;
	} wrong[] = {
		{{.title = NULL}, "title"},
		{{.title = ""}, "title"},
		{{.title = "\xff"}, "title"},
		{{.title = "t", .severity = "bad"}, "severity"},
		{{.title = "t", .category = ""}, "category"},
		{{.title = "t", .data = "[1]"}, "data"},
		{{.title = "t", .data = "{"}, "data"},
		{{.title = "t", .dstport = 65536}, "dstport"},
		{{.title = "t", .srcport = -2}, "srcport"},
	};

	bench.runner.handler = raise_it;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		raised = &wrong[i].alert;
		bench_push(&bench, 3, 1, 0);
		bench_run(&bench);
		assert_failed(0, 0, wrong[i].reason);
		assert_int_equal(bench.alert_count, 0);
	}
	raised = &(struct lambda_alert){.title = "t"};
	bench_push(&bench, 3, 65, 0);
	bench_run(&bench);
	assert_failed(0, 0, "more than 64");
}

static void alert_says_what_it_is_about(void **state _unused_)
{
	static const struct lambda_alert alert = {
		.severity = "low",
		.title = "a \"title\"",
		.category = "c",
		.data = "{ \"x\" : 1 }",
		.srcip = "",
		.dstip = "10.0.0.9",
		.srcport = LAMBDA_NONE,
		.dstport = 443,
	};

	raised = &alert;
	bench.runner.handler = raise_it;
	bench_push(&bench, 3, 1, 0);
	bench_run(&bench);
	assert_int_equal(bench.alert_count, 1);
	assert_string_equal(bench.alerts[0].text,
		"{\"severity\":\"low\",\"title\":\"a "
		"\\\"title\\\"\",\"category\":\"c\",\"data\":{\"x\":1},"
		"\"srcip\":null,\"dstip\":\"10.0.0.9\",\"srcport\":null,\"dstport\":443}");
}

static void results_hold_no_more_alerts_than_the_engine_takes(void **state _unused_)
{
	raised = &(struct lambda_alert){.title = "t"};
	bench.runner.handler = raise_it;
	for (int i = 0; i < 100; i++)
		bench_push(&bench, 3, 5, 0);
	bench_run(&bench);
	assert_int_equal(bench.alert_count, 500);
	bench_push(&bench, 3, 64, 0);
	bench_run(&bench);
	assert_int_equal(bench.alert_count, 64);
}

/* ---- settings ---- */

static void settings_are_found_by_path(void **state _unused_)
{
	json_t *config = json_loads(
		"{\"n\": 5, \"deep\": {\"length\": \"1.5s\", \"on\": true}, \"t\": \"x\"}", 0,
		NULL);
	struct surroundings around = {.config = config};
	struct lambda_context context = {.around = &around};

	assert_true(lambda_config_number(&context, "n", 1) == 5);
	assert_true(lambda_config_number(&context, "m", 1) == 1);
	assert_true(lambda_config_number(&context, "n.m", 1) == 1);
	assert_int_equal(lambda_config_length(&context, "deep.length", 1), 1500);
	assert_int_equal(lambda_config_length(&context, "n", 1), 5);
	assert_int_equal(lambda_config_length(&context, "deep.none", 7), 7);
	assert_true(lambda_config_bool(&context, "deep.on", false));
	assert_string_equal(lambda_config_text(&context, "t", "y"), "x");
	assert_false(context.failed);
	lambda_config_number(&context, "deep.on", 1);
	assert_string_equal(context.error, "config: deep.on: expected a number, found true");
	context.failed = false;
	lambda_config_length(&context, "t", 1);
	assert_string_equal(
		context.error, "config: t: expected a length such as \"10s\", found a text");
	scratch_done(&around.scratch);
	json_decref(config);
}

/* ---- large results ---- */

static int write_much(const struct lambda_event *event, struct lambda_context *context)
{
	char *text = malloc(60001);

	memset(text, 'x', 60000);
	text[60000] = '\0';
	lambda_set_text(context, lambda_format(context, "n%u", event->port->syn), text);
	free(text);
	return 0;
}

static void much_that_changes_goes_in_several_results(void **state _unused_)
{
	bench.runner.handler = write_much;
	for (uint32_t i = 0; i < 40; i++)
		bench_push(&bench, 3, i, 0);
	bench_run(&bench);
	assert_int_equal(bench.write_count, 40);
	assert_in_range(bench.collected, 2, 20);
}

static void partitions_that_went_away_are_forgotten(void **state _unused_)
{
	bench.runner.handler = fail_at_three;
	bench_push(&bench, 3, 1, 0);
	bench_push(&bench, 3, 3, 0);
	bench_push(&bench, 4, 1, 0);
	bench_run(&bench);
	assert_int_equal(state_size(bench.runner.state), 6);
	runner_drop(&bench.runner, 1U << key_partition(key_hash_text("10.0.0.3")));
	memset(bench.generations, 0, sizeof(bench.generations));
	assert_int_equal(state_size(bench.runner.state), 3);
	bench_push(&bench, 3, 5, 0);
	bench_push(&bench, 4, 5, 0);
	bench_run(&bench);
	assert_int_equal(bench.skipped_count, 0);
	assert_string_equal(bench_value(&bench, "10.0.0.3", "sum"), "5");
	assert_string_equal(bench_value(&bench, "10.0.0.4", "sum"), "6");
}

/* ---- batch handlers ---- */

static unsigned int calls;

/* Fails what carries 3, by name, and 13, without one. Alerts from the last to the first. */
static int add_all(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts)
{
	int r = 0;

	calls++;
	for (size_t i = count; i-- > 0;) {
		lambda_counter_add(contexts[i], "sum", events[i].port->syn);
		lambda_counter_add(contexts[0], "first", 1);
		lambda_alert(contexts[i],
			&(struct lambda_alert){
				.title = lambda_format(contexts[i], "%u", events[i].port->syn)});
		if (events[i].port->syn == 3)
			lambda_fail(contexts[i], "three");
		r |= events[i].port->syn == 13;
	}
	return r;
}

static void batch_handler_has_all_events_and_the_state_of_each(void **state _unused_)
{
	calls = 0;
	bench.runner.batch_handler = add_all;
	for (uint32_t i = 0; i < 6; i++)
		bench_push(&bench, 1 + i % 3, 10 * (i + 1), 0);
	bench_run(&bench);
	assert_int_equal(calls, 1);
	assert_string_equal(bench_value(&bench, "10.0.0.1", "sum"), "50");
	assert_string_equal(bench_value(&bench, "10.0.0.2", "sum"), "70");
	assert_string_equal(bench_value(&bench, "10.0.0.1", "first"), "6");
	assert_int_equal(bench.alert_count, 6);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(bench.alerts[i].index, i);
}

static void batch_handler_says_which_events_fail_and_the_others_are_done(void **state _unused_)
{
	static const uint32_t syns[] = {1, 2, 3, 5, 7, 3, 9};
	static const uint8_t sources[] = {1, 2, 2, 1, 2, 2, 3};

	bench.runner.batch_handler = add_all;
	for (size_t i = 0; i < ARRAY_SIZE(syns); i++)
		bench_push(&bench, sources[i], syns[i], 0);
	bench_run(&bench);
	assert_int_equal(bench.failed_count, 1);
	assert_failed(0, 2, "three");
	assert_int_equal(bench.skipped_count, 2);
	assert_int_equal(bench.skipped[0], 4);
	assert_int_equal(bench.skipped[1], 5);
	assert_string_equal(bench_value(&bench, "10.0.0.1", "sum"), "6");
	assert_string_equal(bench_value(&bench, "10.0.0.1", "first"), "4");
	assert_string_equal(bench_value(&bench, "10.0.0.2", "sum"), "2");
	assert_string_equal(bench_value(&bench, "10.0.0.3", "sum"), "9");
	assert_int_equal(bench.alert_count, 4);
}

static void batch_that_fails_without_a_name_is_halved_down_to_the_event(void **state _unused_)
{
	calls = 0;
	bench.runner.batch_handler = add_all;
	for (uint32_t i = 0; i < 64; i++)
		bench_push(&bench, (uint8_t)(1 + i), i == 40 ? 13 : 100, 0);
	bench_run(&bench);
	assert_int_equal(bench.failed_count, 1);
	assert_failed(0, 40, "the handler returned 1");
	assert_in_range(calls, 7, 20);
	assert_int_equal(bench.alert_count, 63 - bench.skipped_count);
	assert_int_equal(bench.covered, 64);
	assert_string_equal(bench_value(&bench, "10.0.0.41", "sum"), "(none)");
	assert_string_equal(bench_value(&bench, "10.0.0.40", "sum"), "100");
}

static int share(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts)
{
	assert_int_equal(count, 2);
	assert_true(lambda_counter(contexts[0], "x") == lambda_counter(contexts[1], "x"));
	if (events[0].port->syn == 2)
		lambda_delete(contexts[0], "x");
	lambda_counter_add(contexts[1], "y", 1);
	lambda_counter_add(contexts[0], "x", 1);
	assert_true(lambda_counter(contexts[0], "y") == lambda_counter(contexts[1], "y"));
	assert_true(lambda_counter(contexts[1], "x") == lambda_counter(contexts[0], "x"));
	return 0;
}

static void events_of_one_key_share_it_as_it_comes_and_empties(void **state _unused_)
{
	bench.runner.batch_handler = share;
	for (uint32_t i = 1; i <= 3; i++) {
		bench_push(&bench, 3, i, 0);
		bench_push(&bench, 3, i, 0);
		bench_run(&bench);
	}
	assert_string_equal(bench_value(&bench, "10.0.0.3", "x"), "2");
	assert_string_equal(bench_value(&bench, "10.0.0.3", "y"), "3");
}

static unsigned int alerts_each;

static int raise_many(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts)
{
	for (size_t i = 0; i < count; i++)
		for (unsigned int n = 0; n < alerts_each; n++)
			lambda_alert(contexts[i],
				&(struct lambda_alert){.title = lambda_format(contexts[i], "%u",
							       events[i].port->syn)});
	return 0;
}

static void results_of_batch_handlers_hold_no_more_alerts_than_the_engine_takes(
	void **state _unused_)
{
	bench.runner.batch_handler = raise_many;
	alerts_each = 60;
	for (uint32_t i = 0; i < 100; i++)
		bench_push(&bench, (uint8_t)(1 + i), i, 0);
	bench_run(&bench);
	assert_int_equal(bench.alert_count, 6000);
	assert_int_equal(bench.covered, 100);
	assert_int_equal(bench.failed_count + bench.skipped_count, 0);
	for (size_t i = 0; i < bench.alert_count; i++) {
		char title[32];

		snprintf(title, sizeof(title), "\"title\":\"%zu\"", i / 60);
		assert_non_null(strstr(bench.alerts[i].text, title));
	}
}

static int write_much_of_each(
	const struct lambda_event *events, size_t count, struct lambda_context *const *contexts)
{
	for (size_t i = 0; i < count; i++)
		(void)write_much(&events[i], contexts[i]);
	return 0;
}

static void more_changes_than_one_result_takes_are_made_in_several_calls(void **state _unused_)
{
	bench.runner.batch_handler = write_much_of_each;
	for (uint32_t i = 0; i < 300; i++)
		bench_push(&bench, 3, i, 0);
	bench_run(&bench);
	assert_int_equal(bench.failed_count, 0);
	assert_int_equal(bench.write_count, 300);
	assert_int_equal(bench.covered, 300);
}

static void large_changes_of_an_earlier_batch_wait_for_an_event(void **state _unused_)
{
	bench.runner.handler = write_much;
	bench.flags = 0;
	for (uint32_t i = 0; i < 18; i++)
		bench_push(&bench, 3, i, 0);
	bench_run(&bench); /* 1 MiB is reached with the last one */
	assert_int_equal(bench.write_count, 0);
	bench.flags = PIPE_BATCH_COLLECT;
	bench_push(&bench, 3, 18, 0);
	bench_push(&bench, 3, 19, 0);
	bench_run(&bench);
	assert_int_equal(bench.write_count, 20);
	assert_int_equal(bench.covered, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(event_has_its_record_key_and_identity),
		TEST(runaway_clock_of_a_switch_does_not_move_windows),
		TEST(event_that_fails_takes_its_changes_back),
		TEST(refusal_fails_the_event_whatever_it_returns),
		TEST(values_are_kept_as_json),
		TEST(alerts_are_checked_where_they_are_made),
		TEST(alert_says_what_it_is_about),
		TEST(results_hold_no_more_alerts_than_the_engine_takes),
		TEST(settings_are_found_by_path),
		TEST(much_that_changes_goes_in_several_results),
		TEST(partitions_that_went_away_are_forgotten),
		TEST(batch_handler_has_all_events_and_the_state_of_each),
		TEST(batch_handler_says_which_events_fail_and_the_others_are_done),
		TEST(batch_that_fails_without_a_name_is_halved_down_to_the_event),
		TEST(events_of_one_key_share_it_as_it_comes_and_empties),
		TEST(results_of_batch_handlers_hold_no_more_alerts_than_the_engine_takes),
		TEST(more_changes_than_one_result_takes_are_made_in_several_calls),
		TEST(large_changes_of_an_earlier_batch_wait_for_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
