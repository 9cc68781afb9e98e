// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/format.h"
#include "cli/function.h"

#include <stdio.h>
#include <string.h>

#define LIMIT       100
#define LIMIT_MAX   (1U << 30)
#define PIECE_MAX   1000 /* rows that the server gives at once */
#define VALUE_CHARS 96   /* in a table */

static const struct column columns[] = {
	{"KEY", false, 0},
	{"NAME", false, 0},
	{"VALUE", false, 0},
};

struct look {
	const struct cli *cli;
	const char *function, *key;
	uint64_t limit, shown;
	struct table *table;
};

static void show_row(struct look *look, const json_t *row)
{
	_cleanup_free_ char *value =
		json_dumps(json_object_get(row, "value"), JSON_ENCODE_ANY | JSON_COMPACT);
	const char *key = get_text(row, "key");

	look->shown++;
	if (look->cli->output != OUTPUT_TABLE) {
		cli_print_item(look->cli, row);
		return;
	}
	if (value && strlen(value) > VALUE_CHARS)
		memcpy(value + VALUE_CHARS - 3, "...", 4);
	table_cell(look->table, key && *key ? key : NULL);
	table_cell(look->table, get_text(row, "name"));
	table_cell(look->table, value);
}

/* The next piece's address. To be freed. NULL: no memory. */
static char *target_of(const struct look *look, const json_t *next)
{
	static const char *const places[] = {"after_hash", "after_key", "after_name"};
	char limit[24];
	char *target = client_add_argument("/v1/state", "function", look->function);

	snprintf(limit, sizeof(limit), "%llu",
		(unsigned long long)MIN(look->limit - look->shown, (uint64_t)PIECE_MAX));
	for (size_t i = 0; i < 2 + ARRAY_SIZE(places) && target; i++) {
		const char *name = i == 0 ? "key" : i == 1 ? "limit" : places[i - 2];
		const char *value = i == 0   ? look->key
				    : i == 1 ? limit
					     : get_text(next, places[i - 2]);
		char *longer = client_add_argument(target, name, value);

		free(target);
		target = longer;
	}
	return target;
}

/* 0; 1: there is more than was asked for; or -1 after saying why. */
static int show(struct look *look)
{
	json_t *answer = NULL, *row, *next = NULL;
	int r = 0;

	do {
		_cleanup_free_ char *target = target_of(look, next);
		size_t i;

		json_decref(answer);
		answer = NULL;
		if (!target || client_get(look->cli, target, &answer) != 0)
			return -1;
		json_array_foreach (json_object_get(answer, "rows"), i, row)
			show_row(look, row);
		next = json_object_get(answer, "next");
	} while (json_is_object(next) && look->shown < look->limit);
	r = json_is_object(next);
	json_decref(answer);
	return r;
}

/* Of a function that does not exist nothing is remembered either: that is said instead. */
static int explain_nothing(const struct look *look)
{
	_cleanup_free_ char *target = function_target(look->function, "");
	json_t *answer = NULL;

	if (!target || client_get(look->cli, target, &answer) != 0)
		return EXIT_FAILURE;
	json_decref(answer);
	if (look->cli->output == OUTPUT_TABLE)
		printf("%s remembers nothing%s%s\n", look->function, look->key ? " of " : "",
			look->key ? look->key : "");
	return 0;
}

static int print_state(struct look *look)
{
	_cleanup_(table_freep) struct table *table =
		table_new(columns, ARRAY_SIZE(columns), look->cli->color);
	int r;

	look->table = table;
	r = show(look);
	if (r < 0)
		return EXIT_FAILURE;
	if (look->shown == 0)
		return explain_nothing(look);
	if (look->cli->output == OUTPUT_TABLE)
		table_print(table);
	if (r > 0 && look->cli->output == OUTPUT_TABLE)
		fprintf(stderr, "there is more: --limit says how much to show\n");
	return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{"limit", required_argument, NULL, 'n'}, CLI_GLOBAL_OPTIONS};
	struct look look = {.cli = cli, .limit = LIMIT};
	int c;

	while ((c = cli_next_option(cli, argc, argv, options)) >= 0)
		if (cli_parse_number(optarg, 1, LIMIT_MAX, &look.limit) < 0)
			return cli_usage_error(
				cli, "--limit: expected a number from 1 to %u", LIMIT_MAX);
	if (c == CLI_END)
		return cli->status;
	if (optind == argc || argc - optind > 2)
		return cli_usage_error(cli, "expected a function's name, and perhaps a key");
	look.function = argv[optind];
	look.key = argv[optind + 1];
	return print_state(&look);
}

const struct command command_state = {
	.name = "state",
	.usage = "FUNCTION [KEY] [--limit N]",
	.summary = "Shows what a function remembers",
	.help = "What is committed, as functions keep it: values, counters, windows and so on, by "
		"key.\n"
		"A key's values are joined by \"|\"; \"\" is the key of functions that have none.\n"
		"\n"
		"Options:\n"
		"  -n, --limit N                 so many entries at most (default 100)\n"
		"\n"
		"Examples:\n"
		"  netlambda state port-scan\n"
		"  netlambda state port-scan 192.0.2.2 -o json | jq .value\n",
	.run = run,
	.letters = "n:",
};
