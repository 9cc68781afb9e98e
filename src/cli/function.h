/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_FUNCTION_H
#define CLI_FUNCTION_H

/* What the verbs of `netlambda function` share. Each is a row in cmd_function.c. */

#include "cli/client.h"

extern const struct command function_deploy, function_update, function_delete, function_list,
	function_describe, function_versions, function_rollback, function_dead_letters,
	function_logs, function_top, function_call, function_new, function_test, function_types;

/*
 * Takes a verb's only operand, the function's name; `options` are done with. NULL, and cli->status
 * is set, if there is none or more.
 */
const char *function_operand(struct cli *cli, int argc, char **argv);

/* "/v1/functions/NAME" and `tail`, escaped. To be freed; NULL: out of memory, which was said. */
char *function_target(const char *name, const char *tail);

/* A function's last failure in words, and how long ago it was. To be freed; NULL: there was none. */
char *function_failure(const json_t *function);
/* The same of all that have one, which no column has room for. */
void function_print_failures(const struct cli *cli, const json_t *functions);

/* Where code comes from. */
struct code_source {
	const char *path;         /* a file, a folder or a zip */
	const char *dependencies; /* package.json or requirements.txt; NULL: none */
};

/*
 * Packs the code into a file without a name, dependencies installed. Returns its descriptor, or -1
 * after saying why.
 */
int code_gather(const struct code_source *source);

#endif
