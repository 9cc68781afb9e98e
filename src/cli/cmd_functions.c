// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/format.h"
#include "cli/function.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
	{"FUNCTION", false, 0},
	{"ORIGIN", false, 0},
	{"STATE", false, 0},
	{"TRIGGERS", false, 0},
	{"ISOLATION", false, 0},
	{"EVENTS", true, 0},
	{"QUEUED", true, 0},
	{"ALERTS", true, 0},
	{"FAILURES", true, 0},
	{"CRASHES", true, 0},
	{"TIMEOUTS", true, 0},
	{"DEAD LETTERS", true, 0},
};

static enum color state_color(const char *state)
{
	if (state && (strcmp(state, "ready") == 0 || strcmp(state, "busy") == 0 ||
			     strcmp(state, "idle") == 0))
		return COLOR_GREEN;
	return state && (strcmp(state, "failed") == 0 || strcmp(state, "stalled") == 0)
		       ? COLOR_RED
		       : COLOR_YELLOW;
}

static void add_row(struct table *table, const json_t *item)
{
	const char *state = get_text(item, "state"), *isolation = get_text(item, "isolation");
	char origin[32];

	table_cell(table, get_text(item, "name"));
	snprintf(origin, sizeof(origin), "version %lld", (long long)get_count(item, "version"));
	table_cell(table, get_count(item, "version") > 0 ? origin : "configured");
	table_cell_color(table, state, state_color(state));
	table_cell(table, get_text(item, "triggers"));
	table_cell_color(table, isolation,
		isolation && strcmp(isolation, "strict") == 0 ? COLOR_GREEN : COLOR_YELLOW);
	table_cell_count(table, get_count(item, "events"));
	table_cell_count(table, get_count(item, "queued"));
	table_cell_count(table, get_count(item, "alerts"));
	table_cell_count(table, get_count(item, "failures"));
	table_cell_count(table, get_count(item, "crashes"));
	table_cell_count(table, get_count(item, "timeouts"));
	table_cell_count(table, get_count(item, "dead_letters"));
}

char *function_failure(const json_t *function)
{
	const char *error = get_text(function, "error"), *time = get_text(function, "error_time");
	char ago[FORMAT_MAX], *text;

	if (!error || !time)
		return error ? strdup(error) : NULL;
	return asprintf(&text, "%s (%s)", error, format_ago(time, ago)) < 0 ? NULL : text;
}

void function_print_failures(const struct cli *cli, const json_t *functions)
{
	const json_t *item;
	size_t i;

	json_array_foreach (functions, i, item) {
		_cleanup_free_ char *failure = function_failure(item);
		_cleanup_free_ char *printable = failure ? text_printable(failure) : NULL;

		if (printable)
			printf("%s%s%s: last failure: %s\n", color_start(cli->color, COLOR_YELLOW),
				get_text(item, "name"), color_end(cli->color, COLOR_YELLOW),
				printable);
	}
}

/* Of one that has some isolation, what it has not. */
static void print_lacking(const struct cli *cli, const json_t *functions)
{
	const json_t *item, *layer;
	size_t i, j;

	json_array_foreach (functions, i, item) {
		const json_t *lacks = json_object_get(item, "isolation_lacks");
		const char *isolation = get_text(item, "isolation");

		if (json_array_size(lacks) == 0 || !isolation || strcmp(isolation, "none") == 0)
			continue;
		printf("%s%s%s: isolation lacks", color_start(cli->color, COLOR_YELLOW),
			get_text(item, "name"), color_end(cli->color, COLOR_YELLOW));
		json_array_foreach (lacks, j, layer)
			printf("%s %s", j > 0 ? "," : "", json_string_value(layer));
		putchar('\n');
	}
}

static void print_table(const struct cli *cli, const json_t *functions)
{
	_cleanup_(table_freep) struct table *table =
		table_new(columns, ARRAY_SIZE(columns), cli->color);
	const json_t *item;
	size_t i;

	if (json_array_size(functions) == 0) {
		puts("no function is configured or deployed");
		return;
	}
	json_array_foreach (functions, i, item)
		add_row(table, item);
	table_print(table);
	print_lacking(cli, functions);
	function_print_failures(cli, functions);
}

static int run(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;

	if (cli_no_arguments(cli, argc, argv) == CLI_END)
		return cli->status;
	if (client_get(cli, "/v1/functions", &answer) != 0)
		return EXIT_FAILURE;
	if (cli->output != OUTPUT_TABLE) {
		cli_print_value(cli, json_object_get(answer, "functions"));
	} else {
		print_table(cli, json_object_get(answer, "functions"));
	}
	json_decref(answer);
	return 0;
}

const struct command command_functions = {
	.name = "functions",
	.usage = "",
	.summary = "Lists the functions, how they do, and how their last failure read",
	.help = "Examples:\n"
		"  netlambda functions\n"
		"  netlambda functions -o json | jq -r '.[] | [.name, .state] | @tsv'\n",
	.run = run,
};
