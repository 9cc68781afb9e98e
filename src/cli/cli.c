// SPDX-License-Identifier: BSD-2-Clause
#include "cli/cli.h"

#include "base/suggest.h"
#include "cli/table.h"
#include "cli/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERBS_MAX 32

void cli_error(const char *fmt, ...)
{
	va_list ap;

	/* What was printed so far comes first also when both go to one terminal. */
	fflush(stdout);
	fputs("netlambda: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int cli_usage_error(const struct cli *cli, const char *fmt, ...)
{
	const char *space = cli->command ? " " : "", *name = cli->command ? cli->command->name : "";
	va_list ap;

	fprintf(stderr, "netlambda%s%s: ", space, name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry 'netlambda%s%s --help'.\n", space, name);
	return EXIT_USAGE;
}

/* "issue" of "pki issue". */
static const char *last_word(const char *name)
{
	const char *space = strrchr(name, ' ');

	return space ? space + 1 : name;
}

const struct command *cli_find(const struct command *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(last_word((*list)->name), name) == 0)
			return *list;
	return NULL;
}

static int unknown_verb(const struct cli *cli, const struct command *const *verbs, const char *name)
{
	const char *names[VERBS_MAX];
	size_t count = 0;
	const char *near;

	for (; verbs[count] && count < VERBS_MAX; count++)
		names[count] = last_word(verbs[count]->name);
	near = suggest_nearest(name, names, count);
	if (near)
		return cli_usage_error(cli, "there is no \"%s\": did you mean \"%s\"?", name, near);
	return cli_usage_error(cli, "there is no \"%s\"", name);
}

int cli_run_verb(struct cli *cli, const struct command *const *verbs, int argc, char **argv)
{
	const struct command *verb;

	/* Options in front of the verb are the global ones. */
	if (argc < 2 || argv[1][0] == '-') {
		if (cli_no_arguments(cli, MIN(argc, 2), argv) == CLI_END)
			return cli->status;
		return cli_usage_error(cli, "expected a verb");
	}
	verb = cli_find(verbs, argv[1]);
	if (!verb)
		return unknown_verb(cli, verbs, argv[1]);
	cli->command = verb;
	optind = 0;
	return verb->run(cli, argc - 1, argv + 1);
}

static void print_verbs(const struct command *const *verbs)
{
	printf("Verbs:\n");
	for (; *verbs; verbs++)
		printf("  %-12s  %s\n", last_word((*verbs)->name), (*verbs)->summary);
	putchar('\n');
}

void cli_print_help(const struct command *command)
{
	printf("Usage: netlambda %s%s%s\n\n%s.\n\n", command->name, command->usage[0] ? " " : "",
		command->usage, command->summary);
	if (command->verbs)
		print_verbs(command->verbs);
	printf("%s"
	       "\n"
	       "Options of every command:\n"
	       "  -o, --output table|json|yaml  how to print (default table)\n"
	       "  -s, --socket PATH             where the server's API is (default " DEFAULT_SOCKET
	       ",\n"
	       "                                or the environment's NETLAMBDA_SOCKET)\n"
	       "  -h, --help                    this help\n",
		command->help);
}

static int set_output(struct cli *cli, const char *text)
{
	if (strcmp(text, "table") == 0)
		cli->output = OUTPUT_TABLE;
	else if (strcmp(text, "json") == 0)
		cli->output = OUTPUT_JSON;
	else if (strcmp(text, "yaml") == 0)
		cli->output = OUTPUT_YAML;
	else
		return cli_usage_error(cli,
			"--output: expected \"table\", \"json\" or \"yaml\", found \"%s\"", text);
	return 0;
}

/* A global option, or a mistake. Returns whether to end. */
static bool take_global(struct cli *cli, int c, const char *given)
{
	cli->status = 0;
	switch (c) {
	case 's':
		cli->socket = optarg;
		return false;
	case 'o':
		cli->status = set_output(cli, optarg);
		return cli->status != 0;
	case 'h':
		if (cli->command)
			cli_print_help(cli->command);
		else
			cli_print_overview();
		return true;
	case ':':
		cli->status = cli_usage_error(cli, "%s needs a value", given);
		return true;
	default:
		cli->status = cli_usage_error(cli, "there is no option %s", given);
		return true;
	}
}

static bool is_own(const struct cli *cli, int c)
{
	const char *letters = cli->command ? cli->command->letters : NULL;

	return c >= CLI_FIRST_OPTION || (letters && c != ':' && c != '?' && strchr(letters, c));
}

int cli_next_option(struct cli *cli, int argc, char **argv, const struct option *options)
{
	const char *own = cli->command && cli->command->letters ? cli->command->letters : "";
	char letters[32];
	int c;

	/* Before the command, options end at the first operand: what follows is the command's. */
	snprintf(letters, sizeof(letters), "%s:o:s:h%s", cli->command ? "" : "+", own);
	while ((c = getopt_long(argc, argv, letters, options, NULL)) >= 0 && !is_own(cli, c))
		if (take_global(cli, c, argv[optind - 1]))
			return CLI_END;
	return c < 0 ? CLI_DONE : c;
}

int cli_no_arguments(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_GLOBAL_OPTIONS};

	if (cli_next_option(cli, argc, argv, options) == CLI_END)
		return CLI_END;
	if (optind == argc)
		return CLI_DONE;
	cli->status = cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	return CLI_END;
}

int cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int cli_parse_duration(const char *text, uint64_t *ret_seconds)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t len = strlen(text);
	char digits[16];
	uint64_t value;

	if (len < 2 || len > sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len - 1);
	digits[len - 1] = '\0';
	/* A hundred years: no product of it overflows. */
	if (cli_parse_number(digits, 0, 36525ULL * 86400, &value) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].unit == text[len - 1]) {
			*ret_seconds = value * units[i].seconds;
			return 0;
		}
	}
	return -EINVAL;
}

void cli_print_value(const struct cli *cli, const json_t *value)
{
	if (cli->output == OUTPUT_YAML) {
		yaml_print(value, stdout);
		return;
	}
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

void cli_print_item(const struct cli *cli, const json_t *value)
{
	if (cli->output == OUTPUT_YAML) {
		puts("---");
		yaml_print(value, stdout);
		return;
	}
	json_dumpf(value, stdout, JSON_COMPACT);
	putchar('\n');
}

void cli_print_new(const struct cli *cli, json_t *value)
{
	if (value)
		cli_print_value(cli, value);
	json_decref(value);
}

void cli_print_row(const struct cli *cli, const char *name, const char *value)
{
	_cleanup_free_ char *printable = value ? text_printable(value) : NULL;

	if (printable)
		printf("%s%-16s%s %s\n", color_start(cli->color, COLOR_BOLD), name,
			color_end(cli->color, COLOR_BOLD), printable);
}
