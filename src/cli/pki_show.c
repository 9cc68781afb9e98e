// SPDX-License-Identifier: BSD-2-Clause
#include "base/attr.h"
#include "cli/format.h"
#include "cli/pki.h"
#include "pki/crypto.h"
#include "pki/identity.h"
#include "pki/pem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SERIAL_DIGITS 32

/* "dns:lambda.example.net", as rules of identity name them; NULL for a kind that they do not know. */
static json_t *name_text(const GENERAL_NAME *name)
{
	const ASN1_STRING *value = name->d.ia5;
	const char *data = (const char *)ASN1_STRING_get0_data(value);
	int len = ASN1_STRING_length(value);
	char address[INET6_ADDRSTRLEN] = "";

	switch (name->type) {
	case GEN_DNS:
		return json_sprintf("dns:%.*s", len, data);
	case GEN_URI:
		return json_sprintf("uri:%.*s", len, data);
	case GEN_IPADD:
		if (len == 4 || len == 16)
			inet_ntop(len == 4 ? AF_INET : AF_INET6, data, address, sizeof(address));
		return json_sprintf("ip:%s", address);
	default:
		return NULL;
	}
}

static json_t *names_of(X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	json_t *array = json_array();

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		json_t *text = name_text(sk_GENERAL_NAME_value(names, i));

		if (text)
			json_array_append_new(array, text);
	}
	GENERAL_NAMES_free(names);
	return array;
}

static const char *date_state(int64_t from, int64_t until)
{
	int64_t now = pki_now();

	if (now < from)
		return "not yet valid";
	return now < until ? "valid" : "expired";
}

static json_t *describe(X509 *certificate)
{
	char serial[CERTIFICATE_SERIAL_MAX], fingerprint[65], name[IDENTITY_NAME_MAX];
	char from_text[TIME_TEXT_MAX], until_text[TIME_TEXT_MAX];
	_cleanup_free_ char *error = NULL;
	int64_t from, until;
	json_t *object;
	uint32_t id;

	certificate_serial(certificate, serial);
	certificate_fingerprint(certificate, fingerprint);
	certificate_validity(certificate, &from, &until);
	identity_name(certificate, name);
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "name", name, "serial", serial,
		"from", time_text(from, from_text), "until", time_text(until, until_text), "state",
		date_state(from, until), "sha256", fingerprint, "names", names_of(certificate));
	if (identity_find(certificate, &identity_rule_default, 1, &id, &error) == 0)
		json_object_set_new(object, "switch", json_integer(id));
	return object;
}

/* What the index knows more than the certificate. */
static void add_revocation(json_t *object, const struct index_entry *entry)
{
	char revoked[TIME_TEXT_MAX];

	if (entry->revoked == 0)
		return;
	json_object_set_new(object, "state", json_string("revoked"));
	json_object_set_new(object, "revoked", json_string(time_text(entry->revoked, revoked)));
	json_object_set_new(object, "reason", json_string(revocation_reason_name(entry->reason)));
}

static void print_names(const json_t *names)
{
	const json_t *name;
	size_t i;

	printf("%-12s", "names");
	json_array_foreach (names, i, name) {
		_cleanup_free_ char *text = text_printable(json_string_value(name));

		printf("%s%s", i > 0 ? ", " : "", text ? text : "?");
	}
	putchar('\n');
}

static void print(const struct cli *cli, const json_t *object)
{
	const char *key;
	json_t *value;

	if (cli->output != OUTPUT_TABLE) {
		cli_print_value(cli, object);
		return;
	}
	json_object_foreach ((json_t *)object, key, value) {
		if (json_is_array(value))
			print_names(value);
		else if (json_is_integer(value))
			printf("%-12s%lld\n", key, (long long)json_integer_value(value));
		else
			printf("%-12s%s\n", key, json_string_value(value));
	}
}

static int show_file(const struct cli *cli, const char *path)
{
	_cleanup_(X509_freep) X509 *certificate = NULL;
	_cleanup_free_ char *error = NULL;
	json_t *object;

	if (pem_read_certificate(path, &certificate, &error) < 0) {
		cli_error("%s", error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	object = describe(certificate);
	print(cli, object);
	json_decref(object);
	return 0;
}

static int show_issued(const struct cli *cli, const struct pki_options *options,
	const struct pki_selector *selector)
{
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_(X509_freep) X509 *certificate = NULL;
	_cleanup_free_ char *error = NULL;
	const struct index_entry *entry;
	json_t *object;

	if (pki_open(options, AUTHORITY_READ, &authority) != 0)
		return EXIT_FAILURE;
	if (!selector) {
		object = describe(authority_certificate(authority));
	} else {
		entry = pki_find(authority_index(authority), selector, PKI_ANY);
		if (!entry) {
			cli_error("no certificate of that name: 'netlambda pki list --all' shows "
				  "all");
			return EXIT_FAILURE;
		}
		if (authority_read_certificate(authority, entry->serial, &certificate, &error) <
			0) {
			cli_error("%s", error ? error : "out of memory");
			return EXIT_FAILURE;
		}
		object = describe(certificate);
		add_revocation(object, entry);
	}
	print(cli, object);
	json_decref(object);
	return 0;
}

static bool is_serial(const char *text)
{
	return strlen(text) == SERIAL_DIGITS && strspn(text, "0123456789abcdef") == SERIAL_DIGITS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {PKI_DIR_OPTION, CLI_GLOBAL_OPTIONS};
	struct pki_selector selector;
	struct pki_options given;

	if (pki_parse(cli, argc, argv, options, &given, 0) == CLI_END)
		return cli->status;
	if (optind == argc)
		return show_issued(cli, &given, NULL);
	if (argc - optind == 1 && !is_serial(argv[optind]))
		return show_file(cli, argv[optind]);
	if (pki_select(cli, argv + optind, argc - optind, &selector) != 0)
		return EXIT_USAGE;
	return show_issued(cli, &given, &selector);
}

const struct command pki_show = {
	.name = "pki show",
	.usage = "[switch ID | server NAME | SERIAL | FILE] [--dir DIR]",
	.summary = "Shows one certificate: the CA's own, one that was issued, or a file's first",
	.help = "Options:\n"
		"      --dir DIR            where the CA is (default " PKI_DIRECTORY ")\n"
		"\n"
		"Examples:\n"
		"  netlambda pki show\n"
		"  netlambda pki show switch 7\n"
		"  netlambda pki show /etc/netlambda/switch.pem\n",
	.run = run,
};
