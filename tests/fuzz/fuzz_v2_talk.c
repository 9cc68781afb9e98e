// SPDX-License-Identifier: BSD-2-Clause
/*
 * Both ends of a control connection against a peer that says anything: the bytes are a channel's, and
 * each message goes to an agent's end and to a server's. Whatever comes, an end has a bounded number of
 * things to say, each of a size that a peer reads, and comes to its end in time.
 */
#include "wire/v2_control_agent.h"
#include "wire/v2_control_server.h"
#include "wire/v2_framer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define SECOND      1000000000ULL
#define SCHEMAS     3
#define ANSWERS_MAX (SCHEMAS + 8) /* to one message, and of itself */

static uint64_t constant(void *user _unused_)
{
	return 0x5a5a5a5a5a5a5aULL;
}

static size_t describe(void *user _unused_, uint16_t index, uint8_t *bytes, size_t size)
{
	REQUIRE(index < SCHEMAS && size >= V2_DESCRIPTION_MAX);
	memset(bytes, index, V2_DESCRIPTION_MAX);
	return index == 0 ? 1 : V2_DESCRIPTION_MAX;
}

static bool knows(void *user _unused_, const struct v2_schema *schema)
{
	return schema->hash % 2 == 0;
}

static enum v2_error learn(void *user _unused_, const struct v2_schema *schema,
	const uint8_t *description, size_t size)
{
	REQUIRE(size > 0 && size <= V2_DESCRIPTION_MAX);
	return description[0] == (uint8_t)schema->hash ? V2_OK : V2_BAD_SCHEMA;
}

static const struct v2_hello hello = {
	.version_min = 2,
	.version_max = 2,
	.boot = 1,
	.datagram_max = 1472,
	.schemas = {.count = SCHEMAS, .list = {{1, 4, 0x0123456789abcdef}, {2, 8, 2}, {3, 8, 2}}},
	.cipher_count = 2,
	.ciphers = {V2_CIPHER_CHACHA20_POLY1305, V2_CIPHER_AES_256_GCM},
};

static void begin(struct v2_control_agent *agent, struct v2_control_server *server)
{
	const struct v2_alive_config alive = {.random = constant};
	const struct v2_settings settings = {
		.generation = 3, .count = 1, .list = {{V2_SETTING_PERIOD, 20000}}};

	v2_control_agent_init(agent,
		&(struct v2_control_agent_config){.alive = alive, .describe = describe}, SECOND);
	v2_control_server_init(server,
		&(struct v2_control_server_config){.alive = alive, .knows = knows, .learn = learn},
		SECOND);
	REQUIRE(v2_control_agent_open(agent, &hello, SECOND));
	v2_control_server_set(server, &settings);
}

/* Each message is one that a framer cuts and a reader knows the type of. */
static void check_message(const uint8_t *bytes, size_t size)
{
	uint8_t type;

	REQUIRE(size <= V2_CONTROL_MAX);
	REQUIRE(v2_get_type(bytes, size, &type) == V2_OK);
}

static void say_agent(struct v2_control_agent *agent, uint64_t now)
{
	uint8_t bytes[V2_CONTROL_MAX];
	unsigned int count = 0;
	size_t size;

	while ((size = v2_control_agent_poll(agent, now, bytes, sizeof(bytes))) > 0) {
		check_message(bytes, size);
		REQUIRE(++count <= ANSWERS_MAX);
	}
}

static void say_server(struct v2_control_server *server, uint64_t now)
{
	uint8_t bytes[V2_CONTROL_MAX];
	unsigned int count = 0;
	size_t size;

	while ((size = v2_control_server_poll(server, now, bytes, sizeof(bytes))) > 0) {
		check_message(bytes, size);
		REQUIRE(++count <= ANSWERS_MAX);
	}
}

static void hear_agent(
	struct v2_control_agent *agent, const uint8_t *message, size_t size, uint64_t now)
{
	struct v2_control_event event;
	enum v2_error error = v2_control_agent_receive(agent, now, message, size, &event);

	if (error != V2_OK)
		v2_control_agent_leave(agent, V2_BYE_ERROR, error);
	else if (event.type == V2_CONTROL_SET)
		v2_control_agent_applied(agent, V2_SETTINGS_APPLIED);
	else if (event.type == V2_CONTROL_WELCOMED)
		REQUIRE(v2_offers_cipher(&hello, agent->welcome.cipher));
	say_agent(agent, now);
}

static void hear_server(
	struct v2_control_server *server, const uint8_t *message, size_t size, uint64_t now)
{
	const struct v2_welcome welcome = {.version = 2, .session = 7, .epoch = 1};
	struct v2_control_event event;
	enum v2_error error = v2_control_server_receive(server, now, message, size, &event);

	if (error != V2_OK) {
		v2_control_server_leave(server, V2_BYE_ERROR, error);
	} else if (event.type == V2_CONTROL_ASKED) {
		REQUIRE(server->missing == 0 && server->hello.boot != 0);
		if (server->hello.boot % 2)
			v2_control_server_welcome(server, &welcome);
		else
			v2_control_server_refuse(server, V2_STALE_EPOCH);
	}
	say_server(server, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct v2_control_agent agent;
	struct v2_control_server server;
	struct v2_framer framer = {0};
	uint64_t now = SECOND;
	size_t at = 0;

	begin(&agent, &server);
	say_agent(&agent, now);
	say_server(&server, now);
	while (at < size) {
		const uint8_t *message;
		size_t length, piece;
		uint8_t *to;

		piece = MIN(v2_framer_room(&framer, &to), size - at);
		memcpy(to, bytes + at, piece);
		v2_framer_add(&framer, piece);
		at += piece;
		while (v2_framer_next(&framer, &message, &length) == V2_OK && length > 0) {
			now += SECOND;
			hear_agent(&agent, message, length, now);
			hear_server(&server, message, length, now);
		}
		if (v2_framer_next(&framer, &message, &length) != V2_OK)
			break;
	}
	/* Nothing comes any more. */
	now += V2_DEAD_NS;
	REQUIRE(v2_control_agent_dead(&agent, now) && v2_control_server_dead(&server, now));
	return 0;
}
