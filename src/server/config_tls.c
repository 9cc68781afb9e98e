// SPDX-License-Identifier: BSD-2-Clause
#include "server/config_tls.h"

#include "pki/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const tls_keys[] = {
	"credentials", "key", "ca", "crl", "switches", "ciphers", "grace", "limits"};

void tls_config_done(struct tls_config *tls)
{
	free(tls->credentials);
	free(tls->key);
	free(tls->ca);
	free(tls->crl);
}

static void take_rule(
	struct config_reader *reader, const char *where, const json_t *json, struct tls_config *tls)
{
	_cleanup_free_ char *error = NULL;

	if (!json_is_string(json))
		reader_fail(
			reader, where, "expected a rule, such as \"dns:switch-{id}.example.net\"");
	else if (tls->rule_count == CONFIG_RULES_MAX)
		reader_fail(reader, where, "more than %d rules", CONFIG_RULES_MAX);
	else if (identity_rule_parse(
			 json_string_value(json), &tls->rules[tls->rule_count++], &error) < 0)
		reader_fail(reader, where, "%s", error ? error : "out of memory");
}

static void take_cipher(
	struct config_reader *reader, const char *where, const json_t *json, struct tls_config *tls)
{
	static const uint8_t ciphers[] = {V2_CIPHER_AES_256_GCM, V2_CIPHER_CHACHA20_POLY1305};

	for (size_t i = 0; i < ARRAY_SIZE(ciphers) && json_is_string(json); i++)
		if (strcasecmp(json_string_value(json), v2_cipher_name(ciphers[i])) == 0 &&
			tls->cipher_count < V2_CIPHERS_MAX) {
			tls->ciphers[tls->cipher_count++] = ciphers[i];
			return;
		}
	reader_fail(reader, where, "expected \"%s\" or \"%s\"",
		v2_cipher_name(V2_CIPHER_AES_256_GCM), v2_cipher_name(V2_CIPHER_CHACHA20_POLY1305));
}

/* A list of strings, of which `take` takes each. */
static void read_list(struct config_reader *reader, const json_t *object, const char *key,
	struct tls_config *tls,
	void (*take)(struct config_reader *reader, const char *where, const json_t *json,
		struct tls_config *tls))
{
	const json_t *list = json_object_get(object, key), *item;
	char where[64];
	size_t i;

	snprintf(where, sizeof(where), "tls.%s", key);
	if (list && !json_is_array(list))
		reader_fail(reader, where, "expected an array");
	json_array_foreach (list, i, item) {
		snprintf(where, sizeof(where), "tls.%s.%zu", key, i);
		take(reader, where, item, tls);
	}
}

void tls_config_read(struct config_reader *reader, struct tls_config *tls)
{
	const json_t *object = json_object_get(reader->root, "tls");

	if (object && !json_is_object(object))
		reader_fail(reader, "tls", "expected an object");
	if (!json_is_object(object))
		return;
	reader_allow_keys(reader, "tls.", object, tls_keys, ARRAY_SIZE(tls_keys));
	reader_string(reader, "tls.", object, "credentials", &tls->credentials);
	reader_string(reader, "tls.", object, "key", &tls->key);
	reader_string(reader, "tls.", object, "ca", &tls->ca);
	reader_string(reader, "tls.", object, "crl", &tls->crl);
	reader_duration(reader, "tls.", object, "grace", &tls->grace_ns);
	limits_config_read(reader, json_object_get(object, "limits"), &tls->limits);
	read_list(reader, object, "switches", tls, take_rule);
	read_list(reader, object, "ciphers", tls, take_cipher);
}

int tls_config_find(struct tls_config *tls, bool needed)
{
	char path[CREDENTIALS_PATH_MAX];

	if (tls->credentials)
		return 0;
	credentials_find(CERTIFICATE_SERVER, path);
	/* Of one that is there, but cannot be read, the start fails, and says so. */
	if (!needed && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	tls->credentials = strdup(path);
	return tls->credentials ? 0 : -ENOMEM;
}

static bool rule_equal(const struct identity_rule *a, const struct identity_rule *b)
{
	return a->field == b->field && a->id == b->id && strcmp(a->prefix, b->prefix) == 0 &&
	       strcmp(a->suffix, b->suffix) == 0;
}

bool tls_config_equal(const struct tls_config *a, const struct tls_config *b)
{
	if (a->rule_count != b->rule_count || a->cipher_count != b->cipher_count ||
		a->grace_ns != b->grace_ns)
		return false;
	for (size_t i = 0; i < a->rule_count; i++)
		if (!rule_equal(&a->rules[i], &b->rules[i]))
			return false;
	return memcmp(a->ciphers, b->ciphers, a->cipher_count) == 0;
}
