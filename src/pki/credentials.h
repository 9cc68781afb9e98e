/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_CREDENTIALS_H
#define PKI_CREDENTIALS_H

/*
 * What an end of the control channel is and whom it believes: a private key, its certificate, the
 * CAs between that and a trust anchor, the trust anchors, and revocation lists. `netlambda pki issue`
 * writes one PEM file with all of it but the lists; for certificates of another CA such a file is
 * made with cat(1), or its parts are named.
 *
 * In the file, the certificate that fits the key is the own one, wherever it stands; self-signed
 * ones are trust anchors, the others are sent along. Text before the first block is for people, but
 * a line "server: HOST:PORT" there says where the agent finds its server.
 *
 * A revocation list is looked at for the peer's own certificate. If there are any, its issuer must
 * have one. One that is out of date still counts (the alternative would be to lose every switch
 * because nobody ran `netlambda pki crl`); credentials_crl_until() is for telling people.
 */

#include "base/attr.h"
#include "pki/certificate.h"

#include <openssl/types.h>
#include <openssl/x509.h>
#include <stdint.h>

/* Where `netlambda pki enroll` puts them, and agent and server look for them. */
#define CREDENTIALS_SWITCH   CREDENTIALS_PLACE "switch.pem"
#define CREDENTIALS_SERVER   CREDENTIALS_PLACE "server.pem"
#define CREDENTIALS_PLACE    "/etc/netlambda/"
#define CREDENTIALS_PATH_MAX 4096

const char *credentials_place(enum certificate_kind kind);
/* The group that may read them there, where there is such a group (deploy/systemd/netlambda.sysusers). */
const char *credentials_group(enum certificate_kind kind);
/*
 * Where they are: at that place, if they can be read there, so that a renewed one is seen; else in the
 * directory that systemd passes (LoadCredential=), a copy; else at that place.
 */
void credentials_find(enum certificate_kind kind, char path[static CREDENTIALS_PATH_MAX]);

struct credentials_files {
	const char *credentials; /* certificate and CAs; key and anchors unless they are apart */
	const char *key;         /* NULL: in `credentials` */
	const char *anchors;     /* all certificates of this file are; NULL: in `credentials` */
	const char *crl;         /* NULL: revocation is not looked at */
};

struct credentials {
	EVP_PKEY *key;
	X509 *certificate;
	STACK_OF(X509) * between;
	STACK_OF(X509) * anchors;
	STACK_OF(X509_CRL) * crls; /* NULL: none is looked at */
	char *server;              /* NULL: the file says nothing of it */
};

/*
 * Reads and checks: the key fits, the certificate's chain leads to an anchor. Whether it is of now is
 * not looked at: an agent may start before its clock is set. 0; -ENOENT, -EBADMSG, -EPERM and others,
 * with a message that names the file.
 */
int credentials_load(const struct credentials_files *files, struct credentials **ret_credentials,
	char **ret_error) _must_check_;
void credentials_free(struct credentials *credentials);
DEFINE_CLEANUP(struct credentials, credentials_free)

/*
 * Reads one file as credentials_load() does, but takes the key from older credentials if it holds none:
 * a renewed certificate. What these know of the server is kept likewise. `find` returns those that this
 * certificate takes the place of, or NULL.
 */
typedef const struct credentials *(*credentials_old_fn)(void *user, X509 *certificate);
int credentials_merge(const char *path, credentials_old_fn find, void *user,
	struct credentials **ret_credentials, char **ret_error) _must_check_;

/* The text of a file. Without the key if it has none. `heading` is one line for people. */
int credentials_write(BIO *out, const struct credentials *credentials, const char *heading,
	char **ret_error) _must_check_;

/* How peers are verified by these: anchors, lists, and flags. NULL: out of memory. */
X509_STORE *credentials_store(const struct credentials *credentials) _must_check_;

/* When the first of the lists is out of date, in seconds since the epoch; INT64_MAX: there is none. */
int64_t credentials_crl_until(const struct credentials *credentials);

#endif
