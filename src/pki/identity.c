// SPDX-License-Identifier: BSD-2-Clause
#include "pki/identity.h"

#include "base/error.h"
#include "pki/crypto.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ID_DIGITS_MAX 10

const struct identity_rule identity_rule_default = {
	.field = IDENTITY_URI, .prefix = IDENTITY_URI_PREFIX};

static const char *const field_names[] = {
	[IDENTITY_URI] = "uri", [IDENTITY_DNS] = "dns", [IDENTITY_CN] = "cn"};

/* Decimal digits only, no leading zero. 0 if it is none. */
static uint32_t parse_id(const char *text, size_t len)
{
	uint64_t id = 0;

	if (len == 0 || len > ID_DIGITS_MAX || text[0] == '0')
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		id = id * 10 + (uint64_t)(text[i] - '0');
	}
	return id <= UINT32_MAX ? (uint32_t)id : 0;
}

/* ---- rules ---- */

static const char *take_field(const char *text, enum identity_field *ret_field)
{
	for (size_t i = 0; i < ARRAY_SIZE(field_names); i++) {
		size_t len = strlen(field_names[i]);

		if (strncmp(text, field_names[i], len) == 0 && text[len] == ':') {
			*ret_field = (enum identity_field)i;
			return text + len + 1;
		}
	}
	return NULL;
}

static bool take_text(char *to, const char *from, size_t len)
{
	if (len >= IDENTITY_TEXT_MAX)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

/* NULL, or what is wrong with the part behind the field. */
static const char *parse_pattern(const char *text, struct identity_rule *rule)
{
	const char *place = strstr(text, "{id}"), *equals = strrchr(text, '=');
	const char *too_long = "is too long";

	if (place) {
		const char *rest = place + strlen("{id}");

		if (strstr(rest, "{id}"))
			return "has {id} twice";
		if (!take_text(rule->prefix, text, (size_t)(place - text)) ||
			!take_text(rule->suffix, rest, strlen(rest)))
			return too_long;
		return NULL;
	}
	if (!equals || equals == text)
		return "has neither {id} nor NAME=ID";
	rule->id = parse_id(equals + 1, strlen(equals + 1));
	if (rule->id == 0)
		return "has no number from 1 to 4294967295 behind =";
	return take_text(rule->prefix, text, (size_t)(equals - text)) ? NULL : too_long;
}

int identity_rule_parse(const char *text, struct identity_rule *ret_rule, char **ret_error)
{
	struct identity_rule rule = {0};
	const char *pattern = take_field(text, &rule.field), *wrong;

	if (!pattern)
		return error_set(ret_error, -EINVAL,
			"\"%s\": expected uri:, dns: or cn: and a name with {id}, such as "
			"\"dns:switch-{id}.example.net\"",
			text);
	wrong = parse_pattern(pattern, &rule);
	if (wrong)
		return error_set(ret_error, -EINVAL, "\"%s\" %s", text, wrong);
	*ret_rule = rule;
	return 0;
}

/* ---- a certificate's names ---- */

struct search {
	const struct identity_rule *rules;
	size_t count;
	uint32_t id; /* found so far; 0: none */
	int error;
};

static bool text_equal(const struct identity_rule *rule, const char *a, const char *b, size_t len)
{
	return (rule->field == IDENTITY_DNS ? strncasecmp(a, b, len) : strncmp(a, b, len)) == 0;
}

/* The id that a rule gives to a name; 0: it does not fit. */
static uint32_t apply_rule(const struct identity_rule *rule, const char *name, size_t len)
{
	size_t before = strlen(rule->prefix), after = strlen(rule->suffix);

	if (len < before + after || !text_equal(rule, name, rule->prefix, before))
		return 0;
	if (rule->id != 0)
		return len == before ? rule->id : 0;
	if (!text_equal(rule, name + len - after, rule->suffix, after))
		return 0;
	return parse_id(name + before, len - before - after);
}

static void take_name(
	struct search *search, enum identity_field field, const unsigned char *text, int size)
{
	const char *name = (const char *)text;
	size_t len = (size_t)size;

	/* What is cut at a NUL by one reader and not by another is no name. */
	if (memchr(name, '\0', len)) {
		search->error = -EBADMSG;
		return;
	}
	for (size_t i = 0; i < search->count; i++) {
		uint32_t id = search->rules[i].field == field
				      ? apply_rule(&search->rules[i], name, len)
				      : 0;

		if (id == 0)
			continue;
		if (search->id != 0 && search->id != id)
			search->error = -EBADMSG;
		search->id = id;
	}
}

static int take_alternative_names(struct search *search, X509 *certificate)
{
	int critical;
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);

	/* -1: there are none; -2: several extensions, or one that cannot be read. */
	if (!names)
		return critical == -1 ? 0 : -EBADMSG;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *text = name->d.ia5;

		if (name->type == GEN_URI || name->type == GEN_DNS)
			take_name(search, name->type == GEN_URI ? IDENTITY_URI : IDENTITY_DNS,
				ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
	}
	GENERAL_NAMES_free(names);
	return 0;
}

/* The one common name as UTF-8, to be freed with OPENSSL_free; NULL if there is not exactly one. */
static unsigned char *common_name(X509 *certificate, int *ret_len)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return NULL;
	*ret_len = ASN1_STRING_to_UTF8(
		&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	return *ret_len < 0 ? NULL : text;
}

int identity_find(X509 *certificate, const struct identity_rule *rules, size_t count,
	uint32_t *ret_id, char **ret_error)
{
	struct search search = {.rules = rules, .count = count};
	int len = 0, r = take_alternative_names(&search, certificate);
	unsigned char *name = common_name(certificate, &len);

	if (name)
		take_name(&search, IDENTITY_CN, name, len);
	OPENSSL_free(name);
	ERR_clear_error();
	if (r < 0 || search.error < 0)
		return error_set(ret_error, -EBADMSG,
			"the certificate's names are broken, or are of more than one switch");
	if (search.id == 0)
		return error_set(ret_error, -ENOENT,
			"no name of the certificate is a switch's (expected by default: the URI "
			"\"" IDENTITY_URI_PREFIX "ID\" among its alternative names)");
	*ret_id = search.id;
	return 0;
}

void identity_name(X509 *certificate, char name[static IDENTITY_NAME_MAX])
{
	int len = 0;
	unsigned char *text = common_name(certificate, &len);
	int kept = MIN(len, IDENTITY_NAME_MAX - 1);

	for (int i = 0; i < kept; i++)
		name[i] = text[i] > ' ' && text[i] < 0x7f ? (char)text[i] : '?';
	name[text ? kept : 0] = '\0';
	OPENSSL_free(text);
}
