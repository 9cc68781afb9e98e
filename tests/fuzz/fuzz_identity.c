// SPDX-License-Identifier: BSD-2-Clause
/*
 * Certificates, in DER, and what is made of them whoever signed: which switch they are by rules of each
 * kind, and the name for people to read.
 */
#include "pki/identity.h"

#include <ctype.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define UNTOUCHED 0xfffffffeU

static const char *const rule_texts[] = {
	"uri:netlambda:switch:{id}",
	"dns:switch-{id}.example.net",
	"dns:edge-brussels.example.net=12",
	"cn:switch-{id}",
	"cn:{id}",
};

static void check_find(X509 *certificate, const struct identity_rule *rules, size_t count)
{
	uint32_t id = UNTOUCHED;
	char *error = NULL;
	int r = identity_find(certificate, rules, count, &id, &error);

	REQUIRE((r == 0) == (error == NULL));
	REQUIRE(r == 0 ? id != 0 : id == UNTOUCHED);
	free(error);
}

/* It goes to logs and terminals. */
static void check_name(X509 *certificate)
{
	char name[IDENTITY_NAME_MAX];

	memset(name, 'x', sizeof(name));
	identity_name(certificate, name);
	REQUIRE(memchr(name, '\0', sizeof(name)));
	for (const char *c = name; *c; c++)
		REQUIRE(isprint((unsigned char)*c));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct identity_rule rules[sizeof(rule_texts) / sizeof(rule_texts[0])];
	size_t count = sizeof(rules) / sizeof(rules[0]);
	X509 *certificate = d2i_X509(NULL, &bytes, (long)size);
	char *error = NULL;

	if (!certificate)
		return 0;
	for (size_t i = 0; i < count; i++) {
		REQUIRE(identity_rule_parse(rule_texts[i], &rules[i], &error) == 0);
		check_find(certificate, &rules[i], 1);
	}
	check_find(certificate, rules, count);
	check_name(certificate);
	X509_free(certificate);
	return 0;
}
