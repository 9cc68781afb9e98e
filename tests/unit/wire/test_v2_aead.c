// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test.h"
#include "tests/unit/wire/ping.h"
#include "wire/v2.h"
#include "wire/v2_aead.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint8_t secret_a[V2_SECRET_BYTES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const uint8_t secret_b[V2_SECRET_BYTES] = {99};

struct ends {
	struct v2_aead *agent, *server;
	struct v2_seal to_server, at_server;
};

static void ends_init(struct ends *ends, enum v2_cipher cipher, uint64_t packets_a_key)
{
	assert_int_equal(v2_aead_new(cipher, secret_a, secret_b, packets_a_key, &ends->agent), 0);
	assert_int_equal(v2_aead_new(cipher, secret_b, secret_a, packets_a_key, &ends->server), 0);
	ends->to_server = v2_aead_seal(ends->agent);
	ends->at_server = v2_aead_seal(ends->server);
}

static void ends_done(struct ends *ends)
{
	v2_aead_free(ends->agent);
	v2_aead_free(ends->server);
}

/* The hex comes from another implementation (Node's), and stands in docs/protocol-2.md 5.4. */
static void sealed_pings_are_those_of_the_document(void **state _unused_)
{
	static const struct {
		enum v2_cipher cipher;
		uint64_t packets_a_key;
		const char *hex;
	} vectors[] = {
		{V2_CIPHER_AES_256_GCM, 0, "bcaa94f7ea524c64a589ec929bd6e55125a8c56e"},
		{V2_CIPHER_CHACHA20_POLY1305, 0, "7e261aa6aae85bc6c485053b3f191b1683bf60a1"},
		{V2_CIPHER_AES_256_GCM, 256, "23217f265f9ccfc7bb6ee97f5403570e2ccc6691"},
	};
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol-2.md", "r");
	_cleanup_free_ char *document = NULL;
	size_t capacity = 0;

	assert_non_null(file);
	assert_true(getdelim(&document, &capacity, '\0', file) > 0);
	fclose(file);
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t bytes[PING_BYTES];
		char hex[2 * PING_SEALED + 1];
		struct ends ends;

		ends_init(&ends, vectors[i].cipher, vectors[i].packets_a_key);
		make_ping(&ends.to_server, 258, bytes);
		for (size_t j = 0; j < PING_SEALED; j++)
			snprintf(hex + 2 * j, 3, "%02x", bytes[V2_HEADER_BYTES + j]);
		assert_string_equal(hex, vectors[i].hex);
		assert_non_null(strstr(document, hex));
		assert_int_equal(open_ping(&ends.at_server, bytes), 0);
		assert_memory_equal(bytes + V2_HEADER_BYTES, "\x01\0\0\0", PING_TEXT);
		ends_done(&ends);
	}
}

static void each_changed_bit_is_noticed(void **state _unused_)
{
	uint8_t bytes[PING_BYTES];
	struct ends ends;

	ends_init(&ends, V2_CIPHER_AES_256_GCM, 0);
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		make_ping(&ends.to_server, bit, bytes);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (open_ping(&ends.at_server, bytes) == 0)
			fail_msg("bit %zu was changed and not noticed", bit);
	}
	ends_done(&ends);
}

static void every_cipher_of_this_machine_seals(void **state _unused_)
{
	uint8_t ciphers[V2_CIPHERS_MAX], bytes[PING_BYTES];
	uint8_t count = v2_aead_ciphers(ciphers);

	assert_int_equal(count, 2);
	assert_int_equal(
		ciphers[0] ^ ciphers[1], V2_CIPHER_AES_256_GCM ^ V2_CIPHER_CHACHA20_POLY1305);
	for (uint8_t i = 0; i < count; i++) {
		struct ends ends;

		ends_init(&ends, ciphers[i], 0);
		make_ping(&ends.to_server, 0, bytes);
		assert_int_equal(open_ping(&ends.at_server, bytes), 0);
		ends_done(&ends);
	}
}

static void directions_have_keys_of_their_own(void **state _unused_)
{
	uint8_t bytes[PING_BYTES];
	struct ends ends;

	ends_init(&ends, V2_CIPHER_CHACHA20_POLY1305, 0);
	make_ping(&ends.to_server, 1, bytes);
	/* Reflected to its sender. */
	assert_true(open_ping(&ends.to_server, bytes) < 0);
	ends_done(&ends);
}

/* Pairs overtake each other, also across the turn of a key. */
static void keys_turn_without_losing_a_datagram(void **state _unused_)
{
	uint8_t bytes[2][PING_BYTES];
	struct ends ends;

	ends_init(&ends, V2_CIPHER_AES_256_GCM, 4);
	for (uint64_t packet = 1; packet < 200; packet += 2) {
		make_ping(&ends.to_server, packet, bytes[0]);
		make_ping(&ends.to_server, packet + 1, bytes[1]);
		assert_int_equal(open_ping(&ends.at_server, bytes[1]), 0);
		assert_int_equal(open_ping(&ends.at_server, bytes[0]), 0);
	}
	ends_done(&ends);
}

static void forged_phase_turns_no_key(void **state _unused_)
{
	uint8_t bytes[PING_BYTES];
	struct ends ends;

	ends_init(&ends, V2_CIPHER_AES_256_GCM, 0);
	for (uint64_t packet = 0; packet < 8; packet++) {
		make_ping(&ends.to_server, packet, bytes);
		bytes[0] ^= 0x10;
		assert_true(open_ping(&ends.at_server, bytes) < 0);
		bytes[0] ^= 0x10;
		make_ping(&ends.to_server, packet + 100, bytes);
		assert_int_equal(open_ping(&ends.at_server, bytes), 0);
	}
	ends_done(&ends);
}

static void key_that_is_gone_seals_no_more(void **state _unused_)
{
	uint8_t bytes[PING_BYTES] = {0};
	struct ends ends;

	ends_init(&ends, V2_CIPHER_AES_256_GCM, 4);
	make_ping(&ends.to_server, 8, bytes);
	assert_true(ends.to_server.seal(
			    ends.to_server.user, 3, bytes, bytes + V2_HEADER_BYTES, PING_TEXT) < 0);
	ends_done(&ends);
}

/* Of a sender's or receiver's first generation; inverted, so that this copy is not found. */
static void make_first_key(const uint8_t *secret, uint8_t ret_inverted[32])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)secret, V2_SECRET_BYTES),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_INFO, (char *)"netlambda 2 key", strlen("netlambda 2 key")),
		OSSL_PARAM_construct_end(),
	};

	assert_int_equal(EVP_KDF_derive(context, ret_inverted, 32, params), 1);
	for (int i = 0; i < 32; i++)
		ret_inverted[i] ^= 0xff;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
}

/* How often the first half of a key stands in the heap, as it does in whatever a library makes of it. */
static unsigned int count_in_heap(const uint8_t inverted[32])
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t begin = 0, end = 0;
	unsigned int found = 0;
	char line[256];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[heap]"))
			assert_int_equal(sscanf(line, "%lx-%lx", &begin, &end), 2);
	fclose(maps);
	for (const uint8_t *p = (const uint8_t *)begin; p + 16 <= (const uint8_t *)end; p++) {
		int i = 0;

		while (i < 16 && (p[i] ^ inverted[i]) == 0xff)
			i++;
		found += i == 16;
	}
	return found;
}

static void key_that_is_over_is_nowhere_in_memory(void **state _unused_)
{
	uint8_t bytes[PING_BYTES], key[32];
	struct ends ends;

#ifdef __SANITIZE_ADDRESS__
	skip();
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	skip();
#endif
#endif
	make_first_key(secret_a, key);
	ends_init(&ends, V2_CIPHER_AES_256_GCM, 4);
	assert_int_equal(count_in_heap(key), 2); /* one at each end */
	make_ping(&ends.to_server, 4, bytes);
	assert_int_equal(count_in_heap(key), 1);
	assert_int_equal(open_ping(&ends.at_server, bytes), 0);
	assert_int_equal(count_in_heap(key), 1); /* datagrams overtake each other */
	make_ping(&ends.to_server, 8, bytes);
	assert_int_equal(open_ping(&ends.at_server, bytes), 0);
	assert_int_equal(count_in_heap(key), 0);
	ends_done(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_pings_are_those_of_the_document),
		cmocka_unit_test(each_changed_bit_is_noticed),
		cmocka_unit_test(every_cipher_of_this_machine_seals),
		cmocka_unit_test(directions_have_keys_of_their_own),
		cmocka_unit_test(keys_turn_without_losing_a_datagram),
		cmocka_unit_test(forged_phase_turns_no_key),
		cmocka_unit_test(key_that_is_gone_seals_no_more),
		cmocka_unit_test(key_that_is_over_is_nowhere_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
