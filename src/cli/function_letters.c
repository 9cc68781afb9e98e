// SPDX-License-Identifier: BSD-2-Clause
#include "cli/format.h"
#include "cli/function.h"

#include <stdio.h>
#include <string.h>

#define LETTERS_MAX 1000

static const struct column columns[] = {
	{"ROW", true, 0},
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
		table_cell_count(table, get_count(item, "row"));
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

/* ---- retry and drop ---- */

static const struct {
	const char *key, *text;
} retry_outcomes[] = {
	{"under_way", "are being tried again already"},
	{"no_function", "belong to functions that do not run"},
	{"no_room", "found no room: try again in a moment"},
	{"no_record",
		"cannot be tried again: their events have other fields now, or were not kept"},
};

static void print_retried(const json_t *answer)
{
	printf("%lld events are tried again\n", (long long)get_count(answer, "retried"));
	for (size_t i = 0; i < ARRAY_SIZE(retry_outcomes); i++)
		if (get_count(answer, retry_outcomes[i].key) > 0)
			printf("%lld %s\n", (long long)get_count(answer, retry_outcomes[i].key),
				retry_outcomes[i].text);
}

static int change_letters(const struct cli *cli, const char *verb, const json_t *body)
{
	bool retry = strcmp(verb, "retry") == 0;
	json_t *answer = NULL;

	if (client_send(cli, "POST", retry ? "/v1/dead-letters/retry" : "/v1/dead-letters/drop",
		    body, &answer) != 0)
		return EXIT_FAILURE;
	if (cli->output != OUTPUT_TABLE)
		cli_print_value(cli, answer);
	else if (retry)
		print_retried(answer);
	else
		printf("%lld dead letters are dropped\n", (long long)get_count(answer, "dropped"));
	json_decref(answer);
	return 0;
}

/* ---- options ---- */

enum {
	OPTION_LIMIT = CLI_FIRST_OPTION,
	OPTION_ROW,
	OPTION_OLDER_THAN,
	OPTION_ALL,
};

struct letters {
	const char *limit;
	json_t *body; /* of retry and drop: which */
};

/* 0, or an exit status. */
static int take_option(
	const struct cli *cli, struct letters *letters, int option, const char *value)
{
	uint64_t number;

	switch (option) {
	case OPTION_LIMIT:
		letters->limit = value;
		if (cli_parse_number(value, 1, LETTERS_MAX, &number) < 0)
			return cli_usage_error(cli,
				"--limit: expected a number from 1 to %d, found \"%s\"",
				LETTERS_MAX, value);
		return 0;
	case OPTION_ROW:
		if (cli_parse_number(value, 1, INT64_MAX, &number) < 0)
			return cli_usage_error(
				cli, "--row: expected a number, found \"%s\"", value);
		json_object_set_new(letters->body, "row", json_integer((json_int_t)number));
		return 0;
	case OPTION_OLDER_THAN:
		if (cli_parse_duration(value, &number) < 0)
			return cli_usage_error(cli,
				"--older-than: expected a duration as 90s, 10m, 2h or 7d, found "
				"\"%s\"",
				value);
		json_object_set_new(
			letters->body, "older_than_seconds", json_integer((json_int_t)number));
		return 0;
	default:
		json_object_set_new(letters->body, "all", json_true());
		return 0;
	}
}

static int carry_out(
	const struct cli *cli, const struct letters *letters, const char *verb, const char *name)
{
	if (strcmp(verb, "list") == 0)
		return get_letters(cli, name, letters->limit);
	if (name)
		json_object_set_new(letters->body, "function", json_string(name));
	if (json_object_size(letters->body) == 0)
		return cli_usage_error(
			cli, "which? a function's name, --row, --older-than or --all");
	return change_letters(cli, verb, letters->body);
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"limit", required_argument, NULL, OPTION_LIMIT},
		{"row", required_argument, NULL, OPTION_ROW},
		{"older-than", required_argument, NULL, OPTION_OLDER_THAN},
		{"all", no_argument, NULL, OPTION_ALL}, CLI_GLOBAL_OPTIONS};
	struct letters letters = {.body = json_object()};
	const char *verb = "list";
	int c, status = 0;

	while (status == 0 && (c = cli_next_option(cli, argc, argv, options)) >= 0)
		status = take_option(cli, &letters, c, optarg);
	if (status == 0 && c == CLI_END) {
		json_decref(letters.body);
		return cli->status;
	}
	if (status == 0 && optind < argc &&
		(strcmp(argv[optind], "list") == 0 || strcmp(argv[optind], "retry") == 0 ||
			strcmp(argv[optind], "drop") == 0))
		verb = argv[optind++];
	if (status == 0 && argc - optind > 1)
		status = cli_usage_error(cli, "unexpected \"%s\"", argv[optind + 1]);
	if (status == 0)
		status = carry_out(cli, &letters, verb, argv[optind]);
	json_decref(letters.body);
	return status;
}

const struct command function_dead_letters = {
	.name = "function dead-letters",
	.usage = "[list|retry|drop] [NAME] [OPTION]...",
	.summary = "Shows events that functions failed on, tries them again, or drops them",
	.help = "list: those of one function or of all; the newest 100, oldest first. JSON is one "
		"object a line, with\n"
		"the whole event in \"data\".\n"
		"retry: gives them to their functions again, as they came. What succeeds takes "
		"effect once, and its\n"
		"letter is gone; what fails again is a dead letter again.\n"
		"drop: gives them up.\n"
		"\n"
		"Options:\n"
		"      --limit N                 list: the newest N, at most 1000\n"
		"      --row N                   retry, drop: the one with that number\n"
		"      --older-than DURATION     retry, drop: whose events are older than 90s, "
		"10m, 2h or 7d\n"
		"      --all                     retry, drop: those of all functions\n"
		"\n"
		"Examples:\n"
		"  netlambda function dead-letters\n"
		"  netlambda function dead-letters list port-scan --limit 1 -o json | jq .data\n"
		"  netlambda function dead-letters retry port-scan\n"
		"  netlambda function dead-letters drop --all --older-than 30d\n",
	.run = run,
};
