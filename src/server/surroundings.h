/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SURROUNDINGS_H
#define SERVER_SURROUNDINGS_H

/*
 * What a function's settings give it of the world around it: "network", the hosts that it may reach, and
 * "env", its environment. Errors are the reader's.
 */

#include <jansson.h>

struct config_reader;

/* As base/words.h and launcher/door.h have them. Replaces *network, if the object has one. */
void read_network(
	struct config_reader *reader, const char *prefix, const json_t *object, char ***network);

/* As launcher/variables.h has them. Adds to *environment, or replaces what is there of the same name. */
void read_environment(struct config_reader *reader, const char *prefix, const json_t *object,
	char ***environment);

#endif
