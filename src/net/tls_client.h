/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

/*
 * Keeps a connection to the server up. What fails is tried again, at the next of the server's
 * addresses, after a pause that doubles from `pause_min_ns` to `pause_max_ns`, and of which a random
 * half is left out, so that a thousand switches do not come back in one moment. The pause begins anew
 * when the caller says that all is well, tls_client_settled(): a server that takes connections and
 * then closes them is not hammered.
 *
 * Names are not resolved here, which would block: the caller gives addresses. The server's certificate
 * must be of `server_name`, a DNS name or an address.
 */

#include "net/tls_channel.h"

#define TLS_ADDRESSES_MAX 8 /* as struct endpoint_list has */

struct tls_client_options {
	struct endpoint addresses[TLS_ADDRESSES_MAX];
	size_t address_count;
	const char *server_name; /* copied */
	uint64_t pause_min_ns;   /* 0: 500 ms */
	uint64_t pause_max_ns;   /* 0: 60 s */
	uint64_t handshake_ns;   /* with connecting; 0: 10 s */
	uint64_t stall_ns;       /* 0: TLS_STALL_NS */
};

struct tls_client_stats {
	uint64_t attempts, opened;
	uint64_t ends[TLS_ENDS]; /* why they ended, in the handshake or after */
	uint64_t pause_ns;       /* the longest that the next pause may be */
};

struct tls_client;

/* Connects, once the loop runs. `callbacks` stays. 0, -EINVAL or -ENOMEM. */
int tls_client_new(struct loop *loop, struct tls_context *context,
	const struct tls_client_options *options, const struct tls_callbacks *callbacks, void *user,
	struct tls_client **ret_client) _must_check_;
/* Ends all channels without calling back; messages that wait are lost. Not from a callback. */
void tls_client_free(struct tls_client *client);
DEFINE_CLEANUP(struct tls_client, tls_client_free)

/* The present connection is of use. */
void tls_client_settled(struct tls_client *client);
/*
 * Opens another connection beside the one that is up, for fresh keys or after new certificates; when
 * `opened` is called for it, the caller goes over to it and closes the other.
 */
void tls_client_renew(struct tls_client *client);
/* No attempts any more; what is up stays up. */
void tls_client_stop(struct tls_client *client);

void tls_client_stats(const struct tls_client *client, struct tls_client_stats *ret_stats);

#endif
