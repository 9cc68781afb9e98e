// SPDX-License-Identifier: BSD-2-Clause
#include "pki/certificate.h"

#include "pki/crypto.h"
#include "pki/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SERIAL_BYTES  16
#define DNS_NAME_MAX  253
#define DNS_LABEL_MAX 63

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

const char *certificate_kind_name(enum certificate_kind kind)
{
	return kind == CERTIFICATE_SERVER ? "server" : "switch";
}

/* ---- names ---- */

bool certificate_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= CERTIFICATE_COMMON_NAME &&
	       strspn(name, LETTERS DIGITS "._:-") == len;
}

static bool label_valid(const char *label, size_t len)
{
	return len > 0 && len <= DNS_LABEL_MAX && label[0] != '-' && label[len - 1] != '-';
}

static bool dns_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len > DNS_NAME_MAX || strspn(name, LETTERS DIGITS ".-") != len)
		return false;
	/* All digits and dots is a mistyped address. */
	if (strspn(name, DIGITS ".") == len)
		return false;
	for (const char *label = name;; label++) {
		size_t part = strcspn(label, ".");

		if (!label_valid(label, part))
			return false;
		label += part;
		if (*label == '\0')
			return true;
	}
}

static bool is_address(const char *text)
{
	uint8_t address[16];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

bool certificate_host_valid(const char *host)
{
	return is_address(host) || dns_name_valid(host);
}

/* ---- making ---- */

static bool set_serial(X509 *certificate)
{
	uint8_t bytes[SERIAL_BYTES];
	BIGNUM *number;
	bool ok;

	do {
		if (RAND_bytes(bytes, sizeof(bytes)) != 1)
			return false;
		/* So that all have 32 digits, and none is 0. */
	} while (bytes[0] < 0x10);
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return ok;
}

static bool set_subject(X509 *certificate, const char *name)
{
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
		       MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1;
}

static X509 *begin(EVP_PKEY *public_key, const char *name, int64_t from, int64_t until)
{
	_cleanup_(X509_freep) X509 *certificate = X509_new();

	if (!certificate || X509_set_version(certificate, X509_VERSION_3) != 1 ||
		!set_serial(certificate) || !set_subject(certificate, name) ||
		!ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)from) ||
		!ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)until) ||
		X509_set_pubkey(certificate, public_key) != 1)
		return NULL;
	return TAKE_PTR(certificate);
}

struct extension {
	int nid;
	const char *value;
};

static bool add_extension(X509 *certificate, X509 *issuer, const struct extension *extension)
{
	X509_EXTENSION *made;
	X509V3_CTX context;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	made = X509V3_EXT_conf_nid(NULL, &context, extension->nid, extension->value);
	ok = made && X509_add_ext(certificate, made, -1) == 1;
	X509_EXTENSION_free(made);
	return ok;
}

static bool add_extensions(
	X509 *certificate, X509 *issuer, const struct extension *extensions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!add_extension(certificate, issuer, &extensions[i]))
			return false;
	return true;
}

static bool sign(X509 *certificate, X509 *issuer, EVP_PKEY *key)
{
	return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

int certificate_make_ca(EVP_PKEY *key, const char *name, int64_t from, int64_t until,
	X509 **ret_certificate, char **ret_error)
{
	static const struct extension extensions[] = {
		{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
		{NID_key_usage, "critical,keyCertSign,cRLSign"},
		{NID_subject_key_identifier, "hash"},
		{NID_authority_key_identifier, "keyid:always"},
	};
	_cleanup_(X509_freep) X509 *certificate = begin(key, name, from, until);

	if (!certificate ||
		!add_extensions(certificate, certificate, extensions, ARRAY_SIZE(extensions)) ||
		!sign(certificate, certificate, key))
		return crypto_error(ret_error, -EIO, "cannot make the CA's certificate");
	*ret_certificate = TAKE_PTR(certificate);
	return 0;
}

/* Takes the value. */
static bool push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
	GENERAL_NAME *name = GENERAL_NAME_new();

	if (!name || !value) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool add_text(GENERAL_NAMES *names, int type, const char *text)
{
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	if (!value || ASN1_STRING_set(value, text, -1) != 1) {
		ASN1_IA5STRING_free(value);
		return false;
	}
	return push_name(names, type, value);
}

static bool add_host(GENERAL_NAMES *names, const char *host)
{
	return is_address(host) ? push_name(names, GEN_IPADD, a2i_IPADDRESS(host))
				: add_text(names, GEN_DNS, host);
}

static bool add_names(GENERAL_NAMES *names, const struct certificate_subject *subject)
{
	char uri[sizeof(IDENTITY_URI_PREFIX) + 10];

	snprintf(uri, sizeof(uri), IDENTITY_URI_PREFIX "%u", subject->switch_id);
	if (subject->kind == CERTIFICATE_SWITCH && !add_text(names, GEN_URI, uri))
		return false;
	for (size_t i = 0; i < subject->host_count; i++)
		if (!add_host(names, subject->hosts[i]))
			return false;
	return true;
}

static bool add_alternative_names(X509 *certificate, const struct certificate_subject *subject)
{
	GENERAL_NAMES *names =
		subject->like ? X509_get_ext_d2i(subject->like, NID_subject_alt_name, NULL, NULL)
			      : sk_GENERAL_NAME_new_null();
	bool ok = names && (subject->like || add_names(names, subject)) &&
		  X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;

	GENERAL_NAMES_free(names);
	return ok;
}

int certificate_make(const struct certificate_issuer *issuer,
	const struct certificate_subject *subject, EVP_PKEY *public_key, const int64_t validity[2],
	X509 **ret_certificate, char **ret_error)
{
	const struct extension extensions[] = {
		{NID_basic_constraints, "critical,CA:FALSE"},
		{NID_key_usage, "critical,digitalSignature"},
		{NID_ext_key_usage,
			subject->kind == CERTIFICATE_SERVER ? "serverAuth" : "clientAuth"},
		{NID_subject_key_identifier, "hash"},
		{NID_authority_key_identifier, "keyid:always"},
	};
	_cleanup_(X509_freep) X509 *certificate =
		begin(public_key, subject->name, validity[0], validity[1]);

	if (!certificate ||
		!add_extensions(
			certificate, issuer->certificate, extensions, ARRAY_SIZE(extensions)) ||
		!add_alternative_names(certificate, subject) ||
		!sign(certificate, issuer->certificate, issuer->key))
		return crypto_error(ret_error, -EIO, "cannot make the certificate");
	*ret_certificate = TAKE_PTR(certificate);
	return 0;
}

/* ---- reading ---- */

enum certificate_kind certificate_kind_of(X509 *certificate)
{
	uint32_t uses = X509_get_extended_key_usage(certificate);

	return uses != UINT32_MAX && (uses & XKU_SSL_SERVER) ? CERTIFICATE_SERVER
							     : CERTIFICATE_SWITCH;
}

void certificate_serial(const X509 *certificate, char serial[static CERTIFICATE_SERIAL_MAX])
{
	const ASN1_INTEGER *number = X509_get0_serialNumber(certificate);
	int size = ASN1_STRING_length(number);
	const unsigned char *bytes = ASN1_STRING_get0_data(number);

	serial[0] = '\0';
	if (size * 2 >= CERTIFICATE_SERIAL_MAX)
		return;
	for (int i = 0; i < size; i++)
		snprintf(serial + (size_t)i * 2, 3, "%02x", bytes[i]);
}

static bool read_time(const ASN1_TIME *time, int64_t *ret_seconds)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	*ret_seconds = timegm(&tm);
	return true;
}

void certificate_validity(const X509 *certificate, int64_t *ret_from, int64_t *ret_until)
{
	if (!read_time(X509_get0_notBefore(certificate), ret_from))
		*ret_from = INT64_MAX;
	if (!read_time(X509_get0_notAfter(certificate), ret_until))
		*ret_until = INT64_MIN;
}

void certificate_fingerprint(const X509 *certificate, char fingerprint[static 65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	fingerprint[0] = '\0';
	if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
		return;
	for (unsigned int i = 0; i < size; i++)
		snprintf(fingerprint + (size_t)i * 2, 3, "%02x", digest[i]);
}
