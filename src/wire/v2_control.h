/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_CONTROL_H
#define WIRE_V2_CONTROL_H

/*
 * The messages that open a session, carried by a reliable, ordered and authenticated channel (TLS),
 * and the server's decision about incarnations. The agent says HELLO; the server answers WELCOME or
 * REFUSED. Who the agent is comes from its certificate, not from here.
 */

#include "wire/v2.h"

#define V2_CONTROL_MAX          4096 /* bytes of a message, its header included */
#define V2_CONTROL_HEADER_BYTES 4

enum v2_control_type {
	V2_CONTROL_HELLO = 1,
	V2_CONTROL_WELCOME = 2,
	V2_CONTROL_REFUSED = 3,
	/* v2_message.h */
	V2_CONTROL_SCHEMA_REQUEST = 4,
	V2_CONTROL_SCHEMA = 5,
	V2_CONTROL_SETTINGS = 6,
	V2_CONTROL_SETTINGS_RESULT = 7,
	V2_CONTROL_PING = 8,
	V2_CONTROL_PONG = 9,
	V2_CONTROL_BYE = 10,
};

#define V2_CIPHERS_MAX 8

/* The AEAD of a session; both have keys of 32 bytes. Each end has the first. */
enum v2_cipher {
	V2_CIPHER_AES_256_GCM = 1,
	V2_CIPHER_CHACHA20_POLY1305 = 2,
};

const char *v2_cipher_name(uint8_t cipher);

struct v2_hello {
	uint8_t version_min, version_max;
	uint64_t boot;  /* random, chosen when the agent's program starts; names the incarnation */
	uint64_t epoch; /* that a server gave this incarnation; 0: none has */
	uint16_t datagram_max;           /* the largest the agent takes, bytes */
	struct v2_schemas schemas;       /* in the order that EVENTS frames refer to */
	uint8_t cipher_count;            /* 0: V2_CIPHER_AES_256_GCM alone */
	uint8_t ciphers[V2_CIPHERS_MAX]; /* the one the agent likes best first; also unknown ones */
};

struct v2_welcome {
	uint8_t version;
	uint8_t cipher;   /* of those in the HELLO; 0, when written, is not said: AES-256-GCM */
	uint64_t session; /* fresh for each WELCOME */
	uint64_t epoch;
	uint16_t datagram_max;
	uint64_t before[V2_LANES]; /* sequences below are processed, durably */
	uint64_t limit[V2_LANES];  /* credit; of the unacknowledged lane without meaning */
};

/* Each returns the message's size, 0 if it does not fit. `grease` adds a parameter to skip. */
size_t v2_put_hello(uint8_t *bytes, size_t size, const struct v2_hello *hello, uint64_t grease);
size_t v2_put_welcome(
	uint8_t *bytes, size_t size, const struct v2_welcome *welcome, uint64_t grease);
size_t v2_put_refused(uint8_t *bytes, size_t size, enum v2_error error);

/* V2_BAD_CONTROL, V2_BAD_PARAMETER, or V2_NO_VERSION; outputs are untouched on failure. */
enum v2_error v2_get_hello(
	const uint8_t *bytes, size_t size, struct v2_hello *ret_hello) _must_check_;
/* For the agent: the error that a REFUSED carries is returned as if it had been found here. */
enum v2_error v2_get_welcome(
	const uint8_t *bytes, size_t size, struct v2_welcome *ret_welcome) _must_check_;

/* The agent's favourite among `allowed`. V2_NO_CIPHER: none is in common. */
enum v2_error v2_choose_cipher(const struct v2_hello *hello, const uint8_t *allowed, size_t count,
	uint8_t *ret_cipher) _must_check_;
/* Whether a WELCOME's cipher is one that was offered. */
bool v2_offers_cipher(const struct v2_hello *hello, uint8_t cipher);

/* ---- the session's secrets (docs/protocol-2.md 5.4) ---- */

#define V2_SECRET_BYTES   32
#define V2_EXPORTER_LABEL "EXPORTER-netlambda-2"
#define V2_CONTEXT_BYTES  11

/* The exporter's context for one way. */
void v2_put_context(
	uint8_t cipher, enum v2_way way, uint64_t session, uint8_t bytes[static V2_CONTEXT_BYTES]);

/* ---- incarnations ---- */

/* What the server's store knows of an agent; all 0 for one that it never met. */
struct v2_mark {
	uint64_t boot, epoch;
	uint64_t before[V2_LANES]; /* sequences below are processed, or declared lost */
};

enum v2_admission {
	V2_ADMIT_RESUME, /* the incarnation that is known: go on at its mark */
	V2_ADMIT_NEW, /* another one: commit `ret_mark`, and the old one's end, then say WELCOME */
	V2_ADMIT_STALE, /* one whose end was declared: REFUSED, V2_STALE_EPOCH */
};

/*
 * Judges a HELLO by the agent's mark. With V2_ADMIT_NEW each lane of the old epoch is lost from its
 * mark on, without an end, which is to be declared (V2_CAUSE_RESTART) in the same commit as
 * `ret_mark`; with the other verdicts `ret_mark` is `mark`.
 */
enum v2_admission v2_admit(
	const struct v2_mark *mark, const struct v2_hello *hello, struct v2_mark *ret_mark);

#endif
