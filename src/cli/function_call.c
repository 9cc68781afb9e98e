// SPDX-License-Identifier: BSD-2-Clause
#include "cli/format.h"
#include "cli/function.h"

#include <stdio.h>
#include <string.h>

static void print_lines(const char *what, const json_t *items)
{
	json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		_cleanup_free_ char *text = json_is_string(item) ? strdup(json_string_value(item))
								 : json_dumps(item, 0);
		_cleanup_free_ char *printable = text ? text_printable(text) : NULL;

		printf("%-8s %s\n", what, printable ? printable : "?");
	}
}

static void print_alerts(const json_t *alerts)
{
	json_t *alert;
	size_t i;

	json_array_foreach (alerts, i, alert) {
		const json_t *own = json_object_get(alert, "netlambda");
		_cleanup_free_ char *title =
			text_printable(get_text(json_object_get(alert, "alert"), "signature"));
		_cleanup_free_ char *data =
			json_dumps(json_object_get(own, "data"), JSON_ENCODE_ANY);

		printf("alert    [%s] %s %s\n", get_text(own, "severity"), title ? title : "?",
			data ? data : "");
	}
}

static void print_reply(const json_t *reply)
{
	_cleanup_free_ char *text = json_is_null(reply) ? NULL : json_dumps(reply, JSON_ENCODE_ANY);
	_cleanup_free_ char *printable = text ? text_printable(text) : NULL;

	if (printable)
		printf("%-8s %s\n", "returned", printable);
}

/* The exit status is that of the call. */
static int print_outcome(const struct cli *cli, const json_t *answer)
{
	const char *error = get_text(answer, "error");
	_cleanup_free_ char *printable = error ? text_printable(error) : NULL;

	if (cli->output != OUTPUT_TABLE) {
		cli_print_value(cli, answer);
		return error ? EXIT_FAILURE : 0;
	}
	print_lines("printed", json_object_get(answer, "output"));
	print_alerts(json_object_get(answer, "alerts"));
	print_lines("state", json_object_get(answer, "state"));
	print_reply(json_object_get(answer, "reply"));
	printf("%s\n", error ? "it failed:" : "it succeeded");
	if (error)
		printf("  %s\n", printable ? printable : "?");
	return error ? EXIT_FAILURE : 0;
}

static json_t *read_data(const char *text)
{
	json_error_t error;
	json_t *data = *text == '@' ? json_load_file(text + 1, JSON_REJECT_DUPLICATES, &error)
				    : json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!data)
		cli_error("%s: line %d: %s", *text == '@' ? text + 1 : "--data", error.line,
			error.text);
	return data;
}

static int call(const struct cli *cli, const char *name, const json_t *body)
{
	_cleanup_free_ char *target = function_target(name, "/call");
	json_t *answer = NULL;
	int status;

	if (!target || client_send(cli, "POST", target, body, &answer) != 0)
		return EXIT_FAILURE;
	status = print_outcome(cli, answer);
	json_decref(answer);
	return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_DATA = 'd', OPTION_EVENT = 'e', OPTION_LIVE = 1000 };
	static const struct option options[] = {{"data", required_argument, NULL, OPTION_DATA},
		{"event", required_argument, NULL, OPTION_EVENT},
		{"live", no_argument, NULL, OPTION_LIVE}, CLI_GLOBAL_OPTIONS};
	const char *data_text = "{}", *event = "port", *name;
	json_t *body, *data;
	bool live = false;
	uint64_t id;
	int c, status;

	while ((c = cli_next_option(cli, argc, argv, options)) >= 0) {
		if (c == OPTION_DATA)
			data_text = optarg;
		else if (c == OPTION_LIVE)
			live = true;
		else
			event = strncmp(optarg, "event:", 6) == 0 ? optarg + 6 : optarg;
	}
	if (c == CLI_END)
		return cli->status;
	name = function_operand(cli, argc, argv);
	if (!name)
		return cli->status;
	data = read_data(data_text);
	if (!data)
		return EXIT_USAGE;
	body = json_pack("{s:o, s:b}", "data", data, "live", live);
	json_object_set_new(body, "event",
		cli_parse_number(event, 0, UINT32_MAX, &id) == 0 ? json_integer((json_int_t)id)
								 : json_string(event));
	status = call(cli, name, body);
	json_decref(body);
	return status;
}

const struct command function_call = {
	.name = "function call",
	.usage = "NAME [--event EVENT] [--data JSON|@FILE] [--live]",
	.summary = "Calls a function on one event, and shows what comes of it",
	.help = "In a worker of its own, which remembers nothing before and nothing after: the "
		"function at work is\n"
		"not touched, and no alert is kept. Shown are what it printed, its alerts, "
		"what it would\n"
		"remember, and what it returned. The exit status is 1 if it failed.\n"
		"\n"
		"Options:\n"
		"  -e, --event EVENT             port (the default), flow, source, target, "
		"interface, timer or\n"
		"                                http\n"
		"  -d, --data JSON|@FILE         the event's fields; those left out are 0. Of "
		"http: "
		"method, path,\n"
		"                                query, headers, body\n"
		"  --live                        gives the event to the function at work, as any "
		"other: what it\n"
		"                                leads to is kept; shown is what it returned\n"
		"\n"
		"Examples:\n"
		"  netlambda function call many-syn --data '{\"srcip\": \"192.0.2.2\", "
		"\"dstport\": 80, \"syn\": 300}'\n"
		"  netlambda function dead-letters list many-syn --limit 1 -o json | jq .data > "
		"event.json\n"
		"  netlambda function call many-syn --data @event.json\n"
		"  sudo netlambda function call report --live --event http --data "
		"'{\"path\": \"/report\"}'\n",
	.run = run,
	.letters = "d:e:",
};
