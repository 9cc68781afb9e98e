/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_PKI_MINT_H
#define TESTS_UNIT_PKI_MINT_H

/* Certificates for tests: good ones as `netlambda pki` makes them, and odd ones. Failures abort. */

#include "pki/certificate.h"
#include "pki/crypto.h"

struct mint {
	EVP_PKEY *key;
	X509 *certificate;
};

struct mint_order {
	enum certificate_kind kind;
	uint32_t switch_id;
	const char *name; /* NULL: "somebody" */
	const char *host; /* of a server; NULL: none */
	const char
		*names; /* alternative names as openssl.cnf has them, instead of the usual ones */
	const char *dns_with_nul; /* one DNS name, which goes on behind a NUL with ".evil" */
	int64_t from_s, until_s;  /* of now; both 0: an hour each way */
	EVP_PKEY *key;            /* NULL: a new one, which mint_free() frees */
};

void mint_ca(struct mint *ret_ca, const char *name);
/* A CA below another; its certificate may make others although its issuer's forbids it. */
void mint_issue(const struct mint *ca, const struct mint_order *order, struct mint *ret_minted);
void mint_free(struct mint *mint);

/* Writes what is not NULL, in this order, to a file. */
void mint_write(const char *path, EVP_PKEY *key, X509 *own, X509 *ca);
/* A list of the CA with one certificate; NULL: none. It is out of date `until_s` from now. */
void mint_write_crl(const char *path, const struct mint *ca, X509 *revoked, int64_t until_s);

#endif
