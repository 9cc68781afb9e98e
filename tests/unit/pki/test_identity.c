// SPDX-License-Identifier: BSD-2-Clause
#include "pki/identity.h"
#include "tests/unit/pki/mint.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

static struct mint ca;

/* What the rules say of a certificate with these alternative names: an id, or a negative errno. */
static int64_t identify(const struct mint_order *order, const char *const *texts, size_t count)
{
	struct identity_rule rules[4] = {0};
	_cleanup_free_ char *error = NULL;
	struct mint minted;
	uint32_t id = 0;
	int r;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(identity_rule_parse(texts[i], &rules[i], &error), 0);
	mint_issue(&ca, order, &minted);
	r = identity_find(minted.certificate, count ? rules : &identity_rule_default,
		count ? count : 1, &id, &error);
	assert_true(r == 0 || error);
	mint_free(&minted);
	return r < 0 ? r : (int64_t)id;
}

static int64_t identify_names(const char *names, const char *rule)
{
	return identify(&(struct mint_order){.names = names}, &rule, rule ? 1 : 0);
}

static int make_ca(void **state _unused_)
{
	mint_ca(&ca, "test");
	return 0;
}

static int free_ca(void **state _unused_)
{
	mint_free(&ca);
	return 0;
}

static void certificate_of_the_pki_is_its_switch(void **state _unused_)
{
	assert_int_equal(identify(&(struct mint_order){.switch_id = 7}, NULL, 0), 7);
	assert_int_equal(
		identify(&(struct mint_order){.switch_id = UINT32_MAX}, NULL, 0), UINT32_MAX);
	assert_int_equal(identify(&(struct mint_order){.kind = CERTIFICATE_SERVER,
					  .host = "lambda.example.net"},
				 NULL, 0),
		-ENOENT);
}

static void number_must_be_written_in_one_way(void **state _unused_)
{
	static const char *const names[] = {"URI:netlambda:switch:07", "URI:netlambda:switch:0",
		"URI:netlambda:switch:", "URI:netlambda:switch:4294967296",
		"URI:netlambda:switch:99999999999", "URI:netlambda:switch:7x",
		"URI:netlambda:switch:+7", "URI:xnetlambda:switch:7", "DNS:netlambda:switch:7"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(identify_names(names[i], NULL), -ENOENT);
}

static void two_ids_are_none(void **state _unused_)
{
	assert_int_equal(
		identify_names("URI:netlambda:switch:7,URI:netlambda:switch:8", NULL), -EBADMSG);
	assert_int_equal(identify_names("URI:netlambda:switch:7,URI:netlambda:switch:7", NULL), 7);
}

static void other_cas_names_are_mapped_by_rules(void **state _unused_)
{
	const char *names = "DNS:Switch-12.example.net,DNS:edge-brussels.example.net,"
			    "URI:spiffe://example.net/switch/12,email:noc@example.net";

	assert_int_equal(identify_names(names, "dns:switch-{id}.example.net"), 12);
	assert_int_equal(identify_names(names, "dns:EDGE-brussels.example.NET=44"), 44);
	assert_int_equal(identify_names(names, "uri:spiffe://example.net/switch/{id}"), 12);
	assert_int_equal(identify_names(names, "uri:SPIFFE://example.net/switch/{id}"), -ENOENT);
	assert_int_equal(identify_names(names, "dns:switch-{id}.example.org"), -ENOENT);
	assert_int_equal(identify_names(names, "dns:switch-12{id}.example.net"), -ENOENT);
	assert_int_equal(identify(&(struct mint_order){.name = "edge-9", .names = names},
				 (const char *[]){"cn:edge-{id}"}, 1),
		9);
	/* Rules that disagree. */
	assert_int_equal(
		identify(&(struct mint_order){.name = "edge-9", .names = names},
			(const char *[]){"cn:edge-{id}", "dns:switch-{id}.example.net"}, 2),
		-EBADMSG);
}

static void name_with_a_nul_is_broken(void **state _unused_)
{
	const char *rule = "dns:switch-{id}.example.net";

	assert_int_equal(
		identify(&(struct mint_order){.dns_with_nul = "switch-7.example.net"}, &rule, 1),
		-EBADMSG);
}

static void bad_rules_say_what_was_expected(void **state _unused_)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "expected uri:, dns: or cn:"},
		{"switch-{id}", "expected uri:, dns: or cn:"},
		{"dns:", "neither {id} nor NAME=ID"},
		{"dns:edge", "neither {id} nor NAME=ID"},
		{"dns:=7", "neither {id} nor NAME=ID"},
		{"dns:edge=0", "no number from 1"},
		{"dns:edge=7a", "no number from 1"},
		{"dns:edge=4294967296", "no number from 1"},
		{"cn:{id}-{id}", "{id} twice"},
	};
	char long_rule[400] = "dns:";

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = NULL;
		struct identity_rule rule = {.id = 99};

		assert_int_equal(identity_rule_parse(cases[i].text, &rule, &error), -EINVAL);
		if (!error || !strstr(error, cases[i].message))
			fail_msg("%s: %s", cases[i].text, error);
		assert_int_equal(rule.id, 99);
	}
	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *error = NULL;
		struct identity_rule rule;

		memset(long_rule + 4, 'a', 300);
		strcpy(long_rule + 304, i ? "{id}" : "=7");
		assert_int_equal(identity_rule_parse(long_rule, &rule, &error), -EINVAL);
		assert_non_null(strstr(error, "too long"));
	}
}

static void name_is_shown_in_plain_characters(void **state _unused_)
{
	char name[IDENTITY_NAME_MAX];
	struct mint minted;

	mint_issue(&ca, &(struct mint_order){.name = "edge\033[31m-7 \xc3\xa9"}, &minted);
	identity_name(minted.certificate, name);
	assert_string_equal(name, "edge?[31m-7???");
	mint_free(&minted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_of_the_pki_is_its_switch),
		cmocka_unit_test(number_must_be_written_in_one_way),
		cmocka_unit_test(two_ids_are_none),
		cmocka_unit_test(other_cas_names_are_mapped_by_rules),
		cmocka_unit_test(name_with_a_nul_is_broken),
		cmocka_unit_test(bad_rules_say_what_was_expected),
		cmocka_unit_test(name_is_shown_in_plain_characters),
	};

	return cmocka_run_group_tests(tests, make_ca, free_ca);
}
