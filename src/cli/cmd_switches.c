// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/format.h"

#include <stdio.h>

static const struct column columns[] = {
	{"SWITCH", true, 0},
	{"NAME", false, 0},
	{"PROTOCOL", false, 0},
	{"SESSION", false, 0},
	{"EXPIRES", false, 0},
	{"ADDRESS", false, 0},
	{"LAST SEEN", false, 0},
	{"EVENTS", true, 0},
	{"LOST", true, 0},
	{"PACKETS", true, 0},
	{"BYTES", true, 0},
	{"SHED", true, 0},
	{"RESTARTS", true, 0},
};

#define EXPIRES_SOON_S (14LL * 86400)

static void add_loss(struct table *table, int64_t count)
{
	char text[FORMAT_MAX];

	snprintf(text, sizeof(text), "%lld", (long long)count);
	table_cell_color(table, text, count > 0 ? COLOR_YELLOW : COLOR_NONE);
}

static void add_session(struct table *table, const json_t *item)
{
	const json_t *session = json_object_get(item, "session");

	if (get_count(item, "version") == 1)
		table_cell(table, NULL);
	else if (!json_is_object(session))
		table_cell_color(table, "none", COLOR_RED);
	else if (json_is_true(json_object_get(session, "connected")))
		table_cell_color(table, "up", COLOR_GREEN);
	else
		table_cell_color(table, "alone", COLOR_YELLOW);
}

/* Of one that was not heard of since the server started there is none to show. */
static void add_expiry(struct table *table, const json_t *item)
{
	char text[FORMAT_MAX];
	int64_t left_s;

	if (!format_in(get_text(item, "certificate_expires"), &left_s, text))
		table_cell(table, NULL);
	else
		table_cell_color(table, text,
			left_s < 0                ? COLOR_RED
			: left_s < EXPIRES_SOON_S ? COLOR_YELLOW
						  : COLOR_NONE);
}

static const char *protocol_of(const json_t *item)
{
	const json_t *session = json_object_get(item, "session");

	if (get_count(item, "version") == 1)
		return "1, in the clear";
	return json_is_object(session) ? get_text(session, "cipher") : "2";
}

static int64_t count_lost(const json_t *item)
{
	const json_t *lane;
	int64_t lost = 0;
	size_t i;

	json_array_foreach (json_object_get(item, "lanes"), i, lane)
		lost += get_count(lane, "lost");
	return lost;
}

static void add_row(struct table *table, const json_t *item)
{
	const char *name = get_text(item, "name");
	char text[FORMAT_MAX];

	table_cell_count(table, get_count(item, "id"));
	table_cell(table, name && *name ? name : NULL);
	table_cell(table, protocol_of(item));
	add_session(table, item);
	add_expiry(table, item);
	table_cell(table, get_text(item, "address"));
	table_cell(table, format_ago(get_text(item, "last_seen"), text));
	table_cell_count(table, get_count(item, "events"));
	add_loss(table, count_lost(item));
	table_cell_count(table, get_count(item, "packets"));
	table_cell(table, format_bytes(get_count(item, "bytes"), text));
	add_loss(table, get_count(item, "shed"));
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
	.help = "SESSION is up, alone (its control connection is gone, and it lives on for a time "
		"of\n"
		"grace) or none; EXPIRES, when the switch's certificate does. LOST are events in "
		"ranges\n"
		"that were declared lost since the server started, whatever the cause; SHED, "
		"packets "
		"that\n"
		"a switch counted but had no room to tell apart. The JSON has it by lane and "
		"cause.\n"
		"\n"
		"Examples:\n"
		"  netlambda switches\n"
		"  netlambda switches -o json | jq '.[] | select(.shed > 0) | .id'\n"
		"  netlambda switches -o json | jq '.[] | {id, lanes}'\n",
	.run = run,
};
