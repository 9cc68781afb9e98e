/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TLS_CHANNEL_PRIVATE_H
#define NET_TLS_CHANNEL_PRIVATE_H

/* What server and client know of a channel: its life from connecting to gone. */

#include "net/tls_channel.h"
#include "wire/v2_framer.h"

#define TLS_LINGER_NS 2000000000ULL /* what was sent last may take so long to be taken */

enum tls_state {
	TLS_CONNECTING,
	TLS_SHAKING, /* hands */
	TLS_OPEN,
	TLS_FLUSHING,  /* closed by the caller: sends what waits */
	TLS_LINGERING, /* closed by the caller, or refused: waits for the peer's end */
	TLS_GONE,
};

/* Server or client. */
struct tls_owner {
	struct loop *loop;
	struct tls_context *context;
	const struct tls_callbacks *callbacks;
	void *user;
	uint64_t handshake_ns, stall_ns; /* the longest for a handshake, and for taking something */
	/* Checks the peer whose handshake is done and fills `peer`; TLS_END_NONE: it is good. */
	enum tls_end (*admit)(struct tls_channel *channel, char **ret_why);
	/* A peer was refused in the handshake: it lingers, and is of no more interest. May be NULL. */
	void (*refused)(struct tls_owner *owner, enum tls_end end);
	/* The channel is gone from the list, and is freed when this returns. May be NULL. */
	void (*gone)(struct tls_owner *owner, struct tls_channel *channel, enum tls_end end);
	struct tls_channel *channels; /* the newest first */
	unsigned int count[TLS_GONE]; /* by state */
};

struct tls_channel {
	struct tls_owner *owner;
	struct tls_channel *next, **link;
	struct loop_io io;
	uint32_t events; /* that the loop waits for */
	SSL *ssl;
	enum tls_state state;
	uint64_t since_ns;    /* in this state */
	uint64_t progress_ns; /* when the peer last took something, or nothing waited */
	struct tls_grant grant;
	struct tls_peer peer;
	struct v2_framer in;
	uint8_t out[TLS_OUT_BYTES];
	size_t out_size;
	unsigned int busy; /* callbacks under way: it is not freed */
	bool paused, refused_room;
	bool known;       /* a server's: a switch was believed at its address before */
	bool counted;     /* its end was, before it is gone */
	bool wants_write; /* OpenSSL does, whatever waits */
	void *user;
};

/*
 * Takes a socket, connected or connecting, and shakes hands. `ret_channel` may be NULL. 0, -ENOMEM or
 * the negative errno of epoll_ctl(2); the socket is closed then.
 */
int tls_channel_new(struct tls_owner *owner, int fd, const struct endpoint *address,
	enum tls_state state, struct tls_channel **ret_channel) _must_check_;
/* Ends it now. `closed` or `failed` is called, unless the caller had closed it. */
void tls_channel_end(struct tls_channel *channel, enum tls_end end, const char *why);
/* The same for one that newer ones have replaced: the caller has the last word. */
void tls_channel_replace(struct tls_channel *channel, const char *why);
/* Looks after those that take too long; now and then. */
void tls_owner_tick(struct tls_owner *owner, uint64_t now_ns);
/* Ends all without a word to the caller. */
void tls_owner_done(struct tls_owner *owner);

#endif
