// SPDX-License-Identifier: BSD-2-Clause
#include "cli/format.h"
#include "cli/function.h"

#include <stdio.h>
#include <string.h>

#define LETTERS_MAX 1000

static const struct column columns[] = {
	{"TIME", false, 0},
	{"FUNCTION", false, 0},
	{"SWITCH", true, 0},
	{"EVENT", true, 0},
	{"ATTEMPTS", true, 0},
	{"REASON", false, 0},
};

static void print_letters(const struct cli *cli, const json_t *letters)
{
	_cleanup_(table_freep) struct table *table =
		table_new(columns, ARRAY_SIZE(columns), cli->color);
	const json_t *item;
	char text[FORMAT_MAX];
	size_t i;

	if (json_array_size(letters) == 0) {
		puts("no dead letters");
		return;
	}
	json_array_foreach (letters, i, item) {
		table_cell(table, format_time(get_text(item, "time"), text));
		table_cell(table, get_text(item, "function"));
		table_cell_count(table, get_count(item, "switch"));
		table_cell_count(table, get_count(item, "event_id"));
		table_cell_count(table, get_count(item, "attempts"));
		table_cell(table, get_text(item, "reason"));
	}
	table_print(table);
}

static void print_lines(const struct cli *cli, const json_t *items)
{
	const json_t *item;
	size_t i;

	json_array_foreach (items, i, item)
		cli_print_item(cli, item);
}

static int get_letters(const struct cli *cli, const char *function, const char *limit)
{
	_cleanup_free_ char *named = client_add_argument("/v1/dead-letters", "function", function);
	_cleanup_free_ char *target = named ? client_add_argument(named, "limit", limit) : NULL;
	json_t *answer = NULL;

	if (!target) {
		cli_error("out of memory");
		return EXIT_FAILURE;
	}
	if (client_get(cli, target, &answer) != 0)
		return EXIT_FAILURE;
	if (cli->output != OUTPUT_TABLE)
		print_lines(cli, json_object_get(answer, "dead_letters"));
	else
		print_letters(cli, json_object_get(answer, "dead_letters"));
	json_decref(answer);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_LIMIT = CLI_FIRST_OPTION };
	static const struct option options[] = {
		{"limit", required_argument, NULL, OPTION_LIMIT}, CLI_GLOBAL_OPTIONS};
	const char *limit = NULL;
	uint64_t number;
	int c;

	while ((c = cli_next_option(cli, argc, argv, options)) == OPTION_LIMIT) {
		limit = optarg;
		if (cli_parse_number(limit, 1, LETTERS_MAX, &number) < 0)
			return cli_usage_error(cli,
				"--limit: expected a number from 1 to %d, found \"%s\"",
				LETTERS_MAX, limit);
	}
	if (c == CLI_END)
		return cli->status;
	if (argc - optind > 1)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind + 1]);
	return get_letters(cli, argv[optind], limit);
}

const struct command function_dead_letters = {
	.name = "function dead-letters",
	.usage = "[NAME] [--limit N]",
	.summary = "Shows events that a function failed on, which were put aside",
	.help = "Without a name, those of all functions; the newest 100, oldest first. JSON is "
		"one\n"
		"object a line, with the whole event in \"data\".\n"
		"\n"
		"Options:\n"
		"      --limit N            the newest N, at most 1000\n"
		"\n"
		"Examples:\n"
		"  netlambda function dead-letters\n"
		"  netlambda function dead-letters port-scan --limit 1 -o json | jq .data\n",
	.run = run,
};
