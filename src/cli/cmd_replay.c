// SPDX-License-Identifier: BSD-2-Clause
/* A program of its own, which needs no server: this only finds it and becomes it. */
#include "cli/cli.h"
#include "cli/replay_program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(struct cli *cli, int argc, char **argv)
{
	char path[PATH_MAX];
	char **arguments = calloc((size_t)argc + 3, sizeof(*arguments));
	int count = 0;

	if (!arguments) {
		cli_error("out of memory");
		return EXIT_FAILURE;
	}
	replay_find(path);
	arguments[count++] = path;
	/* As it was given before the command; what follows it has the last word. */
	if (cli->output != OUTPUT_TABLE) {
		arguments[count++] = (char *)"--output";
		arguments[count++] = (char *)(cli->output == OUTPUT_JSON ? "json" : "yaml");
	}
	memcpy(&arguments[count], &argv[1], (size_t)argc * sizeof(*argv));
	fflush(stdout);
	execv(path, arguments);
	cli_error("cannot run %s: %s", path, strerror(errno));
	free(arguments);
	return EXIT_FAILURE;
}

const struct command command_replay = {
	.name = "replay",
	.usage = "CAPTURE [OPTION]...",
	.summary = "Runs a capture through program, agent, functions and store",
	.help = "In the capture's own time, without a server; prints the alerts and what became of "
		"the\n"
		"events. 'netlambda replay --help' tells its options, netlambda-replay(1) the "
		"rest.\n"
		"\n"
		"Examples:\n"
		"  netlambda replay attack.pcap\n"
		"  netlambda replay attack.pcap --config ./server.json -o json\n",
	.run = run,
};
