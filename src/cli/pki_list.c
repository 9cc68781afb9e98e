// SPDX-License-Identifier: BSD-2-Clause
#include "cli/format.h"
#include "cli/pki.h"

#include <stdio.h>

static const struct column columns[] = {
	{"SERIAL", false, 0},
	{"FOR", false, 0},
	{"ISSUED", false, 0},
	{"EXPIRES", false, 0},
	{"STATE", false, 0},
};

struct list {
	const struct cli *cli;
	struct table *table; /* NULL: JSON */
	json_t *array;
	int64_t now;
};

static const char *state_of(const struct index_entry *entry, int64_t now, enum color *ret_color)
{
	*ret_color = COLOR_NONE;
	if (entry->revoked != 0) {
		*ret_color = COLOR_RED;
		return "revoked";
	}
	if (entry->expires > now)
		return "valid";
	*ret_color = COLOR_YELLOW;
	return "expired";
}

static void add_row(struct list *list, const struct index_entry *entry)
{
	char title[PKI_TITLE_MAX], issued[TIME_TEXT_MAX], expires[TIME_TEXT_MAX];
	char in[FORMAT_MAX], text[FORMAT_MAX + 16];
	enum color color;
	const char *state = state_of(entry, list->now, &color);

	table_cell(list->table, entry->serial);
	table_cell(list->table, pki_title(entry->kind, entry->switch_id, entry->name, title));
	table_cell(list->table, time_text(entry->issued, issued));
	table_cell(list->table, time_text(entry->expires, expires));
	if (pki_entry_valid(entry, list->now)) {
		snprintf(text, sizeof(text), "for %s",
			format_duration(entry->expires - list->now, in));
		state = text;
	} else if (entry->revoked != 0) {
		snprintf(text, sizeof(text), "revoked: %s", revocation_reason_name(entry->reason));
		state = text;
	}
	table_cell_color(list->table, state, color);
}

json_t *pki_entry_json(const struct index_entry *entry, int64_t now)
{
	char issued[TIME_TEXT_MAX], expires[TIME_TEXT_MAX], revoked[TIME_TEXT_MAX];
	enum color color;
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "serial", entry->serial,
		"kind", certificate_kind_name(entry->kind), "name", entry->name, "issued",
		time_text(entry->issued, issued), "expires", time_text(entry->expires, expires),
		"state", state_of(entry, now, &color));

	if (entry->kind == CERTIFICATE_SWITCH)
		json_object_set_new(object, "switch", json_integer(entry->switch_id));
	if (entry->revoked != 0) {
		json_object_set_new(
			object, "revoked", json_string(time_text(entry->revoked, revoked)));
		json_object_set_new(
			object, "reason", json_string(revocation_reason_name(entry->reason)));
	}
	return object;
}

static bool is_shown(
	const struct pki_options *options, const struct index_entry *entry, int64_t now)
{
	if (options->expiring_s >= 0)
		return pki_entry_valid(entry, now) && entry->expires - now < options->expiring_s;
	return options->all || pki_entry_valid(entry, now);
}

/* How many were shown. */
static size_t show(const struct pki_options *options, const struct index *index, struct list *list)
{
	size_t shown = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct index_entry *entry = &index->entries[i];

		if (!is_shown(options, entry, list->now))
			continue;
		shown++;
		if (list->array)
			json_array_append_new(list->array, pki_entry_json(entry, list->now));
		else
			add_row(list, entry);
	}
	if (list->array) {
		cli_print_value(list->cli, list->array);
	} else if (shown > 0) {
		table_print(list->table);
	} else {
		puts(options->expiring_s >= 0 ? "none expires so soon" : "no valid certificates");
	}
	return shown;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {PKI_DIR_OPTION,
		{"expiring", required_argument, NULL, PKI_EXPIRING},
		{"all", no_argument, NULL, PKI_ALL}, CLI_GLOBAL_OPTIONS};
	_cleanup_(table_freep) struct table *table =
		table_new(columns, ARRAY_SIZE(columns), cli->color);
	_cleanup_(authority_closep) struct authority *authority = NULL;
	struct list list = {.cli = cli, .table = table, .now = pki_now()};
	struct pki_options given;
	size_t shown;

	if (pki_parse(cli, argc, argv, options, &given, 0) == CLI_END)
		return cli->status;
	if (optind < argc)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	if (pki_open(&given, AUTHORITY_READ, &authority) != 0)
		return EXIT_FAILURE;
	list.array = cli->output != OUTPUT_TABLE ? json_array() : NULL;
	shown = show(&given, authority_index(authority), &list);
	json_decref(list.array);
	return given.expiring_s >= 0 && shown > 0 ? EXIT_FAILURE : 0;
}

const struct command pki_list = {
	.name = "pki list",
	.usage = "[--all | --expiring DURATION] [--dir DIR]",
	.summary = "Lists the certificates that were issued and are valid",
	.help = "Options:\n"
		"      --all                also those that expired or were revoked\n"
		"      --expiring DURATION  those that expire within, such as 30d; exit status 1 "
		"if "
		"there\n"
		"                           are any\n"
		"      --dir DIR            where the CA is (default " PKI_DIRECTORY ")\n"
		"\n"
		"Examples:\n"
		"  netlambda pki list --all\n"
		"  netlambda pki list --expiring 30d >/dev/null || echo 'renew some "
		"certificates'\n",
	.run = run,
};
