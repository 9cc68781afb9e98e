// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pki.h"

#include <stdio.h>
#include <string.h>

#define CRL_DAYS 365

/* `revoked`: what was, for JSON; NULL: only the list was asked for. Taken. */
static int write_crl(const struct pki_options *options, struct authority *authority,
	int64_t lifetime_s, json_t *revoked)
{
	_cleanup_free_ char *error = NULL;

	if (authority_write_crl(authority, pki_now(), lifetime_s, &error) < 0) {
		cli_error("%s", error ? error : "out of memory");
		json_decref(revoked);
		return EXIT_FAILURE;
	}
	if (options->cli->output != OUTPUT_TABLE) {
		cli_print_new(
			options->cli, json_pack("{s:o*, s:o}", "revoked", revoked, "crl",
					      json_sprintf("%s/crl.pem", options->directory)));
		return 0;
	}
	json_decref(revoked);
	printf("wrote %s/crl.pem: copy it to each server that does not read it here\n",
		options->directory);
	return 0;
}

static int revoke_entry(
	const struct pki_options *options, struct authority *authority, size_t at, json_t *revoked)
{
	const struct index_entry *entry = &authority_index(authority)->entries[at];
	_cleanup_free_ char *error = NULL;
	char title[PKI_TITLE_MAX];

	if (authority_revoke(authority, at, options->reason, pki_now(), &error) < 0) {
		cli_error("%s", error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	json_array_append_new(revoked, pki_entry_json(entry, pki_now()));
	if (options->cli->output == OUTPUT_TABLE)
		printf("revoked %s of %s: %s\n", entry->serial,
			pki_title(entry->kind, entry->switch_id, entry->name, title),
			revocation_reason_name(entry->reason));
	return 0;
}

/* All that are selected and would still be believed. 0, or EXIT_FAILURE after saying why. */
static int revoke_selected(const struct pki_options *options, struct authority *authority,
	const struct pki_selector *selector, json_t *revoked)
{
	const struct index *index = authority_index(authority);
	size_t found = 0, before = 0;

	for (size_t i = 0; i < index->count; i++) {
		if (!pki_selects(selector, &index->entries[i]))
			continue;
		if (index->entries[i].revoked != 0)
			before++;
		if (!pki_entry_valid(&index->entries[i], pki_now()))
			continue;
		if (revoke_entry(options, authority, i, revoked) != 0)
			return EXIT_FAILURE;
		found++;
	}
	if (found == 0 && before == 0) {
		cli_error(
			"no valid certificate of that name: 'netlambda pki list --all' shows all");
		return EXIT_FAILURE;
	}
	if (found == 0 && options->cli->output == OUTPUT_TABLE)
		printf("it was revoked before\n");
	return 0;
}

static int revoke(const struct pki_options *options, struct authority *authority,
	const struct pki_selector *selector)
{
	json_t *revoked = json_array();

	if (revoke_selected(options, authority, selector, revoked) != 0) {
		json_decref(revoked);
		return EXIT_FAILURE;
	}
	return write_crl(options, authority, options->lifetime_s, revoked);
}

static int run_revoke(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {PKI_KEY_OPTIONS,
		{"reason", required_argument, NULL, PKI_REASON}, CLI_GLOBAL_OPTIONS};
	_cleanup_(authority_closep) struct authority *authority = NULL;
	struct pki_selector selector;
	struct pki_options given;

	if (pki_parse(cli, argc, argv, options, &given, CRL_DAYS) == CLI_END)
		return cli->status;
	if (pki_select(cli, argv + optind, argc - optind, &selector) != 0)
		return EXIT_USAGE;
	if (pki_unlock(&given, &authority) != 0)
		return EXIT_FAILURE;
	return revoke(&given, authority, &selector);
}

const struct command pki_revoke = {
	.name = "pki revoke",
	.usage = "switch ID | server NAME | SERIAL [OPTION]...",
	.summary = "Revokes certificates, and writes the revocation list",
	.help = "All valid ones of the switch or server, or the one of this serial. A server that "
		"reads\n"
		"the list ends the session of the switch within seconds.\n"
		"\n"
		"Options:\n"
		"      --reason REASON      unspecified (the default), key-compromise, superseded "
		"or\n"
		"                           cessation\n"
		"      --dir DIR            where the CA is (default " PKI_DIRECTORY ")\n"
		"      --passphrase-file F  of the CA's key\n"
		"\n"
		"Examples:\n"
		"  netlambda pki revoke switch 7 --reason key-compromise\n"
		"  netlambda pki revoke 4f0a3c5d9b7e61f2a8c4d0e6b1937f52\n",
	.run = run_revoke,
};

static int run_crl(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		PKI_KEY_OPTIONS, {"days", required_argument, NULL, PKI_DAYS}, CLI_GLOBAL_OPTIONS};
	_cleanup_(authority_closep) struct authority *authority = NULL;
	struct pki_options given;

	if (pki_parse(cli, argc, argv, options, &given, CRL_DAYS) == CLI_END)
		return cli->status;
	if (optind < argc)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	if (pki_unlock(&given, &authority) != 0)
		return EXIT_FAILURE;
	return write_crl(&given, authority, given.lifetime_s, NULL);
}

const struct command pki_crl = {
	.name = "pki crl",
	.usage = "[--days N] [--dir DIR] [--passphrase-file FILE]",
	.summary = "Writes the revocation list anew, before it is out of date",
	.help = "A list that is out of date still counts, but servers warn of it.\n"
		"\n"
		"Options:\n"
		"      --days N             until the next one is due (default 365)\n"
		"      --dir DIR            where the CA is (default " PKI_DIRECTORY ")\n"
		"      --passphrase-file F  of the CA's key\n"
		"\n"
		"Examples:\n"
		"  netlambda pki crl\n"
		"  netlambda pki crl --days 90\n",
	.run = run_crl,
};
