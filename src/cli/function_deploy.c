// SPDX-License-Identifier: BSD-2-Clause
#include "base/fd.h"
#include "base/number.h"
#include "cli/function.h"

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * deploy and update: flags become settings, as they stand in the server's file, and the server
 * judges them.
 */

enum setting_kind {
	SETTING_TEXT,
	SETTING_TIME, /* a bare number is seconds, as Kubeless has it */
	SETTING_COUNT,
	SETTING_LIST, /* with commas between, or the flag again */
	SETTING_JSON, /* an object, or @FILE with one */
	SETTING_RUNTIME,
	SETTING_MEMORY, /* MiB, or with a unit, as Kubeless has it: 128Mi, 1Gi */
	SETTING_SIZE,   /* bytes, or with a unit */
	SETTING_CPU,    /* processors: 0.5, or as Kubeless has it 500m */
	SETTING_ENV,    /* NAME=VALUE, or the flag again */
};

static const struct setting {
	const char *flag;
	const char *key;
	enum setting_kind kind;
} settings[] = {
	{"runtime", "runtime", SETTING_RUNTIME},
	{"handler", "handler", SETTING_TEXT},
	{"key", "key", SETTING_LIST},
	{"timeout", "timeout", SETTING_TIME},
	{"attempts", "attempts", SETTING_COUNT},
	{"patience", "patience", SETTING_TIME},
	{"batch", "batch", SETTING_COUNT},
	{"queue", "queue", SETTING_COUNT},
	{"config", "config", SETTING_JSON},
	{"trigger", "triggers", SETTING_LIST},
	{"min", "min", SETTING_COUNT},
	{"max", "max", SETTING_COUNT},
	{"idle", "idle", SETTING_TIME},
	{"isolation", "isolation", SETTING_TEXT},
	{"memory", "memory", SETTING_MEMORY},
	{"cpu", "cpu", SETTING_CPU},
	{"linger", "linger", SETTING_TIME},
	{"state-keys", "state_keys", SETTING_COUNT},
	{"state-bytes", "state_bytes", SETTING_SIZE},
	{"env", "env", SETTING_ENV},
	{"network", "network", SETTING_LIST},
};

enum {
	OPTION_FROM_FILE = 'f',
	OPTION_DEPENDENCIES = 'd',
	OPTION_RUNTIME = 'r',
	OPTION_DRYRUN = CLI_FIRST_OPTION,
	OPTION_UNSET,
	OPTION_SETTING, /* and those after it: settings[option - OPTION_SETTING] */
};

static const struct option own_options[] = {
	{"from-file", required_argument, NULL, OPTION_FROM_FILE},
	{"dependencies", required_argument, NULL, OPTION_DEPENDENCIES},
	{"dryrun", no_argument, NULL, OPTION_DRYRUN}, {"dry-run", no_argument, NULL, OPTION_DRYRUN},
	{"unset", required_argument, NULL, OPTION_UNSET}, CLI_GLOBAL_OPTIONS};

struct deploying {
	struct cli *cli;
	struct code_source code;
	json_t *spec;
	bool dry_run;
};

/* ---- flags ---- */

/* "nodejs14" and "python3.7" are Kubeless's names; here there is one of each. */
static json_t *runtime_value(const char *text)
{
	static const char *const names[] = {"nodejs", "python", "native"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(text, names[i], strlen(names[i])) == 0 &&
			strspn(text + strlen(names[i]), "0123456789.") ==
				strlen(text + strlen(names[i])))
			return json_string(names[i]);
	return json_string(text);
}

static json_t *time_value(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text) ? json_sprintf("%ss", text)
								   : json_string(text);
}

static json_t *count_value(const char *text)
{
	uint64_t number;

	return cli_parse_number(text, 0, INT32_MAX, &number) == 0 ? json_integer((json_int_t)number)
								  : NULL;
}

static json_t *memory_value(const char *text)
{
	static const struct {
		const char *unit;
		uint64_t factor;
	} units[] = {
		{"", 1}, {"M", 1}, {"Mi", 1}, {"MiB", 1}, {"G", 1024}, {"Gi", 1024}, {"GiB", 1024}};
	size_t digits = strspn(text, "0123456789");
	uint64_t number;
	char copy[16];

	if (digits == 0 || digits >= sizeof(copy))
		return NULL;
	snprintf(copy, sizeof(copy), "%.*s", (int)digits, text);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text + digits, units[i].unit) != 0 ||
			cli_parse_number(copy, 1, INT32_MAX, &number) < 0)
			continue;
		number *= units[i].factor;
		return json_integer((json_int_t)number);
	}
	return NULL;
}

static json_t *size_value(const char *text)
{
	uint64_t bytes;

	return size_parse(text, 1, INT64_MAX, &bytes) == 0 ? json_integer((json_int_t)bytes) : NULL;
}

static json_t *cpu_value(const char *text)
{
	double number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return NULL;
	number = strtod(text, &end);
	if (strcmp(end, "m") == 0)
		number /= 1000;
	else if (*end)
		return NULL;
	return json_real(number);
}

static json_t *json_value(const char *text)
{
	json_error_t error;
	json_t *value = *text == '@' ? json_load_file(text + 1, JSON_REJECT_DUPLICATES, &error)
				     : json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (value)
		return value;
	cli_error("%s: line %d: %s", *text == '@' ? text + 1 : "--config", error.line, error.text);
	return NULL;
}

/* The list so far with what is added to it. */
static json_t *list_value(json_t *spec, const char *key, const char *text)
{
	json_t *list = json_object_get(spec, key);

	list = list ? json_incref(list) : json_array();
	while (list && *text) {
		/* A trigger may have commas of its own: timer:0,30 * * * * */
		size_t len = strcmp(key, "triggers") == 0 ? strlen(text) : strcspn(text, ",");

		if (len > 0 && json_array_append_new(list, json_stringn(text, len)) < 0)
			return json_decref(list), NULL;
		text += len;
		text += *text == ',';
	}
	return list;
}

/* The variables so far with one more. */
static json_t *env_value(json_t *spec, const char *key, const char *text)
{
	json_t *variables = json_object_get(spec, key);
	size_t len = strcspn(text, "=");
	char name[128];

	if (len == 0 || len >= sizeof(name) || text[len] != '=')
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	variables = variables ? json_incref(variables) : json_object();
	if (json_object_set_new(variables, name, json_string(text + len + 1)) == 0)
		return variables;
	json_decref(variables);
	return NULL;
}

/* 0, or an exit status after saying why. */
static int take_setting(
	struct deploying *deploying, const struct setting *setting, const char *text)
{
	static const char *const expected[] = {
		[SETTING_TEXT] = "UTF-8 text",
		[SETTING_TIME] = "UTF-8 text",
		[SETTING_COUNT] = "a number",
		[SETTING_LIST] = "UTF-8 text",
		[SETTING_RUNTIME] = "UTF-8 text",
		[SETTING_MEMORY] = "MiB, or as 128Mi or 1Gi",
		[SETTING_SIZE] = "bytes, or as 512Mi or 1Gi",
		[SETTING_CPU] = "processors, as 0.5 or 500m",
		[SETTING_ENV] = "NAME=VALUE",
	};
	json_t *value = NULL;

	switch (setting->kind) {
	case SETTING_TEXT:
		value = json_string(text);
		break;
	case SETTING_TIME:
		value = time_value(text);
		break;
	case SETTING_COUNT:
		value = count_value(text);
		break;
	case SETTING_LIST:
		value = list_value(deploying->spec, setting->key, text);
		break;
	case SETTING_JSON:
		value = json_value(text);
		break;
	case SETTING_RUNTIME:
		value = runtime_value(text);
		break;
	case SETTING_MEMORY:
		value = memory_value(text);
		break;
	case SETTING_SIZE:
		value = size_value(text);
		break;
	case SETTING_CPU:
		value = cpu_value(text);
		break;
	case SETTING_ENV:
		value = env_value(deploying->spec, setting->key, text);
		break;
	}
	if (!value && setting->kind == SETTING_JSON)
		return EXIT_USAGE;
	if (!value)
		return cli_usage_error(deploying->cli, "--%s: expected %s, found \"%s\"",
			setting->flag, expected[setting->kind], text);
	json_object_set_new(deploying->spec, setting->key, value);
	return 0;
}

static int take_unset(struct deploying *deploying, const char *flag)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (strcmp(settings[i].flag, flag) != 0)
			continue;
		json_object_set_new(deploying->spec, settings[i].key, json_null());
		return 0;
	}
	return cli_usage_error(deploying->cli, "--unset: there is no setting \"%s\"", flag);
}

static int take_option(struct deploying *deploying, int option, const char *value)
{
	switch (option) {
	case OPTION_FROM_FILE:
		deploying->code.path = value;
		return 0;
	case OPTION_DEPENDENCIES:
		deploying->code.dependencies = value;
		return 0;
	case OPTION_RUNTIME:
		return take_setting(deploying, &settings[0], value);
	case OPTION_DRYRUN:
		deploying->dry_run = true;
		return 0;
	case OPTION_UNSET:
		return take_unset(deploying, value);
	default:
		return take_setting(deploying, &settings[option - OPTION_SETTING], value);
	}
}

/* ---- what one file says by itself ---- */

/* "many-syn.main"; in C, where main() is taken, "many-syn.many_syn". */
static json_t *default_handler(const char *name, const char *runtime)
{
	_cleanup_free_ char *function = strdup(name);

	for (char *at = function; at && *at; at++)
		if (*at == '-')
			*at = '_';
	return json_sprintf(
		"%s.%s", name, function && strcmp(runtime, "native") == 0 ? function : "main");
}

/* A folder's, or an archive's, manifest says more, to the server. */
static void guess_from_file(struct deploying *deploying)
{
	static const struct {
		const char *suffix, *runtime;
	} kinds[] = {{".js", "nodejs"}, {".mjs", "nodejs"}, {".cjs", "nodejs"}, {".py", "python"},
		{".so", "native"}};
	_cleanup_free_ char *copy = strdup(deploying->code.path);
	char *name = copy ? basename(copy) : NULL;
	char *dot = name ? strrchr(name, '.') : NULL;
	struct stat st;

	if (stat(deploying->code.path, &st) < 0 || !S_ISREG(st.st_mode))
		return; /* said when it is packed, if it is not there */
	for (size_t i = 0; dot && i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(dot, kinds[i].suffix) != 0)
			continue;
		*dot = '\0';
		if (!json_object_get(deploying->spec, "runtime"))
			json_object_set_new(
				deploying->spec, "runtime", json_string(kinds[i].runtime));
		if (!json_object_get(deploying->spec, "handler"))
			json_object_set_new(deploying->spec, "handler",
				default_handler(name, kinds[i].runtime));
		return;
	}
}

/* ---- doing it ---- */

static int send_code(struct deploying *deploying, json_t *body)
{
	_cleanup_fd_ int fd = -1;
	json_t *answer = NULL;

	if (!deploying->code.path)
		return 0;
	fd = code_gather(&deploying->code);
	if (fd < 0 || client_upload(deploying->cli, "/v1/code", fd, &answer) != 0)
		return EXIT_FAILURE;
	json_object_set(body, "code", json_object_get(answer, "code"));
	json_decref(answer);
	return 0;
}

/* It was asked for, or who runs the server allows it; still nobody should have to guess. */
static void print_lacking(const json_t *answer)
{
	const json_t *lacks = json_object_get(answer, "isolation_lacks"), *layer;
	size_t i;

	json_array_foreach (lacks, i, layer)
		printf("%s%s", i == 0 ? "its isolation lacks " : ", ", json_string_value(layer));
	if (json_array_size(lacks) > 0)
		puts(" (see netlambda status)");
}

/* That is allowed, and seldom meant. */
static void print_untriggered(const char *name, const json_t *answer)
{
	const json_t *triggers = json_object_get(answer, "triggers");

	if (json_is_array(triggers) && json_array_size(triggers) == 0)
		printf("it has no trigger, so no event comes to it: netlambda function update %s "
		       "--trigger event:port\n",
			name);
}

static void print_done(
	const struct deploying *deploying, const char *name, const json_t *answer, bool is_new)
{
	if (deploying->cli->output != OUTPUT_TABLE)
		cli_print_value(deploying->cli, answer);
	else if (deploying->dry_run)
		printf("function %s can be %s; nothing was changed\n", name,
			is_new ? "deployed" : "updated");
	else
		printf("function %s is %s, version %lld\n", name, is_new ? "deployed" : "updated",
			(long long)json_integer_value(json_object_get(answer, "version")));
	if (deploying->cli->output == OUTPUT_TABLE) {
		print_untriggered(name, answer);
		print_lacking(answer);
	}
}

static int send(struct deploying *deploying, const char *name, bool is_new)
{
	_cleanup_free_ char *target = function_target(name, "");
	json_t *body = json_object(), *answer = NULL;
	int status = target ? 0 : EXIT_FAILURE;

	if (status == 0)
		status = send_code(deploying, body);
	json_object_set(body, "spec", deploying->spec);
	if (deploying->dry_run)
		json_object_set_new(body, "dry_run", json_true());
	if (status == 0)
		status = client_send(
			deploying->cli, is_new ? "PUT" : "PATCH", target, body, &answer);
	if (status == 0)
		print_done(deploying, name, answer, is_new);
	json_decref(answer);
	json_decref(body);
	return status;
}

static int deploy(struct cli *cli, int argc, char **argv, bool is_new)
{
	struct option options[ARRAY_SIZE(settings) + ARRAY_SIZE(own_options)];
	struct deploying deploying = {.cli = cli, .spec = json_object()};
	const char *name;
	int c, status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		options[i] = (struct option){
			settings[i].flag, required_argument, NULL, OPTION_SETTING + (int)i};
	memcpy(options + ARRAY_SIZE(settings), own_options, sizeof(own_options));
	while (status == 0 && (c = cli_next_option(cli, argc, argv, options)) >= 0)
		status = take_option(&deploying, c, optarg);
	if (status == 0 && c == CLI_END)
		status = cli->status ? cli->status : -1;
	name = status == 0 ? function_operand(cli, argc, argv) : NULL;
	if (status == 0 && !name)
		status = cli->status;
	if (status == 0 && is_new && !deploying.code.path)
		status = cli_usage_error(cli, "where is the code? --from-file FILE, FOLDER or ZIP");
	if (status == 0 && deploying.code.dependencies && !deploying.code.path)
		status = cli_usage_error(cli, "--dependencies goes with --from-file");
	if (status == 0 && is_new)
		guess_from_file(&deploying);
	if (status == 0)
		status = send(&deploying, name, is_new);
	json_decref(deploying.spec);
	return MAX(status, 0);
}

static int run_deploy(struct cli *cli, int argc, char **argv)
{
	return deploy(cli, argc, argv, true);
}

static int run_update(struct cli *cli, int argc, char **argv)
{
	return deploy(cli, argc, argv, false);
}

#define SETTINGS_HELP                                                                              \
	"  -f, --from-file PATH          the code: a file, a folder, or a zip or tar.gz\n"         \
	"  -d, --dependencies FILE       package.json (npm) or requirements.txt (pip): "           \
	"installed\n"                                                                              \
	"                                here, and sent with the code\n"                           \
	"  -r, --runtime RUNTIME         nodejs, python or native\n"                               \
	"      --handler FILE.FUNCTION   which function of which file to call\n"                   \
	"      --trigger event:ID        which events it gets (1 or port, 2 or flow, ...); "       \
	"again\n"                                                                                  \
	"                                for more; timer:SCHEDULE calls it by the clock (cron "    \
	"fields, in\n"                                                                             \
	"                                UTC, or timer:@every 5m), http:/PATH by requests\n"       \
	"      --key FIELD,...           the event's fields that make the key of its state\n"      \
	"      --timeout TIME            for one batch: 10s, 500ms, or a number of seconds\n"      \
	"      --attempts N              how often an event may fail before it is put aside\n"     \
	"      --patience TIME           how long it may get nothing done before what waits is "   \
	"put "                                                                                     \
	"aside\n"                                                                                  \
	"      --batch N                 events given to it at once, at most\n"                    \
	"      --queue N                 events that may wait for it\n"                            \
	"      --linger TIME             how long events of a busy function may wait for "         \
	"company\n"                                                                                \
	"      --min N, --max N          workers that share its keys: as many as it needs, from "  \
	"min (0: none\n"                                                                           \
	"                                while nothing comes) to max (16 at most); 1 and 1\n"      \
	"      --idle TIME               with nothing to do for so long it has min; 1m\n"          \
	"      --isolation LEVEL         strict (the default), best-effort or none\n"              \
	"      --config JSON|@FILE       what it finds in context.config\n"                        \
	"      --memory SIZE             of a worker: MiB, or 128Mi, 1Gi\n"                        \
	"      --state-keys N            keys whose state is in memory, at most\n"                 \
	"      --state-bytes SIZE        of all that it may keep: bytes, or 512Mi, 1Gi\n"          \
	"      --cpu N                   processors that a worker may use: 0.5, or 500m\n"         \
	"      --env NAME=VALUE          a variable of its environment; again for more\n"          \
	"      --network HOST:PORT,...   whom it may reach; nobody, if not given\n"                \
	"      --dryrun                  check all, load it in a trial worker, change nothing\n"

const struct command function_deploy = {
	.name = "function deploy",
	.usage = "NAME --from-file PATH [OPTION]...",
	.summary = "Puts a function to work, or a new version in the place of the old",
	.help = "The code is sent to the server and loaded in a trial worker; only if that "
		"succeeds does it "
		"take\n"
		"the place of the version before, with what that remembered, and without losing an "
		"event.\n"
		"What is not given is as the code's function.json says, or has its default. A "
		"single file\n"
		"says by its suffix which runtime it is for; its handler is main (of a .so that "
		"of\n"
		"the file's name).\n"
		"\n"
		"Options:\n" SETTINGS_HELP "\n"
		"Examples:\n"
		"  netlambda function deploy many-syn --from-file many-syn.js --trigger event:port "
		"--key srcip\n"
		"  netlambda function deploy many-syn --from-file ./many-syn\n"
		"  netlambda function deploy geo -f geo.js --handler geo.main -d package.json "
		"--trigger event:1\n",
	.run = run_deploy,
	.letters = "f:d:r:",
};

const struct command function_update = {
	.name = "function update",
	.usage = "NAME [OPTION]...",
	.summary = "Changes what is given of a deployed function, and leaves the rest",
	.help = "That makes a new version, which is tried first as by 'deploy'.\n"
		"\n"
		"Options:\n" SETTINGS_HELP "      --unset SETTING           back to the "
		"manifest's, or the default: timeout, key, ...\n"
		"\n"
		"Examples:\n"
		"  netlambda function update many-syn --from-file many-syn.js\n"
		"  netlambda function update many-syn --timeout 2s --config '{\"syn\": 500}'\n"
		"  netlambda function update many-syn --unset timeout\n",
	.run = run_update,
	.letters = "f:d:r:",
};
