// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define EXIT_USAGE 2

static const char help[] = "Usage: netlambda-worker --probe\n"
			   "\n"
			   "Starts the workers that functions run in, each in a sandbox of its "
			   "own. The server runs it; by\n"
			   "hand it tells what of the sandbox this system has:\n"
			   "\n"
			   "      --probe    a line a layer: its name, yes or no, and why not\n"
			   "  -h, --help     show this help\n"
			   "  -V, --version  show the version\n"
			   "\n"
			   "See netlambda-worker(8).\n";

static bool is_option(const char *argument, const char *brief, const char *full)
{
	return strcmp(argument, brief) == 0 || strcmp(argument, full) == 0;
}

static bool has_engine(void)
{
	socklen_t size = sizeof(int);
	int type;

	return getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_SEQPACKET;
}

int main(int argc, char **argv)
{
	const char *option = argc == 2 ? argv[1] : "";

	if (is_option(option, "-h", "--help")) {
		fputs(help, stdout);
		return EXIT_SUCCESS;
	}
	if (is_option(option, "-V", "--version")) {
		puts("netlambda-worker " NETLAMBDA_VERSION);
		return EXIT_SUCCESS;
	}
	if (strcmp(option, "--probe") == 0)
		return launcher_probe() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	/* Its argument says, to who lists processes, what the worker is for. */
	if (option[0] != '-' && has_engine())
		launcher_run();
	fputs("netlambda-worker: the server runs it, or --probe\nTry 'netlambda-worker --help'.\n",
		stderr);
	return EXIT_USAGE;
}
