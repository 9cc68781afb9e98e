/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_CONTROL_SERVER_H
#define NET_CONTROL_SERVER_H

/*
 * The server's side of the control channel as a whole: takes the switches' connections
 * (tls_server.h), talks with their agents (wire/v2_control_server.h), makes the keys of their sessions
 * (session_keys.h), and sees to it that a session ends in time (wire/v2_lease.h, certificates). What
 * is left for the caller is to admit an agent, and the receiver of its data, wire/v2_receiver.h, which
 * may well live on another thread:
 *
 *   asked     v2_choose_cipher(); v2_admit() by the mark in the store, and where it says so commit;
 *             number = v2_receiver_next_session(); control_server_keys(); v2_receiver_open();
 *             control_server_welcome(); or control_server_refuse(). At once, or later, by the ticket:
 *             what became of the connection meanwhile does not matter.
 *   over      v2_receiver_close(), and free the keys
 *
 * A switch has one session at a time. It outlives the connection on which it was welcomed by the time
 * of grace, and is known here as long as it lives. All on the loop's thread.
 */

#include "net/control_note.h"
#include "net/session_keys.h"
#include "net/tls_server.h"
#include "wire/v2_control_server.h"
#include "wire/v2_lease.h"

struct control_server;

struct control_server_callbacks {
	/* See struct v2_control_server_config. */
	bool (*knows)(void *user, const struct v2_schema *schema);
	enum v2_error (*learn)(void *user, const struct v2_schema *schema,
		const uint8_t *description, size_t size);
	/* An agent asks for a session. */
	void (*asked)(void *user, uint64_t ticket, const struct tls_peer *peer,
		const struct v2_hello *hello);
	/* The session of a switch is over. Not called when another takes its place. */
	void (*over)(void *user, uint32_t switch_id);
	/* What is to hold at a switch; generation 0: nothing. Asked at each welcome. */
	void (*settings)(void *user, uint32_t switch_id, struct v2_settings *ret_settings);
	/* What became of it. */
	void (*set_done)(void *user, uint32_t switch_id, const struct v2_settings_result *result);
	void (*note)(void *user, const struct control_note *note);
};

struct control_server_options {
	struct tls_server_options tls;
	struct v2_alive_config alive; /* `random` is set here */
	struct v2_lease_config lease;
	unsigned int sessions_max; /* 0: 4096 */
	struct key_log *key_log;   /* borrowed; NULL: none */
};

/* 0, or a negative errno with a message. `callbacks` stays. */
int control_server_new(struct loop *loop, struct tls_context *context,
	const struct control_server_options *options,
	const struct control_server_callbacks *callbacks, void *user,
	struct control_server **ret_server, char **ret_error) _must_check_;
/* Ends connections and sessions without a word, and without calling back. Not from a callback. */
void control_server_free(struct control_server *server);
DEFINE_CLEANUP(struct control_server, control_server_free)

/*
 * The keys of session number `session` for the agent that asked, which the caller frees when the
 * session is over or another has taken its place. 0; -ENOENT: its connection is gone; or what
 * session_keys_new() returns, and the agent is sent away, to come back later.
 */
int control_server_keys(struct control_server *server, uint64_t ticket, uint64_t session,
	uint8_t cipher, struct v2_aead **ret_aead) _must_check_;
/*
 * Welcomes the agent; its session lives from now on. 0; -ENOENT: the connection is gone, or its
 * certificate not good any more; -ENOBUFS: there are as many sessions as may be, or no memory. There is
 * no session then: v2_receiver_close(). `over` may still be called, for the one before.
 */
int control_server_welcome(struct control_server *server, uint64_t ticket,
	const struct v2_welcome *welcome) _must_check_;
void control_server_refuse(struct control_server *server, uint64_t ticket, enum v2_error error);
/* Answers nothing, and ends the connection with this last word. */
void control_server_dismiss(struct control_server *server, uint64_t ticket, enum v2_bye bye);

/* As tls_server_limit(). */
void control_server_limit(struct control_server *server, const struct tls_server_limits *limits);
/* Settings of some switches have changed: asks for all of them again. */
void control_server_settings_changed(struct control_server *server);
/* Ends a switch's session, which `over` is called for, and its connections with this last word. */
void control_server_expel(
	struct control_server *server, uint32_t switch_id, enum v2_bye bye, enum v2_error error);
/*
 * Takes no more connections, and says goodbye on all that there are: these close in order while the
 * loop runs on. For the program's end.
 */
void control_server_leave(struct control_server *server);

/* Whether the connection is up on which the session of a switch was welcomed. */
bool control_server_connected(const struct control_server *server, uint32_t switch_id);

struct control_server_stats {
	struct tls_server_stats tls;
	unsigned int sessions;       /* that live */
	unsigned int sessions_alone; /* of these, without a connection */
	uint64_t welcomed, over;
	uint64_t refused;      /* agents: other version, other layout of records, stale */
	uint64_t bad_messages; /* that were not understood */
};
void control_server_stats(
	const struct control_server *server, struct control_server_stats *ret_stats);
/* See tls_server_address(). */
int control_server_address(
	const struct control_server *server, struct endpoint *ret_local) _must_check_;

#endif
