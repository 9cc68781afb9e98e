// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pki_grant.h"
#include "pki/crypto.h"
#include "pki/pem.h"

#include <stdio.h>
#include <string.h>

#define DAYS 365

static int take_hosts(
	const struct cli *cli, char **operands, int count, struct certificate_subject *subject)
{
	if (count > CERTIFICATE_HOSTS_MAX)
		return cli_usage_error(
			cli, "at most %d names and addresses", CERTIFICATE_HOSTS_MAX);
	for (int i = 0; i < count; i++) {
		if (!certificate_host_valid(operands[i]))
			return cli_usage_error(cli,
				"expected a DNS name or an address, found \"%s\"", operands[i]);
		subject->hosts[subject->host_count++] = operands[i];
	}
	return 0;
}

static int take_operands(
	const struct cli *cli, char **operands, int count, struct certificate_subject *subject)
{
	if (count == 2 && strcmp(operands[0], "switch") == 0)
		return pki_parse_switch(cli, operands[1], &subject->switch_id);
	if (count < 2 || strcmp(operands[0], "server") != 0)
		return cli_usage_error(cli, "expected \"switch ID\" or \"server NAME...\"");
	subject->kind = CERTIFICATE_SERVER;
	return take_hosts(cli, operands + 1, count - 1, subject);
}

/* As whom it is known to people; a server's first host must do for that. */
static int take_name(const struct cli *cli, const char *given, struct certificate_subject *subject,
	char name[static CERTIFICATE_COMMON_NAME + 1])
{
	subject->name = name;
	if (!given && subject->kind == CERTIFICATE_SERVER) {
		given = subject->hosts[0];
		if (!certificate_name_valid(given))
			return cli_usage_error(cli,
				"\"%s\" is too long for a common name: give another with --name",
				given);
	}
	if (given)
		snprintf(name, CERTIFICATE_COMMON_NAME + 1, "%s", given);
	else
		snprintf(name, CERTIFICATE_COMMON_NAME + 1, "switch-%u", subject->switch_id);
	return 0;
}

/* Two with valid certificates of one switch would take each other's place. */
static int check_is_new(const struct pki_options *options, const struct authority *authority,
	const struct certificate_subject *subject)
{
	const struct pki_selector selector = {
		.kind = subject->kind,
		.switch_id = subject->switch_id,
		.text = subject->name,
	};
	const struct index_entry *entry =
		pki_find(authority_index(authority), &selector, PKI_VALID);
	char title[PKI_TITLE_MAX], until[TIME_TEXT_MAX];

	if (!entry || options->force)
		return 0;
	cli_error("%s has a certificate (serial %s, valid until %s): renew it with 'pki renew', or "
		  "revoke it, or issue another with --force",
		pki_title(entry->kind, entry->switch_id, entry->name, title), entry->serial,
		time_text(entry->expires, until));
	return EXIT_FAILURE;
}

static int issue(const struct pki_options *options, struct pki_grant *grant)
{
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *requested = NULL;
	_cleanup_free_ char *error = NULL;

	if (options->request && pem_read_request_key(options->request, &requested, &error) < 0) {
		cli_error("%s", error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	if (pki_unlock(options, &authority) != 0 ||
		check_is_new(options, authority, &grant->subject) != 0)
		return EXIT_FAILURE;
	grant->public_key = requested;
	return pki_grant(options, authority, grant);
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {PKI_KEY_OPTIONS,
		{"name", required_argument, NULL, PKI_NAME},
		{"server", required_argument, NULL, PKI_SERVER},
		{"days", required_argument, NULL, PKI_DAYS},
		{"to", required_argument, NULL, PKI_TO},
		{"request", required_argument, NULL, PKI_REQUEST},
		{"force", no_argument, NULL, PKI_FORCE}, CLI_GLOBAL_OPTIONS};
	char name[CERTIFICATE_COMMON_NAME + 1];
	struct pki_grant grant = {0};
	struct pki_options given;

	if (pki_parse(cli, argc, argv, options, &given, DAYS) == CLI_END)
		return cli->status;
	if (take_operands(cli, argv + optind, argc - optind, &grant.subject) != 0 ||
		take_name(cli, given.name, &grant.subject, name) != 0 ||
		pki_check_server(cli, given.server) != 0)
		return EXIT_USAGE;
	grant.server = given.server;
	if (grant.subject.kind == CERTIFICATE_SWITCH)
		snprintf(grant.to, sizeof(grant.to), "switch-%u.pem", grant.subject.switch_id);
	else
		snprintf(grant.to, sizeof(grant.to), "server-%s.pem", name);
	return issue(&given, &grant);
}

const struct command pki_issue = {
	.name = "pki issue",
	.usage = "switch ID [OPTION]... | server NAME... [OPTION]...",
	.summary = "Makes a key and a certificate, for a switch or a server, in one file",
	.help = "The file has all that an end needs, its private key too: take it there by a safe "
		"way,\n"
		"and enroll it. A server's NAMEs are the DNS names and addresses that agents know "
		"it "
		"by.\n"
		"\n"
		"Options:\n"
		"      --name NAME          for people (default switch-ID, or the server's first "
		"name)\n"
		"      --server HOST[:PORT] where the switch finds its server\n"
		"      --days N             how long the certificate is valid (default 365)\n"
		"      --to FILE            (default switch-ID.pem or server-NAME.pem); - is "
		"standard "
		"output\n"
		"      --request FILE       for the key of this certificate request, made "
		"elsewhere\n"
		"      --dir DIR            where the CA is (default " PKI_DIRECTORY ")\n"
		"      --passphrase-file F  of the CA's key\n"
		"      --force              also if it has a certificate, or FILE is there\n"
		"\n"
		"Examples:\n"
		"  netlambda pki issue server lambda.example.net 192.0.2.10\n"
		"  netlambda pki issue switch 7 --name edge-7 --server lambda.example.net\n"
		"  netlambda pki issue switch 8 --to - | ssh edge-8 sudo netlambda pki enroll -\n",
	.run = run,
};
