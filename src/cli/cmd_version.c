// SPDX-License-Identifier: BSD-2-Clause
#include "cli/cli.h"

#include <stdio.h>

static int run(struct cli *cli, int argc, char **argv)
{
	if (cli->command && cli_no_arguments(cli, argc, argv) == CLI_END)
		return cli->status;
	if (cli->output == OUTPUT_TABLE)
		puts("netlambda " NETLAMBDA_VERSION);
	else
		cli_print_new(cli, json_pack("{s:s}", "version", NETLAMBDA_VERSION));
	return 0;
}

const struct command command_version = {
	.name = "version",
	.usage = "",
	.summary = "Shows the version of this program ('status' shows the server's)",
	.help = "Examples:\n"
		"  netlambda version\n",
	.run = run,
};
