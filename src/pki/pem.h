/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_PEM_H
#define PKI_PEM_H

/*
 * PEM files. Errors come with a message that names the file: the negative errno of reading it,
 * -EBADMSG for what does not hold together, -ENOENT also if what was asked for is not in it, -EPERM
 * for a private key that everybody may read.
 */

#include "base/attr.h"

#include <openssl/pem.h>
#include <openssl/types.h>
#include <stdint.h>

#define PEM_FILE_MAX (256U << 10) /* bytes */
#define PEM_CRL_MAX  (16U << 20)

/* The first certificate. */
int pem_read_certificate(const char *path, X509 **ret_certificate, char **ret_error) _must_check_;
/* The first private key; see key_read(). */
int pem_read_key(const char *path, pem_password_cb *ask, void *user, EVP_PKEY **ret_key,
	char **ret_error) _must_check_;
/* The public key of a certificate request whose signature holds. */
int pem_read_request_key(const char *path, EVP_PKEY **ret_key, char **ret_error) _must_check_;

/* What a file holds; each stack may be empty. */
struct pem_contents {
	STACK_OF(X509) * certificates; /* in the file's order */
	STACK_OF(X509_CRL) * crls;
	EVP_PKEY *key; /* NULL: none */
	char *server;  /* of a line "server: HOST:PORT" before the first block; NULL: none */
};

/* All certificates, lists, and the key. The file is "-" for standard input. */
int pem_read(const char *path, size_t max, struct pem_contents *ret_contents,
	char **ret_error) _must_check_;
/* Zero-initialize. */
void pem_contents_done(struct pem_contents *contents);

#endif
