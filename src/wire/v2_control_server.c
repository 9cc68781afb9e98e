// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_control_server.h"

void v2_control_server_init(struct v2_control_server *server,
	const struct v2_control_server_config *config, uint64_t now_ns)
{
	*server = (struct v2_control_server){.config = *config};
	v2_alive_init(&server->alive, &config->alive, now_ns);
	v2_alive_asked(&server->alive, now_ns);
}

/* ---- what comes ---- */

/* All schemas are known: it is the caller's turn. */
static void ask_caller(struct v2_control_server *s, struct v2_control_event *event)
{
	v2_alive_answered(&s->alive);
	s->asked = true;
	event->type = V2_CONTROL_ASKED;
}

static void refuse(struct v2_control_server *s, enum v2_error error)
{
	s->asked = false;
	s->refusal = error;
	s->refusal_due = true;
}

static enum v2_error take_hello(struct v2_control_server *s, uint64_t now_ns, const uint8_t *bytes,
	size_t size, struct v2_control_event *event)
{
	enum v2_error error;

	/* The agent waits for an answer before it asks again. */
	if (s->asked || s->missing != 0 || s->welcome_due || s->refusal_due)
		return V2_BAD_CONTROL;
	error = v2_get_hello(bytes, size, &s->hello);
	if (error == V2_NO_VERSION) {
		v2_alive_answered(&s->alive);
		refuse(s, error);
		event->error = error;
		return V2_OK;
	}
	if (error != V2_OK)
		return error;
	for (uint16_t i = 0; i < s->hello.schemas.count; i++)
		if (!s->config.knows(s->config.user, &s->hello.schemas.list[i]))
			s->missing |= 1U << i;
	s->request_due = s->missing != 0;
	if (s->missing == 0)
		ask_caller(s, event);
	else
		v2_alive_asked(&s->alive, now_ns);
	return V2_OK;
}

static enum v2_error take_schema(struct v2_control_server *s, const uint8_t *bytes, size_t size,
	struct v2_control_event *event)
{
	struct v2_schema_message schema;
	enum v2_error error = v2_get_schema(bytes, size, &schema);
	uint32_t missing = s->missing;

	if (error != V2_OK)
		return error;
	/* Several may have one description. */
	for (uint16_t i = 0; i < s->hello.schemas.count; i++) {
		if (!(missing >> i & 1) || s->hello.schemas.list[i].hash != schema.hash)
			continue;
		error = s->config.learn(
			s->config.user, &s->hello.schemas.list[i], schema.description, schema.size);
		if (error != V2_OK)
			return error;
		s->missing &= ~(1U << i);
	}
	/* One that nobody asked for, or not any more. */
	if (s->missing == missing)
		return V2_BAD_SCHEMA;
	if (s->missing == 0)
		ask_caller(s, event);
	return V2_OK;
}

static enum v2_error take_result(struct v2_control_server *s, const uint8_t *bytes, size_t size,
	struct v2_control_event *event)
{
	struct v2_settings_result result;
	enum v2_error error = v2_get_settings_result(bytes, size, &result);

	if (error != V2_OK)
		return error;
	/* Of ones that others have followed meanwhile: there will be another. */
	if (result.generation != s->sent_generation)
		return V2_OK;
	s->result = result;
	event->type = V2_CONTROL_SET_DONE;
	return V2_OK;
}

static enum v2_error take(struct v2_control_server *s, uint64_t now_ns, const uint8_t *bytes,
	size_t size, struct v2_control_event *event)
{
	uint8_t type;
	enum v2_error error = v2_get_type(bytes, size, &type);

	if (error != V2_OK)
		return error;
	switch (type) {
	case V2_CONTROL_HELLO:
		return take_hello(s, now_ns, bytes, size, event);
	case V2_CONTROL_SCHEMA:
		return take_schema(s, bytes, size, event);
	case V2_CONTROL_SETTINGS_RESULT:
		return take_result(s, bytes, size, event);
	case V2_CONTROL_BYE:
		event->type = V2_CONTROL_LEFT;
		return v2_get_bye(bytes, size, &event->bye, &event->error);
	default:
		return v2_alive_receive(&s->alive, type, bytes, size);
	}
}

enum v2_error v2_control_server_receive(struct v2_control_server *server, uint64_t now_ns,
	const uint8_t *bytes, size_t size, struct v2_control_event *ret_event)
{
	struct v2_control_event event = {0};
	enum v2_error error = take(server, now_ns, bytes, size, &event);

	if (error != V2_OK)
		return error;
	v2_alive_heard(&server->alive, now_ns);
	*ret_event = event;
	return V2_OK;
}

/* ---- what the caller says ---- */

void v2_control_server_welcome(struct v2_control_server *server, const struct v2_welcome *welcome)
{
	if (!server->asked)
		return;
	server->asked = false;
	server->welcome = *welcome;
	server->welcome_due = true;
}

void v2_control_server_refuse(struct v2_control_server *server, enum v2_error error)
{
	if (server->asked)
		refuse(server, error);
}

void v2_control_server_set(struct v2_control_server *server, const struct v2_settings *settings)
{
	server->settings = *settings;
}

bool v2_control_server_is_set(const struct v2_control_server *server)
{
	return server->result.generation == server->settings.generation;
}

void v2_control_server_leave(struct v2_control_server *server, enum v2_bye bye, enum v2_error error)
{
	v2_alive_leave(&server->alive, bye, error);
}

/* ---- what goes ---- */

static bool settings_due(const struct v2_control_server *s)
{
	return s->welcomed && s->settings.generation != 0 &&
	       s->settings.generation != s->sent_generation;
}

static size_t put_request(struct v2_control_server *s, uint8_t *bytes, size_t size)
{
	struct v2_schema_request request = {0};

	for (uint16_t i = 0; i < s->hello.schemas.count; i++)
		if (s->missing >> i & 1)
			request.hashes[request.count++] = s->hello.schemas.list[i].hash;
	return v2_put_schema_request(bytes, size, &request);
}

static size_t next_message(struct v2_control_server *s, uint8_t *bytes, size_t size)
{
	if (s->request_due) {
		s->request_due = false;
		return put_request(s, bytes, size);
	}
	if (s->welcome_due) {
		s->welcome_due = false;
		s->welcomed = true;
		return v2_put_welcome(bytes, size, &s->welcome,
			s->config.alive.random(s->config.alive.random_user));
	}
	if (s->refusal_due) {
		s->refusal_due = false;
		return v2_put_refused(bytes, size, s->refusal);
	}
	if (settings_due(s)) {
		s->sent_generation = s->settings.generation;
		return v2_put_settings(bytes, size, &s->settings);
	}
	return 0;
}

size_t v2_control_server_poll(
	struct v2_control_server *server, uint64_t now_ns, uint8_t *bytes, size_t size)
{
	size_t message = 0;

	if (server->alive.bye == V2_BYE_NONE)
		message = next_message(server, bytes, size);
	return message > 0 ? v2_alive_grease(&server->alive, bytes, message)
			   : v2_alive_poll(&server->alive, now_ns, bytes, size);
}

bool v2_control_server_left(const struct v2_control_server *server)
{
	return server->alive.left;
}

bool v2_control_server_dead(const struct v2_control_server *server, uint64_t now_ns)
{
	return v2_alive_dead(&server->alive, now_ns);
}

uint64_t v2_control_server_next_time(const struct v2_control_server *server)
{
	if (server->request_due || server->welcome_due || server->refusal_due ||
		settings_due(server))
		return 0;
	return v2_alive_next_time(&server->alive);
}
