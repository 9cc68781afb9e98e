// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pki.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CA_DAYS  3650
#define CRL_DAYS 365

/* What is there is never destroyed: it moves aside. `aside`: empty if nothing was there. */
static int move_aside(const char *directory, int64_t now, char aside[static PATH_MAX])
{
	time_t time = (time_t)now;
	char stamp[32];
	struct tm tm;
	int r = 0;

	gmtime_r(&time, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	if (snprintf(aside, PATH_MAX, "%s.%s", directory, stamp) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (rename(directory, aside) == 0)
		return 0;
	if (errno != ENOENT)
		r = -errno;
	*aside = '\0';
	return r;
}

static void tell(const struct pki_options *options, const struct authority_options *authority,
	const char *until, const char *aside)
{
	if (options->cli->output != OUTPUT_TABLE) {
		cli_print_new(
			options->cli, json_pack("{s:s, s:s, s:s, s:s*}", "name", authority->name,
					      "directory", options->directory, "expires", until,
					      "before", *aside ? aside : NULL));
		return;
	}
	if (*aside)
		printf("what was in %s is in %s now\n", options->directory, aside);
	printf("made the CA \"%s\" in %s, valid until %s\n", authority->name, options->directory,
		until);
	printf("next: netlambda pki issue server NAME, with the name that agents know the server "
	       "by\n");
}

static int create(const struct pki_options *options, const struct authority_options *authority)
{
	_cleanup_free_ char *error = NULL;
	char until[TIME_TEXT_MAX], aside[PATH_MAX] = "";
	int64_t now = pki_now();
	int r;

	if (options->force) {
		r = move_aside(options->directory, now, aside);
		if (r < 0) {
			cli_error("cannot move %s aside: %s", options->directory, strerror(-r));
			return EXIT_FAILURE;
		}
	}
	r = authority_create(options->directory, authority, now, &error);
	if (r < 0) {
		cli_error("%s%s", error ? error : strerror(-r),
			r == -EEXIST ? ": --force moves it aside" : "");
		return EXIT_FAILURE;
	}
	tell(options, authority, time_text(now + authority->lifetime_s, until), aside);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {PKI_KEY_OPTIONS,
		{"name", required_argument, NULL, PKI_NAME},
		{"days", required_argument, NULL, PKI_DAYS},
		{"encrypt", no_argument, NULL, PKI_ENCRYPT},
		{"force", no_argument, NULL, PKI_FORCE}, CLI_GLOBAL_OPTIONS};
	char passphrase[KEY_PASSPHRASE_MAX];
	struct authority_options authority;
	struct pki_options given;
	int status = 0;

	if (pki_parse(cli, argc, argv, options, &given, CA_DAYS) == CLI_END)
		return cli->status;
	if (optind < argc)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	authority = (struct authority_options){
		.name = given.name ? given.name : "netlambda-ca",
		.lifetime_s = given.lifetime_s,
		.crl_lifetime_s = (int64_t)CRL_DAYS * AUTHORITY_DAY_S,
	};
	if (given.encrypt || given.passphrase_file) {
		status = pki_new_passphrase(&given, passphrase);
		authority.passphrase = passphrase;
	}
	if (status == 0)
		status = create(&given, &authority);
	explicit_bzero(passphrase, sizeof(passphrase));
	return status;
}

const struct command pki_init = {
	.name = "pki init",
	.usage = "[--dir DIR] [--name NAME] [--days N] [--encrypt] [--passphrase-file FILE] "
		 "[--force]",
	.summary = "Makes a CA: a key, its certificate and an empty index",
	.help = "Options:\n"
		"      --dir DIR            where (default " PKI_DIRECTORY
		", or the environment's\n"
		"                           NETLAMBDA_PKI)\n"
		"      --name NAME          of the CA (default netlambda-ca)\n"
		"      --days N             how long its certificate is valid (default 3650)\n"
		"      --encrypt            encrypt its key with a passphrase, which is asked for\n"
		"      --passphrase-file F  the same, with the passphrase in the first line of F\n"
		"      --force              move aside what is there\n"
		"\n"
		"Examples:\n"
		"  netlambda pki init --encrypt\n"
		"  netlambda pki init --dir ~/netlambda-pki --name example-net\n",
	.run = run,
};
