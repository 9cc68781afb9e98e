// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/format.h"
#include "cli/switch_show.h"

#include <stdio.h>
#include <string.h>

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
	table_cell_loss(table, count_lost(item));
	table_cell_count(table, get_count(item, "packets"));
	table_cell(table, format_bytes(get_count(item, "bytes"), text));
	table_cell_loss(table, get_count(item, "shed"));
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

/* By its number, or by its certificate's name. */
static const json_t *find_switch(const json_t *switches, const char *word)
{
	uint64_t id;
	bool is_id = cli_parse_number(word, 0, UINT32_MAX, &id) == 0;
	const json_t *item;
	size_t i;

	json_array_foreach (switches, i, item) {
		const char *name = get_text(item, "name");

		if (is_id ? (uint64_t)get_count(item, "id") == id : name && strcmp(name, word) == 0)
			return item;
	}
	return NULL;
}

static int show_one(const struct cli *cli, const json_t *switches, const char *word)
{
	const json_t *item = find_switch(switches, word);

	if (!item) {
		cli_error("no switch \"%s\" has been heard of: 'netlambda switches' lists those "
			  "that were",
			word);
		return EXIT_FAILURE;
	}
	if (cli->output != OUTPUT_TABLE)
		cli_print_value(cli, item);
	else
		switch_print(cli, item);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_GLOBAL_OPTIONS};
	json_t *answer = NULL, *switches;
	int status = 0;

	if (cli_next_option(cli, argc, argv, options) == CLI_END)
		return cli->status;
	if (argc - optind > 1)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind + 1]);
	if (client_get(cli, "/v1/switches", &answer) != 0)
		return EXIT_FAILURE;
	switches = json_object_get(answer, "switches");
	if (optind < argc)
		status = show_one(cli, switches, argv[optind]);
	else if (cli->output != OUTPUT_TABLE)
		cli_print_value(cli, switches);
	else
		print_table(cli, switches);
	json_decref(answer);
	return status;
}

const struct command command_switches = {
	.name = "switches",
	.usage = "[ID | NAME]",
	.summary = "Lists the switches that the server has heard of, or tells all of one",
	.help = "SESSION is up, alone (its control connection is gone, and it lives on for a time "
		"of\n"
		"grace) or none; EXPIRES, when the switch's certificate does. LOST are events in "
		"ranges\n"
		"that were declared lost since the server started, whatever the cause; SHED, "
		"packets "
		"that\n"
		"a switch counted but had no room to tell apart. Of one switch, by its number or "
		"its\n"
		"certificate's name, it has all that is known, by lane of the protocol.\n"
		"\n"
		"Examples:\n"
		"  netlambda switches\n"
		"  netlambda switches 7\n"
		"  netlambda switches -o json | jq '.[] | select(.shed > 0) | .id'\n"
		"  netlambda switches -o json | jq '.[] | {id, lanes}'\n",
	.run = run,
};
