/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_CERTIFICATE_H
#define PKI_CERTIFICATE_H

/*
 * Certificates as `netlambda pki` makes them, and what is to be said of any certificate. Version 3,
 * serials of 128 random bits, SHA-256. A switch's has its id as a URI among the alternative names
 * (pki/identity.h) and serves a client only; a server's has its DNS names and addresses there, and
 * serves a server only. Neither makes further certificates. Times are seconds since the UNIX epoch.
 */

#include "base/attr.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CERTIFICATE_SERIAL_MAX  41 /* 20 octets in hex (RFC 5280, 4.1.2.2) and a NUL */
#define CERTIFICATE_HOSTS_MAX   16
#define CERTIFICATE_COMMON_NAME 64 /* characters; ub-common-name */

enum certificate_kind {
	CERTIFICATE_SWITCH,
	CERTIFICATE_SERVER,
	CERTIFICATE_KINDS,
};

const char *certificate_kind_name(enum certificate_kind kind);

/* Whom a certificate is for. */
struct certificate_subject {
	enum certificate_kind kind;
	uint32_t switch_id;
	const char *name;                         /* common name */
	const char *hosts[CERTIFICATE_HOSTS_MAX]; /* DNS names and addresses of a server */
	size_t host_count;
	const X509 *like; /* not NULL: all alternative names are as in this one */
};

/* Letters, digits, '.', '_', ':' and '-', 1 to 64. */
bool certificate_name_valid(const char *name) _must_check_;
/* A DNS name without wildcards, or an IPv4 or IPv6 address. */
bool certificate_host_valid(const char *host) _must_check_;

/* A CA's own certificate. 0, or -EIO or -ENOMEM with a message. */
int certificate_make_ca(EVP_PKEY *key, const char *name, int64_t from, int64_t until,
	X509 **ret_certificate, char **ret_error) _must_check_;

struct certificate_issuer {
	X509 *certificate;
	EVP_PKEY *key;
};

/* A certificate for somebody's public key; the subject is valid. The same errors. */
int certificate_make(const struct certificate_issuer *issuer,
	const struct certificate_subject *subject, EVP_PKEY *public_key, const int64_t validity[2],
	X509 **ret_certificate, char **ret_error) _must_check_;

/* By what it may be used for (extended key usage): a server's, if it may be a TLS server's. */
enum certificate_kind certificate_kind_of(X509 *certificate);
/* In hex, without leading zeros beyond the 32 digits of ours; "" for a serial that is too long. */
void certificate_serial(const X509 *certificate, char serial[static CERTIFICATE_SERIAL_MAX]);
/* INT64_MIN and INT64_MAX where the certificate's date cannot be read, which no clock lies between. */
void certificate_validity(const X509 *certificate, int64_t *ret_from, int64_t *ret_until);
/* The SHA-256 of the certificate, 64 digits. */
void certificate_fingerprint(const X509 *certificate, char fingerprint[static 65]);

#endif
