/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_CRYPTO_H
#define PKI_CRYPTO_H

/* OpenSSL's objects in our ways: released where they are declared, errors in words. */

#include "base/attr.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

DEFINE_CLEANUP(BIO, BIO_free_all)
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(X509_CRL, X509_CRL_free)
DEFINE_CLEANUP(X509_EXTENSION, X509_EXTENSION_free)
DEFINE_CLEANUP(X509_REQ, X509_REQ_free)

/*
 * For a call of OpenSSL that failed: puts the message and OpenSSL's own reason into *ret_error, as
 * error_set() does, and empties OpenSSL's queue. Returns -ENOMEM if memory was the reason, else `error`.
 */
int crypto_error(char **ret_error, int error, const char *fmt, ...) _printf_(3, 4);

#endif
