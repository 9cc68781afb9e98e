// SPDX-License-Identifier: BSD-2-Clause
#include "cli/function.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static const struct command *const verbs[] = {
	&function_new,
	&function_test,
	&function_types,
	&function_deploy,
	&function_update,
	&function_delete,
	&function_list,
	&function_describe,
	&function_versions,
	&function_rollback,
	&function_call,
	&function_logs,
	&function_top,
	&function_dead_letters,
	NULL,
};

/* Words that Kubeless's users, and others, have in their fingers. */
static const struct {
	const char *word, *verb;
} aliases[] = {{"ls", "list"}, {"rm", "delete"}, {"get", "describe"}, {"create", "deploy"}};

const char *function_operand(struct cli *cli, int argc, char **argv)
{
	if (argc - optind == 1)
		return argv[optind];
	cli->status = argc == optind ? cli_usage_error(cli, "which function?")
				     : cli_usage_error(cli, "unexpected \"%s\"", argv[optind + 1]);
	return NULL;
}

char *function_target(const char *name, const char *tail)
{
	char *escaped = curl_easy_escape(NULL, name, 0);
	char *target = NULL;

	if (!escaped || asprintf(&target, "/v1/functions/%s%s", escaped, tail) < 0) {
		target = NULL;
		cli_error("out of memory");
	}
	curl_free(escaped);
	return target;
}

static int run(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i].word, argv[1]) == 0)
			argv[1] = (char *)aliases[i].verb;
	return cli_run_verb(cli, verbs, argc, argv);
}

const struct command command_function = {
	.name = "function",
	.usage = "VERB [ARGUMENT]...",
	.summary = "Deploys functions and looks after them",
	.help = "'netlambda function VERB --help' tells the options of each and gives examples.\n"
		"\n"
		"Examples:\n"
		"  netlambda function deploy many-syn --from-file many-syn.js --trigger "
		"event:port\n"
		"  netlambda function list\n",
	.run = run,
	.verbs = verbs,
};
