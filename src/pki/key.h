/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_KEY_H
#define PKI_KEY_H

/* Private keys: ECDSA P-256, as PKCS #8 in PEM, plain or encrypted (PBES2: scrypt, AES-256-CBC). */

#include "base/attr.h"

#include <openssl/pem.h>
#include <openssl/types.h>
#include <stddef.h>

#define KEY_PASSPHRASE_MAX 256 /* bytes, the NUL included */

/* 0, or -EIO or -ENOMEM with a message. */
int key_generate(EVP_PKEY **ret_key, char **ret_error) _must_check_;

/* Appends the key to `out`, encrypted unless `passphrase` is NULL. The same errors. */
int key_write(BIO *out, EVP_PKEY *key, const char *passphrase, char **ret_error) _must_check_;

/*
 * The first private key in PEM, which ends with a NUL behind its `size` bytes. `ask` is called if it is encrypted (see PEM_read_bio_PrivateKey(3)).
 * 0; -ENOENT: there is none; -EKEYREJECTED: the passphrase is wrong, or there is none; -EBADMSG.
 */
int key_read(const void *pem, size_t size, pem_password_cb *ask, void *user, EVP_PKEY **ret_key,
	char **ret_error) _must_check_;

#endif
