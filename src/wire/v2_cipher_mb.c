// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_cipher.h"

#ifndef HAVE_IPSEC_MB

const struct v2_cipher_ops *v2_cipher_multi_buffer(enum v2_cipher cipher _unused_)
{
	return NULL;
}

#else

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <stdlib.h>

struct v2_key {
	struct gcm_key_data expanded;
	bool set;
};

/* Of the library only functions are used that keep nothing between calls, so threads share it. */
static IMB_MGR *library;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void init_library(void)
{
	IMB_MGR *made = alloc_mb_mgr(0);
	IMB_ARCH arch;

	if (!made)
		return;
	init_mb_mgr_auto(made, &arch);
	/* Without the instructions it emulates them, which OpenSSL does better. */
	if (imb_get_errno(made) == 0 && arch != IMB_ARCH_NOAESNI && arch != IMB_ARCH_NONE)
		library = made;
	else
		free_mb_mgr(made);
}

static struct v2_key *key_new(enum v2_cipher cipher _unused_, bool seals _unused_)
{
	/* The expanded key is read by whole vectors. */
	struct v2_key *key = aligned_alloc(64, (sizeof(*key) + 63) / 64 * 64);

	if (key)
		memset(key, 0, sizeof(*key));
	return key;
}

static void key_free(struct v2_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
	free(key);
}

static int key_set(struct v2_key *key, const uint8_t bytes[V2_KEY_BYTES])
{
	IMB_AES256_GCM_PRE(library, bytes, &key->expanded);
	key->set = true;
	return 0;
}

static int seal(struct v2_key *key, const uint8_t nonce[V2_NONCE_BYTES], const uint8_t *header,
	uint8_t *text, size_t size)
{
	struct gcm_context_data context;

	if (!key->set)
		return -EIO;
	IMB_AES256_GCM_ENC(library, &key->expanded, &context, text, text, size, nonce, header,
		V2_HEADER_BYTES, text + size, V2_TAG_BYTES);
	return 0;
}

static int open_text(struct v2_key *key, const uint8_t nonce[V2_NONCE_BYTES], const uint8_t *header,
	uint8_t *text, size_t size)
{
	struct gcm_context_data context;
	uint8_t tag[V2_TAG_BYTES];

	if (!key->set)
		return -EBADMSG;
	IMB_AES256_GCM_DEC(library, &key->expanded, &context, text, text, size, nonce, header,
		V2_HEADER_BYTES, tag, sizeof(tag));
	return CRYPTO_memcmp(tag, text + size, sizeof(tag)) == 0 ? 0 : -EBADMSG;
}

static const struct v2_cipher_ops multi_buffer = {
	.name = "ipsec-mb",
	.key_new = key_new,
	.key_free = key_free,
	.key_set = key_set,
	.seal = seal,
	.open = open_text,
};

const struct v2_cipher_ops *v2_cipher_multi_buffer(enum v2_cipher cipher)
{
	if (cipher != V2_CIPHER_AES_256_GCM)
		return NULL;
	if (!CRYPTO_THREAD_run_once(&once, init_library))
		return NULL;
	return library ? &multi_buffer : NULL;
}

#endif
