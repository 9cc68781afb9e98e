/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_AEAD_H
#define WIRE_V2_AEAD_H

/*
 * The seal of version 2 with real cryptography (OpenSSL): docs/protocol-2.md 5. In a library of its
 * own, so that the core links none. It begins with a secret for each direction, which both ends of a
 * session have, and turns keys by itself. One thread at a time.
 */

#include "wire/v2_control.h"
#include "wire/v2_seal.h"

struct v2_aead;

/*
 * `packets_a_key`, a power of two: how many packets a generation of keys seals; 0: V2_PACKETS_A_KEY.
 * Both ends choose for themselves. Returns 0, -EINVAL, or -ENOMEM, which is also what OpenSSL's
 * failures are taken for. The secrets are copied, and wiped by v2_aead_free().
 */
int v2_aead_new(enum v2_cipher cipher, const uint8_t send_secret[static V2_SECRET_BYTES],
	const uint8_t receive_secret[static V2_SECRET_BYTES], uint64_t packets_a_key,
	struct v2_aead **ret_aead) _must_check_;
void v2_aead_free(struct v2_aead *aead);
DEFINE_CLEANUP(struct v2_aead, v2_aead_free)

/*
 * What this machine can do, the one that it does fastest first: AES-GCM where the processor has
 * instructions for it, else ChaCha20. Returns how many.
 */
uint8_t v2_aead_ciphers(uint8_t ciphers[static V2_CIPHERS_MAX]);

/*
 * For a reader of captures, which may have missed where keys turned: from here on, datagrams are looked
 * for around the generation of packet `packet`. Nothing is proven by it: a receiver waits for one that
 * holds. 0; -EINVAL: that is more than V2_GENERATIONS_MISSED ahead; -ENOMEM.
 */
int v2_aead_expect(struct v2_aead *aead, uint64_t packet) _must_check_;
#define V2_GENERATIONS_MISSED 65536

/* Half of what AES-GCM allows (RFC 9001, 6.6). */
#define V2_PACKETS_A_KEY (1ULL << 22)

/* The interface to it; valid as long as `aead` is. */
struct v2_seal v2_aead_seal(struct v2_aead *aead);

#endif
