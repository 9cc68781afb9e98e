/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_CONTROL_CLIENT_H
#define NET_CONTROL_CLIENT_H

/*
 * The agent's side of the control channel as a whole: keeps a connection to the server up
 * (tls_client.h), asks for sessions on it (wire/v2_control_agent.h), makes their keys
 * (session_keys.h), and sees to it that a session ends in time (wire/v2_lease.h, certificates). What
 * is left for the caller is the sender of the data, wire/v2_sender.h, whose functions the callbacks
 * are made for:
 *
 *   callbacks   hello: v2_sender_hello()     open: v2_sender_open()    close: v2_sender_close()
 *               restart: v2_sender_restart() with a fresh boot number
 *   each round  if (v2_sender_wants_session(s, now)) control_client_want_session(c)
 *   broken      on V2_ACTION_CLOSE of v2_sender_receive(): control_client_break()
 *
 * A connection that breaks does not end the session: the data goes on while the next one is made.
 * Everything happens on the loop's thread.
 */

#include "net/control_note.h"
#include "net/session_keys.h"
#include "net/tls_client.h"
#include "wire/v2_control_agent.h"
#include "wire/v2_lease.h"

struct control_client;

struct control_client_callbacks {
	/* What to ask for; ciphers are added. */
	void (*hello)(void *user, struct v2_hello *ret_hello);
	/* See struct v2_control_agent_config. */
	size_t (*describe)(void *user, uint16_t index, uint8_t *bytes, size_t size);
	/*
	 * A session with this server. The seal is good until the next `open` or `close` has
	 * returned. An error whose action is V2_ACTION_RESTART has `restart` called.
	 */
	enum v2_error (*open)(void *user, const struct tls_peer *peer,
		const struct v2_welcome *welcome, const struct v2_seal *seal);
	/* The session is over; the seal is of no use afterwards. Not called if there is none. */
	void (*close)(void *user);
	/*
	 * The incarnation is over, for this reason, and another begins; there is no session.
	 * V2_STALE_EPOCH: another agent has this one's place. Then the next session is asked for
	 * after `pause_ns`, which is longer each time, so that the two do not take turns in haste;
	 * else at once, and it is 0.
	 */
	void (*restart)(void *user, enum v2_error why, uint64_t pause_ns);
	/* Settings whose keys and bounds are right: V2_SETTINGS_APPLIED or _FAILED. */
	enum v2_settings_status (*set)(void *user, const struct v2_settings *settings);
	void (*note)(void *user, const struct control_note *note);
};

struct control_client_options {
	struct tls_client_options tls;
	struct v2_alive_config alive; /* `random` is set here */
	struct v2_lease_config lease;
	uint64_t stale_ns;       /* the first pause of one whose place was taken; 0: 2 s */
	struct key_log *key_log; /* borrowed; NULL: none */
};

/* 0, -EINVAL or -ENOMEM. `callbacks` stays. */
int control_client_new(struct loop *loop, struct tls_context *context,
	const struct control_client_options *options,
	const struct control_client_callbacks *callbacks, void *user,
	struct control_client **ret_client) _must_check_;
/* Ends the connections without a word, and the session without calling back. Not from a callback. */
void control_client_free(struct control_client *client);
DEFINE_CLEANUP(struct control_client, control_client_free)

/* Asks for a session, if none is being asked for; at most every 300 ms. */
void control_client_want_session(struct control_client *client);
/* The server sent what none may: ends the session and says so. */
void control_client_break(struct control_client *client, enum v2_error error);
/* The context has other certificates: goes over to a connection with them. */
void control_client_renew(struct control_client *client);
/* Says goodbye: connections close in order while the loop runs on. For the program's end. */
void control_client_leave(struct control_client *client);

/* Whether there is a connection. */
bool control_client_connected(const struct control_client *client);
/* For its addresses and statistics. */
struct tls_client *control_client_tls(struct control_client *client);

#endif
