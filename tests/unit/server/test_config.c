// SPDX-License-Identifier: BSD-2-Clause
#include "server/config.h"

#include "base/clock.h"
#include "event/schema.h"
#include "server/surroundings.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with two functions, and the configuration under test. */
static char dir[] = "/tmp/netlambda-config-XXXXXX";
static char config_path[64];

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void make_folder(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state _unused_)
{
	if (schema_init() < 0 || !mkdtemp(dir))
		return -1;
	snprintf(config_path, sizeof(config_path), "%s/config.json", dir);
	make_folder("functions");
	make_folder("functions/port-scan");
	make_folder("functions/heavy-hitter");
	write_file("functions/port-scan/function.json",
		"{\"handler\": \"port-scan.main\", \"key\": [\"srcip\"], \"events\": [1],\n"
		" \"timeout\": \"3s\", \"config\": {\"syn\": 200, \"window\": \"10s\"}}\n");
	write_file("functions/heavy-hitter/function.json",
		"{\"handler\": \"heavy-hitter.main\", \"key\": [\"srcip\", \"srcport\"]}\n");
	return 0;
}

static int teardown(void **state _unused_)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* Loads `text`, which must be refused with exactly the path of `name` + `expected`. */
static void assert_refused_in(const char *name, const char *text, const char *expected)
{
	struct config *config = NULL;
	char *error = NULL, path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	write_file("config.json", text);
	assert_int_equal(config_load(config_path, &config, &error), -EINVAL);
	assert_null(config);
	assert_non_null(error);
	assert_memory_equal(error, path, strlen(path));
	assert_string_equal(error + strlen(path), expected);
	free(error);
}

static void assert_refused(const char *text, const char *expected)
{
	assert_refused_in("config.json", text, expected);
}

static struct config *load(const char *text)
{
	struct config *config = NULL;
	char *error = NULL;
	int r;

	write_file("config.json", text);
	r = config_load(config_path, &config, &error);
	if (r < 0)
		fail_msg("refused: %s", error ? error : strerror(-r));
	return config;
}

static void the_thesis_map_is_enough(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config =
		load("{\"functions_dir\": \"functions\",\n"
		     " \"triggers\": {\"1\": \"port-scan\", \"2\": [\"heavy-hitter\"]}}");

	assert_int_equal(config->function_count, 2);
	assert_int_equal(config->trigger_count, 2);
	assert_int_equal(config->triggers[0].event_id, EVENT_PORT);
	assert_string_equal(config->functions[config->triggers[0].function].name, "port-scan");
	assert_int_equal(config->triggers[1].event_id, EVENT_FLOW);
	assert_string_equal(config->listen, "127.0.0.1:5005");
	assert_int_equal(config->spare_workers, 4);
	assert_null(config->alerts);
	assert_int_equal(*config->functions_dir, '/');
}

static void the_manifest_gives_what_the_file_does_not(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config =
		load("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"
		     " \"functions\": {\"port-scan\": {\"batch\": 7, \"config\": {\"syn\": 5}}}}");
	const struct function_config *function = &config->functions[0];

	assert_string_equal(function->handler, "port-scan.main");
	assert_string_equal(function->key[0], "srcip");
	assert_null(function->key[1]);
	assert_int_equal(function->timeout_ns, 3 * NS_PER_SEC);
	assert_int_equal(function->batch_max, 7);
	assert_int_equal(function->min, 1);
	assert_int_equal(function->max, 1);
	assert_string_equal(function->config, "{\"syn\":5,\"window\":\"10s\"}");
}

#define WORKERS(text)                                                                              \
	"{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"               \
	"\"functions\": {\"port-scan\": {" text "}}}"

static void the_number_of_workers_has_its_bounds(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config = load(WORKERS("\"min\": 0, \"max\": 16"));

	assert_int_equal(config->functions[0].min, 0);
	assert_int_equal(config->functions[0].max, 16);
	assert_refused(WORKERS("\"linger\": \"1m\""),
		":2: functions.port-scan: linger: expected less than \"patience\"");
	assert_refused(WORKERS("\"max\": 17"),
		":2: functions.port-scan.max: expected an integer from 1 to 16");
	assert_refused(WORKERS("\"max\": 0"),
		":2: functions.port-scan.max: expected an integer from 1 to 16");
	assert_refused(WORKERS("\"min\": -1"),
		":2: functions.port-scan.min: expected an integer from 0 to 16");
	assert_refused(WORKERS("\"min\": 3, \"max\": 2"),
		":2: functions.port-scan: min: there are at most 2 workers (max)");
}

static void one_function_may_have_several_triggers(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config =
		load("{\"functions_dir\": \"functions\",\n"
		     " \"triggers\": {\"2\": \"heavy-hitter\", \"5\": []}}");

	assert_int_equal(config->function_count, 1);
	assert_int_equal(config->trigger_count, 1);
}

static void errors_name_file_line_and_key(void **state _unused_)
{
	assert_refused(
		"{\n\"functions_dir\": \"functions\",\n\"triggers\": {\n\"1\": \"prot-scan\"}}",
		":4: triggers.1: no function named \"prot-scan\" (did you mean \"port-scan\"?)");
	assert_refused(
		"{\n\n\"lisden\": \"x\"}", ":3: lisden: unknown key (did you mean \"listen\"?)");
	assert_refused("{\"colour\": 1}", ":1: colour: unknown key");
	assert_refused("{\n\"listen\": 5005}",
		":2: listen: expected a string that is not empty, found an integer");
	assert_refused(
		"{\n\"switches_max\": 0}", ":2: switches_max: expected an integer from 1 to 65536");
	assert_refused(
		"{\n\"spare_workers\": 17}", ":2: spare_workers: expected an integer from 0 to 16");
	assert_refused("{\n\"version1_switches\": []}",
		":2: version1_switches: expected an array of 1 to 65536 switch ids");
	assert_refused("{\"version1_switches\": [1, -1]}",
		":1: version1_switches: expected an array of 1 to 65536 switch ids");
	assert_refused(
		"{\"durability\": \"none\"}", ":1: durability: expected \"full\" or \"relaxed\"");
	assert_refused("[]", ":1: expected a JSON object");
	assert_refused("{\n\"listen\": }", ":2:11: not JSON: unexpected token near '}'");
}

static void triggers_are_checked(void **state _unused_)
{
	assert_refused("{\"triggers\": {\"7\": \"port-scan\"}}",
		":1: triggers.7: not the id of an event (1 port, 2 flow, 3 source, 4 target, 5 "
		"interface), nor timer:SCHEDULE or http:/PATH");
	assert_refused("{\"triggers\": {\"port\": \"port-scan\"}}",
		":1: triggers.port: not the id of an event (1 port, 2 flow, 3 source, 4 target, 5 "
		"interface), nor timer:SCHEDULE or http:/PATH");
	assert_refused("{\"triggers\": {\n\"1\": [\n3]}}",
		":3: triggers.1.0: expected a function's name, or an array of them");
	assert_refused("{\"functions_dir\": \"functions\", \"triggers\": {\"2\": \"port-scan\"}}",
		":1: triggers.2: function \"port-scan\" does not take event 2 (its function.json "
		"says "
		"which)");
	assert_refused(
		"{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"heavy-hitter\"}}",
		":1: triggers.1: function \"heavy-hitter\" is keyed by \"srcport\", which event 1 "
		"(port) does not have");
	assert_refused("{\"functions_dir\": \"functions\",\n"
		       " \"triggers\": {\"2\": [\"heavy-hitter\", \"heavy-hitter\"]}}",
		":2: triggers.2.1: function \"heavy-hitter\" is named twice");
	assert_refused("{\"functions_dir\": \"functions\",\n\"triggers\": {\"timer:61 * * * *\": "
		       "\"port-scan\"}}",
		":2: triggers.timer:61 * * * *: \"61 * * * *\": its minute is wrong: expected five "
		"fields such as \"*/5 * * * *\", or \"@every 30s\"");
	assert_refused("{\"triggers\": {\"6\": \"port-scan\"}}",
		":1: triggers.6: not the id of an event (1 port, 2 flow, 3 source, 4 target, 5 "
		"interface), nor timer:SCHEDULE or http:/PATH");
}

static void requests_are_taken_where_the_file_says(void **state _unused_)
{
	assert_refused("{\"functions_dir\": \"functions\", \"triggers\": {\"http:/x\": "
		       "\"port-scan\"}}",
		":1: triggers.http:/x: this server takes no requests: its configuration needs "
		"\"http\": {\"listen\": \"127.0.0.1:8080\"}");
	assert_refused(
		"{\"http\": {}, \"functions_dir\": \"functions\", \"triggers\": {\"http:x\": "
		"\"port-scan\"}}",
		":1: triggers.http:x: http:x: expected a path of at most 128 letters, digits and "
		"/-._~, such as http:/scans, or http:/scans/* for all below");
	assert_refused(
		"{\"http\": {}, \"functions_dir\": \"functions\", \"triggers\": {\"http:/x\": "
		"[\"port-scan\", \"heavy-hitter\"]}}",
		":1: triggers.http:/x.1: http:/x is there already, for function \"port-scan\"");
	assert_refused("{\"http\": {\"listen\": \"0.0.0.0:80\", \"token_file\": \"t\"}}",
		":1: http.listen: 0.0.0.0:80 can be reached from other machines, and so needs "
		"\"certificate\", \"key\" and \"token_file\"; or take 127.0.0.1, with a proxy in "
		"front");
	assert_refused("{\"http\": {\"key\": \"k\"}}",
		":1: http.key: \"certificate\" and \"key\" belong together");
	assert_refused("{\"http\": {\"port\": 80}}", ":1: http.port: unknown key");
}

static void overrides_are_checked_even_where_nothing_uses_them(void **state _unused_)
{
	assert_refused("{\"functions\": {\n\"x\": {\"timout\": \"1s\"}}}",
		":2: functions.x.timout: unknown key (did you mean \"timeout\"?)");
	assert_refused("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"
		       "\"functions\": {\"port-scan\": {\"timeout\": \"0s\"}}}",
		":2: functions.port-scan.timeout: expected a time from 1ms to 24h, as \"500ms\" or "
		"\"10s\"");
}

/* How far a function is trusted is not for the function's own folder to say. */
static void isolation_is_for_the_servers_file_alone(void **state _unused_)
{
	_cleanup_(config_freep) struct config *plain =
		load("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"}}");
	_cleanup_(config_freep) struct config *open =
		load("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"
		     " \"functions\": {\"port-scan\": {\"isolation\": \"none\"}}}");

	assert_int_equal(plain->functions[0].isolation, ISOLATION_STRICT);
	assert_int_equal(open->functions[0].isolation, ISOLATION_NONE);
	assert_false(function_config_equal(&plain->functions[0], &open->functions[0]));
	assert_refused("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"
		       "\"functions\": {\"port-scan\": {\"isolation\": \"some\"}}}",
		":2: functions.port-scan.isolation: expected \"strict\", \"best-effort\" or "
		"\"none\"");
	write_file("functions/heavy-hitter/function.json",
		"{\"handler\": \"heavy-hitter.main\",\n \"isolation\": \"none\"}\n");
	assert_refused_in("functions/heavy-hitter/function.json",
		"{\"functions_dir\": \"functions\", \"triggers\": {\"2\": \"heavy-hitter\"}}",
		":2: isolation: unknown key");
}

static void isolation_of_the_file_is_that_of_functions_that_say_nothing(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config =
		load("{\"functions_dir\": \"functions\", \"isolation\": \"best-effort\",\n"
		     " \"triggers\": {\"1\": \"port-scan\"}}");
	_cleanup_(config_freep) struct config *strict =
		load("{\"functions_dir\": \"functions\", \"isolation\": \"best-effort\",\n"
		     " \"functions\": {\"port-scan\": {\"isolation\": \"strict\"}},\n"
		     " \"triggers\": {\"1\": \"port-scan\"}}");

	assert_int_equal(config->isolation, ISOLATION_BEST_EFFORT);
	assert_int_equal(config->functions[0].isolation, ISOLATION_BEST_EFFORT);
	assert_int_equal(strict->functions[0].isolation, ISOLATION_STRICT);
	assert_refused("{\"isolation\": 1}",
		":1: isolation: expected a string that is not empty, found an integer");
}

static void limits_are_numbers_within_reason(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config =
		load("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"
		     " \"functions\": {\"port-scan\": {\"memory\": 96, \"cpu\": 0.5}}}");
	_cleanup_(config_freep) struct config *plain =
		load("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"}}");

	assert_int_equal(config->functions[0].memory_mb, 96);
	assert_int_equal(config->functions[0].cpu, 50);
	assert_int_equal(plain->functions[0].memory_mb, 0);
	assert_int_equal(plain->functions[0].cpu, 0);
	assert_false(function_config_equal(&config->functions[0], &plain->functions[0]));
	assert_refused("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"
		       " \"functions\": {\"port-scan\": {\"cpu\": 0}}}",
		":2: functions.port-scan.cpu: expected a number above 0, at most 1024");
}

#define WITH_SETTINGS(settings)                                                                    \
	"{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"               \
	" \"functions\": {\"port-scan\": {" settings "}}}"

static void network_lists_hosts_and_is_for_the_file_to_say(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config =
		load(WITH_SETTINGS("\"network\": [\"192.0.2.7:443\", \"db.example:5432\"]"));
	_cleanup_(config_freep) struct config *none = load(WITH_SETTINGS("\"network\": []"));
	_cleanup_(config_freep) struct config *plain = load(WITH_SETTINGS(""));

	assert_string_equal(config->functions[0].network[0], "192.0.2.7:443");
	assert_string_equal(config->functions[0].network[1], "db.example:5432");
	assert_null(config->functions[0].network[2]);
	assert_false(function_config_equal(&config->functions[0], &plain->functions[0]));
	assert_true(function_config_equal(&none->functions[0], &plain->functions[0]));
	assert_refused(WITH_SETTINGS("\"network\": [\"192.0.2.7\"]"),
		":2: functions.port-scan.network: \"192.0.2.7\": expected a host and a port, as "
		"\"api.example.org:443\", \"192.0.2.7:8086\" or \"[2001:db8::1]:443\"");
	assert_refused(WITH_SETTINGS("\"network\": \"192.0.2.7:443\""),
		":2: functions.port-scan.network: expected an array of at most 32 texts, HOST:PORT "
		"each");
	assert_refused(WITH_SETTINGS("\"network\": [\"a:1\", 1]"),
		":2: functions.port-scan.network: expected an array of at most 32 texts, HOST:PORT "
		"each");
	assert_refused(WITH_SETTINGS("\"network\": [\"a:1\", \"A:1\"]"),
		":2: functions.port-scan.network: a host and port that are there twice");
}

static void assert_limit(const char *limit, const char *entry, bool allowed)
{
	const char *const list[] = {limit, NULL};

	if (network_allows(list, entry) != allowed)
		fail_msg("%s: %s is %sallowed", limit, entry, allowed ? "not " : "");
}

static void limit_of_the_network_matches_hosts_and_ports(void **state _unused_)
{
	static const char *const none[] = {NULL};

	assert_true(network_allows(NULL, "192.0.2.7:443"));
	assert_false(network_allows(none, "192.0.2.7:443"));
	assert_limit("192.0.2.7:443", "192.0.2.7:443", true);
	assert_limit("192.0.2.7:443", "192.0.2.7:444", false);
	assert_limit("192.0.2.7:443", "192.0.2.70:443", false);
	assert_limit("192.0.2.7:*", "192.0.2.7:444", true);
	assert_limit("*:443", "192.0.2.7:443", true);
	assert_limit("*:443", "[2001:db8::1]:443", true);
	assert_limit("*:443", "192.0.2.7:4430", false);
	assert_limit("[2001:db8::1]:*", "[2001:db8::1]:1", true);
	assert_limit("Api.Example.org:443", "api.example.ORG:443", true);
	assert_limit("*.example.org:443", "api.example.org:443", true);
	assert_limit("*.example.org:443", "a.b.example.org:443", true);
	assert_limit("*.example.org:443", "example.org:443", false);
	assert_limit("*.example.org:443", "badexample.org:443", false);
	assert_limit("*.7:443", "192.0.2.7:443", false);
}

static void limit_of_the_network_is_checked(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config =
		load("{\"network\": [\"*:443\", \"*.example.org:*\", \"[2001:db8::1]:22\"]}");
	_cleanup_(config_freep) struct config *plain = load("{}");
	static const char *const wrong[] = {"*", "*:", "*:0", "example.org", "a*.org:443",
		"*example.org:443", "*.:443", "*.192.0.2.7:443", "**:443", "*:**", "[*]:443",
		":443"};

	assert_string_equal(config->network[1], "*.example.org:*");
	assert_null(plain->network);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[64], error[256];

		snprintf(text, sizeof(text), "{\"network\": [\"%s\"]}", wrong[i]);
		snprintf(error, sizeof(error),
			":1: network: \"%s\": expected a host and a port, as \"192.0.2.7:443\", "
			"\"*.example.org:*\" or \"*:443\"",
			wrong[i]);
		assert_refused(text, error);
	}
}

static void environment_is_merged_into_the_manifests(void **state _unused_)
{
	_cleanup_(config_freep) struct config *config = NULL, *plain = load(WITH_SETTINGS(""));

	write_file("functions/port-scan/function.json",
		"{\"handler\": \"port-scan.main\", \"env\": {\"A\": \"1\", \"B\": \"2\"}}\n");
	config = load(WITH_SETTINGS("\"env\": {\"C\": \"3=\", \"A\": \"\"}"));
	assert_string_equal(config->functions[0].environment[0], "A=");
	assert_string_equal(config->functions[0].environment[1], "B=2");
	assert_string_equal(config->functions[0].environment[2], "C=3=");
	assert_null(config->functions[0].environment[3]);
	assert_false(function_config_equal(&config->functions[0], &plain->functions[0]));
	assert_refused(WITH_SETTINGS("\"env\": [\"A=1\"]"),
		":2: functions.port-scan.env: expected an object of at most 60 texts");
	assert_refused(WITH_SETTINGS("\"env\": {\"A B\": \"1\"}"),
		":2: functions.port-scan.env.A B: expected a name of letters, digits and \"_\"");
	assert_refused(WITH_SETTINGS("\"env\": {\"A\": 1}"),
		":2: functions.port-scan.env.A: expected a text");
}

static void manifest_has_no_say_in_what_it_reaches(void **state _unused_)
{
	write_file("functions/port-scan/function.json",
		"{\"handler\": \"port-scan.main\", \"network\": [\"192.0.2.7:443\"]}\n");
	assert_refused_in(
		"functions/port-scan/function.json", WITH_SETTINGS(""), ":1: network: unknown key");
}

/* They are for who deploys the folder. */
static void triggers_of_a_manifest_are_texts_and_trigger_nothing_here(void **state _unused_)
{
	static const char *const wrong[] = {"\"event:port\"", "[1]"};
	_cleanup_(config_freep) struct config *config = NULL;
	char text[128];

	write_file("functions/port-scan/function.json",
		"{\"handler\": \"port-scan.main\", \"triggers\": [\"timer:@hourly\"]}\n");
	config = load(WITH_SETTINGS(""));
	assert_int_equal(config->timer_count, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text),
			"{\"handler\": \"port-scan.main\", \"triggers\": %s}\n", wrong[i]);
		write_file("functions/port-scan/function.json", text);
		assert_refused_in("functions/port-scan/function.json", WITH_SETTINGS(""),
			":1: triggers: " FUNCTION_TRIGGERS_EXPECTED);
	}
}

static void a_file_that_is_not_there_is_said_to_be_so(void **state _unused_)
{
	struct config *config = NULL;
	_cleanup_free_ char *error = NULL;

	assert_int_equal(config_load("/nonexistent/config.json", &config, &error), -ENOENT);
	assert_string_equal(error, "/nonexistent/config.json: No such file or directory");
}

/* What a reload compares: any difference in what the function would see or do. */
static void a_changed_threshold_makes_another_function(void **state _unused_)
{
	static const char text[] =
		"{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"}}";
	_cleanup_(config_freep) struct config *a = load(text), *b = load(text);
	_cleanup_(config_freep) struct config *c =
		load("{\"functions_dir\": \"functions\", \"triggers\": {\"1\": \"port-scan\"},\n"
		     " \"functions\": {\"port-scan\": {\"config\": {\"syn\": 201}}}}");

	assert_true(function_config_equal(&a->functions[0], &b->functions[0]));
	assert_false(function_config_equal(&a->functions[0], &c->functions[0]));
}

static void runtimes_are_read_and_checked(void **state _unused_)
{
	static const struct {
		const char *runtimes, *error;
	} wrong[] = {
		{"[]", "runtimes: expected an object: name -> settings, of at most 13"},
		{"{\"Lua\": {}}", "runtimes.Lua: expected a name of a-z, 0-9, \".\" and \"-\""},
		{"{\"lua\": 1}", "runtimes.lua: expected an object with command and suffixes"},
		{"{\"lua\": {\"command\": [\"lua\"]}}",
			"runtimes.lua: expected an object with command and suffixes"},
		{"{\"lua\": {\"command\": \"lua\"}}",
			"runtimes.lua.command: expected an array of 1 to 32 texts"},
		{"{\"lua\": {\"command\": [\"lua\", 1]}}", "runtimes.lua.command: expected texts"},
		{"{\"nodejs\": {\"suffixes\": [\"js\"]}}",
			"runtimes.nodejs.suffixes: expected texts that begin with \".\""},
		{"{\"nodejs\": {\"comand\": [\"n\"]}}",
			"runtimes.nodejs.comand: unknown key (did you mean \"command\"?)"},
	};
	_cleanup_(config_freep) struct config *config = NULL, *other = NULL;
	char text[256], error[256];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text), "{\"runtimes\": %s}", wrong[i].runtimes);
		snprintf(error, sizeof(error), ":1: %s", wrong[i].error);
		assert_refused(text, error);
	}
	config = load("{\"runtimes\": {\"lua\": {\"command\": [\"lua5.4\", \"/srv/worker.lua\"], "
		      "\"suffixes\": [\".lua\"], \"paths\": [\"/srv/lua\"]}}}");
	assert_int_equal(config->runtimes.count, 1);
	assert_string_equal(config->runtimes.items[0].name, "lua");
	assert_string_equal(config->runtimes.items[0].command[1], "/srv/worker.lua");
	assert_null(config->runtimes.items[0].command[2]);
	assert_string_equal(config->runtimes.items[0].paths[0], "/srv/lua");
	other = load("{\"runtimes\": {\"nodejs\": {\"command\": [\"/opt/node/bin/node\"]}}}");
	assert_null(other->runtimes.items[0].suffixes);
	assert_false(runtime_config_equal(&config->runtimes, &other->runtimes));
	assert_true(runtime_config_equal(&config->runtimes, &config->runtimes));
}

static int access_error; /* of what is looked for; 0: as it is */

int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);

int __wrap_access(const char *path, int mode)
{
	if (access_error == 0)
		return __real_access(path, mode);
	errno = access_error;
	return -1;
}

/* With version 1 on the server starts without a certificate, but not beside one that it may not read. */
static void only_a_certificate_that_is_not_there_switches_version_2_off(void **state _unused_)
{
	_cleanup_(config_freep) struct config *without = NULL, *unreadable = NULL;

	access_error = ENOENT;
	without = load("{\"functions_dir\": \"functions\", \"version1\": true, \"triggers\": {}}");
	access_error = EACCES;
	unreadable =
		load("{\"functions_dir\": \"functions\", \"version1\": true, \"triggers\": {}}");
	access_error = 0;
	assert_null(without->tls.credentials);
	assert_non_null(unreadable->tls.credentials);
}

#define WITH_LIMITS(limits)                                                                        \
	"{\"functions_dir\": \"functions\", \"triggers\": {},\n \"tls\": {\"limits\": " limits "}" \
	"}"

static void limits_of_strangers_and_agents_are_read(void **state _unused_)
{
	_cleanup_(config_freep) struct config *plain = load(WITH_LIMITS("{}"));
	_cleanup_(config_freep) struct config *config = load(
		WITH_LIMITS("{\"machine\": {\"burst\": 3, \"every\": \"2s\"}, \"handshakes\": 7,"
			    " \"handshakes_network\": 6, \"handshakes_machine\": 5,"
			    " \"hellos\": {\"burst\": 9, \"every\": \"10ms\"},"
			    " \"incarnations\": {\"burst\": 100000, \"every\": \"24h\"}}"));
	const struct limits_config *limits = &config->tls.limits;

	assert_int_equal(limits->connections.rates.machine.burst, 3);
	assert_int_equal(limits->connections.rates.machine.interval_ns, 2 * NS_PER_SEC);
	assert_int_equal(limits->connections.rates.network.burst, 0); /* the usual one */
	assert_int_equal(limits->connections.handshakes_max, 7);
	assert_int_equal(limits->connections.handshakes_network_max, 6);
	assert_int_equal(limits->connections.handshakes_machine_max, 5);
	assert_int_equal(limits->hellos.burst, 9);
	assert_int_equal(limits->hellos.interval_ns, 10 * NS_PER_MS);
	assert_int_equal(limits->incarnations.burst, 100000);
	/* They are taken up by a reload. */
	assert_true(tls_config_equal(&plain->tls, &config->tls));
}

static void limits_that_are_none_are_refused(void **state _unused_)
{
	assert_refused(WITH_LIMITS("7"), ":2: tls.limits: expected an object");
	assert_refused(WITH_LIMITS("{\"hello\": 1}"),
		":2: tls.limits.hello: unknown key (did you mean \"hellos\"?)");
	assert_refused(WITH_LIMITS("{\"hellos\": {\"burst\": 20}}"),
		":2: tls.limits.hellos: expected so many at once and then one each time, as "
		"{\"burst\": 20, \"every\": \"250ms\"}");
	assert_refused(WITH_LIMITS("{\"all\": {\"burst\": 0, \"every\": \"1s\"}}"),
		":2: tls.limits.all.burst: expected an integer from 1 to 100000");
	assert_refused(WITH_LIMITS("{\"all\": {\"burst\": 1, \"every\": \"0s\"}}"),
		":2: tls.limits.all.every: expected a time from 1ms to 24h, as \"500ms\" or "
		"\"10s\"");
	assert_refused(WITH_LIMITS("{\"handshakes\": 65537}"),
		":2: tls.limits.handshakes: expected an integer from 1 to 65536");
}

/* What is not equal is said to take effect at the next start. */
static void tls_settings_are_compared(void **state _unused_)
{
	static const char *const texts[] = {
		"{\"functions_dir\": \"functions\", \"triggers\": {}}",
		"{\"functions_dir\": \"functions\", \"triggers\": {}, \"tls\": {\"grace\": "
		"\"9s\"}}",
		"{\"functions_dir\": \"functions\", \"triggers\": {},"
		" \"tls\": {\"ciphers\": [\"AES-256-GCM\"]}}",
		"{\"functions_dir\": \"functions\", \"triggers\": {},"
		" \"tls\": {\"switches\": [\"dns:switch-{id}.a.net\"]}}",
		"{\"functions_dir\": \"functions\", \"triggers\": {},"
		" \"tls\": {\"switches\": [\"dns:switch-{id}.b.net\"]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
			_cleanup_(config_freep) struct config *a = load(texts[i]);
			_cleanup_(config_freep) struct config *b = load(texts[j]);

			assert_int_equal(tls_config_equal(&a->tls, &b->tls), i == j);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runtimes_are_read_and_checked),
		cmocka_unit_test(only_a_certificate_that_is_not_there_switches_version_2_off),
		cmocka_unit_test(tls_settings_are_compared),
		cmocka_unit_test(limits_of_strangers_and_agents_are_read),
		cmocka_unit_test(limits_that_are_none_are_refused),
		cmocka_unit_test(the_thesis_map_is_enough),
		cmocka_unit_test(the_manifest_gives_what_the_file_does_not),
		cmocka_unit_test(the_number_of_workers_has_its_bounds),
		cmocka_unit_test(one_function_may_have_several_triggers),
		cmocka_unit_test(errors_name_file_line_and_key),
		cmocka_unit_test(triggers_are_checked),
		cmocka_unit_test(requests_are_taken_where_the_file_says),
		cmocka_unit_test(overrides_are_checked_even_where_nothing_uses_them),
		cmocka_unit_test(a_file_that_is_not_there_is_said_to_be_so),
		cmocka_unit_test(a_changed_threshold_makes_another_function),
		cmocka_unit_test(isolation_is_for_the_servers_file_alone),
		cmocka_unit_test(isolation_of_the_file_is_that_of_functions_that_say_nothing),
		cmocka_unit_test(limits_are_numbers_within_reason),
		cmocka_unit_test(network_lists_hosts_and_is_for_the_file_to_say),
		cmocka_unit_test(limit_of_the_network_matches_hosts_and_ports),
		cmocka_unit_test(limit_of_the_network_is_checked),
		/* Those that write the manifest anew. */
		cmocka_unit_test(environment_is_merged_into_the_manifests),
		cmocka_unit_test(manifest_has_no_say_in_what_it_reaches),
		cmocka_unit_test(triggers_of_a_manifest_are_texts_and_trigger_nothing_here),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
