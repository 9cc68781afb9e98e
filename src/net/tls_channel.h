/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TLS_CHANNEL_H
#define NET_TLS_CHANNEL_H

/*
 * One connection of the control channel, of a server (tls_server.h) or a client (tls_client.h), once
 * its handshake is done and the peer is believed: whole messages (wire/v2_control.h) in and out.
 *
 * Both ways are bounded. What is sent waits in a buffer until the peer takes it; a message that does
 * not fit is refused, and `writable` says when there is room again. Whoever pauses a channel stops the
 * peer by TCP's own window. Nothing here looks at what a message says, and nothing is sent that the
 * caller did not send: keeping alive is for those who talk.
 */

#include "net/endpoint.h"
#include "net/tls_context.h"
#include "pki/certificate.h"

#include <stddef.h>

#define TLS_OUT_BYTES 16384          /* of messages that wait to be sent */
#define TLS_STALL_NS  20000000000ULL /* a peer that takes nothing of it for so long is gone */

struct tls_channel;

/* Who is at the other end, as its certificate says. */
struct tls_peer {
	struct endpoint address;
	uint32_t switch_id;           /* 0: a server */
	char name[IDENTITY_NAME_MAX]; /* the common name, for people */
	char serial[CERTIFICATE_SERIAL_MAX];
	int64_t until_s; /* when the first of its certificates expires */
};

/* Any of them may close any channel, its own included, and free server or client only from the loop. */
struct tls_callbacks {
	/* The handshake is done. The channel lives until `closed`, or until the caller closes it. */
	void (*opened)(void *user, struct tls_channel *channel);
	/* A whole message, which is valid during the call. */
	void (*message)(void *user, struct tls_channel *channel, const uint8_t *bytes, size_t size);
	/*
	 * A server's: the switch has newer connections, and this one ends. For a last word and
	 * tls_channel_close(); what is not closed when it returns ends without, and `closed` is called.
	 */
	void (*replaced)(void *user, struct tls_channel *channel);
	/* There is room again, after -ENOBUFS. */
	void (*writable)(void *user, struct tls_channel *channel);
	/* It ended, not by the caller. `why` is for people, and never NULL. The last call. */
	void (*closed)(void *user, struct tls_channel *channel, enum tls_end end, const char *why);
	/* A connection that never was: its handshake failed. For logs, to be limited in rate. */
	void (*failed)(
		void *user, const struct endpoint *address, enum tls_end end, const char *why);
};

/* 0, or -ENOBUFS: the peer is slow; `writable` will be called. */
int tls_channel_send(struct tls_channel *channel, const uint8_t *message, size_t size) _must_check_;
/* Whether a message of this size is taken now; if not, `writable` will be called. */
bool tls_channel_has_room(struct tls_channel *channel, size_t size) _must_check_;
/* While paused no messages are handed over. */
void tls_channel_pause(struct tls_channel *channel, bool paused);
/*
 * Sends what waits, then ends in order. There are no further calls for this channel, which the caller
 * does not touch any more.
 */
void tls_channel_close(struct tls_channel *channel);

const struct tls_peer *tls_channel_peer(const struct tls_channel *channel);
/* For tls_grant_copy(): what the peer is allowed as long as its certificate lasts. */
const struct tls_grant *tls_channel_grant(const struct tls_channel *channel);
void tls_channel_set_user(struct tls_channel *channel, void *user);
void *tls_channel_user(const struct tls_channel *channel);

/*
 * RFC 8446, 7.5: secret bytes that both ends, and nobody else, can make of this connection, the label
 * and the context. 0 or -EIO.
 */
int tls_channel_export(struct tls_channel *channel, const char *label, const uint8_t *context,
	size_t context_size, uint8_t *ret_secret, size_t size) _must_check_;

#endif
