// SPDX-License-Identifier: BSD-2-Clause
#include "base/suggest.h"
#include "cli/pki.h"

#include <string.h>

static const struct command *const verbs[] = {
	&pki_init,
	&pki_issue,
	&pki_renew,
	&pki_revoke,
	&pki_crl,
	&pki_list,
	&pki_show,
	&pki_enroll,
	NULL,
};

static int run(struct cli *cli, int argc, char **argv)
{
	return cli_run_verb(cli, verbs, argc, argv);
}

const struct command command_pki = {
	.name = "pki",
	.usage = "VERB [ARGUMENT]...",
	.summary = "Makes certificates for switches and servers: a small CA",
	.help = "Needs no server and no network. Certificates of any other CA serve as well;\n"
		"netlambda-pki(1) tells what has to be in them.\n"
		"\n"
		"Examples:\n"
		"  netlambda pki init\n"
		"  netlambda pki issue server lambda.example.net\n"
		"  netlambda pki issue switch 7 --server lambda.example.net\n"
		"  netlambda pki list --expiring 30d\n",
	.verbs = verbs,
	.run = run,
};
