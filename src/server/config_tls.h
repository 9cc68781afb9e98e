/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_CONFIG_TLS_H
#define SERVER_CONFIG_TLS_H

/* "tls" in the server's configuration: what protocol version 2 is protected with. */

#include "pki/identity.h"
#include "server/config_limits.h"
#include "wire/v2_control.h"

#define CONFIG_RULES_MAX 8

struct tls_config {
	char *credentials;    /* NULL: there are none, and none were asked for: version 2 is off */
	char *key, *ca, *crl; /* NULL: as struct credentials_files has it */
	struct identity_rule rules[CONFIG_RULES_MAX]; /* which switch a certificate is */
	size_t rule_count;                            /* 0: the usual one */
	uint8_t ciphers[V2_CIPHERS_MAX];              /* that may be used */
	size_t cipher_count;
	uint64_t grace_ns; /* that a session outlives its control connection; 0: the usual one */
	struct limits_config limits;
};

void tls_config_done(struct tls_config *tls);

void tls_config_read(struct config_reader *reader, struct tls_config *tls);
/* Switches, ciphers and grace alike: what no file name tells. */
bool tls_config_equal(const struct tls_config *a, const struct tls_config *b);
/* Looks for the credentials if the file does not say; unless `needed` they may be nowhere. 0 or -ENOMEM. */
int tls_config_find(struct tls_config *tls, bool needed) _must_check_;

#endif
