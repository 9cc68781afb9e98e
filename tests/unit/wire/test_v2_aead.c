// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test.h"
#include "tests/unit/wire/ping.h"
#include "wire/v2.h"
#include "wire/v2_aead.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
