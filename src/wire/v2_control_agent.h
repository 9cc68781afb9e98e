/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_CONTROL_AGENT_H
#define WIRE_V2_CONTROL_AGENT_H

/*
 * The agent's end of one control connection, as a state machine: asks for sessions, describes its
 * schemas where the server does not know them, takes settings, and finds out whether the server is
 * still there. For each connection a new one. No I/O and no memory of its own; the caller moves
 * messages, whole ones, between it and the channel:
 *
 *   connected      v2_control_agent_init(), v2_control_agent_open() with v2_sender_hello()
 *   a message      v2_control_agent_receive(); act on the event; on an error: leave with V2_BYE_ERROR
 *   afterwards     while (there is room and (size = v2_control_agent_poll()) > 0) send it;
 *                  v2_control_agent_left(): close the channel in order
 *   at next_time   poll again; v2_control_agent_dead(): close the channel
 *
 * A WELCOME goes to session_keys_new() and v2_sender_open(). The session that it began outlives the
 * connection; how long says v2_lease.h.
 */

#include "wire/v2_alive.h"

struct v2_control_agent_config {
	struct v2_alive_config alive;
	/* The description of schema number `index` of the last HELLO; its size, at most `size`. */
	size_t (*describe)(void *user, uint16_t index, uint8_t *bytes, size_t size);
	void *user;
};

struct v2_control_agent {
	struct v2_control_agent_config config;
	struct v2_alive alive;
	struct v2_hello hello;
	bool hello_due, waiting;     /* for the answer to it */
	uint32_t descriptions_due;   /* bits: of which schemas */
	struct v2_welcome welcome;   /* the last */
	struct v2_settings settings; /* the last */
	struct v2_settings_result result;
	bool result_due;
};

void v2_control_agent_init(struct v2_control_agent *agent,
	const struct v2_control_agent_config *config, uint64_t now_ns);

/*
 * Asks for a session; its answer comes as an event. False, and nothing is done: the answer to the
 * one before has not come yet.
 */
bool v2_control_agent_open(
	struct v2_control_agent *agent, const struct v2_hello *hello, uint64_t now_ns);
/*
 * A whole message. The outputs of events stand in `agent`: welcome, settings. On an error the peer is
 * broken.
 */
enum v2_error v2_control_agent_receive(struct v2_control_agent *agent, uint64_t now_ns,
	const uint8_t *bytes, size_t size, struct v2_control_event *ret_event) _must_check_;
/*
 * What became of `agent->settings`: V2_SETTINGS_APPLIED or _FAILED. Keys and bounds were looked at;
 * what is not right there is answered without an event.
 */
void v2_control_agent_applied(struct v2_control_agent *agent, enum v2_settings_status status);
/* The last word: nothing follows it. */
void v2_control_agent_leave(struct v2_control_agent *agent, enum v2_bye bye, enum v2_error error);

/* The next message to send, of at most V2_CONTROL_MAX bytes, which `size` must have room for. */
size_t v2_control_agent_poll(
	struct v2_control_agent *agent, uint64_t now_ns, uint8_t *bytes, size_t size);
bool v2_control_agent_left(const struct v2_control_agent *agent);
bool v2_control_agent_dead(const struct v2_control_agent *agent, uint64_t now_ns);
/* When to poll again at the latest; 0: now. */
uint64_t v2_control_agent_next_time(const struct v2_control_agent *agent);

#endif
