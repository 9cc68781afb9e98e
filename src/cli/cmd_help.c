// SPDX-License-Identifier: BSD-2-Clause
#include "cli/cli.h"

#include <stdio.h>

void cli_print_overview(void)
{
	fputs("Usage: netlambda [OPTION]... COMMAND [ARGUMENT]...\n"
	      "\n"
	      "Looks into a running netlambda-server, deploys functions, and makes certificates.\n"
	      "\n"
	      "Commands:\n",
		stdout);
	for (const struct command *const *command = commands; *command; command++)
		printf("  %-10s %s\n", (*command)->name, (*command)->summary);
	fputs("\n"
	      "'netlambda COMMAND --help' tells its options and gives examples.\n"
	      "\n"
	      "Options:\n"
	      "  -o, --output table|json|yaml  how to print (default table)\n"
	      "  -s, --socket PATH             where the server's API is (default " DEFAULT_SOCKET
	      ",\n"
	      "                                or the environment's NETLAMBDA_SOCKET)\n"
	      "  -h, --help                    this help\n"
	      "      --version                 the version of this program\n",
		stdout);
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_GLOBAL_OPTIONS};
	const struct command *const *list = commands;
	const struct command *command = NULL;

	if (cli_next_option(cli, argc, argv, options) == CLI_END)
		return cli->status;
	if (optind == argc)
		cli_print_overview();
	for (; optind < argc && list; optind++) {
		command = cli_find(list, argv[optind]);
		if (!command)
			break;
		list = command->verbs;
	}
	if (optind < argc)
		return cli_usage_error(cli, "there is no command \"%s\"", argv[optind]);
	if (command == &command_replay)
		return command->run(cli, 2, (char *[]){(char *)"replay", (char *)"--help", NULL});
	if (command)
		cli_print_help(command);
	return 0;
}

const struct command command_help = {
	.name = "help",
	.usage = "[COMMAND [VERB]]",
	.summary = "Tells what the commands do",
	.help = "Examples:\n"
		"  netlambda help\n"
		"  netlambda help alerts\n"
		"  netlambda help pki issue\n",
	.run = run,
};
