// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "cli/follow.h"
#include "cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ALERTS_MAX 10000

static const struct column columns[] = {
	{"TIME", false, 23},
	{"SEVERITY", false, 8},
	{"FUNCTION", false, 14},
	{"SWITCH", true, 6},
	{"SOURCE", false, 15},
	{"DESTINATION", false, 21},
	{"ALERT", false, 0},
};

struct view {
	struct cli *cli;
	bool follow;
	const char *function;
	const char *limit;
	uint64_t since; /* UNIX time in seconds; 0 = not asked for */
	struct table *table;
	int64_t row; /* of the last alert shown; -1 = none yet */
};

/* "10.0.0.1", "10.0.0.1:80" or "[2001:db8::1]:80". */
static const char *format_endpoint(
	const json_t *eve, const char *ip_key, const char *port_key, char text[static FORMAT_MAX])
{
	const char *ip = get_text(eve, ip_key);
	int64_t port = get_count(eve, port_key);

	if (!ip)
		return "-";
	if (!json_object_get(eve, port_key))
		snprintf(text, FORMAT_MAX, "%s", ip);
	else
		snprintf(text, FORMAT_MAX, strchr(ip, ':') ? "[%s]:%" PRId64 : "%s:%" PRId64, ip,
			port);
	return text;
}

static void add_row(struct view *view, const json_t *eve)
{
	const json_t *own = json_object_get(eve, "netlambda");
	const char *severity = get_text(own, "severity");
	struct table *table = view->table;
	char text[FORMAT_MAX];

	table_cell(table, format_time(get_text(eve, "timestamp"), text));
	table_cell_color(table, severity, severity_color(severity));
	table_cell(table, get_text(own, "function"));
	table_cell_count(table, get_count(own, "switch"));
	table_cell(table, format_endpoint(eve, "src_ip", "src_port", text));
	table_cell(table, format_endpoint(eve, "dest_ip", "dest_port", text));
	table_cell(table, get_text(json_object_get(eve, "alert"), "signature"));
}

static void show_alert(struct view *view, const json_t *eve)
{
	view->row = get_count(json_object_get(eve, "netlambda"), "row");
	if (view->cli->output != OUTPUT_TABLE) {
		cli_print_item(view->cli, eve);
	} else {
		add_row(view, eve);
	}
}

/* The query. After a reconnection it goes on where it ended. */
static char *make_target(const void *user)
{
	const struct view *view = user;
	_cleanup_free_ char *named = NULL, *timed = NULL;
	bool again = view->row >= 0;
	char since[24], after[24];

	snprintf(since, sizeof(since), "%" PRIu64, view->since);
	snprintf(after, sizeof(after), "%" PRId64, view->row);
	named = client_add_argument(
		view->follow ? "/v1/alerts/follow" : "/v1/alerts", "function", view->function);
	if (named)
		timed = client_add_argument(named, "since", view->since > 0 ? since : NULL);
	if (!timed)
		return NULL;
	return client_add_argument(timed, again ? "after" : "limit", again ? after : view->limit);
}

static int list_alerts(struct view *view)
{
	_cleanup_free_ char *target = make_target(view);
	json_t *answer = NULL;
	const json_t *eve;
	size_t i;

	if (!target) {
		cli_error("out of memory");
		return EXIT_FAILURE;
	}
	if (client_get(view->cli, target, &answer) != 0)
		return EXIT_FAILURE;
	json_array_foreach (json_object_get(answer, "alerts"), i, eve)
		show_alert(view, eve);
	if (view->cli->output == OUTPUT_TABLE && i == 0)
		puts("no alerts");
	else if (view->cli->output == OUTPUT_TABLE)
		table_print(view->table);
	json_decref(answer);
	return 0;
}

/* ---- following ---- */

static bool on_line(void *user, const json_t *eve)
{
	struct view *view = user;

	show_alert(view, eve);
	if (view->cli->output == OUTPUT_TABLE)
		table_stream(view->table);
	/* A reader that is gone, or a full disk: nobody is there to follow for. */
	return fflush(stdout) == 0;
}

/* Before the first connection, so that nothing that comes from now on is missed in a gap. */
static int find_start(struct view *view)
{
	json_t *answer = NULL;
	const json_t *newest;

	if (view->limit || view->since > 0)
		return 0;
	if (client_get(view->cli, "/v1/alerts?limit=1", &answer) != 0)
		return EXIT_FAILURE;
	newest = json_array_get(json_object_get(answer, "alerts"), 0);
	view->row = get_count(json_object_get(newest, "netlambda"), "row");
	json_decref(answer);
	return 0;
}

static int follow_alerts(struct view *view)
{
	if (find_start(view) != 0)
		return EXIT_FAILURE;
	return follow(view->cli, &(struct following){make_target, on_line, view});
}

/* ---- options ---- */

enum {
	OPTION_FOLLOW = CLI_FIRST_OPTION,
	OPTION_SINCE,
	OPTION_FUNCTION,
	OPTION_LIMIT,
};

/* 0, or an exit status. */
static int take_option(struct view *view, int option, const char *value)
{
	uint64_t number;

	switch (option) {
	case OPTION_FOLLOW:
		view->follow = true;
		return 0;
	case OPTION_FUNCTION:
		view->function = value;
		return 0;
	case OPTION_SINCE:
		if (cli_parse_duration(value, &number) < 0)
			return cli_usage_error(view->cli,
				"--since: expected a duration as 90s, 10m, 2h or 7d, found \"%s\"",
				value);
		number = MIN(number, clock_realtime_ns() / NS_PER_SEC - 1);
		view->since = clock_realtime_ns() / NS_PER_SEC - number;
		return 0;
	default:
		if (cli_parse_number(value, 1, ALERTS_MAX, &number) < 0)
			return cli_usage_error(view->cli,
				"--limit: expected a number from 1 to %d, found \"%s\"", ALERTS_MAX,
				value);
		view->limit = value;
		return 0;
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"follow", no_argument, NULL, OPTION_FOLLOW},
		{"since", required_argument, NULL, OPTION_SINCE},
		{"function", required_argument, NULL, OPTION_FUNCTION},
		{"limit", required_argument, NULL, OPTION_LIMIT}, CLI_GLOBAL_OPTIONS};
	_cleanup_(table_freep) struct table *table = NULL;
	struct view view = {.cli = cli, .row = -1};
	int c, status;

	while ((c = cli_next_option(cli, argc, argv, options)) >= 0) {
		status = take_option(&view, c, optarg);
		if (status != 0)
			return status;
	}
	if (c == CLI_END)
		return cli->status;
	if (optind < argc)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	table = table_new(columns, ARRAY_SIZE(columns), cli->color);
	view.table = table;
	return view.follow ? follow_alerts(&view) : list_alerts(&view);
}

const struct command command_alerts = {
	.name = "alerts",
	.usage = "[--follow] [--since DURATION] [--function NAME] [--limit N]",
	.summary = "Shows alerts, or follows them as they are raised",
	.help = "The newest 100, oldest first. JSON is one object a line, with the field names of "
		"EVE.\n"
		"Following goes on until Ctrl-C, also when the server is restarted; it misses "
		"nothing\n"
		"that is raised meanwhile.\n"
		"\n"
		"Options:\n"
		"      --follow             go on with new ones; without --since and --limit, only "
		"these\n"
		"      --since DURATION     those of the last 90s, 10m, 2h or 7d\n"
		"      --function NAME      those that one function raised\n"
		"      --limit N            the newest N, at most 10000\n"
		"\n"
		"Examples:\n"
		"  netlambda alerts --since 10m\n"
		"  netlambda alerts --follow --function port-scan\n"
		"  netlambda alerts --limit 1000 -o json | jq -r .src_ip | sort | uniq -c\n",
	.run = run,
};
