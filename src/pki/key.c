// SPDX-License-Identifier: BSD-2-Clause
#include "pki/key.h"

#include "base/error.h"
#include "pki/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdbool.h>
#include <string.h>

/* What OWASP asks of scrypt with 16 MB of memory, which is what OpenSSL's reader takes. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 5

int key_generate(EVP_PKEY **ret_key, char **ret_error)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return crypto_error(ret_error, -EIO, "cannot make a key");
	*ret_key = key;
	return 0;
}

static X509_SIG *encrypt(PKCS8_PRIV_KEY_INFO *plain, const char *passphrase)
{
	X509_ALGOR *algorithm = PKCS5_pbe2_set_scrypt(
		EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	X509_SIG *sealed;

	if (!algorithm)
		return NULL;
	sealed = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, algorithm);
	if (!sealed)
		X509_ALGOR_free(algorithm);
	return sealed;
}

static bool write_encrypted(BIO *out, EVP_PKEY *key, const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	X509_SIG *sealed = plain ? encrypt(plain, passphrase) : NULL;
	bool ok = sealed && PEM_write_bio_PKCS8(out, sealed) == 1;

	X509_SIG_free(sealed);
	PKCS8_PRIV_KEY_INFO_free(plain);
	return ok;
}

int key_write(BIO *out, EVP_PKEY *key, const char *passphrase, char **ret_error)
{
	bool ok = passphrase
			  ? write_encrypted(out, key, passphrase)
			  : PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1;

	return ok ? 0 : crypto_error(ret_error, -EIO, "cannot write the key");
}

static bool is_encrypted(const char *pem)
{
	return strstr(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----") ||
	       strstr(pem, "Proc-Type: 4,ENCRYPTED");
}

/* In the place of OpenSSL's own, which would ask on the terminal. */
static int ask_nobody(
	char *text _unused_, int size _unused_, int writing _unused_, void *user _unused_)
{
	return -1;
}

int key_read(const void *pem, size_t size, pem_password_cb *ask, void *user, EVP_PKEY **ret_key,
	char **ret_error)
{
	_cleanup_(BIO_free_allp) BIO *in = NULL;
	EVP_PKEY *key;

	if (size > INT_MAX || !strstr(pem, "PRIVATE KEY-----"))
		return error_set(ret_error, -ENOENT, "there is no private key in it");
	in = BIO_new_mem_buf(pem, (int)size);
	key = in ? PEM_read_bio_PrivateKey(in, NULL, ask ? ask : ask_nobody, user) : NULL;
	if (key) {
		*ret_key = key;
		return 0;
	}
	if (!is_encrypted(pem))
		return crypto_error(ret_error, -EBADMSG, "the private key is damaged");
	ERR_clear_error();
	return error_set(ret_error, -EKEYREJECTED,
		ask ? "the private key does not open: a wrong passphrase, or it is damaged"
		    : "the private key is encrypted, and nobody is here to ask: decrypt it with "
		      "'openssl pkey', and guard it by its file mode");
}
