/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_CONTROL_SERVER_H
#define WIRE_V2_CONTROL_SERVER_H

/*
 * The server's end of one control connection, as a state machine: takes a HELLO, asks for the schemas
 * that it does not know, has the caller welcome or refuse the agent, sets its settings, and finds out
 * whether it is still there. Used like v2_control_agent.h. On the event V2_CONTROL_ASKED:
 *
 *   v2_choose_cipher(); v2_admit(), and where it says so commit; v2_receiver_next_session();
 *   session_keys_new(); v2_receiver_open(); v2_control_server_welcome()
 *
 * or v2_control_server_refuse(). That may take its time: the agent waits, and nothing else is held up.
 * Who the agent is the channel knows, from the certificate.
 */

#include "wire/v2_alive.h"

struct v2_control_server_config {
	struct v2_alive_config alive;
	/* Whether the schema's description is known, by its hash. */
	bool (*knows)(void *user, const struct v2_schema *schema);
	/* A description that was asked for. V2_BAD_SCHEMA: it is not what the hash is of, or no good. */
	enum v2_error (*learn)(void *user, const struct v2_schema *schema,
		const uint8_t *description, size_t size);
	void *user;
};

struct v2_control_server {
	struct v2_control_server_config config;
	struct v2_alive alive;
	struct v2_hello hello;   /* the last */
	uint32_t missing;        /* bits: its schemas whose descriptions are waited for */
	bool request_due, asked; /* asked: it waits for the caller's answer */
	bool welcome_due, refusal_due, welcomed;
	struct v2_welcome welcome;
	enum v2_error refusal;
	struct v2_settings settings;      /* that are to hold; generation 0: none */
	uint64_t sent_generation;         /* of those that were sent last */
	struct v2_settings_result result; /* the last; of generation 0: none came */
};

/* The agent owes a HELLO from now on. */
void v2_control_server_init(struct v2_control_server *server,
	const struct v2_control_server_config *config, uint64_t now_ns);

/* A whole message. The outputs of events stand in `server`: hello, result. */
enum v2_error v2_control_server_receive(struct v2_control_server *server, uint64_t now_ns,
	const uint8_t *bytes, size_t size, struct v2_control_event *ret_event) _must_check_;

/* The answer to V2_CONTROL_ASKED. Without effect if nothing was asked. */
void v2_control_server_welcome(struct v2_control_server *server, const struct v2_welcome *welcome);
void v2_control_server_refuse(struct v2_control_server *server, enum v2_error error);

/* What is to hold at the agent; it is sent once the agent was welcomed. Generation 0: nothing. */
void v2_control_server_set(struct v2_control_server *server, const struct v2_settings *settings);
/* The agent has applied, or refused, what is to hold: `result` says which. */
bool v2_control_server_is_set(const struct v2_control_server *server);
void v2_control_server_leave(
	struct v2_control_server *server, enum v2_bye bye, enum v2_error error);

size_t v2_control_server_poll(
	struct v2_control_server *server, uint64_t now_ns, uint8_t *bytes, size_t size);
bool v2_control_server_left(const struct v2_control_server *server);
bool v2_control_server_dead(const struct v2_control_server *server, uint64_t now_ns);
uint64_t v2_control_server_next_time(const struct v2_control_server *server);

#endif
