// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pki.h"
#include "pki/crypto.h"
#include "pki/identity.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whose a certificate is, in words: what people call it if it is no switch of ours. */
static void title_of(X509 *certificate, char title[static PKI_TITLE_MAX])
{
	_cleanup_free_ char *error = NULL;
	char name[IDENTITY_NAME_MAX];
	uint32_t id;

	identity_name(certificate, name);
	if (identity_find(certificate, &identity_rule_default, 1, &id, &error) == 0)
		pki_title(CERTIFICATE_SWITCH, id, name, title);
	else
		snprintf(title, PKI_TITLE_MAX, "\"%s\"", name);
}

/* What is put where, and what was there. */
struct enrolment {
	const struct pki_options *options;
	const char *to;          /* NULL: not known yet */
	struct credentials *old; /* NULL: nothing was */
	bool failed;             /* which was said */
};

/* What is enrolled so far at the place where this certificate belongs. */
static const struct credentials *load_old(void *user, X509 *certificate)
{
	struct enrolment *enrolment = user;
	const char *to = enrolment->options->to;
	_cleanup_free_ char *error = NULL;
	struct credentials_files files;

	enrolment->to = to ? to : credentials_place(certificate_kind_of(certificate));
	files = (struct credentials_files){.credentials = enrolment->to};
	if (access(enrolment->to, F_OK) < 0 && errno == ENOENT)
		return NULL;
	if (credentials_load(&files, &enrolment->old, &error) == 0 || enrolment->options->force)
		return enrolment->old;
	cli_error("%s: --force overwrites it", error ? error : "out of memory");
	enrolment->failed = true;
	return NULL;
}

/* A renewal takes the old one's place; somebody else's certificate does not. */
static int check_same(const char *path, const struct credentials *old,
	const struct credentials *credentials, bool force)
{
	char before[PKI_TITLE_MAX], now[PKI_TITLE_MAX];

	if (!old || force)
		return 0;
	title_of(old->certificate, before);
	title_of(credentials->certificate, now);
	if (strcmp(before, now) == 0)
		return 0;
	cli_error("%s is of %s, and not of %s: --to puts it elsewhere, --force overwrites it", path,
		before, now);
	return EXIT_FAILURE;
}

static int check_dates(X509 *certificate)
{
	char text[TIME_TEXT_MAX];
	int64_t from, until;

	certificate_validity(certificate, &from, &until);
	if (until <= pki_now()) {
		cli_error("the certificate expired at %s (or this machine's clock is wrong)",
			time_text(until, text));
		return EXIT_FAILURE;
	}
	if (from > pki_now())
		cli_error(
			"warning: the certificate is not valid before %s: is this machine's clock "
			"right?",
			time_text(from, text));
	return 0;
}

static int give(const char *path, const char *owner)
{
	const struct passwd *user = owner ? getpwnam(owner) : NULL;

	if (!owner)
		return 0;
	if (!user) {
		cli_error("--owner: there is no user \"%s\"", owner);
		return EXIT_FAILURE;
	}
	if (chown(path, user->pw_uid, user->pw_gid) == 0 && chmod(path, 0600) == 0)
		return 0;
	cli_error("cannot give %s to %s: %s", path, owner, strerror(errno));
	return EXIT_FAILURE;
}

static void tell(const struct enrolment *enrolment, const struct credentials *credentials,
	const char *title, const char *until)
{
	const struct cli *cli = enrolment->options->cli;

	if (cli->output != OUTPUT_TABLE) {
		cli_print_new(cli, json_pack("{s:s, s:s, s:s, s:b, s:s*}", "for", title, "expires",
					   until, "path", enrolment->to, "renewed",
					   enrolment->old != NULL, "server", credentials->server));
		return;
	}
	printf("this is %s now, until %s\n", title, until);
	printf("%s %s\n", enrolment->old ? "renewed" : "wrote", enrolment->to);
	if (credentials->server)
		printf("its server is %s\n", credentials->server);
}

static int put(const struct enrolment *enrolment, const struct credentials *credentials)
{
	const struct pki_options *options = enrolment->options;
	char title[PKI_TITLE_MAX], until[TIME_TEXT_MAX];
	int64_t from_s, until_s;

	title_of(credentials->certificate, title);
	if (check_same(enrolment->to, enrolment->old, credentials, options->force) != 0 ||
		check_dates(credentials->certificate) != 0 ||
		pki_write_credentials(
			enrolment->to, credentials, title, enrolment->old || options->force) != 0 ||
		give(enrolment->to, options->owner) != 0)
		return EXIT_FAILURE;
	certificate_validity(credentials->certificate, &from_s, &until_s);
	tell(enrolment, credentials, title, time_text(until_s, until));
	return 0;
}

static int enroll(const char *from, const struct pki_options *options)
{
	_cleanup_(credentials_freep) struct credentials *credentials = NULL;
	struct enrolment enrolment = {.options = options};
	_cleanup_free_ char *error = NULL;
	int status = EXIT_FAILURE;

	if (credentials_merge(from, load_old, &enrolment, &credentials, &error) < 0) {
		if (!enrolment.failed)
			cli_error("%s", error ? error : "out of memory");
	} else if (!enrolment.failed) {
		status = put(&enrolment, credentials);
	}
	if (enrolment.old)
		credentials_free(enrolment.old);
	return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"to", required_argument, NULL, PKI_TO},
		{"owner", required_argument, NULL, PKI_OWNER},
		{"force", no_argument, NULL, PKI_FORCE}, CLI_GLOBAL_OPTIONS};
	struct pki_options given;

	if (pki_parse(cli, argc, argv, options, &given, 0) == CLI_END)
		return cli->status;
	if (argc - optind != 1)
		return cli_usage_error(cli, "expected one file, or - for standard input");
	return enroll(argv[optind], &given);
}

const struct command pki_enroll = {
	.name = "pki enroll",
	.usage = "FILE [--to FILE] [--owner USER] [--force]",
	.summary = "On a switch or server: puts the file from 'pki issue' into place",
	.help = "Checks that key, certificate and CA belong together, and "
		"writes\n" CREDENTIALS_SWITCH " or " CREDENTIALS_SERVER
		", which agent and server read. A\n"
		"renewed certificate, which comes without a key, is joined with the key that is "
		"there. The units' groups, netlambda-agent-key and netlambda-server-key, may read\n"
		"these where there are such groups: a renewed one is taken without a restart.\n"
		"FILE may be -, standard input.\n"
		"\n"
		"Options:\n"
		"      --to FILE            another place\n"
		"      --owner USER         whom to give it to; only the owner may read it\n"
		"      --force              overwrite what is there, whosesoever it is\n"
		"\n"
		"Examples:\n"
		"  netlambda pki enroll switch-7.pem\n"
		"  netlambda pki enroll switch-7.renewed.pem\n",
	.run = run,
};
