/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

/* Requests to the server's HTTP API over its Unix socket. Failures are said on standard error. */

#include "cli/cli.h"

#include <jansson.h>
#include <stddef.h>

/* GET `target` ("/v1/status"). Returns 0, or EXIT_FAILURE after saying why. */
int client_get(const struct cli *cli, const char *target, json_t **ret_json) _must_check_;

/*
 * Sends `body` (an object; NULL: none) to `target` by `method`, and waits for as long as it takes to be carried out. As
 * client_get().
 */
int client_send(const struct cli *cli, const char *method, const char *target, const json_t *body,
	json_t **ret_json) _must_check_;

/* POSTs a file's bytes. On a terminal a long upload says how far it is. As client_get(). */
int client_upload(
	const struct cli *cli, const char *target, int fd, json_t **ret_json) _must_check_;

/*
 * "NAME=VALUE" with what a URL does not allow escaped, behind "?" or "&"; nothing if `value` is
 * NULL. To be freed. NULL when out of memory.
 */
char *client_add_argument(const char *target, const char *name, const char *value);

enum client_end {
	CLIENT_INTERRUPTED, /* SIGINT or SIGTERM */
	CLIENT_LOST,        /* no server, or it ended the connection: try again */
	CLIENT_REFUSED,     /* the server said no, and it was printed; or fn did */
};

/*
 * GET `target` and hand over each line as it comes, without its line feed; before the first, NULL
 * once the server has answered. `fn` returns false to end it. SIGINT and SIGTERM must be blocked,
 * and are read from `signal_fd`.
 */
enum client_end client_follow(const struct cli *cli, const char *target, int signal_fd,
	bool (*fn)(void *user, char *line), void *user);

/* Says that nobody answers, and what to do. */
void client_explain_lost(const struct cli *cli);

#endif
