// SPDX-License-Identifier: BSD-2-Clause
#include "pki/authority.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "pki/crypto.h"
#include "pki/key.h"
#include "pki/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SECURITY_BITS_MIN 112 /* RSA 2048, NIST SP 800-57 */

struct authority {
	char *directory;
	int lock_fd; /* -1: only to read */
	X509 *certificate;
	EVP_PKEY *key; /* NULL until authority_unlock() */
	struct index index;
};

static int join(char path[static PATH_MAX], const char *directory, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Replaces a file of the directory by what was written to `text`. */
static int write_file(
	const char *directory, const char *name, BIO *text, mode_t mode, char **ret_error)
{
	char path[PATH_MAX];
	char *bytes;
	long size = BIO_get_mem_data(text, &bytes);
	int r = join(path, directory, name);

	if (r == 0)
		r = file_write(path, bytes, (size_t)size, mode, true);
	if (r < 0)
		return error_set(
			ret_error, r, "cannot write %s/%s: %s", directory, name, strerror(-r));
	return 0;
}

static int write_certificate(
	const char *directory, const char *name, X509 *certificate, char **ret_error)
{
	_cleanup_(BIO_free_allp) BIO *text = BIO_new(BIO_s_mem());

	if (!text || PEM_write_bio_X509(text, certificate) != 1)
		return crypto_error(ret_error, -EIO, "cannot write a certificate");
	return write_file(directory, name, text, 0644, ret_error);
}

/* ---- revocation lists ---- */

static bool set_extension(X509_CRL *crl, X509 *issuer, int64_t number)
{
	_cleanup_(X509_EXTENSION_freep) X509_EXTENSION *key_id = NULL;
	ASN1_INTEGER *value = ASN1_INTEGER_new();
	X509V3_CTX context;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, NULL, NULL, crl, 0);
	key_id = X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
	ok = value && key_id && ASN1_INTEGER_set_int64(value, number) == 1 &&
	     X509_CRL_add_ext(crl, key_id, -1) == 1 &&
	     X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, 0) == 1;
	ASN1_INTEGER_free(value);
	return ok;
}

static bool set_serial(X509_REVOKED *revoked, const char *serial)
{
	BIGNUM *number = NULL;
	ASN1_INTEGER *value =
		BN_hex2bn(&number, serial) > 0 ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
	bool ok = value && X509_REVOKED_set_serialNumber(revoked, value) == 1;

	ASN1_INTEGER_free(value);
	BN_free(number);
	return ok;
}

static bool set_reason(X509_REVOKED *revoked, enum revocation_reason reason)
{
	ASN1_ENUMERATED *value;
	bool ok;

	/* RFC 5280, 5.3.1: the extension should be absent then. */
	if (reason == REVOCATION_UNSPECIFIED)
		return true;
	value = ASN1_ENUMERATED_new();
	ok = value && ASN1_ENUMERATED_set(value, (long)reason) == 1 &&
	     X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, value, 0, 0) == 1;
	ASN1_ENUMERATED_free(value);
	return ok;
}

static bool add_revoked(X509_CRL *crl, const struct index_entry *entry)
{
	X509_REVOKED *revoked = X509_REVOKED_new();
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)entry->revoked);
	bool ok = revoked && when && set_serial(revoked, entry->serial) &&
		  X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
		  set_reason(revoked, entry->reason) && X509_CRL_add0_revoked(crl, revoked) == 1;

	ASN1_TIME_free(when);
	if (!ok)
		X509_REVOKED_free(revoked);
	return ok;
}

static bool set_times(X509_CRL *crl, int64_t now, int64_t lifetime_s)
{
	ASN1_TIME *last = ASN1_TIME_set(NULL, (time_t)(now - AUTHORITY_BACKDATE_S));
	ASN1_TIME *next = ASN1_TIME_set(NULL, (time_t)(now + lifetime_s));
	bool ok = last && next && X509_CRL_set1_lastUpdate(crl, last) == 1 &&
		  X509_CRL_set1_nextUpdate(crl, next) == 1;

	ASN1_TIME_free(last);
	ASN1_TIME_free(next);
	return ok;
}

static bool fill_crl(
	X509_CRL *crl, const struct authority *authority, int64_t now, int64_t lifetime_s)
{
	X509_NAME *issuer = X509_get_subject_name(authority->certificate);
	const struct index *index = &authority->index;

	if (X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 ||
		X509_CRL_set_issuer_name(crl, issuer) != 1 || !set_times(crl, now, lifetime_s))
		return false;
	for (size_t i = 0; i < index->count; i++)
		if (index->entries[i].revoked != 0 && !add_revoked(crl, &index->entries[i]))
			return false;
	/* The time as number: it ascends, and nothing has to be remembered. */
	return set_extension(crl, authority->certificate, now) && X509_CRL_sort(crl) == 1 &&
	       X509_CRL_sign(crl, authority->key, EVP_sha256()) > 0;
}

int authority_write_crl(
	struct authority *authority, int64_t now, int64_t lifetime_s, char **ret_error)
{
	_cleanup_(BIO_free_allp) BIO *text = BIO_new(BIO_s_mem());
	_cleanup_(X509_CRL_freep) X509_CRL *crl = X509_CRL_new();

	if (!text || !crl || !fill_crl(crl, authority, now, lifetime_s) ||
		PEM_write_bio_X509_CRL(text, crl) != 1)
		return crypto_error(ret_error, -EIO, "cannot make the revocation list");
	return write_file(authority->directory, "crl.pem", text, 0644, ret_error);
}

/* ---- creating ---- */

static int write_key(const char *directory, EVP_PKEY *key, const char *passphrase, char **ret_error)
{
	_cleanup_(BIO_free_allp) BIO *text = BIO_new(BIO_s_mem());
	int r;

	if (!text)
		return -ENOMEM;
	r = key_write(text, key, passphrase, ret_error);
	return r < 0 ? r : write_file(directory, "ca.key", text, 0600, ret_error);
}

static int make_issued(const char *directory)
{
	char path[PATH_MAX];
	int r = join(path, directory, "issued");

	if (r == 0 && (mkdir(path, 0755) < 0 || chmod(path, 0755) < 0))
		r = -errno;
	return r;
}

static int write_index(const struct authority *authority, char **ret_error)
{
	char path[PATH_MAX];
	int r = join(path, authority->directory, "index");

	return r < 0 ? r : index_write(path, &authority->index, ret_error);
}

static int fill(struct authority *authority, const struct authority_options *options, int64_t now,
	char **ret_error)
{
	int r = key_generate(&authority->key, ret_error);

	if (r == 0)
		r = certificate_make_ca(authority->key, options->name, now - AUTHORITY_BACKDATE_S,
			now + options->lifetime_s, &authority->certificate, ret_error);
	if (r == 0)
		r = write_key(authority->directory, authority->key, options->passphrase, ret_error);
	if (r == 0)
		r = write_certificate(
			authority->directory, "ca.pem", authority->certificate, ret_error);
	if (r == 0)
		r = write_index(authority, ret_error);
	if (r == 0)
		r = authority_write_crl(authority, now, options->crl_lifetime_s, ret_error);
	if (r == 0)
		r = make_issued(authority->directory);
	return r;
}

static void remove_created(const char *directory)
{
	static const char *const names[] = {"ca.key", "ca.pem", "index", "crl.pem", "issued"};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (join(path, directory, names[i]) == 0)
			remove(path);
	rmdir(directory);
}

/* rename(2) takes the place of an empty directory, and of no other. */
static int move_into_place(const char *made, const char *directory)
{
	int r;

	if (chmod(made, 0755) < 0)
		return -errno;
	r = directory_flush(made);
	if (r < 0)
		return r;
	if (rename(made, directory) == 0)
		return 0;
	return errno == ENOTEMPTY || errno == ENOTDIR ? -EEXIST : -errno;
}

int authority_create(const char *directory, const struct authority_options *options, int64_t now,
	char **ret_error)
{
	_cleanup_(authority_closep) struct authority *authority = calloc(1, sizeof(*authority));
	char made[PATH_MAX];
	int r;

	if (!authority)
		return -ENOMEM;
	authority->lock_fd = -1;
	if (snprintf(made, sizeof(made), "%s.XXXXXX", directory) >= (int)sizeof(made))
		return error_set(ret_error, -ENAMETOOLONG, "%s: the name is too long", directory);
	if (!mkdtemp(made))
		return error_set(ret_error, -errno, "cannot make a directory beside %s: %s",
			directory, strerror(errno));
	authority->directory = strdup(made);
	r = authority->directory ? fill(authority, options, now, ret_error) : -ENOMEM;
	if (r == 0)
		r = move_into_place(made, directory);
	if (r == 0)
		return 0;
	remove_created(made);
	return error_set(ret_error, r, "cannot make %s: %s", directory,
		r == -EEXIST ? "something is there already" : strerror(-r));
}

/* ---- opening ---- */

static int lock(struct authority *authority, char **ret_error)
{
	authority->lock_fd = open(authority->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (authority->lock_fd < 0)
		return error_set(ret_error, -errno, "cannot open the CA's directory %s: %s",
			authority->directory, strerror(errno));
	while (flock(authority->lock_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_set(ret_error, -errno, "cannot lock %s: %s",
				authority->directory, strerror(errno));
	return 0;
}

static int load(struct authority *authority, char **ret_error)
{
	_cleanup_free_ char *why = NULL;
	char path[PATH_MAX];
	int r = join(path, authority->directory, "ca.pem");

	if (r == 0)
		r = pem_read_certificate(path, &authority->certificate, &why);
	if (r == -ENOENT)
		return error_set(ret_error, r,
			"there is no CA in %s: make one with 'netlambda pki init', or name its "
			"directory with --dir",
			authority->directory);
	if (r < 0)
		return error_set(ret_error, r, "%s", why ? why : strerror(-r));
	r = join(path, authority->directory, "index");
	return r < 0 ? r : index_read(path, &authority->index, ret_error);
}

int authority_open(const char *directory, enum authority_use use, struct authority **ret_authority,
	char **ret_error)
{
	_cleanup_(authority_closep) struct authority *authority = calloc(1, sizeof(*authority));
	int r = 0;

	if (!authority)
		return -ENOMEM;
	authority->lock_fd = -1;
	authority->directory = strdup(directory);
	if (!authority->directory)
		return -ENOMEM;
	if (use == AUTHORITY_CHANGE)
		r = lock(authority, ret_error);
	if (r == 0)
		r = load(authority, ret_error);
	if (r < 0)
		return r;
	*ret_authority = TAKE_PTR(authority);
	return 0;
}

void authority_close(struct authority *authority)
{
	index_done(&authority->index);
	X509_free(authority->certificate);
	EVP_PKEY_free(authority->key);
	if (authority->lock_fd >= 0)
		close(authority->lock_fd);
	free(authority->directory);
	free(authority);
}

const struct index *authority_index(const struct authority *authority)
{
	return &authority->index;
}

X509 *authority_certificate(const struct authority *authority)
{
	return authority->certificate;
}

int authority_unlock(
	struct authority *authority, pem_password_cb *ask, void *user, char **ret_error)
{
	_cleanup_free_ char *why = NULL;
	char path[PATH_MAX];
	int r = join(path, authority->directory, "ca.key");

	if (r == 0)
		r = pem_read_key(path, ask, user, &authority->key, &why);
	if (r < 0)
		return error_set(ret_error, r, "the CA's key: %s", why ? why : strerror(-r));
	if (X509_check_private_key(authority->certificate, authority->key) != 1)
		return crypto_error(ret_error, -EBADMSG,
			"%s is not the key of the certificate beside it, ca.pem", path);
	return 0;
}

/* ---- issuing ---- */

/* When the certificate ends. */
static int check_request(const struct authority *authority, const struct authority_request *request,
	int64_t *ret_until, char **ret_error)
{
	char until[TIME_TEXT_MAX];
	int64_t ca_from, ca_until;

	if (EVP_PKEY_get_security_bits(request->public_key) < SECURITY_BITS_MIN)
		return error_set(ret_error, -EKEYREJECTED,
			"the key is too weak: expected at least RSA 2048 or ECDSA P-256");
	certificate_validity(authority->certificate, &ca_from, &ca_until);
	if (ca_until <= request->now)
		return error_set(ret_error, -EKEYEXPIRED,
			"the CA's own certificate expired at %s: make a new CA",
			time_text(ca_until, until));
	*ret_until = MIN(request->now + request->lifetime_s, ca_until);
	return 0;
}

static int enter(struct authority *authority, const struct authority_request *request,
	X509 *certificate, char **ret_error)
{
	const struct certificate_subject *subject = &request->subject;
	struct index_entry entry = {
		.kind = subject->kind,
		.switch_id = subject->kind == CERTIFICATE_SWITCH ? subject->switch_id : 0,
		.issued = request->now,
	};
	char file[CERTIFICATE_SERIAL_MAX + sizeof("issued/.pem")];
	int64_t from;
	int r;

	certificate_serial(certificate, entry.serial);
	certificate_validity(certificate, &from, &entry.expires);
	snprintf(entry.name, sizeof(entry.name), "%s", subject->name);
	snprintf(file, sizeof(file), "issued/%s.pem", entry.serial);
	r = write_certificate(authority->directory, file, certificate, ret_error);
	if (r == 0)
		r = index_add(&authority->index, &entry);
	return r < 0 ? r : write_index(authority, ret_error);
}

int authority_issue(struct authority *authority, const struct authority_request *request,
	X509 **ret_certificate, char **ret_error)
{
	const struct certificate_issuer issuer = {authority->certificate, authority->key};
	_cleanup_(X509_freep) X509 *certificate = NULL;
	int64_t until = 0;
	int r = check_request(authority, request, &until, ret_error);

	if (r == 0)
		r = certificate_make(&issuer, &request->subject, request->public_key,
			(int64_t[2]){request->now - AUTHORITY_BACKDATE_S, until}, &certificate,
			ret_error);
	if (r == 0)
		r = enter(authority, request, certificate, ret_error);
	if (r == 0)
		*ret_certificate = TAKE_PTR(certificate);
	return r;
}

int authority_revoke(struct authority *authority, size_t at, enum revocation_reason reason,
	int64_t now, char **ret_error)
{
	authority->index.entries[at].revoked = now;
	authority->index.entries[at].reason = reason;
	return write_index(authority, ret_error);
}

int authority_read_certificate(const struct authority *authority, const char *serial,
	X509 **ret_certificate, char **ret_error)
{
	char name[CERTIFICATE_SERIAL_MAX + sizeof("issued/.pem")], path[PATH_MAX];
	int r;

	snprintf(name, sizeof(name), "issued/%s.pem", serial);
	r = join(path, authority->directory, name);
	return r < 0 ? r : pem_read_certificate(path, ret_certificate, ret_error);
}
