/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_AUTHORITY_H
#define PKI_AUTHORITY_H

/*
 * A small CA in a directory, for those who have none: what `netlambda pki` works on. It needs no
 * server and no network. The directory holds
 *
 *   ca.key       the CA's private key, mode 0600, encrypted if it was asked for
 *   ca.pem       its certificate
 *   index        what was issued and revoked (pki/index.h)
 *   issued/      each certificate, SERIAL.pem
 *   crl.pem      the revocation list of now
 *
 * Private keys of switches and servers are never kept here. Every file is replaced as a whole; a
 * certificate is in issued/ and in the index before anybody gets it, and a revocation is in the index
 * before it is in the list, so whatever is cut short can be done again. One process at a time changes
 * a directory (flock(2) on it); the others wait. `now` is in seconds since the UNIX epoch. Errors
 * come with a message.
 */

#include "pki/index.h"

#include <openssl/pem.h>

#define AUTHORITY_DAY_S      86400
#define AUTHORITY_BACKDATE_S 3600 /* validity begins so much earlier: clocks differ */

struct authority;

struct authority_options {
	const char *name;       /* the CA's common name */
	int64_t lifetime_s;     /* of its certificate */
	int64_t crl_lifetime_s; /* of the first revocation list */
	const char *passphrase; /* NULL: the key is not encrypted */
};

/*
 * Makes a CA where there is nothing, or an empty directory. It comes to be as a whole or not at all.
 * -EEXIST: something is there.
 */
int authority_create(const char *directory, const struct authority_options *options, int64_t now,
	char **ret_error) _must_check_;

enum authority_use {
	AUTHORITY_READ,
	AUTHORITY_CHANGE, /* locks the directory */
};

int authority_open(const char *directory, enum authority_use use, struct authority **ret_authority,
	char **ret_error) _must_check_;
void authority_close(struct authority *authority);
DEFINE_CLEANUP(struct authority, authority_close)

const struct index *authority_index(const struct authority *authority);
X509 *authority_certificate(const struct authority *authority);

/* Reads the CA's key, which what follows needs. `ask` is called for a passphrase; see pki/key.h. */
int authority_unlock(struct authority *authority, pem_password_cb *ask, void *user,
	char **ret_error) _must_check_;

struct authority_request {
	struct certificate_subject subject; /* valid */
	EVP_PKEY *public_key;
	int64_t now;
	int64_t lifetime_s; /* it ends with the CA's own certificate at the latest */
};

/*
 * Makes a certificate, and enters it into the index. -EKEYREJECTED: the key is too weak;
 * -EKEYEXPIRED: the CA itself has expired.
 */
int authority_issue(struct authority *authority, const struct authority_request *request,
	X509 **ret_certificate, char **ret_error) _must_check_;

/* Enters the revocation of index entry `at`; authority_write_crl() makes it known. */
int authority_revoke(struct authority *authority, size_t at, enum revocation_reason reason,
	int64_t now, char **ret_error) _must_check_;

int authority_write_crl(struct authority *authority, int64_t now, int64_t lifetime_s,
	char **ret_error) _must_check_;

/* One that was issued. -EBADMSG, or the negative errno of reading it. */
int authority_read_certificate(const struct authority *authority, const char *serial,
	X509 **ret_certificate, char **ret_error) _must_check_;

#endif
