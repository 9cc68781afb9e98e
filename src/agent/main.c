// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2

int main(int argc, char **argv)
{
	_cleanup_free_ char *error = NULL;
	struct agent_options options;
	enum options_outcome outcome;

	if (agent_options_parse(argc, argv, &options, &outcome, &error) < 0) {
		fprintf(stderr, "netlambda-agent: %s\nTry 'netlambda-agent --help'.\n",
			error ? error : "out of memory");
		return EXIT_USAGE;
	}
	if (outcome == OPTIONS_HELP) {
		fputs(agent_help, stdout);
		return EXIT_SUCCESS;
	}
	if (outcome == OPTIONS_VERSION) {
		puts("netlambda-agent " NETLAMBDA_VERSION);
		return EXIT_SUCCESS;
	}
	log_set_level(options.log_level);
	/* Whoever reads the log may go; counting goes on. */
	signal(SIGPIPE, SIG_IGN);
	if (options.unpin)
		return agent_unpin(options.pin_directory) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	return agent_run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
