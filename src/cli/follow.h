/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

/* Follows one of the API's streams until Ctrl-C, also when the server is restarted meanwhile. */

#include "cli/client.h"

struct following {
	/*
	 * The request, to be freed: from the beginning, or from where it stopped. NULL: out of
	 * memory.
	 */
	char *(*target)(const void *user);
	/* Each line of the stream. False ends it: nobody is there to follow for. */
	bool (*line)(void *user, const json_t *line);
	void *user;
};

/* Returns the exit status. */
int follow(const struct cli *cli, const struct following *following);

#endif
