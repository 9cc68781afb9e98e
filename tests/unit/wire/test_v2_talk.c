// SPDX-License-Identifier: BSD-2-Clause
/* The two ends of a control connection with each other, on a time that the test has. */
#include "tests/unit/test.h"
#include "wire/v2_control_agent.h"
#include "wire/v2_control_server.h"
#include "wire/v2_framer.h"
#include "wire/v2_lease.h"

#include <string.h>

#define SECOND 1000000000ULL

struct talk {
	struct v2_control_agent agent;
	struct v2_control_server server;
	uint64_t now;
	/* The last event of each end that was not nothing, and how many there were. */
	struct v2_control_event at_agent, at_server;
	unsigned int agent_events, server_events;
	enum v2_error agent_error, server_error;
	unsigned int messages; /* both ways, but those that are to be skipped */
	bool knows[3], bad_description;
	unsigned int described, learned;
};

static uint64_t counter(void *user _unused_)
{
	static uint64_t count;

	return ++count * 0x9e3779b97f4a7c15ULL;
}

static size_t describe(void *user, uint16_t index, uint8_t *bytes, size_t size _unused_)
{
	struct talk *talk = user;

	talk->described++;
	memset(bytes, 'a' + index, 20);
	return 20;
}

static bool knows(void *user, const struct v2_schema *schema)
{
	return ((struct talk *)user)->knows[schema->hash];
}

static enum v2_error learn(
	void *user, const struct v2_schema *schema, const uint8_t *description, size_t size)
{
	struct talk *talk = user;

	assert_int_equal(size, 20);
	assert_int_equal(description[19], 'a' + schema->hash);
	talk->learned++;
	return talk->bad_description ? V2_BAD_SCHEMA : V2_OK;
}

static const struct v2_hello hello = {
	.version_min = 2,
	.version_max = 2,
	.boot = 9,
	.datagram_max = 1472,
	.schemas = {.count = 3, .list = {{1, 4, 0}, {2, 4, 1}, {3, 4, 2}}},
	.cipher_count = 1,
	.ciphers = {V2_CIPHER_AES_256_GCM},
};
static const struct v2_welcome greeting = {.version = 2,
	.cipher = V2_CIPHER_AES_256_GCM,
	.session = 7,
	.epoch = 1,
	.datagram_max = 1200};
static const struct v2_settings settings = {
	.generation = 5, .count = 1, .list = {{V2_SETTING_PERIOD, 1000000}}};

static void begin(struct talk *talk)
{
	const struct v2_alive_config alive = {.random = counter};

	*talk = (struct talk){.now = SECOND};
	v2_control_agent_init(&talk->agent,
		&(struct v2_control_agent_config){
			.alive = alive, .describe = describe, .user = talk},
		talk->now);
	v2_control_server_init(&talk->server,
		&(struct v2_control_server_config){
			.alive = alive, .knows = knows, .learn = learn, .user = talk},
		talk->now);
}

static void to_agent(struct talk *talk, const uint8_t *bytes, size_t size)
{
	struct v2_control_event event;

	talk->messages += bytes[0] < V2_SKIPPABLE_MIN;
	talk->agent_error = v2_control_agent_receive(&talk->agent, talk->now, bytes, size, &event);
	if (talk->agent_error != V2_OK || event.type == V2_CONTROL_NOTHING)
		return;
	talk->at_agent = event;
	talk->agent_events++;
}

static void to_server(struct talk *talk, const uint8_t *bytes, size_t size)
{
	struct v2_control_event event;

	talk->messages += bytes[0] < V2_SKIPPABLE_MIN;
	talk->server_error =
		v2_control_server_receive(&talk->server, talk->now, bytes, size, &event);
	if (talk->server_error != V2_OK || event.type == V2_CONTROL_NOTHING)
		return;
	talk->at_server = event;
	talk->server_events++;
}

/* Until neither end has anything to say. */
static void talk_on(struct talk *talk)
{
	uint8_t bytes[V2_CONTROL_MAX];
	bool said;

	do {
		size_t size = v2_control_agent_poll(&talk->agent, talk->now, bytes, sizeof(bytes));

		said = size > 0;
		if (size > 0)
			to_server(talk, bytes, size);
		size = v2_control_server_poll(&talk->server, talk->now, bytes, sizeof(bytes));
		said |= size > 0;
		if (size > 0)
			to_agent(talk, bytes, size);
	} while (said);
}

static void ask(struct talk *talk)
{
	assert_true(v2_control_agent_open(&talk->agent, &hello, talk->now));
	talk_on(talk);
}

/* ---- sessions and schemas ---- */

static void unknown_schemas_are_described_once_before_the_agent_is_admitted(void **state _unused_)
{
	struct talk talk;

	begin(&talk);
	talk.knows[1] = true;
	ask(&talk);
	assert_int_equal(talk.at_server.type, V2_CONTROL_ASKED);
	assert_int_equal(talk.server_events, 1);
	assert_int_equal(talk.described, 2);
	assert_int_equal(talk.learned, 2);
	assert_int_equal(talk.messages, 4); /* HELLO, SCHEMA_REQUEST, two SCHEMAs */
	v2_control_server_welcome(&talk.server, &greeting);
	talk_on(&talk);
	assert_int_equal(talk.at_agent.type, V2_CONTROL_WELCOMED);
	assert_int_equal(talk.agent.welcome.session, 7);
	/* Another session on the connection: all are known. */
	talk.knows[0] = talk.knows[2] = true;
	ask(&talk);
	assert_int_equal(talk.server_events, 2);
	assert_int_equal(talk.described, 2);
}

static void no_other_session_is_asked_for_before_the_answer(void **state _unused_)
{
	struct talk talk;

	begin(&talk);
	talk.knows[0] = talk.knows[1] = talk.knows[2] = true;
	ask(&talk);
	assert_false(v2_control_agent_open(&talk.agent, &hello, talk.now));
	v2_control_server_refuse(&talk.server, V2_STALE_EPOCH);
	talk_on(&talk);
	assert_int_equal(talk.at_agent.type, V2_CONTROL_WAS_REFUSED);
	assert_int_equal(talk.at_agent.error, V2_STALE_EPOCH);
	assert_true(v2_control_agent_open(&talk.agent, &hello, talk.now));
}

static void version_that_is_not_ours_is_refused_in_words(void **state _unused_)
{
	struct v2_hello future = hello;
	struct talk talk;

	begin(&talk);
	future.version_min = future.version_max = 3;
	assert_true(v2_control_agent_open(&talk.agent, &future, talk.now));
	talk_on(&talk);
	assert_int_equal(talk.server_error, V2_OK);
	assert_int_equal(talk.at_agent.type, V2_CONTROL_WAS_REFUSED);
	assert_int_equal(talk.at_agent.error, V2_NO_VERSION);
}

static void cipher_that_was_not_offered_is_refused(void **state _unused_)
{
	struct v2_welcome other = greeting;
	struct talk talk;

	begin(&talk);
	talk.knows[0] = talk.knows[1] = talk.knows[2] = true;
	ask(&talk);
	other.cipher = V2_CIPHER_CHACHA20_POLY1305;
	v2_control_server_welcome(&talk.server, &other);
	talk_on(&talk);
	assert_int_equal(talk.agent_error, V2_BAD_PARAMETER);
}

static void description_that_does_not_fit_its_hash_ends_the_connection(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;
	size_t size;

	begin(&talk);
	talk.bad_description = true;
	assert_true(v2_control_agent_open(&talk.agent, &hello, talk.now));
	size = v2_control_agent_poll(&talk.agent, talk.now, bytes, sizeof(bytes));
	to_server(&talk, bytes, size);
	size = v2_control_server_poll(&talk.server, talk.now, bytes, sizeof(bytes));
	to_agent(&talk, bytes, size);
	size = v2_control_agent_poll(&talk.agent, talk.now, bytes, sizeof(bytes));
	to_server(&talk, bytes, size);
	assert_int_equal(talk.server_error, V2_BAD_SCHEMA);
	assert_int_equal(talk.server_events, 0);
}

/* What comes out of turn is refused: answers without a question, descriptions that nobody wants. */
static void messages_out_of_turn_are_refused(void **state _unused_)
{
	const struct v2_schema_message schema = {
		.hash = 0, .description = (const uint8_t *)"aaaaaaaaaaaaaaaaaaaa", .size = 20};
	const struct v2_schema_request request = {.count = 1, .hashes = {0}}, unknown = {1, {77}};
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;

	begin(&talk);
	to_agent(&talk, bytes, v2_put_welcome(bytes, sizeof(bytes), &greeting, 3));
	assert_int_equal(talk.agent_error, V2_BAD_CONTROL);
	to_agent(&talk, bytes, v2_put_schema_request(bytes, sizeof(bytes), &request));
	assert_int_equal(talk.agent_error, V2_BAD_CONTROL);
	to_server(&talk, bytes, v2_put_schema(bytes, sizeof(bytes), &schema));
	assert_int_equal(talk.server_error, V2_BAD_SCHEMA);
	/* Each end takes only what the other says. */
	to_server(&talk, bytes, v2_put_welcome(bytes, sizeof(bytes), &greeting, 3));
	assert_int_equal(talk.server_error, V2_WRONG_WAY);
	to_agent(&talk, bytes, v2_put_hello(bytes, sizeof(bytes), &hello, 3));
	assert_int_equal(talk.agent_error, V2_WRONG_WAY);
	/* Of a schema that was not announced. */
	assert_true(v2_control_agent_open(&talk.agent, &hello, talk.now));
	assert_true(v2_control_agent_poll(&talk.agent, talk.now, bytes, sizeof(bytes)) > 0);
	to_agent(&talk, bytes, v2_put_schema_request(bytes, sizeof(bytes), &unknown));
	assert_int_equal(talk.agent_error, V2_BAD_SCHEMA);
}

static void second_hello_before_the_answer_is_refused(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;

	begin(&talk);
	ask(&talk);
	to_server(&talk, bytes, v2_put_hello(bytes, sizeof(bytes), &hello, 3));
	assert_int_equal(talk.server_error, V2_BAD_CONTROL);
}

/* ---- settings ---- */

static void welcomed(struct talk *talk)
{
	begin(talk);
	talk->knows[0] = talk->knows[1] = talk->knows[2] = true;
	ask(talk);
	v2_control_server_welcome(&talk->server, &greeting);
	talk_on(talk);
}

static void settings_are_sent_after_the_welcome_until_they_are_answered(void **state _unused_)
{
	struct talk talk;

	begin(&talk);
	v2_control_server_set(&talk.server, &settings);
	talk.knows[0] = talk.knows[1] = talk.knows[2] = true;
	ask(&talk);
	assert_int_equal(talk.agent_events, 0);
	v2_control_server_welcome(&talk.server, &greeting);
	talk_on(&talk);
	assert_int_equal(talk.at_agent.type, V2_CONTROL_SET);
	assert_int_equal(talk.agent.settings.list[0].value, 1000000);
	assert_false(v2_control_server_is_set(&talk.server));
	v2_control_agent_applied(&talk.agent, V2_SETTINGS_APPLIED);
	talk_on(&talk);
	assert_int_equal(talk.at_server.type, V2_CONTROL_SET_DONE);
	assert_true(v2_control_server_is_set(&talk.server));
	assert_int_equal(talk.server.result.status, V2_SETTINGS_APPLIED);
}

static void last_of_several_settings_is_what_holds(void **state _unused_)
{
	struct v2_settings later = settings;
	struct talk talk;

	welcomed(&talk);
	v2_control_server_set(&talk.server, &settings);
	talk_on(&talk);
	v2_control_agent_applied(&talk.agent, V2_SETTINGS_APPLIED);
	/* The answer is under way when others are set. */
	later.generation = 6;
	v2_control_server_set(&talk.server, &later);
	talk_on(&talk);
	assert_false(v2_control_server_is_set(&talk.server));
	assert_int_equal(talk.agent.settings.generation, 6);
	v2_control_agent_applied(&talk.agent, V2_SETTINGS_FAILED);
	talk_on(&talk);
	assert_true(v2_control_server_is_set(&talk.server));
	assert_int_equal(talk.server.result.status, V2_SETTINGS_FAILED);
}

static void settings_that_cannot_be_are_answered_without_the_caller(void **state _unused_)
{
	static const struct {
		struct v2_setting setting;
		enum v2_settings_status status;
	} cases[] = {
		{{77, 1}, V2_SETTINGS_UNKNOWN_KEY},
		{{V2_SETTING_PERIOD, 9999}, V2_SETTINGS_OUT_OF_BOUNDS},
		{{V2_SETTING_PERIOD, 86400000001}, V2_SETTINGS_OUT_OF_BOUNDS},
		{{V2_SETTING_SOURCE_HOSTS, 5001}, V2_SETTINGS_OUT_OF_BOUNDS},
		{{V2_SETTING_SOURCE_HALF_OPEN, 1ULL << 32}, V2_SETTINGS_OUT_OF_BOUNDS},
	};
	struct talk talk;

	welcomed(&talk);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct v2_settings bad = {
			.generation = 10 + i, .count = 1, .list = {cases[i].setting}};
		unsigned int before = talk.agent_events;

		v2_control_server_set(&talk.server, &bad);
		talk_on(&talk);
		assert_int_equal(talk.agent_events, before);
		assert_true(v2_control_server_is_set(&talk.server));
		assert_int_equal(talk.server.result.status, cases[i].status);
		assert_int_equal(talk.server.result.key, cases[i].setting.key);
	}
}

static void kinds_of_settings_have_names_and_bounds(void **state _unused_)
{
	for (size_t i = 0; i < v2_setting_kind_count; i++) {
		const struct v2_setting_kind *kind = &v2_setting_kinds[i];

		assert_true(strlen(kind->name) > 0);
		assert_true(kind->min < kind->max);
		assert_ptr_equal(v2_setting_kind(kind->key), kind);
	}
	assert_null(v2_setting_kind(0));
}

/* ---- signs of life ---- */

static void quiet_connection_is_kept_alive_by_both_ends(void **state _unused_)
{
	struct talk talk;
	unsigned int before;

	welcomed(&talk);
	before = talk.messages;
	for (int i = 0; i < 60; i++) {
		talk.now += SECOND;
		talk_on(&talk);
		assert_false(v2_control_agent_dead(&talk.agent, talk.now));
		assert_false(v2_control_server_dead(&talk.server, talk.now));
	}
	/* About a PING and a PONG each ten seconds. */
	assert_in_range(talk.messages - before, 8, 30);
}

static void peer_that_says_nothing_is_dead(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;
	unsigned int pings = 0;

	welcomed(&talk);
	for (int i = 0; i < 29; i++) {
		talk.now += SECOND;
		pings += v2_control_agent_poll(&talk.agent, talk.now, bytes, sizeof(bytes)) > 0;
		assert_false(v2_control_agent_dead(&talk.agent, talk.now));
		assert_true(v2_control_agent_next_time(&talk.agent) > talk.now);
	}
	assert_int_equal(pings, 1);
	talk.now += SECOND;
	assert_true(v2_control_agent_dead(&talk.agent, talk.now));
	assert_true(v2_control_server_dead(&talk.server, talk.now));
}

static void peer_that_owes_an_answer_does_not_live_by_pinging(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;

	begin(&talk);
	/* No HELLO, but PING after PING. */
	for (int i = 0; i < 15; i++) {
		assert_false(v2_control_server_dead(&talk.server, talk.now));
		talk.now += SECOND;
		to_server(&talk, bytes, v2_put_alive(bytes, sizeof(bytes), V2_CONTROL_PING, 1));
	}
	assert_true(v2_control_server_dead(&talk.server, talk.now));
	/* Nor without descriptions, nor without an answer to HELLO. */
	begin(&talk);
	assert_true(v2_control_agent_open(&talk.agent, &hello, talk.now));
	talk.now += 15 * SECOND;
	to_agent(&talk, bytes, v2_put_alive(bytes, sizeof(bytes), V2_CONTROL_PING, 1));
	assert_true(v2_control_agent_dead(&talk.agent, talk.now));
}

/* However many are asked, one answer waits: nobody makes an end say much by saying little. */
static void many_pings_get_one_answer(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;
	uint64_t token;
	size_t size;

	welcomed(&talk);
	for (uint64_t i = 1; i <= 1000; i++)
		to_server(&talk, bytes, v2_put_alive(bytes, sizeof(bytes), V2_CONTROL_PING, i));
	size = v2_control_server_poll(&talk.server, talk.now, bytes, sizeof(bytes));
	assert_int_equal(v2_get_alive(bytes, size, &token), V2_OK);
	assert_int_equal(token, 1000);
	assert_int_equal(v2_control_server_poll(&talk.server, talk.now, bytes, sizeof(bytes)), 0);
}

static void each_end_sends_something_to_skip(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;
	unsigned int skippable = 0;

	begin(&talk);
	while (v2_control_agent_poll(&talk.agent, talk.now, bytes, sizeof(bytes)) > 0)
		skippable += bytes[0] >= V2_SKIPPABLE_MIN;
	while (v2_control_server_poll(&talk.server, talk.now, bytes, sizeof(bytes)) > 0)
		skippable += bytes[0] >= V2_SKIPPABLE_MIN;
	assert_int_equal(skippable, 2);
}

/* ---- the last word ---- */

static void last_word_is_the_last(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;

	welcomed(&talk);
	v2_control_server_set(&talk.server, &settings);
	v2_control_server_leave(&talk.server, V2_BYE_REVOKED, V2_OK);
	v2_control_server_leave(&talk.server, V2_BYE_DONE, V2_OK);
	talk_on(&talk);
	assert_int_equal(talk.at_agent.type, V2_CONTROL_LEFT);
	assert_int_equal(talk.at_agent.bye, V2_BYE_REVOKED);
	assert_true(v2_bye_ends_session(talk.at_agent.bye));
	assert_true(v2_control_server_left(&talk.server));
	talk.now += 100 * SECOND;
	assert_int_equal(v2_control_server_poll(&talk.server, talk.now, bytes, sizeof(bytes)), 0);
}

static void unknown_reason_is_an_end_like_another(void **state _unused_)
{
	uint8_t bytes[V2_CONTROL_MAX];
	struct talk talk;
	size_t size;

	welcomed(&talk);
	size = v2_put_bye(bytes, sizeof(bytes), V2_BYE_DONE, V2_OK);
	bytes[V2_CONTROL_HEADER_BYTES] = 99;
	bytes[V2_CONTROL_HEADER_BYTES + 1] = 99;
	to_agent(&talk, bytes, size);
	assert_int_equal(talk.at_agent.type, V2_CONTROL_LEFT);
	assert_int_equal(talk.at_agent.bye, V2_BYE_DONE);
	assert_int_equal(talk.at_agent.error, V2_OK);
}

static void names_are_there(void **state _unused_)
{
	for (int i = 0; i < V2_BYE_REASONS; i++)
		assert_string_not_equal(v2_bye_name(i), "unknown");
	for (int i = 0; i < V2_SETTINGS_STATUSES; i++)
		assert_string_not_equal(v2_settings_status_name(i), "unknown");
	assert_string_equal(v2_bye_name(V2_BYE_REASONS), "unknown");
	assert_string_equal(v2_cipher_name(V2_CIPHER_AES_256_GCM), "AES-256-GCM");
	assert_string_equal(v2_cipher_name(0), "unknown");
}

/* ---- the lease ---- */

static const struct v2_lease_config brief = {
	.grace_ns = 10 * SECOND, .renew_ns = 80 * SECOND, .age_ns = 100 * SECOND};

static void session_outlives_its_connection_for_the_time_of_grace(void **state _unused_)
{
	struct v2_lease lease;

	v2_lease_init(&lease, &brief);
	assert_false(v2_lease_over(&lease, UINT64_MAX - 1));
	assert_true(v2_lease_next_time(&lease, SECOND) == UINT64_MAX);
	v2_lease_begin(&lease, SECOND, SECOND, 0);
	v2_lease_lost(&lease, 5 * SECOND);
	v2_lease_lost(&lease, 9 * SECOND); /* again: the first counts */
	assert_false(v2_lease_over(&lease, 15 * SECOND - 1));
	assert_int_equal(v2_lease_next_time(&lease, 6 * SECOND), 15 * SECOND);
	assert_true(v2_lease_over(&lease, 15 * SECOND));
	/* Another session began meanwhile. */
	v2_lease_begin(&lease, 14 * SECOND, 14 * SECOND, 0);
	assert_false(v2_lease_over(&lease, 100 * SECOND));
}

static void session_is_renewed_in_time_and_over_in_any_case(void **state _unused_)
{
	struct v2_lease lease;

	v2_lease_init(&lease, &brief);
	v2_lease_begin(&lease, SECOND, SECOND, 0);
	assert_false(v2_lease_wants_renewal(&lease, 81 * SECOND - 1));
	assert_true(v2_lease_wants_renewal(&lease, 81 * SECOND));
	assert_false(v2_lease_over(&lease, 101 * SECOND - 1));
	assert_true(v2_lease_over(&lease, 101 * SECOND));
	v2_lease_end(&lease);
	assert_false(v2_lease_over(&lease, 101 * SECOND));
	assert_false(v2_lease_wants_renewal(&lease, 101 * SECOND));
}

static void another_session_on_the_same_connection_makes_it_no_younger(void **state _unused_)
{
	struct v2_lease lease;

	v2_lease_init(&lease, &brief);
	v2_lease_begin(&lease, SECOND, SECOND, 0);
	v2_lease_begin(&lease, SECOND, 60 * SECOND, 0);
	assert_false(v2_lease_wants_renewal(&lease, 81 * SECOND - 1));
	assert_true(v2_lease_wants_renewal(&lease, 81 * SECOND));
	assert_false(v2_lease_over(&lease, 101 * SECOND));
}

static void fleet_does_not_renew_in_one_moment(void **state _unused_)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		struct v2_lease lease;

		v2_lease_init(&lease, &brief);
		v2_lease_begin(&lease, 0, 0, i * 0x9e3779b97f4a7c15ULL);
		least = MIN(least, lease.renew_at_ns);
		most = MAX(most, lease.renew_at_ns);
	}
	assert_in_range(least, 70 * SECOND, 72 * SECOND);
	assert_in_range(most, 78 * SECOND, 80 * SECOND);
}

static void usual_times_are_those_of_the_document(void **state _unused_)
{
	struct v2_lease lease;

	v2_lease_init(&lease, &(struct v2_lease_config){0});
	assert_int_equal(lease.config.grace_ns, 300 * SECOND);
	assert_int_equal(lease.config.renew_ns, 3600 * SECOND);
	assert_int_equal(lease.config.age_ns, 7200 * SECOND);
}

/* ---- the framer ---- */

static void longest_message_is_cut_and_one_octet_more_is_refused(void **state _unused_)
{
	struct v2_framer framer = {0};
	const uint8_t *message;
	uint8_t *at;
	size_t size;

	assert_int_equal(v2_framer_room(&framer, &at), V2_CONTROL_MAX);
	memcpy(at, "\x05\x00\x0f\xfc", 4); /* 4 + 4092 */
	v2_framer_add(&framer, V2_CONTROL_MAX);
	assert_int_equal(v2_framer_next(&framer, &message, &size), V2_OK);
	assert_int_equal(size, V2_CONTROL_MAX);
	assert_int_equal(v2_framer_room(&framer, &at), V2_CONTROL_MAX);
	memcpy(at, "\x05\x00\x0f\xfd", 4);
	v2_framer_add(&framer, 4);
	assert_int_equal(v2_framer_next(&framer, &message, &size), V2_BAD_CONTROL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_schemas_are_described_once_before_the_agent_is_admitted),
		cmocka_unit_test(no_other_session_is_asked_for_before_the_answer),
		cmocka_unit_test(version_that_is_not_ours_is_refused_in_words),
		cmocka_unit_test(cipher_that_was_not_offered_is_refused),
		cmocka_unit_test(description_that_does_not_fit_its_hash_ends_the_connection),
		cmocka_unit_test(messages_out_of_turn_are_refused),
		cmocka_unit_test(second_hello_before_the_answer_is_refused),
		cmocka_unit_test(settings_are_sent_after_the_welcome_until_they_are_answered),
		cmocka_unit_test(last_of_several_settings_is_what_holds),
		cmocka_unit_test(settings_that_cannot_be_are_answered_without_the_caller),
		cmocka_unit_test(kinds_of_settings_have_names_and_bounds),
		cmocka_unit_test(quiet_connection_is_kept_alive_by_both_ends),
		cmocka_unit_test(peer_that_says_nothing_is_dead),
		cmocka_unit_test(peer_that_owes_an_answer_does_not_live_by_pinging),
		cmocka_unit_test(many_pings_get_one_answer),
		cmocka_unit_test(each_end_sends_something_to_skip),
		cmocka_unit_test(last_word_is_the_last),
		cmocka_unit_test(unknown_reason_is_an_end_like_another),
		cmocka_unit_test(names_are_there),
		cmocka_unit_test(session_outlives_its_connection_for_the_time_of_grace),
		cmocka_unit_test(session_is_renewed_in_time_and_over_in_any_case),
		cmocka_unit_test(another_session_on_the_same_connection_makes_it_no_younger),
		cmocka_unit_test(fleet_does_not_renew_in_one_moment),
		cmocka_unit_test(usual_times_are_those_of_the_document),
		cmocka_unit_test(longest_message_is_cut_and_one_octet_more_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
