// SPDX-License-Identifier: BSD-2-Clause
#include "event/schema.h"
#include "replay/replay.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

/* Output that did not get where it should is a failure; a reader that left is not. */
static int finish_output(int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status;
	fprintf(stderr, "netlambda replay: cannot write the output: %s\n", strerror(errno));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *error = NULL;
	struct replay_options options;
	enum replay_outcome outcome;

	if (replay_options_parse(argc, argv, &options, &outcome, &error) < 0) {
		fprintf(stderr, "netlambda replay: %s\nTry 'netlambda replay --help'.\n",
			error ? error : "out of memory");
		return EXIT_USAGE;
	}
	if (outcome == REPLAY_HELP)
		fputs(replay_help, stdout);
	if (outcome == REPLAY_VERSION)
		puts("netlambda-replay " NETLAMBDA_VERSION);
	if (outcome != REPLAY_RUN)
		return finish_output(EXIT_SUCCESS);
	log_set_level(options.log_level);
	/* A report into a pipe whose reader has left. Workers reset it. */
	signal(SIGPIPE, SIG_IGN);
	if (schema_init() < 0) {
		fputs("netlambda replay: cannot read the built-in events\n", stderr);
		return EXIT_FAILURE;
	}
	return finish_output(replay_run(&options));
}
