// SPDX-License-Identifier: BSD-2-Clause
/*
 * The libraries that do the ciphers' work make the same bytes, and each notices what was changed; and
 * what happens where keys cannot be made: EVP_KDF_derive() fails as it is told to.
 */
#include "tests/unit/test.h"
#include "tests/unit/wire/ping.h"
#include "wire/v2_aead.h"
#include "wire/v2_cipher.h"

#include <errno.h>
#include <openssl/kdf.h>

#define TEXT_MAX 1500

static const uint8_t key_bytes[V2_KEY_BYTES] = {3, 1, 4, 1, 5, 9, 2, 6};
static const uint8_t nonce[V2_NONCE_BYTES] = {2, 7, 1, 8};
static const uint8_t header[V2_HEADER_BYTES] = {0x80, 1, 2, 3};
static const enum v2_cipher ciphers[] = {V2_CIPHER_AES_256_GCM, V2_CIPHER_CHACHA20_POLY1305};

static unsigned int derivations, fail_at; /* the how manieth fails; 0: none */

int __real_EVP_KDF_derive(
	EVP_KDF_CTX *kdf, unsigned char *key, size_t size, const OSSL_PARAM params[]);
int __wrap_EVP_KDF_derive(
	EVP_KDF_CTX *kdf, unsigned char *key, size_t size, const OSSL_PARAM params[]);

int __wrap_EVP_KDF_derive(
	EVP_KDF_CTX *kdf, unsigned char *key, size_t size, const OSSL_PARAM params[])
{
	return ++derivations == fail_at ? 0 : __real_EVP_KDF_derive(kdf, key, size, params);
}

static struct v2_key *new_key(const struct v2_cipher_ops *ops, enum v2_cipher cipher, bool seals)
{
	struct v2_key *key = ops->key_new(cipher, seals);

	assert_non_null(key);
	assert_int_equal(ops->key_set(key, key_bytes), 0);
	return key;
}

static void fill(uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)(i * 7 + size);
}

static void libraries_make_the_same_bytes(void **state _unused_)
{
	const struct v2_cipher_ops *other = v2_cipher_multi_buffer(V2_CIPHER_AES_256_GCM);
	struct v2_key *ours, *theirs;

	if (!other) {
		print_message("one library only: nothing to compare with\n");
		skip();
	}
	ours = new_key(&v2_cipher_openssl, V2_CIPHER_AES_256_GCM, true);
	theirs = new_key(other, V2_CIPHER_AES_256_GCM, true);
	for (size_t size = 0; size <= TEXT_MAX; size++) {
		uint8_t a[TEXT_MAX + V2_TAG_BYTES], b[TEXT_MAX + V2_TAG_BYTES];

		fill(a, size);
		fill(b, size);
		assert_int_equal(v2_cipher_openssl.seal(ours, nonce, header, a, size), 0);
		assert_int_equal(other->seal(theirs, nonce, header, b, size), 0);
		assert_memory_equal(a, b, size + V2_TAG_BYTES);
	}
	v2_cipher_openssl.key_free(ours);
	other->key_free(theirs);
}

/* What was sealed with one is opened by the other as well. */
static void check_pair(const struct v2_cipher_ops *sealing, const struct v2_cipher_ops *opening,
	enum v2_cipher cipher)
{
	struct v2_key *seals = new_key(sealing, cipher, true);
	struct v2_key *opens = new_key(opening, cipher, false);
	uint8_t bytes[40 + V2_TAG_BYTES], copy[sizeof(bytes)], text[40], changed[V2_HEADER_BYTES];

	fill(text, sizeof(text));
	memcpy(bytes, text, sizeof(text));
	assert_int_equal(sealing->seal(seals, nonce, header, bytes, sizeof(text)), 0);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		memcpy(copy, bytes, sizeof(bytes));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(opening->open(opens, nonce, header, copy, sizeof(text)), -EBADMSG);
	}
	for (size_t bit = 0; bit < 8 * sizeof(header); bit++) {
		memcpy(copy, bytes, sizeof(bytes));
		memcpy(changed, header, sizeof(header));
		changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
			opening->open(opens, nonce, changed, copy, sizeof(text)), -EBADMSG);
	}
	assert_int_equal(opening->open(opens, nonce, header, bytes, sizeof(text)), 0);
	assert_memory_equal(bytes, text, sizeof(text));
	sealing->key_free(seals);
	opening->key_free(opens);
}

static void each_changed_bit_is_noticed_by_each_library(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++) {
		const struct v2_cipher_ops *other = v2_cipher_multi_buffer(ciphers[i]);

		check_pair(&v2_cipher_openssl, &v2_cipher_openssl, ciphers[i]);
		if (!other)
			continue;
		check_pair(other, other, ciphers[i]);
		check_pair(other, &v2_cipher_openssl, ciphers[i]);
		check_pair(&v2_cipher_openssl, other, ciphers[i]);
	}
}

static void key_without_bytes_does_nothing(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++) {
		const struct v2_cipher_ops *libraries[] = {
			&v2_cipher_openssl, v2_cipher_fastest(ciphers[i])};

		for (size_t j = 0; j < ARRAY_SIZE(libraries); j++) {
			struct v2_key *seals = libraries[j]->key_new(ciphers[i], true);
			struct v2_key *opens = libraries[j]->key_new(ciphers[i], false);
			uint8_t bytes[40 + V2_TAG_BYTES] = {0};

			assert_int_equal(libraries[j]->seal(seals, nonce, header, bytes, 40), -EIO);
			assert_int_equal(
				libraries[j]->open(opens, nonce, header, bytes, 40), -EBADMSG);
			libraries[j]->key_free(seals);
			libraries[j]->key_free(opens);
		}
	}
}

static const uint8_t secret_a[V2_SECRET_BYTES] = {1}, secret_b[V2_SECRET_BYTES] = {2};

static void aead_without_keys_is_not_begun(void **state _unused_)
{
	for (unsigned int i = 1;; i++) {
		struct v2_aead *aead = NULL;
		int r;

		derivations = 0;
		fail_at = i;
		r = v2_aead_new(V2_CIPHER_AES_256_GCM, secret_a, secret_b, 0, &aead);
		fail_at = 0;
		if (r == 0) {
			v2_aead_free(aead);
			assert_true(i > 5);
			break;
		}
		assert_int_equal(r, -ENOMEM);
		assert_null(aead);
	}
}

/*
 * Each derivation at the turn of a key fails once: that datagram is not sealed, or not taken; the
 * next one has the right key, not one of a generation before.
 */
static void key_that_could_not_be_made_is_made_later(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(ciphers); i++)
		for (unsigned int at = 1; at <= 3; at++) {
			struct v2_aead *agent, *server;
			struct v2_seal seals, opens;
			uint8_t bytes[PING_BYTES], again[PING_BYTES];

			assert_int_equal(v2_aead_new(ciphers[i], secret_a, secret_b, 4, &agent), 0);
			assert_int_equal(
				v2_aead_new(ciphers[i], secret_b, secret_a, 4, &server), 0);
			seals = v2_aead_seal(agent);
			opens = v2_aead_seal(server);
			for (uint64_t packet = 0; packet < 40; packet++) {
				uint8_t tag[V2_TAG_BYTES] = {0};

				derivations = 0;
				fail_at = at;
				if (seals.seal(seals.user, packet, header, again, 4) == -ENOMEM)
					assert_int_equal(packet % 4, 0);
				fail_at = 0;
				make_ping(&seals, packet, bytes);
				memcpy(again, bytes, sizeof(bytes));
				derivations = 0;
				fail_at = at;
				if (open_ping(&opens, again) != 0)
					assert_int_equal(packet % 4, 0);
				fail_at = 0;
				assert_int_equal(open_ping(&opens, bytes), 0);
				assert_memory_not_equal(
					bytes + sizeof(bytes) - sizeof(tag), tag, sizeof(tag));
			}
			v2_aead_free(agent);
			v2_aead_free(server);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libraries_make_the_same_bytes),
		cmocka_unit_test(each_changed_bit_is_noticed_by_each_library),
		cmocka_unit_test(key_without_bytes_does_nothing),
		cmocka_unit_test(aead_without_keys_is_not_begun),
		cmocka_unit_test(key_that_could_not_be_made_is_made_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
