// SPDX-License-Identifier: BSD-2-Clause
#include "cli/follow.h"
#include "cli/format.h"
#include "cli/function.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct logs {
	struct cli *cli;
	const char *function;
	const char *lines;
	bool follow;
	bool timestamps;
	int64_t number; /* of the last line shown; -1: none yet */
};

static void show_line(const struct logs *logs, const json_t *line)
{
	_cleanup_free_ char *text = NULL;
	char time[FORMAT_MAX];

	if (logs->cli->output != OUTPUT_TABLE) {
		cli_print_item(logs->cli, line);
		return;
	}
	text = text_printable(get_text(line, "text"));
	if (logs->timestamps)
		printf("%s  ", format_time(get_text(line, "time"), time));
	puts(text ? text : "?");
}

static char *make_target(const void *user)
{
	const struct logs *logs = user;
	bool again = logs->number >= 0;
	_cleanup_free_ char *named = client_add_argument(
		logs->follow ? "/v1/logs/follow" : "/v1/logs", "function", logs->function);
	char after[24];

	snprintf(after, sizeof(after), "%" PRId64, logs->number);
	return named ? client_add_argument(
			       named, again ? "after" : "lines", again ? after : logs->lines)
		     : NULL;
}

static bool on_line(void *user, const json_t *line)
{
	struct logs *logs = user;
	int64_t number = get_count(line, "number");

	/* Numbers begin anew with the server. */
	logs->number = number;
	show_line(logs, line);
	return fflush(stdout) == 0;
}

static int print_logs(const struct logs *logs)
{
	_cleanup_free_ char *target = make_target(logs);
	json_t *answer = NULL, *line;
	size_t i;

	if (!target || client_get(logs->cli, target, &answer) != 0)
		return EXIT_FAILURE;
	json_array_foreach (json_object_get(answer, "lines"), i, line)
		show_line(logs, line);
	json_decref(answer);
	return 0;
}

/* So that a name that was mistyped is not followed for ever. */
static int check_function(const struct logs *logs)
{
	_cleanup_free_ char *target = function_target(logs->function, "");
	json_t *answer = NULL;
	int status = target ? client_get(logs->cli, target, &answer) : EXIT_FAILURE;

	json_decref(answer);
	return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_FOLLOW = 'f', OPTION_LINES = 'n', OPTION_TIMESTAMPS = 't' };
	static const struct option options[] = {{"follow", no_argument, NULL, OPTION_FOLLOW},
		{"lines", required_argument, NULL, OPTION_LINES},
		{"timestamps", no_argument, NULL, OPTION_TIMESTAMPS}, CLI_GLOBAL_OPTIONS};
	struct logs logs = {.cli = cli, .number = -1, .lines = "100"};
	uint64_t number;
	int c;

	while ((c = cli_next_option(cli, argc, argv, options)) >= 0) {
		if (c == OPTION_LINES && cli_parse_number(optarg, 0, 2048, &number) < 0)
			return cli_usage_error(cli,
				"--lines: expected a number from 0 to 2048, found \"%s\"", optarg);
		if (c == OPTION_LINES)
			logs.lines = optarg;
		logs.follow = logs.follow || c == OPTION_FOLLOW;
		logs.timestamps = logs.timestamps || c == OPTION_TIMESTAMPS;
	}
	if (c == CLI_END)
		return cli->status;
	logs.function = function_operand(cli, argc, argv);
	if (!logs.function)
		return cli->status;
	if (check_function(&logs) != 0)
		return EXIT_FAILURE;
	if (!logs.follow)
		return print_logs(&logs);
	return follow(cli, &(struct following){make_target, on_line, &logs});
}

const struct command function_logs = {
	.name = "function logs",
	.usage = "NAME [-f] [--lines N] [--timestamps]",
	.summary = "Shows what a function printed lately, or follows it",
	.help = "The server keeps the last 64 KiB that each function printed, with console.log(), "
		"print() or\n"
		"otherwise, also what went wrong while it was loaded. Its own log has the same "
		"lines, at most ten\n"
		"a second of each function.\n"
		"\n"
		"Options:\n"
		"  -f, --follow                  go on with new lines, until Ctrl-C\n"
		"  -n, --lines N                 the newest N to begin with; default 100\n"
		"  -t, --timestamps              when each was printed\n"
		"\n"
		"Examples:\n"
		"  netlambda function logs many-syn\n"
		"  netlambda function logs many-syn -f --lines 0\n",
	.run = run,
	.letters = "fn:t",
};
