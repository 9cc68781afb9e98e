/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_SEAL_H
#define WIRE_V2_SEAL_H

/*
 * What seals datagrams, as an interface, so that the core links no cryptography; and the window that
 * refuses a packet number which was seen. A struct v2_seal has keys for both ways; its functions
 * keep the key phases (docs/protocol-2.md 5.3) to themselves.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct v2_seal {
	void *user;
	/* The phase of the key that the next seal() of packet number `packet` uses. */
	uint8_t (*phase)(void *user, uint64_t packet);
	/* Encrypts `size` bytes of text in place and writes the tag (V2_TAG_BYTES) behind them. */
	int (*seal)(void *user, uint64_t packet, const uint8_t *header, uint8_t *text, size_t size);
	/*
	 * Decrypts in place; the tag stands behind the text. 0, or -EBADMSG: the datagram is not the
	 * peer's. Only a datagram that holds may change the key phase.
	 */
	int (*open)(void *user, uint8_t phase, uint64_t packet, const uint8_t *header,
		uint8_t *text, size_t size);
};

/* Seals with a tag of zeros, and any tag holds: for fuzzing. */
extern const struct v2_seal v2_seal_null;

/*
 * Key phases, for implementations of the interface. Keys come in generations 0, 1, 2 ..., of which
 * a header carries the last two bits. Beside the newest generation that the peer has used, the one
 * before (datagrams overtake each other) and the one after (the peer goes on) are tried.
 */
struct v2_phases {
	uint64_t generation; /* the newest that a datagram held with */
};

/* The generation that `phase` means; false if it is none of the three. */
bool v2_phase_find(
	const struct v2_phases *phases, uint8_t phase, uint64_t *ret_generation) _must_check_;
/* A datagram of this generation held. */
void v2_phase_held(struct v2_phases *phases, uint64_t generation);

#define V2_REPLAY_WINDOW 8192 /* packet numbers */

/* RFC 6479's sliding bitmap. Zero-initialize. Only authenticated packets may be marked. */
struct v2_replay {
	uint64_t next; /* the highest number that was seen, plus one */
	uint64_t bitmap[V2_REPLAY_WINDOW / 64];
};

enum v2_replay_verdict {
	V2_REPLAY_FRESH,
	V2_REPLAY_SEEN,
	V2_REPLAY_OLD,
};

enum v2_replay_verdict v2_replay_check(
	const struct v2_replay *replay, uint64_t packet) _must_check_;
void v2_replay_mark(struct v2_replay *replay, uint64_t packet);

#endif
