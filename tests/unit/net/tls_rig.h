/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_NET_TLS_RIG_H
#define TESTS_UNIT_NET_TLS_RIG_H

/*
 * A server of the control channel and any number of clients on one loop over real sockets, certificates
 * for them in files, and what happened at each. A test waits for what it expects; what does not come
 * within half a minute fails it.
 */

#include "net/tls_client.h"
#include "net/tls_server.h"
#include "tests/unit/pki/mint.h"
#include "tests/unit/scratch.h"
#include "tests/unit/test.h"

/* What was called back at one end. */
struct side {
	unsigned int opened, closed, failed, messages, writable;
	enum tls_end end; /* of the last `closed` or `failed` */
	char why[256];
	uint8_t message[4096]; /* the last */
	size_t message_size;
	struct tls_channel *channel; /* the newest that is open */
	uint32_t switch_id;          /* of the last that opened */
	bool echo;                   /* sends back what comes */
	bool pause;                  /* takes one message and no more */
	bool close;                  /* closes at the first message */
	bool close_at_once;          /* as soon as it is open */
	bool greet;                  /* sends a message as soon as it is open */
};

struct rig {
	struct loop *loop;
	struct loop_timer poll;
	bool (*until)(void *user);
	void *user;
	uint64_t deadline_ns;
	bool failed;
	struct tls_context *context; /* the server's */
	struct tls_server *server;
	struct tls_server_options options;
	struct endpoint address;
	struct side at_server;
	unsigned int reloads, reload_failures;
	char reload_error[256];
};

struct peer {
	struct tls_context *context;
	struct tls_client *client;
	struct side side;
};

/* Minted once: a CA, another one, a server "localhost" and 127.0.0.1, a switch 7; written to files. */
extern struct mint rig_ca, rig_other_ca, rig_server, rig_switch;
int rig_mint(void **state);
int rig_unmint(void **state);
/* In the scratch directory: server.pem, switch.pem, and crl.pem, an empty list. */
void rig_write_files(void);

/* So often that it never is too often: agents of tests are one machine's, and try again in no time. */
extern const struct connection_rates rig_rates;

/* Setup and teardown of a test: in a scratch directory, with files, a loop and no server, whose rates are those. */
int rig_new(void **state);
int rig_free(void **state);

/* `crl` may be NULL. At options.local; at a port that is free, if that is not set. */
void rig_start_server(struct rig *rig, const char *crl);
/* The same, which may fail. 0 or a negative errno. */
int rig_try_server(struct rig *rig, const char *crl, char **ret_error) _must_check_;
void rig_stop_server(struct rig *rig);
/* A client with these credentials; retries after 10 to 20 ms. */
void rig_connect(struct rig *rig, struct peer *peer, const char *credentials);
void rig_connect_to(struct rig *rig, struct peer *peer, const char *credentials, const char *name);
int rig_try_connect(struct rig *rig, struct peer *peer, const char *credentials, const char *name,
	char **ret_error) _must_check_;
/* The switch 7, until both ends are open. */
void rig_join(struct rig *rig, struct peer *edge);
void rig_disconnect(struct peer *peer);

/* Runs the loop until it is true. */
void rig_wait(struct rig *rig, bool (*until)(void *user), void *user);
/* The usual things to wait for. */
void rig_wait_count(struct rig *rig, const unsigned int *count, unsigned int at_least);
/* Lets the loop go on for a while. */
void rig_run(struct rig *rig, unsigned int ms);

extern const struct tls_callbacks rig_callbacks;

/* A whole control message with this many bytes of body. */
size_t rig_message(uint8_t type, size_t body, uint8_t bytes[static 4096]);

/* A TCP connection to the server, without TLS. */
int rig_tcp(const struct rig *rig);
/* The same, from 127.x.y.z. */
int rig_tcp_from(const struct rig *rig, uint32_t xyz);

#endif
