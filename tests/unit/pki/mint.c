// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/pki/mint.h"

#include "base/file.h"
#include "pki/key.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "mint: %s\n", #condition);                                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#define HOUR 3600

void mint_ca(struct mint *ret_ca, const char *name)
{
	char *error = NULL;
	int64_t now = time(NULL);

	REQUIRE(key_generate(&ret_ca->key, &error) == 0);
	REQUIRE(certificate_make_ca(ret_ca->key, name, now - 1000 * HOUR, now + 1000 * HOUR,
			&ret_ca->certificate, &error) == 0);
}

/* A certificate with odd alternative names, for others to be like. */
static X509 *odd_names(const struct mint_order *order)
{
	X509 *odd = X509_new();
	X509V3_CTX context;
	X509_EXTENSION *extension;
	char text[256];

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, odd, odd, NULL, NULL, 0);
	if (order->names) {
		extension = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, order->names);
		REQUIRE(odd && extension && X509_add_ext(odd, extension, -1) == 1);
		X509_EXTENSION_free(extension);
	} else {
		GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *value = ASN1_IA5STRING_new();
		int size = snprintf(text, sizeof(text), "%s%c.evil", order->dns_with_nul, 0);

		REQUIRE(names && name && value && ASN1_STRING_set(value, text, size) == 1);
		GENERAL_NAME_set0_value(name, GEN_DNS, value);
		REQUIRE(sk_GENERAL_NAME_push(names, name) > 0);
		REQUIRE(X509_add1_ext_i2d(odd, NID_subject_alt_name, names, 0, 0) == 1);
		GENERAL_NAMES_free(names);
	}
	return odd;
}

void mint_issue(const struct mint *ca, const struct mint_order *order, struct mint *ret_minted)
{
	const struct certificate_issuer issuer = {ca->certificate, ca->key};
	_cleanup_(X509_freep) X509 *odd =
		order->names || order->dns_with_nul ? odd_names(order) : NULL;
	struct certificate_subject subject = {
		.kind = order->kind,
		.switch_id = order->switch_id,
		.name = order->name ? order->name : "somebody",
		.hosts = {order->host},
		.host_count = order->host ? 1 : 0,
		.like = odd,
	};
	bool usual = order->from_s == 0 && order->until_s == 0;
	int64_t now = time(NULL);
	char *error = NULL;

	*ret_minted = (struct mint){0};
	if (order->key) {
		EVP_PKEY_up_ref(order->key);
		ret_minted->key = order->key;
	} else {
		REQUIRE(key_generate(&ret_minted->key, &error) == 0);
	}
	REQUIRE(certificate_make(&issuer, &subject, ret_minted->key,
			(int64_t[2]){now + (usual ? -HOUR : order->from_s),
				now + (usual ? HOUR : order->until_s)},
			&ret_minted->certificate, &error) == 0);
}

void mint_free(struct mint *mint)
{
	EVP_PKEY_free(mint->key);
	X509_free(mint->certificate);
	*mint = (struct mint){0};
}

static void write_out(const char *path, BIO *text)
{
	char *bytes;
	long size = BIO_get_mem_data(text, &bytes);

	REQUIRE(file_write(path, bytes, (size_t)size, 0600, true) == 0);
	BIO_free(text);
}

void mint_write(const char *path, EVP_PKEY *key, X509 *own, X509 *ca)
{
	BIO *text = BIO_new(BIO_s_mem());
	char *error = NULL;

	REQUIRE(!key || key_write(text, key, NULL, &error) == 0);
	REQUIRE(!own || PEM_write_bio_X509(text, own) == 1);
	REQUIRE(!ca || PEM_write_bio_X509(text, ca) == 1);
	write_out(path, text);
}

void mint_write_crl(const char *path, const struct mint *ca, X509 *revoked, int64_t until_s)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *last = ASN1_TIME_set(NULL, time(NULL) - 10 * HOUR);
	ASN1_TIME *next = ASN1_TIME_set(NULL, time(NULL) + until_s);
	BIO *text = BIO_new(BIO_s_mem());

	REQUIRE(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	REQUIRE(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate)) == 1);
	REQUIRE(X509_CRL_set1_lastUpdate(crl, last) == 1);
	REQUIRE(X509_CRL_set1_nextUpdate(crl, next) == 1);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();

		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, last);
		REQUIRE(X509_CRL_add0_revoked(crl, entry) == 1);
	}
	REQUIRE(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
	REQUIRE(PEM_write_bio_X509_CRL(text, crl) == 1);
	write_out(path, text);
	ASN1_TIME_free(last);
	ASN1_TIME_free(next);
	X509_CRL_free(crl);
}
