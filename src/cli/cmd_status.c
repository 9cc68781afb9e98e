// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/format.h"

#include <inttypes.h>
#include <stdio.h>

static void print_counts(const json_t *status)
{
	printf("  datagrams     %" PRId64 " (%" PRId64 " malformed)\n",
		get_count(status, "datagrams"), get_count(status, "malformed"));
	printf("  events        %" PRId64 " (%" PRId64 " given up)\n", get_count(status, "events"),
		get_count(status, "dropped"));
	printf("  alerts        %" PRId64 " since the start\n", get_count(status, "alerts"));
	printf("  dead letters  %" PRId64 " since the start\n", get_count(status, "dead_letters"));
	printf("  switches      %" PRId64 "\n", get_count(status, "switches"));
	printf("  functions     %" PRId64 "\n", get_count(status, "functions"));
}

static void print_line(const char *label, const char *text)
{
	_cleanup_free_ char *printable = text_printable(text ? text : "-");

	printf("  %-13s %s\n", label, printable ? printable : "");
}

static void print_isolation(const json_t *status)
{
	const json_t *lacks = json_object_get(status, "isolation_lacks"), *item;
	char text[1024];
	size_t i;

	if (json_array_size(lacks) == 0)
		print_line("isolation", "all layers");
	json_array_foreach (lacks, i, item) {
		snprintf(text, sizeof(text), "no %s: %s", get_text(item, "layer"),
			get_text(item, "reason"));
		print_line(i == 0 ? "isolation" : "", text);
	}
}

static void print_status(const struct cli *cli, const json_t *status, bool healthy)
{
	enum color color = healthy ? COLOR_GREEN : COLOR_RED;
	char up[FORMAT_MAX], since[FORMAT_MAX];
	const json_t *reason;
	size_t i;

	printf("netlambda-server %s: %s%s%s\n", get_text(status, "version"),
		color_start(cli->color, color), healthy ? "healthy" : "not healthy",
		color_end(cli->color, color));
	json_array_foreach (json_object_get(status, "reasons"), i, reason)
		print_line("reason", json_string_value(reason));
	printf("  up            %s (since %s, process %" PRId64 ")\n",
		format_duration(get_count(status, "uptime_seconds"), up),
		format_time(get_text(status, "started"), since), get_count(status, "pid"));
	print_line("listens at", get_text(status, "listen"));
	print_line("protocol", get_text(status, "protocol"));
	if (get_count(status, "version1_refused") > 0)
		printf("                %" PRId64 " datagrams of version 1 refused, which is off\n",
			get_count(status, "version1_refused"));
	print_line("configuration", get_text(status, "config"));
	print_counts(status);
	print_isolation(status);
}

static int run(struct cli *cli, int argc, char **argv)
{
	json_t *status = NULL;
	bool healthy;

	if (cli_no_arguments(cli, argc, argv) == CLI_END)
		return cli->status;
	if (client_get(cli, "/v1/status", &status) != 0)
		return EXIT_FAILURE;
	healthy = json_is_true(json_object_get(status, "healthy"));
	if (cli->output != OUTPUT_TABLE) {
		cli_print_value(cli, status);
	} else {
		print_status(cli, status, healthy);
	}
	json_decref(status);
	return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_status = {
	.name = "status",
	.usage = "",
	.summary = "Shows whether the server is well, and what it has done",
	.help = "The exit status is 1 if no server answers, or it is not healthy.\n"
		"\n"
		"Examples:\n"
		"  netlambda status\n"
		"  netlambda status -o json | jq .events\n",
	.run = run,
};
