// SPDX-License-Identifier: BSD-2-Clause
/* Keys of sessions, from real connections: who understood the same has the same, and nobody else. */
#include "base/file.h"
#include "net/session_keys.h"
#include "tests/unit/net/tls_rig.h"
#include "tests/unit/wire/ping.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <sys/stat.h>

/* ---- TLS 1.3's exporter by hand, of SHA-384 ---- */

#define HASH 48

static void hash(const void *bytes, size_t size, uint8_t digest[static HASH])
{
	assert_int_equal(EVP_Digest(bytes, size, digest, NULL, EVP_sha384(), NULL), 1);
}

/* HKDF-Expand-Label (RFC 8446, 7.1). */
static void expand_label(const uint8_t secret[static HASH], const char *label,
	const uint8_t context[static HASH], uint8_t *ret_bytes, size_t size)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *expand = EVP_KDF_CTX_new(kdf);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	uint8_t info[256];
	struct cursor c;
	OSSL_PARAM params[5];

	cursor_write_init(&c, info, sizeof(info));
	cursor_put_be(&c, size, 2);
	cursor_put_be(&c, strlen("tls13 ") + strlen(label), 1);
	cursor_put_bytes(&c, "tls13 ", strlen("tls13 "));
	cursor_put_bytes(&c, label, strlen(label));
	cursor_put_be(&c, HASH, 1);
	cursor_put_bytes(&c, context, HASH);
	params[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA384", 0);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, HASH);
	params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, c.pos);
	params[4] = OSSL_PARAM_construct_end();
	assert_int_equal(EVP_KDF_derive(expand, ret_bytes, size, params), 1);
	EVP_KDF_CTX_free(expand);
	EVP_KDF_free(kdf);
}

static void export_by_hand(const uint8_t exporter[static HASH], uint8_t cipher, enum v2_way way,
	uint64_t session, uint8_t ret_secret[static V2_SECRET_BYTES])
{
	uint8_t context[V2_CONTEXT_BYTES], digest[HASH], derived[HASH];

	v2_put_context(cipher, way, session, context);
	hash("", 0, digest);
	expand_label(exporter, V2_EXPORTER_LABEL, digest, derived, sizeof(derived));
	hash(context, sizeof(context), digest);
	expand_label(derived, "exporter", digest, ret_secret, V2_SECRET_BYTES);
}

static void hex(const uint8_t *bytes, size_t size, char *text)
{
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void secrets_are_those_of_the_document(void **state _unused_)
{
	uint8_t exporter[HASH], secret[V2_SECRET_BYTES], context[V2_CONTEXT_BYTES];
	_cleanup_free_ uint8_t *document = NULL;
	char text[2 * V2_SECRET_BYTES + 1], row[200];
	size_t size;

	for (uint8_t i = 0; i < HASH; i++)
		exporter[i] = i;
	assert_int_equal(
		file_read(SOURCE_ROOT "/docs/protocol-2.md", 1 << 20, &document, &size), 0);
	for (int way = 0; way < 2; way++) {
		v2_put_context(V2_CIPHER_AES_256_GCM, way ? V2_TO_AGENT : V2_TO_SERVER, 7, context);
		export_by_hand(exporter, V2_CIPHER_AES_256_GCM, way ? V2_TO_AGENT : V2_TO_SERVER, 7,
			secret);
		hex(context, sizeof(context), text);
		snprintf(row, sizeof(row), "| `%s` | `", text);
		hex(secret, sizeof(secret), text);
		strcat(row, text);
		assert_non_null(strstr((char *)document, row));
	}
}

/* ---- connections ---- */

struct ends {
	struct v2_aead *agent, *server;
};

struct understood {
	uint64_t session;
	uint8_t cipher;
};

static void make_keys(struct rig *rig, struct peer *edge, struct understood agent,
	struct understood server, struct ends *ret_ends)
{
	assert_int_equal(session_keys_new(edge->side.channel, TLS_CLIENT, agent.session,
				 agent.cipher, NULL, &ret_ends->agent),
		0);
	assert_int_equal(session_keys_new(rig->at_server.channel, TLS_SERVER, server.session,
				 server.cipher, NULL, &ret_ends->server),
		0);
}

static void free_keys(struct ends *ends)
{
	v2_aead_free(ends->agent);
	v2_aead_free(ends->server);
}

static void seal_ping(struct v2_aead *aead, uint64_t packet, uint8_t bytes[static PING_BYTES])
{
	struct v2_seal seal = v2_aead_seal(aead);

	make_ping(&seal, packet, bytes);
}

static int unseal_ping(struct v2_aead *aead, uint8_t bytes[static PING_BYTES])
{
	struct v2_seal seal = v2_aead_seal(aead);

	return open_ping(&seal, bytes);
}

/* Whether what one end seals, the other opens; both ways, which are one or none. */
static bool fit(struct ends *ends)
{
	uint8_t bytes[PING_BYTES];
	bool to_server, to_agent;

	seal_ping(ends->agent, 5, bytes);
	to_server = unseal_ping(ends->server, bytes) == 0;
	seal_ping(ends->server, 5, bytes);
	to_agent = unseal_ping(ends->agent, bytes) == 0;
	assert_int_equal(to_server, to_agent);
	return to_server;
}

static bool agree(
	struct rig *rig, struct peer *edge, struct understood agent, struct understood server)
{
	struct ends ends;
	bool good;

	make_keys(rig, edge, agent, server, &ends);
	good = fit(&ends);
	free_keys(&ends);
	return good;
}

static void only_ends_that_understood_the_same_have_keys_that_fit(void **state)
{
	const struct understood aes = {7, V2_CIPHER_AES_256_GCM};
	const struct understood chacha = {7, V2_CIPHER_CHACHA20_POLY1305};
	const struct understood other = {8, V2_CIPHER_AES_256_GCM};
	struct rig *rig = *state;
	struct peer edge = {0};

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	assert_true(agree(rig, &edge, aes, aes));
	assert_true(agree(rig, &edge, chacha, chacha));
	assert_true(agree(rig, &edge, other, other));
	assert_false(agree(rig, &edge, aes, chacha));
	assert_false(agree(rig, &edge, chacha, aes));
	assert_false(agree(rig, &edge, aes, other));
	rig_disconnect(&edge);
}

/* Numbers of packets begin at 0 in each session: the same key would be the end of the seal. */
static void second_session_on_a_connection_has_other_keys(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct ends first, second;
	uint8_t a[PING_BYTES], b[PING_BYTES];

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	make_keys(rig, &edge, (struct understood){7, 1}, (struct understood){7, 1}, &first);
	make_keys(rig, &edge, (struct understood){9, 1}, (struct understood){9, 1}, &second);
	seal_ping(first.agent, 0, a);
	seal_ping(second.agent, 0, b);
	assert_memory_not_equal(a + V2_HEADER_BYTES, b + V2_HEADER_BYTES, PING_SEALED);
	assert_true(unseal_ping(second.server, a) < 0);
	free_keys(&first);
	free_keys(&second);
	rig_disconnect(&edge);
}

static void another_connection_has_other_keys(void **state)
{
	struct rig *rig = *state;
	struct peer edge = {0};
	struct ends first, second;
	uint8_t bytes[PING_BYTES];

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	make_keys(rig, &edge, (struct understood){7, 1}, (struct understood){7, 1}, &first);
	tls_client_renew(edge.client);
	rig_wait_count(rig, &edge.side.opened, 2);
	rig_wait_count(rig, &rig->at_server.opened, 2);
	make_keys(rig, &edge, (struct understood){7, 1}, (struct understood){7, 1}, &second);
	seal_ping(first.agent, 0, bytes);
	assert_true(unseal_ping(second.server, bytes) < 0);
	free_keys(&first);
	free_keys(&second);
	rig_disconnect(&edge);
}

static void unknown_cipher_has_no_keys(void **state)
{
	struct rig *rig = *state;
	struct v2_aead *aead = NULL;
	struct peer edge = {0};

	rig_start_server(rig, NULL);
	rig_join(rig, &edge);
	assert_int_equal(
		session_keys_new(edge.side.channel, TLS_CLIENT, 7, 3, NULL, &aead), -EINVAL);
	assert_int_equal(
		session_keys_new(edge.side.channel, TLS_CLIENT, 7, 0, NULL, &aead), -EINVAL);
	assert_null(aead);
	rig_disconnect(&edge);
}

/* ---- the key log ---- */

static void from_hex(const char *text, uint8_t *ret_bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned int byte = 0;

		assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
		ret_bytes[i] = (uint8_t)byte;
	}
}

/* The exporter's secret of the connection, from NSS's line, and ours, which must follow from it. */
static void check_log(const char *log)
{
	uint8_t exporter[HASH], expected[V2_SECRET_BYTES];
	const char *line = strstr(log, "EXPORTER_SECRET ");
	char to_server[65], to_agent[65], text[65], random[65], secret[97];

	assert_non_null(line);
	assert_int_equal(sscanf(line, "EXPORTER_SECRET %64s %96s", random, secret), 2);
	assert_int_equal(strlen(secret), 2 * HASH);
	from_hex(secret, exporter, HASH);
	line = strstr(log, "NETLAMBDA_2 ");
	assert_non_null(line);
	assert_int_equal(
		sscanf(line, "NETLAMBDA_2 00000000abcdef 01 %64s %64s", to_server, to_agent), 2);
	export_by_hand(exporter, 1, V2_TO_SERVER, 0xabcdef, expected);
	hex(expected, sizeof(expected), text);
	assert_string_equal(text, to_server);
	export_by_hand(exporter, 1, V2_TO_AGENT, 0xabcdef, expected);
	hex(expected, sizeof(expected), text);
	assert_string_equal(text, to_agent);
}

static void key_log_has_what_decrypts(void **state)
{
	struct rig *rig = *state;
	const struct tls_client_options client = {.address_count = 1, .server_name = "localhost"};
	struct tls_client_options options = client;
	struct tls_context_options context = {
		.role = TLS_CLIENT, .files = {.credentials = "switch.pem"}};
	_cleanup_free_ char *error = NULL;
	_cleanup_free_ uint8_t *text = NULL;
	struct key_log *log = NULL;
	struct peer edge = {0};
	struct v2_aead *aead;
	struct stat st;
	size_t size;

	rig_start_server(rig, NULL);
	options.addresses[0] = rig->address;
	assert_int_equal(key_log_open("keys.log", &log, &error), 0);
	context.key_log = log;
	assert_int_equal(tls_context_new(rig->loop, &context, &edge.context, &error), 0);
	assert_int_equal(tls_client_new(rig->loop, edge.context, &options, &rig_callbacks,
				 &edge.side, &edge.client),
		0);
	rig_wait_count(rig, &edge.side.opened, 1);
	assert_int_equal(session_keys_new(edge.side.channel, TLS_CLIENT, 0xabcdef,
				 V2_CIPHER_AES_256_GCM, log, &aead),
		0);
	v2_aead_free(aead);
	rig_disconnect(&edge);
	key_log_close(log);
	assert_int_equal(stat("keys.log", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_read("keys.log", 100000, &text, &size), 0);
	check_log((char *)text);
}

static void key_log_that_others_may_read_is_refused(void **state _unused_)
{
	_cleanup_free_ char *error = NULL, *why = NULL;
	struct key_log *log = NULL;

	assert_int_equal(file_write("keys.log", "", 0, 0640, true), 0);
	assert_int_equal(key_log_open("keys.log", &log, &error), -EPERM);
	assert_non_null(strstr(error, "others may read the key log"));
	assert_int_equal(key_log_open("none/keys.log", &log, &why), -ENOENT);
	assert_null(log);
}

/* What is there is kept: several programs may write one. */
static void key_log_is_appended_to(void **state _unused_)
{
	_cleanup_free_ char *error = NULL;
	_cleanup_free_ uint8_t *text = NULL;
	struct key_log *log = NULL;
	size_t size;

	assert_int_equal(file_write("keys.log", "first\n", 6, 0600, true), 0);
	assert_int_equal(key_log_open("keys.log", &log, &error), 0);
	key_log_line(log, "second");
	key_log_close(log);
	assert_int_equal(file_read("keys.log", 100, &text, &size), 0);
	assert_string_equal((char *)text, "first\nsecond\n");
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_those_of_the_document),
		WITH_RIG(only_ends_that_understood_the_same_have_keys_that_fit),
		WITH_RIG(second_session_on_a_connection_has_other_keys),
		WITH_RIG(another_connection_has_other_keys),
		WITH_RIG(unknown_cipher_has_no_keys),
		WITH_RIG(key_log_has_what_decrypts),
		WITH_RIG(key_log_that_others_may_read_is_refused),
		WITH_RIG(key_log_is_appended_to),
	};

	return cmocka_run_group_tests(tests, rig_mint, rig_unmint);
}
