/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TLS_SERVER_H
#define NET_TLS_SERVER_H

/*
 * Takes connections of switches. Who has no certificate costs little and holds nothing for long: how
 * often connections may come is limited (connection_limit.h), a handshake has a time limit, and there
 * are few at a time, of one machine, of one network and in all. Where all places are taken, a newcomer
 * gets that of one that lingers, or else of one that has not come to an end in a second; if there is
 * none it is turned away, so that nobody pushes out a handshake that goes on. Those that are done are
 * counted apart, and so are those that come from where a switch was believed before: no number of
 * strangers keeps such a switch away.
 *
 * A switch may have two connections, so that it can open the next before it closes the last; when
 * there is a third, the oldest is closed.
 */

#include "net/connection_limit.h"
#include "net/tls_channel.h"

#define TLS_RULES_MAX 8

/* Where one is 0, or a rate's burst, it is the usual one. */
struct tls_server_limits {
	unsigned int handshakes_max;         /* of strangers, and as many of others. 0: 128 */
	unsigned int handshakes_network_max; /* of one IPv4 /24 or IPv6 /48. 0: 64 */
	unsigned int handshakes_machine_max; /* of one IPv4 address or IPv6 /64. 0: 8 */
	struct connection_rates rates;       /* 8 and 2 a second, 128 and 50, 256 and 200 */
};

struct tls_server_options {
	struct endpoint local;
	struct identity_rule rules[TLS_RULES_MAX]; /* which switch a certificate is */
	size_t rule_count;                         /* 0: identity_rule_default */
	unsigned int channels_max;                 /* done with their handshake. 0: 4096 */
	uint64_t handshake_ns;                     /* 0: 5 s */
	uint64_t handshake_spared_ns;              /* a younger one yields to nobody. 0: 1 s */
	uint64_t stall_ns;                         /* 0: TLS_STALL_NS */
	struct tls_server_limits limits;
};

struct tls_server_stats {
	uint64_t accepted;                 /* connections taken */
	uint64_t opened;                   /* of these, switches that were believed */
	uint64_t away[EXCESS_COUNT];       /* turned away, closed at once */
	uint64_t accept_failures;          /* of accept4(2), and for want of memory */
	uint64_t ends[TLS_ENDS];           /* why they ended, in the handshake or after */
	unsigned int channels, handshakes; /* now */
};

struct tls_server;

/* Listens, once the loop runs. `callbacks` stays. 0, or a negative errno with a message. */
int tls_server_new(struct loop *loop, struct tls_context *context,
	const struct tls_server_options *options, const struct tls_callbacks *callbacks, void *user,
	struct tls_server **ret_server, char **ret_error) _must_check_;
/* Ends all channels without calling back. Not from a callback. */
void tls_server_free(struct tls_server *server);
DEFINE_CLEANUP(struct tls_server, tls_server_free)
/* Others from now on. Who is in its handshake stays. */
void tls_server_limit(struct tls_server *server, const struct tls_server_limits *limits);
/* Takes no more connections, and has no address any more. Those that are there go on. */
void tls_server_stop(struct tls_server *server);

void tls_server_stats(const struct tls_server *server, struct tls_server_stats *ret_stats);
/* Where it listens: the port that was chosen, if 0 was asked for. 0 or a negative errno. */
int tls_server_address(const struct tls_server *server, struct endpoint *ret_local) _must_check_;

#endif
