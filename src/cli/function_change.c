// SPDX-License-Identifier: BSD-2-Clause
#include "cli/function.h"

#include <stdio.h>

static int run_delete(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_PURGE = CLI_FIRST_OPTION };
	static const struct option options[] = {
		{"purge", no_argument, NULL, OPTION_PURGE}, CLI_GLOBAL_OPTIONS};
	_cleanup_free_ char *target = NULL;
	json_t *body, *answer = NULL;
	bool purge = false;
	const char *name;
	int c, status;

	while ((c = cli_next_option(cli, argc, argv, options)) == OPTION_PURGE)
		purge = true;
	if (c == CLI_END)
		return cli->status;
	name = function_operand(cli, argc, argv);
	target = name ? function_target(name, "") : NULL;
	if (!target)
		return name ? EXIT_FAILURE : cli->status;
	body = json_pack("{s:b}", "purge", purge);
	status = client_send(cli, "DELETE", target, body, &answer);
	if (status == 0 && cli->output != OUTPUT_TABLE)
		cli_print_value(cli, answer);
	else if (status == 0)
		printf("function %s is deleted, %s\n", name,
			purge ? "with all that it remembered" : "what it remembered is kept");
	json_decref(answer);
	json_decref(body);
	return status;
}

static int run_rollback(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_VERSION = CLI_FIRST_OPTION };
	static const struct option options[] = {
		{"to", required_argument, NULL, OPTION_VERSION}, CLI_GLOBAL_OPTIONS};
	_cleanup_free_ char *target = NULL;
	json_t *body = NULL, *answer = NULL;
	uint64_t version = 0;
	const char *name;
	int c, status;

	while ((c = cli_next_option(cli, argc, argv, options)) == OPTION_VERSION)
		if (cli_parse_number(optarg, 1, INT32_MAX, &version) < 0)
			return cli_usage_error(cli,
				"--to: expected the number of a version, found \"%s\"", optarg);
	if (c == CLI_END)
		return cli->status;
	name = function_operand(cli, argc, argv);
	target = name ? function_target(name, "/rollback") : NULL;
	if (!target)
		return name ? EXIT_FAILURE : cli->status;
	if (version > 0)
		body = json_pack("{s:I}", "version", (json_int_t)version);
	status = client_send(cli, "POST", target, body, &answer);
	if (status == 0 && cli->output != OUTPUT_TABLE)
		cli_print_value(cli, answer);
	else if (status == 0)
		printf("function %s is version %lld again\n", name,
			(long long)json_integer_value(json_object_get(answer, "version")));
	json_decref(answer);
	json_decref(body);
	return status;
}

const struct command function_delete = {
	.name = "function delete",
	.usage = "NAME [--purge]",
	.summary = "Takes a deployed function out of work, with all its versions",
	.help = "What it remembers, its alerts and its dead letters stay, and a function that is "
		"deployed with\n"
		"that name later finds them.\n"
		"\n"
		"Options:\n"
		"      --purge                   also its state and its dead letters; alerts stay\n"
		"\n"
		"Examples:\n"
		"  netlambda function delete many-syn\n"
		"  netlambda function delete many-syn --purge\n",
	.run = run_delete,
};

const struct command function_rollback = {
	.name = "function rollback",
	.usage = "NAME [--to VERSION]",
	.summary = "Puts an earlier version of a function to work again",
	.help = "Its state goes on as it is. Without --to: the version before the one at work.\n"
		"\n"
		"Options:\n"
		"      --to VERSION              one that 'netlambda function versions NAME' "
		"lists\n"
		"\n"
		"Examples:\n"
		"  netlambda function rollback many-syn\n"
		"  netlambda function rollback many-syn --to 3\n",
	.run = run_rollback,
};
