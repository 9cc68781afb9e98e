/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WIRE_V2_CIPHER_H
#define WIRE_V2_CIPHER_H

/*
 * What does the ciphers' work for v2_aead.h: OpenSSL everywhere, and Intel's multi-buffer library for
 * AES-GCM where it was built in, which takes a quarter of the time for a datagram of 1472 bytes.
 * Both make the same bytes. A key is used by one thread at a time.
 */

#include "wire/v2_control.h"

#define V2_KEY_BYTES   32
#define V2_NONCE_BYTES 12

struct v2_key; /* each library's own */

struct v2_cipher_ops {
	const char *name;
	/* For sealing or for opening; without key bytes yet. NULL: no memory. */
	struct v2_key *(*key_new)(enum v2_cipher cipher, bool seals);
	/* Wiped. */
	void (*key_free)(struct v2_key *key);
	/* 0 or -ENOMEM. */
	int (*key_set)(struct v2_key *key, const uint8_t bytes[V2_KEY_BYTES]);
	/* As struct v2_seal's, with the nonce. 0 or -EIO; 0 or -EBADMSG. */
	int (*seal)(struct v2_key *key, const uint8_t nonce[V2_NONCE_BYTES], const uint8_t *header,
		uint8_t *text, size_t size);
	int (*open)(struct v2_key *key, const uint8_t nonce[V2_NONCE_BYTES], const uint8_t *header,
		uint8_t *text, size_t size);
};

extern const struct v2_cipher_ops v2_cipher_openssl;

/* NULL: it is not built in, has not this cipher, or this processor lacks the instructions. */
const struct v2_cipher_ops *v2_cipher_multi_buffer(enum v2_cipher cipher);

static inline const struct v2_cipher_ops *v2_cipher_fastest(enum v2_cipher cipher)
{
	const struct v2_cipher_ops *ops = v2_cipher_multi_buffer(cipher);

	return ops ? ops : &v2_cipher_openssl;
}

#endif
