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
};

struct v2_hello {
	uint8_t version_min, version_max;
	uint64_t boot;  /* random, chosen when the agent's program starts; names the incarnation */
	uint64_t epoch; /* that a server gave this incarnation; 0: none has */
	uint16_t datagram_max;     /* the largest the agent takes, bytes */
	struct v2_schemas schemas; /* in the order that EVENTS frames refer to */
};

struct v2_welcome {
	uint8_t version;
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
