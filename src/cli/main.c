// SPDX-License-Identifier: BSD-2-Clause
#include "base/suggest.h"
#include "cli/cli.h"

#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct command *const commands[] = {
	&command_status,
	&command_alerts,
	&command_functions,
	&command_function,
	&command_state,
	&command_switches,
	&command_pki,
	&command_replay,
	&command_decrypt,
	&command_version,
	&command_help,
	NULL,
};

/* https://no-color.org, and pipes and files never. */
static bool want_color(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term &&
	       strcmp(term, "dumb") != 0;
}

static int unknown_command(const char *name)
{
	const char *names[ARRAY_SIZE(commands) - 1];
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		names[i] = commands[i]->name;
	near = suggest_nearest(name, names, ARRAY_SIZE(names));
	if (near)
		cli_error("there is no command \"%s\": did you mean \"%s\"?", name, near);
	else
		cli_error("there is no command \"%s\": 'netlambda help' lists them", name);
	return EXIT_USAGE;
}

/* Output that did not get where it should is a failure; a reader that left is not. */
static int finish_output(int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status;
	cli_error("cannot write the output: %s", errno ? strerror(errno) : "it is cut short");
	return EXIT_FAILURE;
}

/* The options before the command. CLI_DONE or CLI_END. */
static int parse_front(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{"version", no_argument, NULL, CLI_FIRST_OPTION}, CLI_GLOBAL_OPTIONS};

	int c = cli_next_option(cli, argc, argv, options);

	if (c < 0)
		return c;
	cli->status = command_version.run(cli, 1, argv);
	return CLI_END;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	int status;

	cli->command = cli_find(commands, argv[0]);
	if (!cli->command)
		return unknown_command(argv[0]);
	optind = 0; /* as getopt_long(3) wants it for another vector */
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = cli->command->run(cli, argc, argv);
	curl_global_cleanup();
	return status;
}

int main(int argc, char **argv)
{
	const char *socket = getenv("NETLAMBDA_SOCKET");
	struct cli cli = {
		.socket = socket && *socket ? socket : DEFAULT_SOCKET,
		.color = want_color(),
	};

	setlocale(LC_CTYPE, "");
	if (parse_front(&cli, argc, argv) == CLI_END)
		return finish_output(cli.status);
	if (optind == argc) {
		cli_error("which command? 'netlambda help' lists them");
		return EXIT_USAGE;
	}
	return finish_output(run_command(&cli, argc - optind, argv + optind));
}
