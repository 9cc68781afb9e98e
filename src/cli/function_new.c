// SPDX-License-Identifier: BSD-2-Clause
#include "cli/function.h"
#include "cli/sample.h"
#include "cli/starter.h"

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
	struct text code, types, makefile; /* the last one for what is to be built */
} kinds[] = {
	{"nodejs", "js", "d.ts", {starter_js, &starter_js_len},
		{types_typescript, &types_typescript_len}, {0}},
	{"python", "py", "pyi", {starter_py, &starter_py_len}, {types_python, &types_python_len},
		{0}},
	{"native", "c", "h", {starter_c, &starter_c_len}, {types_c, &types_c_len},
		{starter_makefile, &starter_makefile_len}},
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

static int make_text(const struct making *making, const char *name, const char *text)
{
	unsigned int len = (unsigned int)strlen(text);

	return make_file(making, name, &(struct text){(const unsigned char *)text, &len}, false);
}

static int make_capture(
	const struct making *making, const char *name, unsigned int attempts, bool completed)
{
	char path[PATH_MAX];

	return make_path(path, making, name) ? sample_write(path, attempts, completed)
					     : -ENAMETOOLONG;
}

static int make_tests(const struct making *making)
{
	char path[PATH_MAX];
	int r;

	if (!make_path(path, making, "tests") || mkdir(path, 0777) < 0)
		return -errno;
	r = make_capture(making, "tests/many-syn.pcap", ATTACK_SEGMENTS, false);
	if (r == 0)
		r = make_text(making, "tests/many-syn.json",
			"{\n  \"alerts\": [\n    {\n"
			"      \"title\": \"Many SYN segments\",\n      \"severity\": \"high\",\n"
			"      \"srcip\": \"192.0.2.2\",\n      \"dstip\": \"192.0.2.1\",\n"
			"      \"dstport\": 80\n    }\n  ]\n}\n");
	if (r == 0)
		r = make_capture(making, "tests/ordinary.pcap", ORDINARY_SESSIONS, true);
	if (r == 0)
		r = make_text(making, "tests/ordinary.json", "{\n  \"alerts\": []\n}\n");
	return r;
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
		r = make_file(making, code, &kind->code, true);
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

/* NULL: that was an error, or all that was asked. */
static const struct kind *read_runtime(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_RUNTIME = 'r' };
	static const struct option options[] = {
		{"runtime", required_argument, NULL, OPTION_RUNTIME}, CLI_GLOBAL_OPTIONS};
	const struct kind *kind = &kinds[0];
	int c;

	while ((c = cli_next_option(cli, argc, argv, options)) == OPTION_RUNTIME) {
		kind = find_kind(optarg);
		if (!kind) {
			cli->status = cli_usage_error(cli,
				"--runtime: expected \"nodejs\", \"python\" or \"native\", found "
				"\"%s\"",
				optarg);
			return NULL;
		}
	}
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
	printf("made %s/ with a function that counts SYN segments, and its tests; now\n",
		making->name);
	if (making->kind->makefile.bytes)
		printf("  make -C %s\n", making->name);
	printf("  sudo netlambda function test %s\n"
	       "  sudo netlambda function deploy %s --from-file %s\n",
		making->name, making->name, making->name);
}

static int run_new(struct cli *cli, int argc, char **argv)
{
	struct making making = {.kind = read_runtime(cli, argc, argv)};
	char word[64];
	int r;

	if (!making.kind)
		return cli->status;
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
	const struct kind *kind = read_runtime(cli, argc, argv);

	if (!kind)
		return cli->status;
	if (optind < argc)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	fwrite(kind->types.bytes, 1, *kind->types.len, stdout);
	return 0;
}

const struct command function_new = {
	.name = "function new",
	.usage = "NAME [--runtime nodejs|python|native]",
	.summary = "Makes a folder with a function to begin with, and its tests",
	.help = "The folder, NAME, has the manifest, the code, the types of what it is called "
		"with, and two captures\n"
		"with the alerts that they lead to. In C (native) it has a Makefile, too: build it "
		"before you test or\n"
		"deploy it. Needs no server.\n"
		"\n"
		"Options:\n"
		"  -r, --runtime RUNTIME         nodejs (the default), python or native\n"
		"\n"
		"Examples:\n"
		"  netlambda function new many-syn\n"
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
