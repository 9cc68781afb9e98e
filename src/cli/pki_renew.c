// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pki_grant.h"
#include "pki/crypto.h"

#include <stdio.h>
#include <string.h>

#define DAYS 365

static int grant_again(const struct pki_options *options, struct authority *authority,
	const struct index_entry *entry, X509 *before)
{
	/* The index may move when the new one is entered. */
	char name[CERTIFICATE_COMMON_NAME + 1];
	struct pki_grant grant = {
		.subject = {.kind = entry->kind,
			.switch_id = entry->switch_id,
			.name = name,
			.like = before},
		.public_key = options->new_key ? NULL : X509_get0_pubkey(before),
		.server = options->server,
	};

	snprintf(name, sizeof(name), "%s", entry->name);
	if (entry->kind == CERTIFICATE_SWITCH)
		snprintf(grant.to, sizeof(grant.to), "switch-%u.renewed.pem", entry->switch_id);
	else
		snprintf(grant.to, sizeof(grant.to), "server-%s.renewed.pem", entry->name);
	return pki_grant(options, authority, &grant);
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {PKI_KEY_OPTIONS,
		{"server", required_argument, NULL, PKI_SERVER},
		{"days", required_argument, NULL, PKI_DAYS},
		{"to", required_argument, NULL, PKI_TO},
		{"new-key", no_argument, NULL, PKI_NEW_KEY},
		{"force", no_argument, NULL, PKI_FORCE}, CLI_GLOBAL_OPTIONS};
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_(X509_freep) X509 *before = NULL;
	_cleanup_free_ char *error = NULL;
	const struct index_entry *entry;
	struct pki_selector selector;
	struct pki_options given;

	if (pki_parse(cli, argc, argv, options, &given, DAYS) == CLI_END)
		return cli->status;
	if (pki_select(cli, argv + optind, argc - optind, &selector) != 0 ||
		pki_check_server(cli, given.server) != 0)
		return EXIT_USAGE;
	if (pki_unlock(&given, &authority) != 0)
		return EXIT_FAILURE;
	/* One that has expired may be renewed, too. */
	entry = pki_find(authority_index(authority), &selector, PKI_UNREVOKED);
	if (!entry) {
		cli_error("no certificate of that name that is not revoked: 'netlambda pki list "
			  "--all' shows all");
		return EXIT_FAILURE;
	}
	if (authority_read_certificate(authority, entry->serial, &before, &error) < 0) {
		cli_error("%s", error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	return grant_again(&given, authority, entry, before);
}

const struct command pki_renew = {
	.name = "pki renew",
	.usage = "switch ID | server NAME | SERIAL [OPTION]...",
	.summary = "Makes a new certificate for the key that a switch or server has",
	.help = "The file holds no private key: it may travel any way, and is enrolled like the "
		"first.\n"
		"The certificate before stays valid until it expires or is revoked.\n"
		"\n"
		"Options:\n"
		"      --new-key            make a new key too; the file then holds it\n"
		"      --server HOST[:PORT] where the switch finds its server, if that changes\n"
		"      --days N             how long the certificate is valid (default 365)\n"
		"      --to FILE            (default switch-ID.renewed.pem); - is standard output\n"
		"      --dir DIR            where the CA is (default " PKI_DIRECTORY ")\n"
		"      --passphrase-file F  of the CA's key\n"
		"      --force              also if FILE is there\n"
		"\n"
		"Examples:\n"
		"  netlambda pki renew switch 7\n"
		"  netlambda pki renew server lambda.example.net --days 90\n",
	.run = run,
};
