/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/*
 * `netlambda`, the operator's command line. A command is a row in the table of main.c and a file
 * here; it asks the server's HTTP API (client.h) and prints a table (table.h) or JSON. Exit status:
 * 0 done, 1 failed (or, for `status`, the server is not healthy), 2 wrong usage. What goes wrong is
 * said on standard error by whoever finds it, as "netlambda: ...".
 */

#include "base/attr.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define EXIT_USAGE 2

#define DEFAULT_SOCKET "/run/netlambda/api.sock"

enum output {
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_YAML,
};

struct command;

struct cli {
	const char *socket;
	enum output output;
	bool color;
	const struct command *command; /* the one being run; NULL before it is known */
	int status;                    /* of cli_next_option() when it returned CLI_END */
};

struct command {
	const char *name;
	const char *usage;                  /* what follows the name */
	const char *summary;                /* one line, for the list */
	const char *help;                   /* options and examples */
	const struct command *const *verbs; /* of a command that has some: NULL-terminated */
	const char *letters; /* its own short options, as getopt(3) has them; NULL: none */
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is its name */
};

extern const struct command command_status, command_alerts, command_switches, command_functions,
	command_function, command_state, command_pki, command_replay, command_decrypt,
	command_version, command_help;

/* NULL-terminated. */
extern const struct command *const commands[];

/* Every command takes these; ends each command's table of options. */
#define CLI_GLOBAL_OPTIONS                                                                         \
	{"socket", required_argument, NULL, 's'}, {"output", required_argument, NULL, 'o'},        \
		{"help", no_argument, NULL, 'h'},                                                  \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

enum {
	CLI_DONE = -1, /* no more options: optind is at the first operand */
	CLI_END = -2,  /* end now with cli->status: help was printed, or the usage is wrong */
	CLI_FIRST_OPTION = 256,
};

/* The command's next own option; the global ones are dealt with. */
int cli_next_option(struct cli *cli, int argc, char **argv, const struct option *options);

/* For commands without options of their own and without operands. CLI_DONE or CLI_END. */
int cli_no_arguments(struct cli *cli, int argc, char **argv);

/* Finds one by its name, or by its last word; NULL if there is none. */
const struct command *cli_find(const struct command *const *list, const char *name);
/* Runs the verb that argv[1] names. */
int cli_run_verb(struct cli *cli, const struct command *const *verbs, int argc, char **argv);

void cli_print_help(const struct command *command);
/* What is asked for as JSON or YAML: a value, or one of a row of them. */
void cli_print_value(const struct cli *cli, const json_t *value);
void cli_print_item(const struct cli *cli, const json_t *value);
/* What is known of one thing: a row with its name and value, which is shown without control characters; none if NULL. */
void cli_print_row(const struct cli *cli, const char *name, const char *value);
/* As cli_print_value(), and takes it; NULL: no memory. */
void cli_print_new(const struct cli *cli, json_t *value);

/* The list of commands. */
void cli_print_overview(void);

/* "netlambda: " and the message, on standard error. The second returns EXIT_USAGE after a hint. */
void cli_error(const char *fmt, ...) _printf_(1, 2);
int cli_usage_error(const struct cli *cli, const char *fmt, ...) _printf_(2, 3);

/* A whole number within limits. 0 or -EINVAL. */
int cli_parse_number(
	const char *text, uint64_t min, uint64_t max, uint64_t *ret_value) _must_check_;

/* "90s", "10m", "2h", "7d", in seconds. 0 or -EINVAL. */
int cli_parse_duration(const char *text, uint64_t *ret_seconds) _must_check_;

#endif
