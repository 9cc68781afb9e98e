// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_cipher.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

struct v2_key {
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *context;
	bool seals;
};

static void key_free(struct v2_key *key)
{
	EVP_CIPHER_CTX_free(key->context); /* wipes it */
	EVP_CIPHER_free(key->cipher);
	free(key);
}
DEFINE_CLEANUP(struct v2_key, key_free)

static struct v2_key *key_new(enum v2_cipher cipher, bool seals)
{
	_cleanup_(key_freep) struct v2_key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	key->seals = seals;
	key->cipher = EVP_CIPHER_fetch(
		NULL, cipher == V2_CIPHER_AES_256_GCM ? "AES-256-GCM" : "ChaCha20-Poly1305", NULL);
	key->context = EVP_CIPHER_CTX_new();
	return key->cipher && key->context ? TAKE_PTR(key) : NULL;
}

static int key_set(struct v2_key *key, const uint8_t bytes[V2_KEY_BYTES])
{
	return EVP_CipherInit_ex2(key->context, key->cipher, bytes, NULL, key->seals, NULL) == 1
		       ? 0
		       : -ENOMEM;
}

static int seal(struct v2_key *key, const uint8_t nonce[V2_NONCE_BYTES], const uint8_t *header,
	uint8_t *text, size_t size)
{
	OSSL_PARAM tag[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_CIPHER_PARAM_AEAD_TAG, text + size, V2_TAG_BYTES),
		OSSL_PARAM_construct_end(),
	};
	int length;

	if (EVP_EncryptInit_ex2(key->context, NULL, NULL, nonce, NULL) != 1 ||
		EVP_EncryptUpdate(key->context, NULL, &length, header, V2_HEADER_BYTES) != 1 ||
		EVP_EncryptUpdate(key->context, text, &length, text, (int)size) != 1 ||
		EVP_EncryptFinal_ex(key->context, text + size, &length) != 1 ||
		EVP_CIPHER_CTX_get_params(key->context, tag) != 1)
		return -EIO;
	return 0;
}

static int open_text(struct v2_key *key, const uint8_t nonce[V2_NONCE_BYTES], const uint8_t *header,
	uint8_t *text, size_t size)
{
	const OSSL_PARAM tag[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_CIPHER_PARAM_AEAD_TAG, text + size, V2_TAG_BYTES),
		OSSL_PARAM_construct_end(),
	};
	int length;

	if (EVP_DecryptInit_ex2(key->context, NULL, NULL, nonce, tag) != 1 ||
		EVP_DecryptUpdate(key->context, NULL, &length, header, V2_HEADER_BYTES) != 1 ||
		EVP_DecryptUpdate(key->context, text, &length, text, (int)size) != 1 ||
		EVP_DecryptFinal_ex(key->context, text + size, &length) != 1)
		return -EBADMSG;
	return 0;
}

const struct v2_cipher_ops v2_cipher_openssl = {
	.name = "openssl",
	.key_new = key_new,
	.key_free = key_free,
	.key_set = key_set,
	.seal = seal,
	.open = open_text,
};
