// SPDX-License-Identifier: BSD-2-Clause
#include "pki/credentials.h"

#include "base/error.h"
#include "base/fd.h"
#include "pki/crypto.h"
#include "pki/key.h"
#include "pki/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void credentials_free(struct credentials *credentials)
{
	EVP_PKEY_free(credentials->key);
	X509_free(credentials->certificate);
	sk_X509_pop_free(credentials->between, X509_free);
	sk_X509_pop_free(credentials->anchors, X509_free);
	sk_X509_CRL_pop_free(credentials->crls, X509_CRL_free);
	free(credentials->server);
	free(credentials);
}

static struct credentials *new_credentials(void)
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));

	if (!credentials)
		return NULL;
	credentials->between = sk_X509_new_null();
	credentials->anchors = sk_X509_new_null();
	if (credentials->between && credentials->anchors)
		return credentials;
	credentials_free(credentials);
	return NULL;
}

const char *credentials_place(enum certificate_kind kind)
{
	return kind == CERTIFICATE_SERVER ? CREDENTIALS_SERVER : CREDENTIALS_SWITCH;
}

const char *credentials_group(enum certificate_kind kind)
{
	return kind == CERTIFICATE_SERVER ? "netlambda-server-key" : "netlambda-agent-key";
}

#define NONE "none" /* what a unit passes where there are none */

/* One that is there and cannot be read is not passed over for another: whoever reads it says why. */
static bool is_passed(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char begin[sizeof(NONE) - 1];

	if (fd < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return read(fd, begin, sizeof(begin)) != (ssize_t)sizeof(begin) ||
	       memcmp(begin, NONE, sizeof(begin)) != 0;
}

void credentials_find(enum certificate_kind kind, char path[static CREDENTIALS_PATH_MAX])
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY"), *place = credentials_place(kind);

	if (directory && access(place, R_OK) < 0 &&
		snprintf(path, CREDENTIALS_PATH_MAX, "%s/%s", directory,
			place + strlen(CREDENTIALS_PLACE)) < CREDENTIALS_PATH_MAX &&
		is_passed(path))
		return;
	snprintf(path, CREDENTIALS_PATH_MAX, "%s", place);
}

/* ---- which certificate is what ---- */

static bool is_anchor(X509 *certificate)
{
	return X509_check_ca(certificate) > 0 && X509_self_signed(certificate, 0) == 1;
}

/* Without a key, the own certificate is the first that is no CA's. */
static bool is_own(X509 *certificate, const EVP_PKEY *key)
{
	bool own = key ? X509_check_private_key(certificate, key) == 1
		       : X509_check_ca(certificate) == 0;

	ERR_clear_error();
	return own;
}

static X509 *find_own(STACK_OF(X509) * certificates, const EVP_PKEY *key)
{
	for (int i = 0; i < sk_X509_num(certificates); i++)
		if (is_own(sk_X509_value(certificates, i), key))
			return sk_X509_value(certificates, i);
	return NULL;
}

/* Takes the certificates out of `from`. */
static int sort_certificates(
	STACK_OF(X509) * from, const EVP_PKEY *key, struct credentials *credentials)
{
	X509 *certificate;

	while ((certificate = sk_X509_shift(from)) != NULL) {
		if (!credentials->certificate && is_own(certificate, key)) {
			credentials->certificate = certificate;
			continue;
		}
		if (sk_X509_push(
			    is_anchor(certificate) ? credentials->anchors : credentials->between,
			    certificate) <= 0) {
			X509_free(certificate);
			return -ENOMEM;
		}
	}
	return 0;
}

/* ---- the parts ---- */

/* Where to ask for credentials that are to be replaced; `find` may be NULL. */
struct older {
	credentials_old_fn find;
	void *user;
};

static int read_own(const struct credentials_files *files, struct credentials *credentials,
	const struct older *older, char **ret_error)
{
	_cleanup_(pem_contents_done) struct pem_contents contents = {0};
	int r = pem_read(files->credentials, PEM_FILE_MAX, &contents, ret_error);
	const struct credentials *old = NULL;
	X509 *own;

	if (r < 0)
		return r;
	credentials->key = TAKE_PTR(contents.key);
	credentials->server = TAKE_PTR(contents.server);
	own = find_own(contents.certificates, credentials->key);
	if (older->find && own)
		old = older->find(older->user, own);
	if (files->key) {
		EVP_PKEY_free(TAKE_PTR(credentials->key));
		r = pem_read_key(files->key, NULL, NULL, &credentials->key, ret_error);
	} else if (!credentials->key && old) {
		EVP_PKEY_up_ref(old->key);
		credentials->key = old->key;
	}
	if (r == 0 && !credentials->server && old && old->server) {
		credentials->server = strdup(old->server);
		r = credentials->server ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	if (!credentials->key)
		return error_set(ret_error, -ENOENT, "%s holds no private key", files->credentials);
	r = sort_certificates(contents.certificates, credentials->key, credentials);
	if (r == 0 && !credentials->certificate)
		return error_set(ret_error, -EBADMSG,
			"%s holds no certificate that fits the private key%s%s", files->credentials,
			files->key ? " in " : "", files->key ? files->key : "");
	return r;
}

static int read_anchors(
	const struct credentials_files *files, struct credentials *credentials, char **ret_error)
{
	_cleanup_(pem_contents_done) struct pem_contents contents = {0};
	int r;

	if (files->anchors) {
		r = pem_read(files->anchors, PEM_FILE_MAX, &contents, ret_error);
		if (r < 0)
			return r;
		sk_X509_pop_free(credentials->anchors, X509_free);
		credentials->anchors = TAKE_PTR(contents.certificates);
	}
	if (sk_X509_num(credentials->anchors) == 0)
		return error_set(ret_error, -ENOENT,
			"%s holds no CA's certificate to believe in (a self-signed one)",
			files->anchors ? files->anchors : files->credentials);
	return 0;
}

static int read_crl(
	const struct credentials_files *files, struct credentials *credentials, char **ret_error)
{
	_cleanup_(pem_contents_done) struct pem_contents contents = {0};
	int r;

	if (!files->crl)
		return 0;
	r = pem_read(files->crl, PEM_CRL_MAX, &contents, ret_error);
	if (r < 0)
		return r;
	if (sk_X509_CRL_num(contents.crls) == 0)
		return error_set(ret_error, -ENOENT, "%s holds no revocation list", files->crl);
	credentials->crls = TAKE_PTR(contents.crls);
	return 0;
}

/* ---- checking ---- */

/* That its own dates are of now is not asked. */
static int check_chain(const char *path, const struct credentials *credentials, char **ret_error)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509_STORE *store = X509_STORE_new();
	int r = -ENOMEM;

	for (int i = 0; store && i < sk_X509_num(credentials->anchors); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(credentials->anchors, i)) != 1)
			goto out;
	if (!context || !store ||
		X509_STORE_set_flags(
			store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) != 1 ||
		X509_STORE_CTX_init(
			context, store, credentials->certificate, credentials->between) != 1)
		goto out;
	r = X509_verify_cert(context) == 1 ? 0 : -EBADMSG;
	if (r < 0)
		error_set(ret_error, r,
			"%s: the certificate does not lead to a CA that is believed: %s", path,
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
out:
	ERR_clear_error();
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return r;
}

static int load(const struct credentials_files *files, const struct older *older,
	struct credentials **ret_credentials, char **ret_error)
{
	_cleanup_(credentials_freep) struct credentials *credentials = new_credentials();
	int r;

	if (!credentials)
		return -ENOMEM;
	r = read_own(files, credentials, older, ret_error);
	if (r == 0)
		r = read_anchors(files, credentials, ret_error);
	if (r == 0)
		r = read_crl(files, credentials, ret_error);
	if (r == 0)
		r = check_chain(files->credentials, credentials, ret_error);
	if (r == 0)
		*ret_credentials = TAKE_PTR(credentials);
	return r;
}

int credentials_load(const struct credentials_files *files, struct credentials **ret_credentials,
	char **ret_error)
{
	return load(files, &(struct older){0}, ret_credentials, ret_error);
}

int credentials_merge(const char *path, credentials_old_fn find, void *user,
	struct credentials **ret_credentials, char **ret_error)
{
	return load(&(struct credentials_files){.credentials = path}, &(struct older){find, user},
		ret_credentials, ret_error);
}

/* ---- writing ---- */

static bool write_certificates(BIO *out, const STACK_OF(X509) * certificates)
{
	for (int i = 0; i < sk_X509_num(certificates); i++)
		if (PEM_write_bio_X509(out, sk_X509_value(certificates, i)) != 1)
			return false;
	return true;
}

int credentials_write(
	BIO *out, const struct credentials *credentials, const char *heading, char **ret_error)
{
	int r = 0;

	if (BIO_printf(out, "%s\n", heading) < 0 ||
		(credentials->server && BIO_printf(out, "server: %s\n", credentials->server) < 0))
		return -ENOMEM;
	if (credentials->key)
		r = key_write(out, credentials->key, NULL, ret_error);
	if (r < 0)
		return r;
	if (PEM_write_bio_X509(out, credentials->certificate) != 1 ||
		!write_certificates(out, credentials->between) ||
		!write_certificates(out, credentials->anchors))
		return crypto_error(ret_error, -EIO, "cannot write certificates");
	return 0;
}

/* ---- verifying peers ---- */

/* A list that is out of date still counts, and one that is dated ahead of this machine's clock. */
static int tolerate_crl_dates(int ok, X509_STORE_CTX *context)
{
	int error = X509_STORE_CTX_get_error(context);

	if (ok || (error != X509_V_ERR_CRL_HAS_EXPIRED && error != X509_V_ERR_CRL_NOT_YET_VALID))
		return ok;
	X509_STORE_CTX_set_error(context, X509_V_OK);
	return 1;
}

X509_STORE *credentials_store(const struct credentials *credentials)
{
	X509_STORE *store = X509_STORE_new();
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;

	if (!store)
		return NULL;
	if (credentials->crls)
		flags |= X509_V_FLAG_CRL_CHECK;
	X509_STORE_set_flags(store, flags);
	X509_STORE_set_verify_cb(store, tolerate_crl_dates);
	for (int i = 0; i < sk_X509_num(credentials->anchors); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(credentials->anchors, i)) != 1)
			goto fail;
	for (int i = 0; i < sk_X509_CRL_num(credentials->crls); i++)
		if (X509_STORE_add_crl(store, sk_X509_CRL_value(credentials->crls, i)) != 1)
			goto fail;
	return store;
fail:
	ERR_clear_error();
	X509_STORE_free(store);
	return NULL;
}

int64_t credentials_crl_until(const struct credentials *credentials)
{
	int64_t until = INT64_MAX;

	for (int i = 0; i < sk_X509_CRL_num(credentials->crls); i++) {
		const ASN1_TIME *next =
			X509_CRL_get0_nextUpdate(sk_X509_CRL_value(credentials->crls, i));
		struct tm tm;

		if (next && ASN1_TIME_to_tm(next, &tm) == 1)
			until = MIN(until, (int64_t)timegm(&tm));
	}
	return until;
}
