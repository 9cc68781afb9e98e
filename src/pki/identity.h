/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PKI_IDENTITY_H
#define PKI_IDENTITY_H

/*
 * Which switch a certificate is. Rules say where its 32-bit id stands, so that certificates of any
 * CA serve:
 *
 *   uri:netlambda:switch:{id}           a URI among the alternative names: what `netlambda pki` writes
 *   dns:switch-{id}.example.net         a DNS name among them
 *   cn:switch-{id}                      the subject's common name
 *   dns:edge-brussels.example.net=12    this name is switch 12
 *
 * {id} is a decimal number from 1 to 4294967295 without leading zeros. DNS names are compared
 * without case. The signature, dates and revocation are others' business: look at a certificate
 * here only after its chain was verified.
 */

#include "base/attr.h"

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#define IDENTITY_TEXT_MAX   254 /* a DNS name's 253 characters and a NUL */
#define IDENTITY_NAME_MAX   65  /* a common name's 64 and a NUL */
#define IDENTITY_URI_PREFIX "netlambda:switch:"

enum identity_field {
	IDENTITY_URI,
	IDENTITY_DNS,
	IDENTITY_CN,
};

struct identity_rule {
	enum identity_field field;
	uint32_t id; /* of the one whose name is `prefix`; 0: the id stands between the two */
	char prefix[IDENTITY_TEXT_MAX];
	char suffix[IDENTITY_TEXT_MAX];
};

/* uri:netlambda:switch:{id} */
extern const struct identity_rule identity_rule_default;

/* 0, or -EINVAL with a message that says what was expected. */
int identity_rule_parse(
	const char *text, struct identity_rule *ret_rule, char **ret_error) _must_check_;

/*
 * The id that the rules find. 0; -ENOENT: no rule fits a name of it; -EBADMSG: they give more than
 * one id, or the names cannot be read. With a message.
 */
int identity_find(X509 *certificate, const struct identity_rule *rules, size_t count,
	uint32_t *ret_id, char **ret_error) _must_check_;

/* The common name for people to read, other than plain characters as '?'; "" if there is none. */
void identity_name(X509 *certificate, char name[static IDENTITY_NAME_MAX]);

#endif
