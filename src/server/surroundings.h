/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_SURROUNDINGS_H
#define SERVER_SURROUNDINGS_H

/*
 * What a function's settings give it of the world around it: "network", the hosts that it may reach, and
 * "env", its environment. Errors are the reader's.
 */

#include <jansson.h>
#include <stdbool.h>

struct config_reader;

/* As base/words.h and launcher/door.h have them. Replaces *network, if the object has one. */
void read_network(
	struct config_reader *reader, const char *prefix, const json_t *object, char ***network);

/*
 * What of the network may be given to functions: "HOST:PORT" each, where the host may be "*" or "*.DOMAIN" and
 * the port "*". Replaces *limit, if the object has one; NULL is any.
 */
void read_network_limit(
	struct config_reader *reader, const char *prefix, const json_t *object, char ***limit);

/* Whether a limit leaves an entry of a network, as read_network() takes it. */
bool network_allows(const char *const *limit, const char *entry);

/* As launcher/variables.h has them. Adds to *environment, or replaces what is there of the same name. */
void read_environment(struct config_reader *reader, const char *prefix, const json_t *object,
	char ***environment);

#endif
