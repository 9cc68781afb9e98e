/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

/*
 * TLS for the control channel: what this end is and whom it believes (pki/credentials.h), kept up to
 * date while the program runs. TLS 1.3 and nothing before it, a certificate from both ends, ALPN
 * "netlambda/2"; no session resumption and no early data, so each connection is a full handshake
 * that looks at the peer's certificate anew.
 *
 *   tls_context.h   this; and grants, which end when a certificate does
 *   tls_channel.h   one connection: messages in and out
 *   tls_server.h    takes connections          tls_client.h   keeps one up
 *
 * The files are looked at every `check_ns`. If one has changed all are read anew, and the new ones
 * take force if they are good as a whole; otherwise the old ones stay in force, and it is tried again
 * at each look (somebody may be halfway through replacing two files). Connections that are up stay
 * up, but each peer is verified again: what is revoked, or of a CA that is not believed any more,
 * ends. All of it happens on the loop's thread.
 */

#include "base/loop.h"
#include "net/key_log.h"
#include "pki/credentials.h"
#include "pki/identity.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_ALPN     "netlambda/2"
#define TLS_CHECK_NS 2000000000ULL

/* Why a connection, a handshake or a grant ended. */
enum tls_end {
	TLS_END_NONE,
	TLS_BY_PEER,   /* the peer closed it in order */
	TLS_BROKEN,    /* reset, or ended without a word; no route; no answer */
	TLS_TIMEOUT,   /* the handshake took too long */
	TLS_NOT_TLS,   /* no TLS, no version or protocol in common */
	TLS_UNTRUSTED, /* the peer's certificate: none, not believed, not of now, another name */
	TLS_REFUSED,   /* the peer said no to ours */
	TLS_UNKNOWN_SWITCH, /* the certificate is good, but of no switch */
	TLS_BAD_MESSAGE,    /* what came is not cut into messages */
	TLS_STALLED,        /* the peer took nothing for too long */
	TLS_EXPIRED,
	TLS_REVOKED,
	TLS_REPLACED, /* newer connections of the same switch */
	TLS_CROWDED,  /* too many connections, or handshakes at a time */
	TLS_CLOSED,   /* by this end */
	TLS_NO_MEMORY,
	TLS_ENDS,
};

/* "revoked", "not-tls", ...: the label of a counter. */
const char *tls_end_name(enum tls_end end);

enum tls_role {
	TLS_SERVER, /* believes clients */
	TLS_CLIENT,
};

struct tls_context_options {
	enum tls_role role;
	struct credentials_files files; /* copied */
	uint64_t check_ns;              /* 0: TLS_CHECK_NS */
	/*
	 * New files were taken, or (`error` not NULL) were not: once for each different error. Not
	 * called by tls_context_new().
	 */
	void (*reloaded)(void *user, const char *error);
	void *user;
	struct key_log
		*key_log; /* borrowed: all that is said can be decrypted with it. NULL: none */
};

struct tls_context;

/* 0, or what credentials_load() returns, with a message. */
int tls_context_new(struct loop *loop, const struct tls_context_options *options,
	struct tls_context **ret_context, char **ret_error) _must_check_;
/* Channels, servers, clients and grants of it must be gone. */
void tls_context_free(struct tls_context *context);
DEFINE_CLEANUP(struct tls_context, tls_context_free)

/* Those in force; valid until the loop runs again. */
const struct credentials *tls_context_credentials(const struct tls_context *context);
/* Looks at the files now: 1: taken anew, 0: nothing changed, or a negative errno with a message. */
int tls_context_check(struct tls_context *context, char **ret_error) _must_check_;

/* For tls_channel.c: a new connection's end. NULL: out of memory. */
SSL *tls_context_ssl(struct tls_context *context) _must_check_;

/*
 * What a certificate allows its owner to: a connection, or a session that outlives connections. It
 * ends when the first certificate of the chain expires, or when the peer is not believed any more.
 */
struct tls_grant {
	struct tls_context *context; /* NULL: not begun, or ended */
	X509 *certificate;
	STACK_OF(X509) * chain; /* that came with it */
	int64_t until_s;        /* since the UNIX epoch */
	void (*ended)(
		struct tls_grant *grant, enum tls_end why); /* TLS_EXPIRED, _REVOKED, _UNTRUSTED */
	void *user;
	struct tls_grant *next, **link; /* the context's list */
	unsigned int verified;          /* under which files it was believed last */
};

/*
 * Begins a grant of the peer of a connection whose handshake is done; `grant->ended` and `user` are
 * set. 0, -ENOMEM, or -EKEYREJECTED: it is not believed any more by now.
 */
int tls_grant_begin(
	struct tls_grant *grant, struct tls_context *context, const SSL *ssl) _must_check_;
/* A second grant of the same peer, which outlives the first. The same errors. */
int tls_grant_copy(struct tls_grant *grant, const struct tls_grant *from) _must_check_;
/* Ends it without calling `ended`, as that does itself. Idempotent. */
void tls_grant_end(struct tls_grant *grant);

#endif
