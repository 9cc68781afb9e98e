// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_alive.h"

#define NEVER UINT64_MAX

void v2_alive_init(struct v2_alive *alive, const struct v2_alive_config *config, uint64_t now_ns)
{
	*alive = (struct v2_alive){.config = *config, .heard_ns = now_ns, .asked_ns = NEVER};
	if (alive->config.ping_ns == 0)
		alive->config.ping_ns = V2_PING_NS;
	if (alive->config.dead_ns == 0)
		alive->config.dead_ns = V2_DEAD_NS;
	if (alive->config.answer_ns == 0)
		alive->config.answer_ns = V2_ANSWER_NS;
}

static uint64_t random_bits(struct v2_alive *alive)
{
	return alive->config.random(alive->config.random_user);
}

void v2_alive_heard(struct v2_alive *alive, uint64_t now_ns)
{
	alive->heard_ns = MAX(alive->heard_ns, now_ns);
	alive->pinged = false;
}

void v2_alive_asked(struct v2_alive *alive, uint64_t now_ns)
{
	alive->asked_ns = now_ns;
}

void v2_alive_answered(struct v2_alive *alive)
{
	alive->asked_ns = NEVER;
}

enum v2_error v2_alive_receive(
	struct v2_alive *alive, uint8_t type, const uint8_t *bytes, size_t size)
{
	uint64_t token;
	enum v2_error error;

	if (type >= V2_SKIPPABLE_MIN)
		return V2_OK;
	if (type != V2_CONTROL_PING && type != V2_CONTROL_PONG)
		return V2_WRONG_WAY;
	error = v2_get_alive(bytes, size, &token);
	if (error != V2_OK || type == V2_CONTROL_PONG)
		return error;
	/* However many come, one answer waits. */
	alive->token = token;
	alive->pong_due = true;
	return V2_OK;
}

void v2_alive_leave(struct v2_alive *alive, enum v2_bye bye, enum v2_error error)
{
	if (alive->bye != V2_BYE_NONE)
		return;
	alive->bye = bye;
	alive->error = error;
}

static bool ping_due(const struct v2_alive *alive, uint64_t now_ns)
{
	return !alive->pinged && now_ns >= alive->heard_ns + alive->config.ping_ns;
}

size_t v2_alive_grease(struct v2_alive *alive, uint8_t *bytes, size_t size)
{
	if (size > 1)
		bytes[1] = (uint8_t)random_bits(alive);
	return size;
}

static size_t next_message(struct v2_alive *alive, uint64_t now_ns, uint8_t *bytes, size_t size)
{
	if (alive->bye != V2_BYE_NONE) {
		alive->left = true;
		return v2_put_bye(bytes, size, alive->bye, alive->error);
	}
	if (alive->pong_due) {
		alive->pong_due = false;
		return v2_put_alive(bytes, size, V2_CONTROL_PONG, alive->token);
	}
	if (!alive->greased) {
		alive->greased = true;
		return v2_put_grease_message(bytes, size, random_bits(alive));
	}
	if (ping_due(alive, now_ns)) {
		alive->pinged = true;
		return v2_put_alive(bytes, size, V2_CONTROL_PING, random_bits(alive));
	}
	return 0;
}

size_t v2_alive_poll(struct v2_alive *alive, uint64_t now_ns, uint8_t *bytes, size_t size)
{
	if (alive->left)
		return 0;
	return v2_alive_grease(alive, bytes, next_message(alive, now_ns, bytes, size));
}

bool v2_alive_dead(const struct v2_alive *alive, uint64_t now_ns)
{
	if (now_ns >= alive->heard_ns + alive->config.dead_ns)
		return true;
	return alive->asked_ns != NEVER && now_ns >= alive->asked_ns + alive->config.answer_ns;
}

uint64_t v2_alive_next_time(const struct v2_alive *alive)
{
	uint64_t at =
		alive->heard_ns + (alive->pinged ? alive->config.dead_ns : alive->config.ping_ns);

	if (alive->pong_due || !alive->greased || (alive->bye != V2_BYE_NONE && !alive->left))
		return 0;
	if (alive->asked_ns != NEVER)
		at = MIN(at, alive->asked_ns + alive->config.answer_ns);
	return at;
}
