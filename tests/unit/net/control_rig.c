// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/net/control_rig.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define PUMP_NS NS_PER_MS
#define ADDRESS 77

struct record {
	uint64_t number, copy;
};

static uint64_t counter(void *user _unused_)
{
	static uint64_t count;

	return ++count * 0x9e3779b97f4a7c15ULL;
}

/* ---- the server ---- */

static bool knows(void *user, const struct v2_schema *schema _unused_)
{
	return ((struct control_rig *)user)->schema_known;
}

static enum v2_error learn(void *user, const struct v2_schema *schema _unused_,
	const uint8_t *description, size_t size)
{
	struct control_rig *c = user;

	if (c->schema_unwanted || size != 5 || memcmp(description, "hello", 5) != 0)
		return V2_BAD_SCHEMA;
	c->schema_known = true;
	c->described++;
	return V2_OK;
}

int control_answer(struct control_rig *c, uint64_t ticket, const struct v2_hello *hello)
{
	static const uint8_t both[] = {V2_CIPHER_AES_256_GCM, V2_CIPHER_CHACHA20_POLY1305};
	uint64_t session = v2_receiver_next_session(&c->receiver);
	struct v2_aead *keys = NULL;
	struct v2_welcome welcome;
	struct v2_mark mark;
	struct v2_seal seal;
	uint8_t cipher;
	int r;

	if (v2_admit(&c->mark, hello, &mark) == V2_ADMIT_STALE) {
		control_server_refuse(c->server, ticket, V2_STALE_EPOCH);
		return 0;
	}
	if (v2_choose_cipher(hello, c->ciphers ? c->ciphers : both, c->ciphers ? 1 : 2, &cipher) !=
			V2_OK ||
		c->refuse) {
		control_server_refuse(c->server, ticket, V2_NO_CIPHER);
		return 0;
	}
	if (mark.boot != c->mark.boot)
		c->expected = 0;
	c->mark = mark;
	r = control_server_keys(c->server, ticket, session, cipher, &keys);
	if (r < 0)
		return r;
	seal = v2_aead_seal(keys);
	if (v2_receiver_open(&c->receiver, &c->mark, hello, &seal, &welcome) != V2_OK)
		fail_msg("the receiver refuses the schemas");
	if (c->server_keys)
		v2_aead_free(c->server_keys);
	c->server_keys = keys;
	welcome.cipher = cipher;
	r = control_server_welcome(c->server, ticket, &welcome);
	if (r < 0)
		v2_receiver_close(&c->receiver);
	else
		c->welcomed++;
	return r;
}

static void on_asked(
	void *user, uint64_t ticket, const struct tls_peer *peer, const struct v2_hello *hello)
{
	struct control_rig *c = user;

	assert_int_equal(peer->switch_id, 7);
	assert_true(c->schema_known);
	c->asked++;
	c->ticket = ticket;
	c->hello = *hello;
	if (!c->ask_later)
		(void)control_answer(c, ticket, hello);
}

static void on_over(void *user, uint32_t switch_id)
{
	struct control_rig *c = user;

	assert_int_equal(switch_id, 7);
	c->over++;
	v2_receiver_close(&c->receiver);
	if (c->server_keys)
		v2_aead_free(TAKE_PTR(c->server_keys));
}

static void get_settings(void *user, uint32_t switch_id, struct v2_settings *ret_settings)
{
	assert_int_equal(switch_id, 7);
	*ret_settings = ((struct control_rig *)user)->settings;
}

static void on_set_done(void *user, uint32_t switch_id, const struct v2_settings_result *result)
{
	struct control_rig *c = user;

	assert_int_equal(switch_id, 7);
	c->result = *result;
	c->results++;
}

#define NOTE(into, from)                                                                           \
	do {                                                                                       \
		(into).count++;                                                                    \
		snprintf((into).what, sizeof((into).what), "%s", (from)->what);                    \
		snprintf((into).why, sizeof((into).why), "%s", (from)->why ? (from)->why : "");    \
		(into).end = (from)->end;                                                          \
		(into).error = (from)->error;                                                      \
		(into).bye = (from)->bye;                                                          \
	} while (0)

static void on_server_note(void *user, const struct control_note *note)
{
	struct control_rig *c = user;

	NOTE(c->server_note, note);
}

static const struct control_server_callbacks server_callbacks = {
	.knows = knows,
	.learn = learn,
	.asked = on_asked,
	.over = on_over,
	.settings = get_settings,
	.set_done = on_set_done,
	.note = on_server_note,
};

/* ---- the agent ---- */

static void say_hello(void *user, struct v2_hello *ret_hello)
{
	const struct control_rig *c = user;

	v2_sender_hello(&c->sender, ret_hello);
	if (c->version != 0)
		ret_hello->version_min = ret_hello->version_max = c->version;
}

static size_t describe(void *user _unused_, uint16_t index, uint8_t *bytes, size_t size)
{
	assert_int_equal(index, 0);
	assert_true(size >= 5);
	memcpy(bytes, "hello", 5);
	return 5;
}

static enum v2_error on_open(void *user, const struct tls_peer *peer,
	const struct v2_welcome *welcome, const struct v2_seal *seal)
{
	struct control_rig *c = user;
	enum v2_error error = v2_sender_open(&c->sender, welcome, seal, loop_now_ns(c->rig->loop));

	assert_int_equal(peer->switch_id, 0);
	c->opened += error == V2_OK;
	c->cipher = welcome->cipher;
	return error;
}

static void on_close(void *user)
{
	struct control_rig *c = user;

	c->closed++;
	v2_sender_close(&c->sender);
}

static void on_restart(void *user, enum v2_error why, uint64_t pause_ns)
{
	struct control_rig *c = user;

	c->restarts++;
	c->restart_error = why;
	c->pause_ns = pause_ns;
	c->pushed = 0;
	v2_sender_restart(&c->sender, ++c->boot);
}

static enum v2_settings_status on_set(void *user, const struct v2_settings *settings)
{
	struct control_rig *c = user;

	c->sets++;
	c->applied = *settings;
	return V2_SETTINGS_APPLIED;
}

static void on_agent_note(void *user, const struct control_note *note)
{
	struct control_rig *c = user;

	NOTE(c->agent_note, note);
}

static const struct control_client_callbacks client_callbacks = {
	.hello = say_hello,
	.describe = describe,
	.open = on_open,
	.close = on_close,
	.restart = on_restart,
	.set = on_set,
	.note = on_agent_note,
};

/* ---- the data ---- */

static void process(struct control_rig *c, uint64_t now)
{
	struct v2_taken taken;

	while (v2_receiver_take(&c->receiver, V2_LANE_PORT, 64, &taken)) {
		assert_int_equal(taken.cause, V2_CAUSE_NONE);
		for (uint64_t i = 0; i < taken.count; i++) {
			struct record record;

			memcpy(&record, taken.records + i * taken.stride, sizeof(record));
			if (record.number != c->expected || record.copy != ~record.number)
				fail_msg("event %llu instead of %llu",
					(unsigned long long)record.number,
					(unsigned long long)c->expected);
			c->expected++;
			c->processed++;
		}
		c->mark.before[V2_LANE_PORT] = taken.sequence + taken.count;
		assert_true(v2_receiver_commit(&c->receiver, c->mark.epoch, V2_LANE_PORT,
			taken.sequence + taken.count, now));
	}
}

static void send_data(struct control_rig *c, uint64_t now)
{
	uint8_t train[4 * 1472];
	size_t size, segment;

	while ((size = v2_sender_poll(&c->sender, now, train, sizeof(train), &segment)) > 0)
		for (size_t at = 0; at < size; at += segment)
			c->dropped += v2_receiver_receive(&c->receiver, now, ADDRESS, train + at,
					      MIN(segment, size - at)) != V2_OK;
}

static void send_answers(struct control_rig *c, uint64_t now)
{
	uint8_t bytes[V2_DATAGRAM_MAX];
	uint64_t address;
	size_t size;

	while ((size = v2_receiver_poll(&c->receiver, now, &address, bytes, sizeof(bytes))) > 0) {
		assert_int_equal(address, ADDRESS);
		(void)v2_sender_receive(&c->sender, now, bytes, size);
	}
}

static void on_pump(struct loop_timer *timer, uint64_t now)
{
	struct control_rig *c = timer->user;
	struct record record = {c->pushed, ~c->pushed};

	if (!c->idle && c->client) {
		/* A full lane sheds: then this number is not to come. */
		if (c->pushed < c->expected + 4000 &&
			v2_sender_push(&c->sender, V2_LANE_PORT, 0, &record, 1) == 1)
			c->pushed++;
	}
	if (c->client && v2_sender_wants_session(&c->sender, now))
		control_client_want_session(c->client);
	if (c->client)
		send_data(c, now);
	if (c->server)
		process(c, now);
	send_answers(c, now);
	loop_arm_timer(c->rig->loop, timer, now + PUMP_NS);
}

/* ---- life ---- */

static void set_times(struct control_rig *c)
{
	const struct v2_alive_config alive = {.ping_ns = 50 * NS_PER_MS,
		.dead_ns = 20 * NS_PER_SEC,
		.answer_ns = 20 * NS_PER_SEC};

	c->server_options.tls.limits.rates = rig_rates;
	c->server_options.alive = c->client_options.alive = alive;
	c->client_options.tls.pause_min_ns = 20 * NS_PER_MS;
	c->client_options.tls.pause_max_ns = 40 * NS_PER_MS;
}

static int make_sender(struct control_rig *c)
{
	const struct v2_sender_config config = {.capacity = {8, 8192, 8, 8},
		.record_max = sizeof(struct record),
		.packets = 64,
		.datagram_max = 1472,
		.schemas = {.count = 1,
			.list = {{.event_id = 1,
				.record_bytes = sizeof(struct record),
				.hash = 5}}},
		.random = counter};

	return v2_sender_init(&c->sender, &config, c->boot);
}

int control_rig_new(void **state)
{
	const struct v2_receiver_config receiver = {
		.window = {8, 256, 8}, .record_max = sizeof(struct record), .random = counter};
	struct control_rig *c = calloc(1, sizeof(*c));
	void *rig;

	if (!c || rig_new(&rig) < 0)
		return -1;
	c->rig = rig;
	c->boot = 1;
	set_times(c);
	if (make_sender(c) < 0 || v2_receiver_init(&c->receiver, &receiver) < 0)
		return -1;
	c->pump = (struct loop_timer){.fn = on_pump, .user = c};
	loop_arm_timer(c->rig->loop, &c->pump, loop_now_ns(c->rig->loop));
	*state = c;
	return 0;
}

int control_rig_free(void **state)
{
	struct control_rig *c = *state;
	void *rig = c->rig;

	control_stop_agent(c);
	control_stop_server(c);
	if (c->proxy)
		proxy_free(c->proxy);
	loop_disarm_timer(&c->pump);
	v2_sender_done(&c->sender);
	v2_receiver_done(&c->receiver);
	free(c);
	return rig_free(&rig);
}

int control_try_server(struct control_rig *c)
{
	const struct tls_context_options options = {.role = TLS_SERVER,
		.files = {.credentials = "server.pem", .crl = "crl.pem"},
		.check_ns = 10 * NS_PER_MS};
	_cleanup_free_ char *error = NULL;
	int r = tls_context_new(c->rig->loop, &options, &c->server_context, &error);

	if (r == 0)
		r = endpoint_parse("127.0.0.1:0", &c->server_options.tls.local, &error);
	if (r == 0)
		r = control_server_new(c->rig->loop, c->server_context, &c->server_options,
			&server_callbacks, c, &c->server, &error);
	if (r == 0)
		r = control_server_address(c->server, &c->address);
	if (r == 0 && !c->direct)
		c->proxy = proxy_new(c->rig->loop, &c->address);
	return r;
}

void control_start_server(struct control_rig *c)
{
	assert_int_equal(control_try_server(c), 0);
}

int control_try_agent(struct control_rig *c)
{
	const struct tls_context_options options = {.role = TLS_CLIENT,
		.files = {.credentials = "switch.pem"},
		.check_ns = 10 * NS_PER_MS};
	_cleanup_free_ char *error = NULL;
	int r = tls_context_new(c->rig->loop, &options, &c->agent_context, &error);

	c->client_options.tls.addresses[0] = c->direct ? c->address : proxy_address(c->proxy);
	c->client_options.tls.address_count = 1;
	c->client_options.tls.server_name = "localhost";
	if (r == 0)
		r = control_client_new(c->rig->loop, c->agent_context, &c->client_options,
			&client_callbacks, c, &c->client);
	return r;
}

void control_start_agent(struct control_rig *c)
{
	assert_int_equal(control_try_agent(c), 0);
}

void control_stop_server(struct control_rig *c)
{
	if (c->server)
		control_server_free(c->server);
	if (c->server_context)
		tls_context_free(c->server_context);
	v2_receiver_close(&c->receiver);
	if (c->server_keys)
		v2_aead_free(TAKE_PTR(c->server_keys));
	c->server = NULL;
	c->server_context = NULL;
}

void control_stop_agent(struct control_rig *c)
{
	if (c->client)
		control_client_free(c->client);
	if (c->agent_context)
		tls_context_free(c->agent_context);
	v2_sender_close(&c->sender);
	c->client = NULL;
	c->agent_context = NULL;
}

void control_kill_agent(struct control_rig *c)
{
	struct v2_life life = {.boot = c->boot, .epoch = c->sender.epoch};

	for (int lane = 0; lane < V2_LANES; lane++) {
		life.first[lane] = c->sender.lanes[lane].processed;
		life.sent_end[lane] = c->sender.lanes[lane].next_sequence;
	}
	control_stop_agent(c);
	v2_sender_done(&c->sender);
	assert_int_equal(make_sender(c), 0);
	assert_int_equal(v2_sender_resume(&c->sender, &life), 0);
	c->pushed = life.first[V2_LANE_PORT];
}

void control_wait_events(struct control_rig *c, unsigned int more)
{
	rig_wait_count(c->rig, &c->processed, c->processed + more);
}

void control_start(struct control_rig *c)
{
	control_start_server(c);
	control_start_agent(c);
	control_wait_events(c, 10);
}
