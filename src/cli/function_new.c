// SPDX-License-Identifier: BSD-2-Clause
#include "cli/function.h"
#include "cli/sample.h"
#include "cli/starter.h"
#include "cli/starter_trigger.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ATTACK_SEGMENTS   300
#define ORDINARY_SESSIONS 40

struct text {
	const unsigned char *bytes;
	const unsigned int *len;
};

static const struct kind {
	const char *runtime, *suffix, *types_suffix;
	struct text code[STARTERS], types, makefile; /* the last one for what is to be built */
} kinds[] = {
	{"nodejs", "js", "d.ts",
		{{starter_js, &starter_js_len}, {starter_http_js, &starter_http_js_len},
			{starter_timer_js, &starter_timer_js_len}},
		{types_typescript, &types_typescript_len}, {0}},
	{"python", "py", "pyi",
		{{starter_py, &starter_py_len}, {starter_http_py, &starter_http_py_len},
			{starter_timer_py, &starter_timer_py_len}},
		{types_python, &types_python_len}, {0}},
	{"native", "c", "h",
		{{starter_c, &starter_c_len}, {starter_http_c, &starter_http_c_len},
			{starter_timer_c, &starter_timer_c_len}},
		{types_c, &types_c_len}, {starter_makefile, &starter_makefile_len}},
};

static const struct text manifest = {starter_manifest, &starter_manifest_len};
static const struct text readme = {starter_readme, &starter_readme_len};

static const struct kind *find_kind(const char *runtime)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].runtime, runtime) == 0)
			return &kinds[i];
	return NULL;
}

/* ---- files ---- */

struct making {
	const char *name, *dir;
	const char *function; /* that the handler names */
	const struct kind *kind;
	struct starter_trigger trigger;
	char ask[STARTER_PATH_MAX + 256]; /* how to send a request; "" */
};

/* "@NAME@" and the like. */
static const char *word_value(const struct making *making, const char *word, size_t len)
{
	const struct {
		const char *word, *value;
	} words[] = {
		{"@NAME@", making->name},
		{"@FUNCTION@", making->function},
		{"@BUILD@", making->kind->makefile.bytes ? "    make\n" : ""},
		{"@RUNTIME@", making->kind->runtime},
		{"@SUFFIX@", making->kind->suffix},
		{"@TYPES@", making->kind->types_suffix},
		{"@DESCRIPTION@", making->trigger.description},
		{"@PURPOSE@", making->trigger.purpose},
		{"@TRIGGERS@", making->trigger.lines},
		{"@CONFIG@", making->trigger.config},
		{"@PATH@", making->trigger.path},
		{"@ASK@", making->ask},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
			return words[i].value;
	return NULL;
}

static void put_template(
	const struct making *making, const unsigned char *bytes, size_t len, FILE *out)
{
	const char *text = (const char *)bytes;

	for (size_t at = 0; at < len;) {
		const char *end = text[at] == '@' ? memchr(text + at + 1, '@', len - at - 1) : NULL;
		size_t word = end ? (size_t)(end - text) + 1 - at : 1;
		const char *value = end ? word_value(making, text + at, word) : NULL;

		if (value)
			fputs(value, out);
		else
			fputc(text[at], out);
		at += value ? word : 1;
	}
}

static bool make_path(char path[static PATH_MAX], const struct making *making, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", making->dir, name) < PATH_MAX;
}

static int make_file(
	const struct making *making, const char *name, const struct text *text, bool is_template)
{
	char path[PATH_MAX];
	FILE *out;

	if (!make_path(path, making, name))
		return -ENAMETOOLONG;
	out = fopen(path, "wxe");
	if (!out)
		return -errno;
	if (is_template)
		put_template(making, text->bytes, *text->len, out);
	else
		fwrite(text->bytes, 1, *text->len, out);
	return fclose(out) == 0 ? 0 : -EIO;
}

/* ---- tests ---- */

struct sample {
	const char *name;
	uint64_t start_us;
	unsigned int attempts;
	bool completed;
};

/* Whoever asks for what is known of a source hears how many segments it has sent; [] if there are no requests. */
static json_t *make_requests(const struct making *making, const char *source, unsigned int syn)
{
	json_t *requests = json_array();

	if (making->trigger.path[0])
		json_array_append_new(requests,
			json_pack("{s:s, s:{s:s}, s:{s:i, s:{s:s, s:i}}}", "path",
				making->trigger.path, "query", "srcip", source, "response",
				"status", 200, "body", "source", source, "syn", (int)syn));
	return requests;
}

/* What a test shall lead to. Takes `requests` and `alerts`. */
static int make_expectation(
	const struct making *making, const char *test, json_t *requests, json_t *alerts)
{
	json_t *object = json_array_size(requests) > 0
				 ? json_pack("{s:O, s:O}", "requests", requests, "alerts", alerts)
				 : json_pack("{s:O}", "alerts", alerts);
	_cleanup_free_ char *text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
	_cleanup_free_ char *lines = NULL;
	char name[64];
	unsigned int len;

	json_decref(object);
	json_decref(requests);
	json_decref(alerts);
	snprintf(name, sizeof(name), "tests/%s.json", test);
	if (!text || asprintf(&lines, "%s\n", text) < 0) {
		lines = NULL;
		return -ENOMEM;
	}
	len = (unsigned int)strlen(lines);
	return make_file(making, name, &(struct text){(unsigned char *)lines, &len}, false);
}

static int make_test(const struct making *making, const struct sample *sample, json_t *alerts)
{
	char name[64], path[PATH_MAX];
	int r;

	snprintf(name, sizeof(name), "tests/%s.pcap", sample->name);
	r = make_path(path, making, name)
		    ? sample_write(path, sample->start_us, sample->attempts, sample->completed)
		    : -ENAMETOOLONG;
	if (r == 0)
		return make_expectation(making, sample->name,
			make_requests(making, "192.0.2.2", sample->attempts), alerts);
	json_decref(alerts);
	return r;
}

/* An attack, and what is none. */
static int make_event_tests(const struct making *making)
{
	const struct sample attack = {"many-syn", SAMPLE_START_US, ATTACK_SEGMENTS, false};
	const struct sample ordinary = {"ordinary", SAMPLE_START_US, ORDINARY_SESSIONS, true};
	int r = make_test(making, &attack,
		json_pack("[{s:s, s:s, s:s, s:s, s:i}]", "title", "Many SYN segments", "severity",
			"high", "srcip", "192.0.2.2", "dstip", "192.0.2.1", "dstport", 80));

	if (r == 0)
		r = make_test(making, &ordinary, json_array());
	/* A request alone, of a source that sent nothing. */
	if (r == 0 && making->trigger.path[0])
		r = make_expectation(making, "nothing-known", make_requests(making, "192.0.2.9", 0),
			json_array());
	return r;
}

/* A capture around a time at which the report is due, which is a whole second: no packet is at that time. */
static int make_timer_test(const struct making *making)
{
	const struct cron *cron = &making->trigger.cron;
	uint64_t due_us = cron_next(cron, SAMPLE_START_US * 1000) / 1000;
	struct sample sample = {"report", due_us - 1505000, ATTACK_SEGMENTS, false};
	uint64_t end_us = sample.start_us + sample_length_us(sample.attempts);
	json_t *alerts = json_array();

	due_us = cron_next(cron, sample.start_us * 1000) / 1000;
	for (; due_us > 0 && due_us <= end_us; due_us = cron_next(cron, due_us * 1000) / 1000)
		json_array_append_new(alerts,
			json_pack("{s:s, s:s}", "title", "SYN segments since the report before",
				"severity", "info"));
	return make_test(making, &sample, alerts);
}

static int make_tests(const struct making *making)
{
	char path[PATH_MAX];

	if (!make_path(path, making, "tests") || mkdir(path, 0777) < 0)
		return -errno;
	return making->trigger.starter == STARTER_TIMER ? make_timer_test(making)
							: make_event_tests(making);
}

static int make_function(const struct making *making)
{
	const struct kind *kind = making->kind;
	char code[128], types[32];
	int r;

	snprintf(code, sizeof(code), "%s.%s", making->name, kind->suffix);
	snprintf(types, sizeof(types), "netlambda.%s", kind->types_suffix);
	if (mkdir(making->dir, 0777) < 0)
		return -errno;
	r = make_file(making, "function.json", &manifest, true);
	if (r == 0)
		r = make_file(making, code, &kind->code[making->trigger.starter], true);
	if (r == 0)
		r = make_file(making, types, &kind->types, false);
	if (r == 0 && kind->makefile.bytes)
		r = make_file(making, "Makefile", &kind->makefile, true);
	if (r == 0)
		r = make_file(making, "README.md", &readme, true);
	return r == 0 ? make_tests(making) : r;
}

/* ---- new ---- */

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 64 && name[0] != '-' && name[len - 1] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

enum {
	OPTION_RUNTIME = 'r',
	OPTION_TRIGGER = CLI_FIRST_OPTION,
};

static const struct kind *take_runtime(struct cli *cli, const char *name)
{
	const struct kind *kind = find_kind(name);

	if (!kind)
		cli->status = cli_usage_error(cli,
			"--runtime: expected \"nodejs\", \"python\" or \"native\", found \"%s\"",
			name);
	return kind;
}

/* `ret_trigger`: NULL where there is no such option. NULL: that was an error, or all that was asked. */
static const struct kind *read_options(
	struct cli *cli, int argc, char **argv, const char **ret_trigger)
{
	static const struct option with_trigger[] = {
		{"trigger", required_argument, NULL, OPTION_TRIGGER},
		{"runtime", required_argument, NULL, OPTION_RUNTIME}, CLI_GLOBAL_OPTIONS};
	const struct option *options = ret_trigger ? with_trigger : with_trigger + 1;
	const struct kind *kind = &kinds[0];
	int c = CLI_DONE;

	while (kind && (c = cli_next_option(cli, argc, argv, options)) >= 0)
		if (c == OPTION_TRIGGER && ret_trigger)
			*ret_trigger = optarg;
		else
			kind = take_runtime(cli, optarg);
	return c == CLI_END ? NULL : kind;
}

/* A handler in C has its function's name, which no other has: "many_syn". */
static const char *function_in(const struct kind *kind, const char *name, char word[64])
{
	if (!kind->makefile.bytes)
		return "main";
	snprintf(word, 64, "%s", name);
	for (char *at = word; *at; at++)
		if (*at == '-')
			*at = '_';
	return word;
}

static void say_what_to_do(const struct making *making)
{
	printf("made %s/ with a function that counts SYN segments%s, and its tests; now\n",
		making->name,
		making->trigger.starter == STARTER_HTTP    ? " and answers requests"
		: making->trigger.starter == STARTER_TIMER ? " and reports them by the clock"
							   : "");
	if (making->kind->makefile.bytes)
		printf("  make -C %s\n", making->name);
	printf("  sudo netlambda function test %s\n"
	       "  sudo netlambda function deploy %s --from-file %s\n",
		making->name, making->name, making->name);
}

static int run_new(struct cli *cli, int argc, char **argv)
{
	const char *trigger = NULL;
	struct making making = {.kind = read_options(cli, argc, argv, &trigger)};
	_cleanup_free_ char *error = NULL;
	char word[64];
	int r;

	if (!making.kind)
		return cli->status;
	if (starter_trigger_parse(trigger, &making.trigger, &error) < 0)
		return cli_usage_error(cli, "--trigger: %s", error ? error : "out of memory");
	making.name = function_operand(cli, argc, argv);
	if (!making.name)
		return cli->status;
	making.dir = making.name;
	if (!name_is_valid(making.name))
		return cli_usage_error(cli,
			"\"%s\": expected a name of at most 63 of a-z, 0-9 and \"-\", no \"-\" at "
			"an end",
			making.name);
	if (making.kind->makefile.bytes && isdigit((unsigned char)making.name[0]))
		return cli_usage_error(cli,
			"\"%s\": a function in C has a name that begins with a letter",
			making.name);
	making.function = function_in(making.kind, making.name, word);
	if (making.trigger.path[0])
		snprintf(making.ask, sizeof(making.ask),
			"    curl 'http://127.0.0.1:8080%s?srcip=192.0.2.2'     # where the "
			"server's file says \"http\"\n",
			making.trigger.path);
	r = make_function(&making);
	if (r < 0) {
		cli_error(r == -EEXIST ? "%s: is there already: take another name, or remove it"
				       : "%s: %s",
			making.dir, strerror(-r));
		return EXIT_FAILURE;
	}
	if (cli->output == OUTPUT_TABLE)
		say_what_to_do(&making);
	else
		cli_print_new(cli, json_pack("{s:s, s:s, s:s}", "function", making.name, "folder",
					   making.dir, "runtime", making.kind->runtime));
	return 0;
}

/* ---- types ---- */

static int run_types(struct cli *cli, int argc, char **argv)
{
	const struct kind *kind = read_options(cli, argc, argv, NULL);

	if (!kind)
		return cli->status;
	if (optind < argc)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	fwrite(kind->types.bytes, 1, *kind->types.len, stdout);
	return 0;
}

const struct command function_new = {
	.name = "function new",
	.usage = "NAME [--runtime nodejs|python|native] [--trigger TRIGGER]",
	.summary = "Makes a folder with a function to begin with, and its tests",
	.help = "The folder, NAME, has the manifest, the code, the types of what it is called "
		"with, and two captures\n"
		"with the alerts that they lead to; with http:/PATH also requests and what they "
		"are answered. In C (native) it has a Makefile, too: build it "
		"before you test or\n"
		"deploy it. Needs no server.\n"
		"\n"
		"Options:\n"
		"  -r, --runtime RUNTIME         nodejs (the default), python or native\n"
		"      --trigger TRIGGER         event:port (the default); http:/PATH: it answers "
		"requests, too;\n"
		"                                timer:SCHEDULE: it reports by the clock\n"
		"\n"
		"Examples:\n"
		"  netlambda function new many-syn\n"
		"  netlambda function new scans --trigger http:/scans\n"
		"  netlambda function new report --trigger 'timer:0 6 * * 1-5'\n"
		"  netlambda function new many-syn --runtime python\n"
		"  netlambda function new many-syn --runtime native && make -C many-syn\n",
	.run = run_new,
	.letters = "r:",
};

const struct command function_types = {
	.name = "function types",
	.usage = "[--runtime nodejs|python|native]",
	.summary = "Prints the types of what functions are called with",
	.help = "For editors and type checkers: TypeScript declarations, which serve JavaScript as "
		"well, Python stubs,\n"
		"or the header that functions in C include, with the events as structs. The "
		"events' "
		"fields are those\n"
		"that this version of netlambda counts.\n"
		"\n"
		"Options:\n"
		"  -r, --runtime RUNTIME         nodejs (the default), python or native\n"
		"\n"
		"Examples:\n"
		"  netlambda function types > netlambda.d.ts\n"
		"  netlambda function types --runtime python > netlambda.pyi\n"
		"  netlambda function types --runtime native > netlambda.h\n",
	.run = run_types,
	.letters = "r:",
};
