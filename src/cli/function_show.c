// SPDX-License-Identifier: BSD-2-Clause
#include "cli/format.h"
#include "cli/function.h"

#include <stdio.h>
#include <string.h>

/* What all three begin with. 0, or an exit status (-1 for 0: help was printed). */
static int get_function(struct cli *cli, int argc, char **argv, json_t **ret_function)
{
	static const struct option options[] = {CLI_GLOBAL_OPTIONS};
	_cleanup_free_ char *target = NULL;
	const char *name;

	if (cli_next_option(cli, argc, argv, options) == CLI_END)
		return cli->status ? cli->status : -1;
	name = function_operand(cli, argc, argv);
	if (!name)
		return cli->status;
	target = function_target(name, "");
	return target ? client_get(cli, target, ret_function) : EXIT_FAILURE;
}

/* ---- describe ---- */

static char *join(const json_t *array)
{
	char *text = NULL;
	size_t len = 0, i;
	FILE *out = open_memstream(&text, &len);
	json_t *item;

	if (!out)
		return NULL;
	json_array_foreach (array, i, item)
		fprintf(out, "%s%s", i > 0 ? ", " : "", json_string_value(item));
	fclose(out);
	return text;
}

static void print_settings(const struct cli *cli, const json_t *settings)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)settings, name, value) {
		_cleanup_free_ char *text =
			json_is_string(value) ? strdup(json_string_value(value))
			: json_is_null(value) ? strdup("")
			: json_is_array(value)
				? join(value)
				: json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));

		cli_print_row(cli, name, text && *text ? text : "-");
	}
}

static void print_figures(const struct cli *cli, const json_t *function)
{
	static const char *const names[] = {"events", "queued", "alerts", "failures", "crashes",
		"timeouts", "dead_letters", "letters_shed", "refused", "calls_refused", "dropped"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char text[32];

		snprintf(text, sizeof(text), "%lld", (long long)get_count(function, names[i]));
		cli_print_row(cli, names[i], text);
	}
}

static void print_workers(const struct cli *cli, const json_t *function)
{
	const json_t *pids = json_object_get(function, "worker_pids"), *pid;
	char text[256];
	size_t i, len;

	len = (size_t)snprintf(text, sizeof(text), "%lld up, %lld wanted",
		(long long)get_count(function, "workers"),
		(long long)get_count(function, "workers_wanted"));
	json_array_foreach (pids, i, pid)
		if (len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lld",
				i == 0 ? "; pid " : ", ", (long long)json_integer_value(pid));
	cli_print_row(cli, "workers", text);
}

/* As it is, whatever is wanted. */
static void print_isolation(const struct cli *cli, const json_t *function)
{
	const json_t *layers = json_object_get(function, "isolation_layers");
	const json_t *lacks = json_object_get(function, "isolation_lacks");
	_cleanup_free_ char *missing = join(lacks);
	char text[512];

	if (json_array_size(layers) == 0)
		snprintf(text, sizeof(text), "%s",
			json_array_size(lacks) > 0 ? "no layer" : "nothing has run yet");
	else if (json_array_size(lacks) == 0)
		snprintf(text, sizeof(text), "all layers");
	else
		snprintf(text, sizeof(text), "all layers but %s", missing ? missing : "some");
	cli_print_row(cli, "in force", text);
}

static void print_keys(const struct cli *cli, const json_t *function)
{
	char text[128];

	if (get_count(function, "state_keys") == 0)
		return;
	snprintf(text, sizeof(text), "%lld in memory; %lld left it, %lld came back",
		(long long)get_count(function, "state_keys"),
		(long long)get_count(function, "state_keys_evicted"),
		(long long)get_count(function, "state_keys_fetched"));
	cli_print_row(cli, "keys", text);
}

static void print_kept(const struct cli *cli, const json_t *function)
{
	char kept[FORMAT_MAX], most[FORMAT_MAX], text[256];

	snprintf(text, sizeof(text), "%s in %lld entries, of %s%s",
		format_bytes(get_count(function, "state_bytes"), kept),
		(long long)get_count(function, "state_entries"),
		format_bytes(get_count(function, "state_bytes_max"), most),
		json_is_true(json_object_get(function, "state_full"))
			? ": full, what would make it larger is refused"
			: "");
	cli_print_row(cli, "keeps", text);
}

static void print_latency(const struct cli *cli, const json_t *function)
{
	const json_t *latency = json_object_get(function, "latency_seconds");
	char text[128];

	if (get_real(latency, "max") == 0)
		return;
	snprintf(text, sizeof(text), "half %.1f ms, 99 %% %.1f ms, all %.1f ms; %.0f events/s",
		1000 * get_real(latency, "p50"), 1000 * get_real(latency, "p99"),
		1000 * get_real(latency, "max"), get_real(function, "events_per_second"));
	cli_print_row(cli, "latency", text);
}

static void print_description(const struct cli *cli, const json_t *function)
{
	_cleanup_free_ char *triggers = join(json_object_get(function, "trigger_list"));
	_cleanup_free_ char *failure = function_failure(function);
	char text[64];

	cli_print_row(cli, "name", get_text(function, "name"));
	cli_print_row(cli, "description", get_text(function, "description"));
	snprintf(text, sizeof(text), "deployed, version %lld",
		(long long)get_count(function, "version"));
	cli_print_row(cli, "origin",
		get_count(function, "version") > 0 ? text : "the server's configuration file");
	cli_print_row(cli, "runtime", get_text(function, "runtime"));
	cli_print_row(cli, "handler", get_text(function, "handler"));
	cli_print_row(cli, "triggers", triggers && *triggers ? triggers : "none");
	print_settings(cli, json_object_get(function, "settings"));
	putchar('\n');
	cli_print_row(cli, "state", get_text(function, "state"));
	cli_print_row(cli, "last failure", failure);
	print_isolation(cli, function);
	print_workers(cli, function);
	print_latency(cli, function);
	print_kept(cli, function);
	print_keys(cli, function);
	print_figures(cli, function);
}

static int run_describe(struct cli *cli, int argc, char **argv)
{
	json_t *function = NULL;
	int status = get_function(cli, argc, argv, &function);

	if (status != 0)
		return MAX(status, 0);
	if (cli->output != OUTPUT_TABLE)
		cli_print_value(cli, function);
	else
		print_description(cli, function);
	json_decref(function);
	return 0;
}

/* ---- versions ---- */

static const struct column version_columns[] = {
	{"VERSION", true, 0},
	{"ACTIVE", false, 0},
	{"DEPLOYED", false, 0},
	{"BY", false, 0},
	{"CODE", false, 0},
	{"SETTINGS", false, 0},
};

static void print_versions(const struct cli *cli, const json_t *versions)
{
	_cleanup_(table_freep) struct table *table =
		table_new(version_columns, ARRAY_SIZE(version_columns), cli->color);
	const json_t *version;
	char text[FORMAT_MAX];
	size_t i;

	json_array_foreach (versions, i, version) {
		_cleanup_free_ char *spec =
			json_dumps(json_object_get(version, "spec"), JSON_COMPACT);
		bool active = json_is_true(json_object_get(version, "active"));

		table_cell_count(table, get_count(version, "version"));
		table_cell_color(table, active ? "yes" : "", active ? COLOR_GREEN : COLOR_NONE);
		table_cell(table, format_time(get_text(version, "deployed"), text));
		table_cell(table, get_text(version, "deployed_by"));
		snprintf(text, sizeof(text), "%.12s", get_text(version, "code"));
		table_cell(table, text);
		table_cell(table, spec);
	}
	table_print(table);
}

static int run_versions(struct cli *cli, int argc, char **argv)
{
	json_t *function = NULL, *versions;
	int status = get_function(cli, argc, argv, &function);

	if (status != 0)
		return MAX(status, 0);
	versions = json_object_get(function, "versions");
	if (!versions) {
		cli_error("function %s is in the server's configuration file: it has no versions",
			get_text(function, "name"));
		status = EXIT_FAILURE;
	} else if (cli->output != OUTPUT_TABLE) {
		cli_print_value(cli, versions);
	} else {
		print_versions(cli, versions);
	}
	json_decref(function);
	return status;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
	return command_functions.run(cli, argc, argv);
}

const struct command function_list = {
	.name = "function list",
	.usage = "",
	.summary = "Lists the functions, how they do, and how their last failure read",
	.help = "Examples:\n"
		"  netlambda function list\n"
		"  netlambda function list -o yaml\n",
	.run = run_list,
};

const struct command function_describe = {
	.name = "function describe",
	.usage = "NAME",
	.summary = "Shows all that is known of a function",
	.help = "Its settings, triggers and versions, how it does, and how its last failure read.\n"
		"\n"
		"Examples:\n"
		"  netlambda function describe port-scan\n"
		"  netlambda function describe port-scan -o json | jq .settings.config\n",
	.run = run_describe,
};

const struct command function_versions = {
	.name = "function versions",
	.usage = "NAME",
	.summary = "Lists the versions of a deployed function that are kept",
	.help = "The newest ten. SETTINGS are those that were given beside the code.\n"
		"\n"
		"Examples:\n"
		"  netlambda function versions many-syn\n",
	.run = run_versions,
};
