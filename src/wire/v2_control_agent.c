// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_control_agent.h"

void v2_control_agent_init(struct v2_control_agent *agent,
	const struct v2_control_agent_config *config, uint64_t now_ns)
{
	*agent = (struct v2_control_agent){.config = *config};
	v2_alive_init(&agent->alive, &config->alive, now_ns);
}

bool v2_control_agent_open(
	struct v2_control_agent *agent, const struct v2_hello *hello, uint64_t now_ns)
{
	if (agent->hello_due || agent->waiting)
		return false;
	agent->hello = *hello;
	agent->hello_due = true;
	v2_alive_asked(&agent->alive, now_ns);
	return true;
}

/* ---- what comes ---- */

static enum v2_error take_answer(struct v2_control_agent *a, uint8_t type, const uint8_t *bytes,
	size_t size, struct v2_control_event *event)
{
	struct v2_welcome welcome;
	enum v2_error error;

	if (!a->waiting)
		return V2_BAD_CONTROL;
	error = v2_get_welcome(bytes, size, &welcome);
	if (type == V2_CONTROL_REFUSED) {
		/* V2_BAD_CONTROL is also what a broken REFUSED reads as: it ends the connection. */
		event->type = V2_CONTROL_WAS_REFUSED;
		event->error = error;
	} else if (error != V2_OK) {
		return error;
	} else if (!v2_offers_cipher(&a->hello, welcome.cipher)) {
		return V2_BAD_PARAMETER;
	} else {
		event->type = V2_CONTROL_WELCOMED;
		a->welcome = welcome;
	}
	a->waiting = false;
	v2_alive_answered(&a->alive);
	return V2_OK;
}

/* Of schemas that the HELLO announced, and only those. */
static enum v2_error take_request(struct v2_control_agent *a, const uint8_t *bytes, size_t size)
{
	struct v2_schema_request request;
	enum v2_error error = v2_get_schema_request(bytes, size, &request);
	uint32_t due = 0;

	if (error != V2_OK || !a->waiting)
		return V2_BAD_CONTROL;
	for (uint8_t i = 0; i < request.count; i++) {
		uint32_t known = due;

		for (uint16_t j = 0; j < a->hello.schemas.count; j++)
			if (a->hello.schemas.list[j].hash == request.hashes[i])
				due |= 1U << j;
		if (due == known)
			return V2_BAD_SCHEMA;
	}
	a->descriptions_due |= due;
	return V2_OK;
}

static enum v2_error take_settings(struct v2_control_agent *a, const uint8_t *bytes, size_t size,
	struct v2_control_event *event)
{
	struct v2_settings settings;
	enum v2_error error = v2_get_settings(bytes, size, &settings);

	if (error != V2_OK)
		return error;
	v2_check_settings(&settings, &a->result);
	a->result_due = a->result.status != V2_SETTINGS_APPLIED;
	if (a->result_due)
		return V2_OK;
	a->settings = settings;
	event->type = V2_CONTROL_SET;
	return V2_OK;
}

static enum v2_error take(struct v2_control_agent *a, const uint8_t *bytes, size_t size,
	struct v2_control_event *event)
{
	uint8_t type;
	enum v2_error error = v2_get_type(bytes, size, &type);

	if (error != V2_OK)
		return error;
	switch (type) {
	case V2_CONTROL_WELCOME:
	case V2_CONTROL_REFUSED:
		return take_answer(a, type, bytes, size, event);
	case V2_CONTROL_SCHEMA_REQUEST:
		return take_request(a, bytes, size);
	case V2_CONTROL_SETTINGS:
		return take_settings(a, bytes, size, event);
	case V2_CONTROL_BYE:
		event->type = V2_CONTROL_LEFT;
		return v2_get_bye(bytes, size, &event->bye, &event->error);
	default:
		return v2_alive_receive(&a->alive, type, bytes, size);
	}
}

enum v2_error v2_control_agent_receive(struct v2_control_agent *agent, uint64_t now_ns,
	const uint8_t *bytes, size_t size, struct v2_control_event *ret_event)
{
	struct v2_control_event event = {0};
	enum v2_error error = take(agent, bytes, size, &event);

	if (error != V2_OK)
		return error;
	v2_alive_heard(&agent->alive, now_ns);
	*ret_event = event;
	return V2_OK;
}

void v2_control_agent_applied(struct v2_control_agent *agent, enum v2_settings_status status)
{
	agent->result = (struct v2_settings_result){
		.generation = agent->settings.generation, .status = status};
	agent->result_due = true;
}

void v2_control_agent_leave(struct v2_control_agent *agent, enum v2_bye bye, enum v2_error error)
{
	v2_alive_leave(&agent->alive, bye, error);
}

/* ---- what goes ---- */

static size_t put_description(struct v2_control_agent *a, uint8_t *bytes, size_t size)
{
	uint8_t description[V2_DESCRIPTION_MAX];
	uint16_t index = (uint16_t)__builtin_ctz(a->descriptions_due);
	struct v2_schema_message schema = {
		.hash = a->hello.schemas.list[index].hash, .description = description};

	schema.size = a->config.describe(a->config.user, index, description, sizeof(description));
	a->descriptions_due &= a->descriptions_due - 1;
	return v2_put_schema(bytes, size, &schema);
}

static size_t next_message(struct v2_control_agent *a, uint8_t *bytes, size_t size)
{
	if (a->hello_due) {
		a->hello_due = false;
		a->waiting = true;
		return v2_put_hello(bytes, size, &a->hello,
			a->config.alive.random(a->config.alive.random_user));
	}
	if (a->descriptions_due != 0)
		return put_description(a, bytes, size);
	if (a->result_due) {
		a->result_due = false;
		return v2_put_settings_result(bytes, size, &a->result);
	}
	return 0;
}

size_t v2_control_agent_poll(
	struct v2_control_agent *agent, uint64_t now_ns, uint8_t *bytes, size_t size)
{
	size_t message = 0;

	if (agent->alive.bye == V2_BYE_NONE)
		message = next_message(agent, bytes, size);
	return message > 0 ? v2_alive_grease(&agent->alive, bytes, message)
			   : v2_alive_poll(&agent->alive, now_ns, bytes, size);
}

bool v2_control_agent_left(const struct v2_control_agent *agent)
{
	return agent->alive.left;
}

bool v2_control_agent_dead(const struct v2_control_agent *agent, uint64_t now_ns)
{
	return v2_alive_dead(&agent->alive, now_ns);
}

uint64_t v2_control_agent_next_time(const struct v2_control_agent *agent)
{
	if (agent->hello_due || agent->descriptions_due != 0 || agent->result_due)
		return 0;
	return v2_alive_next_time(&agent->alive);
}
