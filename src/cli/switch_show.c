// SPDX-License-Identifier: BSD-2-Clause
#include "cli/switch_show.h"

#include "cli/format.h"

#include <stdarg.h>
#include <stdio.h>

static const struct column lane_columns[] = {
	{"LANE", false, 0},
	{"RECEIVED", true, 0},
	{"PROCESSED", true, 0},
	{"WAITING", true, 0},
	{"SHED", true, 0},
	{"LOST", true, 0},
};

static void print_fmt(const struct cli *cli, const char *name, const char *fmt, ...) _printf_(3, 4);

static void print_fmt(const struct cli *cli, const char *name, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	cli_print_row(cli, name, text);
}

static long long count(const json_t *item, const char *key)
{
	return (long long)get_count(item, key);
}

static void print_session(const struct cli *cli, const json_t *item)
{
	const json_t *session = json_object_get(item, "session");
	char time[FORMAT_MAX];

	if (!json_is_object(session)) {
		cli_print_row(cli, "session", "none");
		return;
	}
	print_fmt(cli, "session", "%s, since %s; %s, datagrams of %lld bytes%s",
		json_is_true(json_object_get(session, "connected"))
			? "up"
			: "alone: its control connection is gone",
		format_time(get_text(session, "opened"), time), get_text(session, "cipher"),
		count(session, "datagram_bytes"),
		json_is_true(json_object_get(session, "address_validated"))
			? ""
			: "; its address is not confirmed yet");
}

static void print_version2(const struct cli *cli, const json_t *item)
{
	char time[FORMAT_MAX], in[FORMAT_MAX];
	const char *expires = get_text(item, "certificate_expires");
	int64_t left_s;

	print_session(cli, item);
	if (format_in(expires, &left_s, in))
		print_fmt(cli, "certificate", "serial %s; %s %s, %s", get_text(item, "serial"),
			left_s < 0 ? "expired" : "expires", in, format_time(expires, time));
	print_fmt(cli, "agent", "epoch %lld, since %s; %lld sessions, %lld takeovers",
		count(item, "epoch"), format_time(get_text(item, "epoch_began"), time),
		count(item, "sessions"), count(item, "takeovers"));
	print_fmt(cli, "datagrams", "%lld; %lld refused; the address changed %lld times",
		count(item, "datagrams"), count(item, "refused"), count(item, "address_changes"));
}

static void print_version1(const struct cli *cli, const json_t *item)
{
	print_fmt(cli, "transactions", "%lld; the last one is %lld; %lld came twice, %lld too late",
		count(item, "transactions"), count(item, "sequence"), count(item, "duplicates"),
		count(item, "stale"));
}

static void print_lanes(const struct cli *cli, const json_t *lanes)
{
	_cleanup_(table_freep) struct table *table =
		table_new(lane_columns, ARRAY_SIZE(lane_columns), cli->color);
	const json_t *lane;
	size_t i;

	json_array_foreach (lanes, i, lane) {
		table_cell(table, get_text(lane, "lane"));
		table_cell_count(table, get_count(lane, "received"));
		table_cell_count(table, get_count(lane, "processed"));
		table_cell_count(table, get_count(lane, "waiting"));
		table_cell_loss(table, get_count(lane, "shed"));
		table_cell_loss(table, get_count(lane, "lost"));
	}
	putchar('\n');
	table_print(table);
}

void switch_print(const struct cli *cli, const json_t *item)
{
	char first[FORMAT_MAX], last[FORMAT_MAX], bytes[FORMAT_MAX];
	const char *name = get_text(item, "name");
	bool is_version1 = get_count(item, "version") == 1;

	print_fmt(cli, "switch", "%lld", count(item, "id"));
	cli_print_row(cli, "name", name && *name ? name : "-");
	cli_print_row(cli, "protocol", is_version1 ? "1, in the clear" : "2");
	cli_print_row(cli, "address", get_text(item, "address"));
	print_fmt(cli, "heard of", "first %s, last %s",
		format_time(get_text(item, "first_seen"), first),
		format_ago(get_text(item, "last_seen"), last));
	if (is_version1)
		print_version1(cli, item);
	else
		print_version2(cli, item);
	print_fmt(cli, "restarts", "%lld", count(item, "restarts"));
	print_fmt(cli, "events", "%lld", count(item, "events"));
	print_fmt(cli, "counted", "%lld packets, %s; %lld packets shed", count(item, "packets"),
		format_bytes(get_count(item, "bytes"), bytes), count(item, "shed"));
	if (!is_version1)
		print_lanes(cli, json_object_get(item, "lanes"));
}
