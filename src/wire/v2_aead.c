// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_aead.h"

#include "wire/v2.h"
#include "wire/v2_cipher.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define KEYS 4 /* by generation: the one before, the present, the next, and one that is free */

struct key {
	struct v2_key *cipher; /* NULL: there is none of this place's generation */
	uint8_t iv[V2_NONCE_BYTES];
};

/* One direction. Keys up to generation `derived` are made, the last of them if it is `ready`. */
struct direction {
	struct key keys[KEYS];
	uint8_t secret[V2_SECRET_BYTES]; /* of generation `derived` */
	uint64_t derived;
	bool ready;
};

struct v2_aead {
	const struct v2_cipher_ops *ops;
	enum v2_cipher cipher;
	EVP_KDF_CTX *kdf;
	struct direction send, receive;
	struct v2_phases phases;
	uint64_t packets_a_key;
};

/* HKDF-Expand (RFC 5869) with SHA-256. */
static int expand(
	EVP_KDF_CTX *kdf, const uint8_t *secret, const char *label, uint8_t *ret_bytes, size_t size)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)secret, V2_SECRET_BYTES),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_INFO, (void *)label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};

	EVP_KDF_CTX_reset(kdf);
	return EVP_KDF_derive(kdf, ret_bytes, size, params) == 1 ? 0 : -ENOMEM;
}

static void wipe_key(struct v2_aead *aead, struct key *key)
{
	if (key->cipher)
		aead->ops->key_free(key->cipher);
	OPENSSL_cleanse(key, sizeof(*key));
}

/* Of those made before the last one, a sender needs none, and a receiver two. */
static void wipe_those_over(struct v2_aead *aead, struct direction *direction)
{
	uint64_t kept = direction == &aead->send ? 1 : 3;

	for (uint64_t generation = direction->derived + 1;
		generation + kept <= direction->derived + KEYS; generation++)
		wipe_key(aead, &direction->keys[generation % KEYS]);
}

/* Makes the key of the generation that `secret` is of. */
static int make_key(struct v2_aead *aead, struct direction *direction)
{
	struct key *key = &direction->keys[direction->derived % KEYS];
	uint8_t bytes[V2_KEY_BYTES];
	int r = expand(aead->kdf, direction->secret, "netlambda 2 key", bytes, sizeof(bytes));

	if (!key->cipher)
		key->cipher = aead->ops->key_new(aead->cipher, direction == &aead->send);
	if (r == 0 && !key->cipher)
		r = -ENOMEM;
	if (r == 0)
		r = expand(
			aead->kdf, direction->secret, "netlambda 2 iv", key->iv, sizeof(key->iv));
	if (r == 0)
		r = aead->ops->key_set(key->cipher, bytes);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	direction->ready = r == 0;
	if (r == 0)
		wipe_those_over(aead, direction);
	return r;
}

/* On to the next generation's secret. The one before is gone: what was sealed stays sealed. */
static int next_secret(struct v2_aead *aead, struct direction *direction)
{
	uint8_t next[V2_SECRET_BYTES];
	int r = expand(aead->kdf, direction->secret, "netlambda 2 next", next, sizeof(next));

	if (r < 0)
		return r;
	memcpy(direction->secret, next, sizeof(next));
	OPENSSL_cleanse(next, sizeof(next));
	direction->derived++;
	direction->ready = false;
	return 0;
}

/* Makes keys up to a generation; what failed before is tried again. */
static int derive_up_to(struct v2_aead *aead, struct direction *direction, uint64_t generation)
{
	while (direction->derived < generation || !direction->ready) {
		int r = direction->ready ? next_secret(aead, direction) : 0;

		if (r == 0)
			r = make_key(aead, direction);
		if (r < 0)
			return r;
	}
	return 0;
}

static int direction_init(struct v2_aead *aead, struct direction *direction, const uint8_t *secret)
{
	memcpy(direction->secret, secret, V2_SECRET_BYTES);
	return make_key(aead, direction);
}

static void direction_done(struct v2_aead *aead, struct direction *direction)
{
	for (int i = 0; i < KEYS; i++)
		wipe_key(aead, &direction->keys[i]);
	OPENSSL_cleanse(direction, sizeof(*direction));
}

static EVP_KDF_CTX *new_kdf(void)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;

	EVP_KDF_free(kdf); /* the context holds its own */
	return context;
}

int v2_aead_new(enum v2_cipher cipher, const uint8_t send_secret[static V2_SECRET_BYTES],
	const uint8_t receive_secret[static V2_SECRET_BYTES], uint64_t packets_a_key,
	struct v2_aead **ret_aead)
{
	_cleanup_(v2_aead_freep) struct v2_aead *aead = NULL;
	int r;

	if (cipher != V2_CIPHER_AES_256_GCM && cipher != V2_CIPHER_CHACHA20_POLY1305)
		return -EINVAL;
	if ((packets_a_key & (packets_a_key - 1)) != 0)
		return -EINVAL;
	aead = calloc(1, sizeof(*aead));
	if (!aead)
		return -ENOMEM;
	aead->packets_a_key = packets_a_key ? packets_a_key : V2_PACKETS_A_KEY;
	aead->cipher = cipher;
	aead->ops = v2_cipher_fastest(cipher);
	aead->kdf = new_kdf();
	if (!aead->kdf)
		return -ENOMEM;
	r = direction_init(aead, &aead->send, send_secret);
	if (r == 0)
		r = direction_init(aead, &aead->receive, receive_secret);
	/* The peer may be ahead by one. */
	if (r == 0)
		r = derive_up_to(aead, &aead->receive, 1);
	if (r == 0)
		*ret_aead = TAKE_PTR(aead);
	return r;
}

void v2_aead_free(struct v2_aead *aead)
{
	direction_done(aead, &aead->send);
	direction_done(aead, &aead->receive);
	EVP_KDF_CTX_free(aead->kdf);
	free(aead);
}

/* RFC 8446, 5.3: the number, left-padded, xor the IV. */
static void make_nonce(const struct key *key, uint64_t packet, uint8_t nonce[V2_NONCE_BYTES])
{
	memcpy(nonce, key->iv, V2_NONCE_BYTES);
	for (int i = V2_NONCE_BYTES - 1; packet > 0; i--, packet >>= 8)
		nonce[i] ^= (uint8_t)packet;
}

static uint8_t aead_phase(void *user, uint64_t packet)
{
	const struct v2_aead *aead = user;

	return packet / aead->packets_a_key & 3;
}

static int aead_seal(void *user, uint64_t packet, const uint8_t *header, uint8_t *text, size_t size)
{
	struct v2_aead *aead = user;
	uint64_t generation = packet / aead->packets_a_key;
	struct key *key = &aead->send.keys[generation % KEYS];
	uint8_t nonce[V2_NONCE_BYTES];

	/* Numbers ascend, so a key that is gone is not needed again. */
	if (generation < aead->send.derived)
		return -EINVAL;
	if (derive_up_to(aead, &aead->send, generation) < 0)
		return -ENOMEM;
	make_nonce(key, packet, nonce);
	return aead->ops->seal(key->cipher, nonce, header, text, size);
}

static int aead_open(void *user, uint8_t phase, uint64_t packet, const uint8_t *header,
	uint8_t *text, size_t size)
{
	struct v2_aead *aead = user;
	uint8_t nonce[V2_NONCE_BYTES];
	uint64_t generation;
	struct key *key;

	if (!v2_phase_find(&aead->phases, phase, &generation))
		return -EBADMSG;
	key = &aead->receive.keys[generation % KEYS];
	if (!key->cipher)
		return -EBADMSG;
	make_nonce(key, packet, nonce);
	if (aead->ops->open(key->cipher, nonce, header, text, size) < 0)
		return -EBADMSG;
	/* Without the next key the peer could not go on: the datagram is not taken, nor the turn. */
	if (derive_up_to(aead, &aead->receive, generation + 1) < 0)
		return -EBADMSG;
	v2_phase_held(&aead->phases, generation);
	return 0;
}

int v2_aead_expect(struct v2_aead *aead, uint64_t packet)
{
	uint64_t generation = packet / aead->packets_a_key;
	int r;

	if (generation <= aead->phases.generation + 1)
		return 0;
	if (generation - aead->phases.generation > V2_GENERATIONS_MISSED)
		return -EINVAL;
	r = derive_up_to(aead, &aead->receive, generation + 1);
	if (r == 0)
		v2_phase_held(&aead->phases, generation);
	return r;
}

/* Instructions for AES and for GCM's multiplication. */
static bool has_aes(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	const unsigned long both = HWCAP_AES | HWCAP_PMULL;

	return (getauxval(AT_HWCAP) & both) == both;
#else
	return false;
#endif
}

uint8_t v2_aead_ciphers(uint8_t ciphers[static V2_CIPHERS_MAX])
{
	bool aes = has_aes();

	ciphers[0] = aes ? V2_CIPHER_AES_256_GCM : V2_CIPHER_CHACHA20_POLY1305;
	ciphers[1] = aes ? V2_CIPHER_CHACHA20_POLY1305 : V2_CIPHER_AES_256_GCM;
	return 2;
}

struct v2_seal v2_aead_seal(struct v2_aead *aead)
{
	return (struct v2_seal){
		.user = aead, .phase = aead_phase, .seal = aead_seal, .open = aead_open};
}
