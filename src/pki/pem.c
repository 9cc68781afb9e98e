// SPDX-License-Identifier: BSD-2-Clause
#include "pki/pem.h"

#include "base/error.h"
#include "base/file.h"
#include "pki/crypto.h"
#include "pki/key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SERVER_LINE "server: "

/* The text of a file, which may hold a key: released with text_done(). */
struct text {
	uint8_t *bytes;
	size_t size;
};

static void text_done(struct text *text)
{
	if (text->bytes)
		OPENSSL_cleanse(text->bytes, text->size);
	free(text->bytes);
}

static int read_text(const char *path, size_t max, struct text *ret_text, char **ret_error)
{
	int r = file_read(path, max, &ret_text->bytes, &ret_text->size);

	if (r < 0)
		return error_set(ret_error, r, "cannot read %s: %s", path, strerror(-r));
	if (strlen((char *)ret_text->bytes) != ret_text->size)
		return error_set(ret_error, -EBADMSG, "%s is no PEM file", path);
	return 0;
}

/* ---- the blocks ---- */

static bool is_certificate(const char *name)
{
	return strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0;
}

/*
 * OpenSSL goes on where memory is short in the middle of a key, and has a certificate whose key is worth 0
 * bits: whatever it signed would be "too weak" for as long as it is kept.
 */
static bool key_is_whole(const X509 *certificate)
{
	const EVP_PKEY *key = X509_get0_pubkey(certificate);

	return !key || EVP_PKEY_get_security_bits(key) > 0;
}

/* 1: taken; 0: not ours; -1: damaged. */
static int take_block(
	struct pem_contents *contents, const char *name, const unsigned char *bytes, long size)
{
	const unsigned char *at = bytes;
	X509_CRL *crl;
	X509 *certificate;

	if (is_certificate(name)) {
		certificate = d2i_X509(NULL, &at, size);
		if (certificate && at == bytes + size && key_is_whole(certificate) &&
			sk_X509_push(contents->certificates, certificate) > 0)
			return 1;
		X509_free(certificate);
		return -1;
	}
	if (strcmp(name, PEM_STRING_X509_CRL) == 0) {
		crl = d2i_X509_CRL(NULL, &at, size);
		if (crl && at == bytes + size && sk_X509_CRL_push(contents->crls, crl) > 0)
			return 1;
		X509_CRL_free(crl);
		return -1;
	}
	return 0;
}

/* 1: there may be more; 0: the end; -1: damaged. */
static int take_next(struct pem_contents *contents, BIO *in)
{
	char *name = NULL, *header = NULL;
	unsigned char *bytes = NULL;
	long size = 0;
	int r;

	if (PEM_read_bio(in, &name, &header, &bytes, &size) != 1) {
		if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
			return -1;
		ERR_clear_error();
		return 0;
	}
	r = take_block(contents, name, bytes, size) < 0 ? -1 : 1;
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(bytes, (size_t)size);
	return r;
}

static int take_blocks(
	const char *path, const struct text *text, struct pem_contents *contents, char **ret_error)
{
	_cleanup_(BIO_free_allp) BIO *in = BIO_new_mem_buf(text->bytes, (int)text->size);
	unsigned int number = 1;
	int r;

	contents->certificates = sk_X509_new_null();
	contents->crls = sk_X509_CRL_new_null();
	if (!in || !contents->certificates || !contents->crls)
		return -ENOMEM;
	while ((r = take_next(contents, in)) > 0)
		number++;
	if (r < 0)
		return crypto_error(ret_error, -EBADMSG, "%s: block %u is damaged", path, number);
	return 0;
}

/* A line before the first block. */
static int take_server(const struct text *text, struct pem_contents *contents)
{
	const char *at = (const char *)text->bytes;

	while (at && strncmp(at, "-----BEGIN", strlen("-----BEGIN")) != 0) {
		if (strncmp(at, SERVER_LINE, strlen(SERVER_LINE)) == 0) {
			at += strlen(SERVER_LINE);
			contents->server = strndup(at, strcspn(at, "\r\n"));
			return contents->server ? 0 : -ENOMEM;
		}
		at = strchr(at, '\n');
		if (at)
			at++;
	}
	return 0;
}

/* ---- files ---- */

static int check_mode(const char *path, char **ret_error)
{
	struct stat st;

	if (strcmp(path, "-") == 0 || stat(path, &st) < 0 || !(st.st_mode & S_IROTH))
		return 0;
	return error_set(ret_error, -EPERM,
		"%s holds a private key, and everybody may read it: chmod o-rwx it, and think "
		"of who has read it",
		path);
}

static int take_key(const char *path, const struct text *text, pem_password_cb *ask, void *user,
	EVP_PKEY **ret_key, char **ret_error)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	_cleanup_free_ char *why = NULL;
	int r = key_read(text->bytes, text->size, ask, user, &key, &why);

	if (r < 0)
		return error_set(ret_error, r, "%s: %s", path, why ? why : strerror(-r));
	r = check_mode(path, ret_error);
	if (r == 0)
		*ret_key = TAKE_PTR(key);
	return r;
}

int pem_read(const char *path, size_t max, struct pem_contents *ret_contents, char **ret_error)
{
	_cleanup_(text_done) struct text text = {0};
	struct pem_contents contents = {0};
	int r = read_text(path, max, &text, ret_error);

	if (r == 0)
		r = take_blocks(path, &text, &contents, ret_error);
	if (r == 0)
		r = take_server(&text, &contents);
	if (r == 0 && strstr((char *)text.bytes, "PRIVATE KEY-----"))
		r = take_key(path, &text, NULL, NULL, &contents.key, ret_error);
	if (r < 0)
		pem_contents_done(&contents);
	else
		*ret_contents = contents;
	return r;
}

void pem_contents_done(struct pem_contents *contents)
{
	sk_X509_pop_free(contents->certificates, X509_free);
	sk_X509_CRL_pop_free(contents->crls, X509_CRL_free);
	EVP_PKEY_free(contents->key);
	free(contents->server);
	*contents = (struct pem_contents){0};
}

int pem_read_certificate(const char *path, X509 **ret_certificate, char **ret_error)
{
	_cleanup_(pem_contents_done) struct pem_contents contents = {0};
	int r = pem_read(path, PEM_FILE_MAX, &contents, ret_error);

	if (r < 0)
		return r;
	if (sk_X509_num(contents.certificates) == 0)
		return error_set(ret_error, -EBADMSG, "%s holds no certificate", path);
	*ret_certificate = sk_X509_shift(contents.certificates);
	return 0;
}

int pem_read_key(
	const char *path, pem_password_cb *ask, void *user, EVP_PKEY **ret_key, char **ret_error)
{
	_cleanup_(text_done) struct text text = {0};
	int r = read_text(path, PEM_FILE_MAX, &text, ret_error);

	return r < 0 ? r : take_key(path, &text, ask, user, ret_key, ret_error);
}

int pem_read_request_key(const char *path, EVP_PKEY **ret_key, char **ret_error)
{
	_cleanup_(text_done) struct text text = {0};
	_cleanup_(X509_REQ_freep) X509_REQ *request = NULL;
	_cleanup_(BIO_free_allp) BIO *in = NULL;
	EVP_PKEY *key;
	int r = read_text(path, PEM_FILE_MAX, &text, ret_error);

	if (r < 0)
		return r;
	in = BIO_new_mem_buf(text.bytes, (int)text.size);
	request = in ? PEM_read_bio_X509_REQ(in, NULL, NULL, NULL) : NULL;
	if (!request)
		return crypto_error(ret_error, -EBADMSG, "%s holds no certificate request", path);
	key = X509_REQ_get_pubkey(request);
	if (!key || X509_REQ_verify(request, key) != 1) {
		EVP_PKEY_free(key);
		return crypto_error(
			ret_error, -EBADMSG, "%s: the request's signature does not hold", path);
	}
	*ret_key = key;
	return 0;
}
