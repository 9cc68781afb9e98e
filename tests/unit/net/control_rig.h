/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_NET_CONTROL_RIG_H
#define TESTS_UNIT_NET_CONTROL_RIG_H

/*
 * An agent and a server as small as they can be: the control channel over real sockets and TLS, through
 * a proxy that breaks; sender and receiver of the data, with the keys of the session; datagrams
 * handed over in memory each millisecond. Events are numbered, and each is processed once and in order,
 * or the rig fails.
 */

#include "net/control_client.h"
#include "net/control_server.h"
#include "tests/unit/net/proxy.h"
#include "tests/unit/net/tls_rig.h"
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

struct control_rig {
	struct rig *rig;
	struct proxy *proxy; /* NULL if `direct` */
	bool direct;
	struct endpoint address; /* the server's */
	struct loop_timer pump;
	bool idle; /* no new events */

	/* The server. */
	struct tls_context *server_context;
	struct control_server *server;
	struct control_server_options server_options;
	struct v2_receiver receiver;
	struct v2_aead *server_keys;
	struct v2_mark mark;
	bool schema_known;
	bool schema_unwanted;   /* it is another layout than the server's */
	const uint8_t *ciphers; /* allowed; NULL: both */
	bool ask_later;         /* keeps the ticket instead of answering */
	bool refuse;            /* refuses with V2_NO_CIPHER */
	uint64_t ticket;
	struct v2_hello hello;
	struct v2_settings settings;
	struct v2_settings_result result;
	unsigned int asked, welcomed, over, described, results;
	unsigned int processed;
	uint64_t expected;    /* the next event's number */
	unsigned int dropped; /* datagrams that did not open */

	/* The agent. */
	struct tls_context *agent_context;
	struct control_client *client;
	struct control_client_options client_options;
	struct v2_sender sender;
	uint64_t boot;
	uint8_t version; /* the only one that it offers; 0: the true ones */
	uint8_t cipher;  /* of the session */
	unsigned int opened, closed, restarts, sets;
	enum v2_error restart_error; /* the last one's */
	uint64_t pause_ns;
	uint64_t pushed;
	struct v2_settings applied;

	/* The last notes, and how many there were. */
	struct {
		unsigned int count;
		char what[64], why[256];
		enum tls_end end;
		enum v2_error error;
		enum v2_bye bye;
	} server_note, agent_note;
};

/* Setup and teardown of a test. Pauses are short: 20 to 40 ms; a sign of life each 50 ms. */
int control_rig_new(void **state);
int control_rig_free(void **state);

void control_start_server(struct control_rig *c);
void control_start_agent(struct control_rig *c);
int control_try_server(struct control_rig *c) _must_check_;
int control_try_agent(struct control_rig *c) _must_check_;
void control_stop_server(struct control_rig *c);
void control_stop_agent(struct control_rig *c);
/* It is gone without a word. The next that is started goes on with its incarnation. */
void control_kill_agent(struct control_rig *c);
/* Both, until events are processed. */
void control_start(struct control_rig *c);
/* Until so many more events are processed. */
void control_wait_events(struct control_rig *c, unsigned int more);
/* Answers `ticket`. What control_server_welcome() returns. */
int control_answer(struct control_rig *c, uint64_t ticket, const struct v2_hello *hello);

#endif
