// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/format.h"

#include <stdio.h>

static const struct column columns[] = {
	{"SWITCH", true, 0},
	{"ADDRESS", false, 0},
	{"LAST SEEN", false, 0},
	{"EVENTS", true, 0},
	{"PACKETS", true, 0},
	{"BYTES", true, 0},
	{"SHED", true, 0},
	{"RESENDS", true, 0},
	{"RESTARTS", true, 0},
};

static void add_row(struct table *table, const json_t *item)
{
	int64_t shed = get_count(item, "shed");
	char text[FORMAT_MAX];

	table_cell_count(table, get_count(item, "id"));
	table_cell(table, get_text(item, "address"));
	table_cell(table, format_ago(get_text(item, "last_seen"), text));
	table_cell_count(table, get_count(item, "events"));
	table_cell_count(table, get_count(item, "packets"));
	table_cell(table, format_bytes(get_count(item, "bytes"), text));
	snprintf(text, sizeof(text), "%lld", (long long)shed);
	table_cell_color(table, text, shed > 0 ? COLOR_YELLOW : COLOR_NONE);
	table_cell_count(table, get_count(item, "duplicates"));
	table_cell_count(table, get_count(item, "restarts"));
}

static void print_table(const struct cli *cli, const json_t *switches)
{
	_cleanup_(table_freep) struct table *table =
		table_new(columns, ARRAY_SIZE(columns), cli->color);
	const json_t *item;
	size_t i;

	if (json_array_size(switches) == 0) {
		puts("no switch has sent anything yet");
		return;
	}
	json_array_foreach (switches, i, item)
		add_row(table, item);
	table_print(table);
}

static int run(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;

	if (cli_no_arguments(cli, argc, argv) == CLI_END)
		return cli->status;
	if (client_get(cli, "/v1/switches", &answer) != 0)
		return EXIT_FAILURE;
	if (cli->output != OUTPUT_TABLE) {
		cli_print_value(cli, json_object_get(answer, "switches"));
	} else {
		print_table(cli, json_object_get(answer, "switches"));
	}
	json_decref(answer);
	return 0;
}

const struct command command_switches = {
	.name = "switches",
	.usage = "",
	.summary = "Lists the switches that the server has heard of",
	.help = "SHED are packets that a switch counted but had no room to tell apart; RESENDS "
		"are\n"
		"transactions that came again after they were committed.\n"
		"\n"
		"Examples:\n"
		"  netlambda switches\n"
		"  netlambda switches -o json | jq '.[] | select(.shed > 0) | .id'\n",
	.run = run,
};
