// SPDX-License-Identifier: BSD-2-Clause
#include "cli/format.h"
#include "cli/function.h"
#include "cli/replay_program.h"
#include "cli/test_responses.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * tests/NAME.pcap is run through the function, and the alerts that come out are compared with those
 * of tests/NAME.json: {"alerts": [{"title": ..., "severity": ..., "srcip": ..., ...}]}. An expected
 * alert names what matters of it; an alert that comes out must be expected, and an expected one
 * must come out. With {"requests": [{"path": ..., "response": {...}}]} there, these come behind the
 * capture, if there is one, and each must be answered as it says.
 */

#define REASONS_MAX 5 /* shown of what was put aside */

struct testing {
	struct cli *cli;
	const char *dir;
	bool update;
	unsigned int passed, failed, updated;
	json_t *requests;     /* of the test that runs; NULL: none */
	json_t *tests, *test; /* all, and the one that runs, in JSON; NULL: a table is printed */
};

/* ---- alerts as tests have them ---- */

static const struct {
	const char *name, *part, *key; /* of an alert as netlambda-replay prints it */
} members[] = {
	{"title", "alert", "signature"},
	{"severity", "netlambda", "severity"},
	{"category", "alert", "category"},
	{"srcip", NULL, "src_ip"},
	{"srcport", NULL, "src_port"},
	{"dstip", NULL, "dest_ip"},
	{"dstport", NULL, "dest_port"},
	{"data", "netlambda", "data"},
};

static json_t *simplify(const json_t *eve)
{
	json_t *alert = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const json_t *part = members[i].part ? json_object_get(eve, members[i].part) : eve;
		json_t *value = json_object_get(part, members[i].key);

		if (value)
			json_object_set(alert, members[i].name, value);
	}
	return alert;
}

static json_t *simplify_all(const json_t *result)
{
	json_t *alerts = json_array(), *eve;
	size_t i;

	json_array_foreach (json_object_get(result, "alerts"), i, eve)
		json_array_append_new(alerts, simplify(eve));
	return alerts;
}

static bool matches(const json_t *expected, const json_t *alert)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)expected, name, value) {
		const json_t *found = json_object_get(alert, name);

		if (found ? !json_equal(value, found) : !json_is_null(value))
			return false;
	}
	return true;
}

/* Takes what goes together out of both; what is left differs. */
static void match(json_t *expected, json_t *alerts)
{
	for (size_t i = 0; i < json_array_size(expected);) {
		size_t j = 0;

		while (j < json_array_size(alerts) &&
			!matches(json_array_get(expected, i), json_array_get(alerts, j)))
			j++;
		if (j == json_array_size(alerts)) {
			i++;
			continue;
		}
		json_array_remove(expected, i);
		json_array_remove(alerts, j);
	}
}

/* ---- what is shown ---- */

static void print_verdict(const struct testing *testing, const char *name, bool good)
{
	enum color color = good ? COLOR_GREEN : COLOR_RED;

	json_object_set_new(testing->test, "result", json_string(good ? "passed" : "failed"));
	if (testing->tests)
		return;
	printf("%s%s%s  %s\n", color_start(testing->cli->color, color), good ? "ok    " : "FAILED",
		color_end(testing->cli->color, color), name);
}

/* Why it cannot be judged. */
static void print_problem(const struct testing *testing, const char *fmt, ...) _printf_(2, 3);

static void print_problem(const struct testing *testing, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (testing->tests)
		json_object_set_new(testing->test, "problem", json_string(text ? text : "?"));
	else
		printf("  %s\n", text ? text : "?");
}

/* NULL: there is none. */
static void print_one(
	const struct testing *testing, const json_t *value, char sign, const char *what)
{
	enum color color = sign == '-' ? COLOR_RED : COLOR_GREEN;
	_cleanup_free_ char *text = value ? json_dumps(value, 0) : NULL;
	_cleanup_free_ char *printable = text ? text_printable(text) : NULL;

	if (value)
		printf("  %s%c %s%s   %s\n", color_start(testing->cli->color, color), sign,
			printable ? printable : "?", color_end(testing->cli->color, color), what);
}

static void print_alerts(
	const struct testing *testing, const json_t *alerts, char sign, const char *what)
{
	json_t *alert;
	size_t i;

	if (testing->tests) {
		json_object_set_new(testing->test, sign == '-' ? "missing" : "unexpected",
			json_copy((json_t *)alerts));
		return;
	}
	json_array_foreach (alerts, i, alert)
		print_one(testing, alert, sign, what);
}

/* {reason: how many}, in the order in which they came. */
static json_t *count_reasons(const json_t *letters)
{
	json_t *counts = json_object(), *letter;
	size_t i;

	json_array_foreach (letters, i, letter) {
		const char *reason = get_text(letter, "reason");

		json_object_set_new(counts, reason, json_integer(get_count(counts, reason) + 1));
	}
	return counts;
}

static void print_reasons(const json_t *counts)
{
	const char *reason;
	json_t *count;
	size_t shown = 0;

	json_object_foreach ((json_t *)counts, reason, count) {
		_cleanup_free_ char *printable = text_printable(reason);
		long long number = json_integer_value(count);

		if (shown++ == REASONS_MAX) {
			printf("  ! ... and %zu more reasons\n",
				json_object_size(counts) - REASONS_MAX);
			break;
		}
		printf("  ! %lld %s put aside: %s\n", number,
			number == 1 ? "event was" : "events were", printable ? printable : "?");
	}
}

static void print_dead_letters(const struct testing *testing, const json_t *letters)
{
	json_t *counts = count_reasons(letters);

	if (testing->tests)
		json_object_set(testing->test, "put_aside", counts);
	else
		print_reasons(counts);
	json_decref(counts);
}

/* ---- one test ---- */

static int write_expectation(const char *path, const json_t *requests, json_t *alerts)
{
	json_t *expectation = json_object();
	int r = 0;
	FILE *out;

	if (json_array_size(requests) > 0)
		json_object_set(expectation, "requests", (json_t *)requests);
	json_object_set(expectation, "alerts", alerts);
	r = json_dump_file(expectation, path, JSON_INDENT(2));
	out = r == 0 ? fopen(path, "ae") : NULL;
	json_decref(expectation);
	if (out)
		fputc('\n', out);
	if (!out || fclose(out) != 0) {
		cli_error("%s: cannot write", path);
		return -1;
	}
	return 0;
}

/*
 * NULL after saying why. Of a capture that is new nothing is expected, which is said. Where there are requests,
 * nothing need be said of alerts.
 */
static json_t *read_expectation(const struct testing *testing, const char *path)
{
	json_error_t error;
	json_t *expectation, *alerts;

	if (access(path, F_OK) < 0) {
		print_problem(testing, "there is no %s: --update writes what is raised now", path);
		return json_array();
	}
	expectation = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	alerts = json_incref(json_object_get(expectation, "alerts"));
	if (expectation && !alerts && json_object_get(expectation, "requests"))
		alerts = json_array();
	if (!expectation)
		print_problem(testing, "%s:%d: %s", path, error.line, error.text);
	else if (!json_is_array(alerts))
		print_problem(testing, "%s: expected an object with an array \"alerts\"", path);
	json_decref(expectation);
	if (json_is_array(alerts))
		return alerts;
	json_decref(alerts);
	return NULL;
}

/* Shows those that differ. */
static bool compare_responses(
	const struct testing *testing, const json_t *requests, const json_t *responses)
{
	json_t *differing = responses_differing(requests, responses), *one;
	bool good = differing && json_array_size(differing) == 0;
	size_t i;

	if (testing->tests && !good)
		json_object_set(testing->test, "responses", differing);
	json_array_foreach (differing, i, one) {
		_cleanup_free_ char *request = text_printable(get_text(one, "request"));

		if (testing->tests)
			break;
		printf("  %s\n", request ? request : "?");
		print_one(testing, json_object_get(one, "missing"), '-',
			"expected, and not answered");
		print_one(testing, json_object_get(one, "unexpected"), '+',
			"answered, and not expected");
	}
	json_decref(differing);
	return good;
}

static bool compare(struct testing *testing, const char *path, json_t *alerts, const json_t *result)
{
	const json_t *letters = json_object_get(result, "dead_letters");
	json_t *expected = read_expectation(testing, path);
	bool good;

	if (!expected)
		return false;
	match(expected, alerts);
	good = access(path, F_OK) == 0 && json_array_size(expected) == 0 &&
	       json_array_size(alerts) == 0 && json_array_size(letters) == 0;
	good &= compare_responses(testing, testing->requests, json_object_get(result, "responses"));
	print_alerts(testing, expected, '-', "expected, and not raised");
	print_alerts(testing, alerts, '+', "raised, and not expected");
	print_dead_letters(testing, letters);
	json_decref(expected);
	return good;
}

static void print_written(const struct testing *testing, const char *name, const json_t *alerts)
{
	printf("written  %s, %zu alerts", name, json_array_size(alerts));
	if (testing->requests)
		printf(", %zu responses", json_array_size(testing->requests));
	putchar('\n');
}

static void judge(struct testing *testing, const char *name, const char *path, const json_t *result)
{
	const json_t *letters = json_object_get(result, "dead_letters");
	json_t *alerts = simplify_all(result);
	bool good;

	if (testing->update && json_array_size(letters) == 0) {
		responses_expect(testing->requests, json_object_get(result, "responses"));
		good = write_expectation(path, testing->requests, alerts) == 0;
		testing->updated += good;
		testing->failed += !good;
		json_object_set_new(
			testing->test, "result", json_string(good ? "written" : "failed"));
		json_object_set(testing->test, "alerts", alerts);
		if (!testing->tests && good)
			print_written(testing, name, alerts);
	} else {
		good = compare(testing, path, alerts, result);
		testing->passed += good;
		testing->failed += !good;
		print_verdict(testing, name, good);
	}
	json_decref(alerts);
}

static bool is_capture(const char *file)
{
	return fnmatch("*.pcap", file, 0) == 0 || fnmatch("*.pcapng", file, 0) == 0;
}

/* NULL: it has none, or is not there. Whatever else is wrong with it is said later. */
static json_t *read_requests(const char *path)
{
	json_t *expectation = json_load_file(path, 0, NULL);
	json_t *requests = json_incref(json_object_get(expectation, "requests"));

	json_decref(expectation);
	return requests;
}

/* `file`: a capture, or what only has requests. */
static void run_test(struct testing *testing, const char *file)
{
	_cleanup_free_ char *capture = NULL, *expectation = NULL;
	int stem = (int)(strrchr(file, '.') - file);
	json_t *result = NULL;

	if (testing->tests) {
		testing->test = json_pack("{s:s}", is_capture(file) ? "capture" : "requests", file);
		json_array_append_new(testing->tests, testing->test);
	}
	if (asprintf(&capture, "%s/tests/%s", testing->dir, file) < 0)
		capture = NULL;
	if (asprintf(&expectation, "%s/tests/%.*s.json", testing->dir, stem, file) < 0)
		expectation = NULL;
	testing->requests = expectation ? read_requests(expectation) : NULL;
	if (!capture || !expectation ||
		replay_run(testing->dir, is_capture(file) ? capture : NULL,
			testing->requests ? expectation : NULL, &result) < 0) {
		testing->failed++;
		print_verdict(testing, file, false);
	} else {
		judge(testing, file, expectation, result);
	}
	json_decref(testing->requests);
	json_decref(result);
}

/* ---- all of a folder ---- */

/* Whether a file has requests, and no capture beside it that they come behind. */
static bool is_alone(struct dirent **entries, int count, const char *folder, const char *file)
{
	_cleanup_free_ char *path = NULL;
	json_t *requests;
	bool has_requests;

	for (int i = 0; i < count; i++) {
		const char *other = entries[i]->d_name;
		size_t stem = (size_t)(strrchr(other, '.') - other);

		if (is_capture(other) && strncmp(other, file, stem + 1) == 0 &&
			strcmp(file + stem, ".json") == 0)
			return false;
	}
	if (asprintf(&path, "%s/%s", folder, file) < 0) {
		path = NULL;
		return false;
	}
	requests = read_requests(path);
	has_requests = requests != NULL;
	json_decref(requests);
	return has_requests;
}

static void print_sum(const struct testing *testing)
{
	const char *good = testing->update ? "written" : "passed";
	unsigned int count = testing->update ? testing->updated : testing->passed;

	if (testing->tests)
		cli_print_new(
			testing->cli, json_pack("{s:O, s:i, s:i}", "tests", testing->tests, good,
					      (int)count, "failed", (int)testing->failed));
	else
		printf("%u %s, %u failed\n", count, good, testing->failed);
}

static void explain_no_test(const struct testing *testing, const char *folder, int error)
{
	_cleanup_free_ char *manifest = NULL;

	if (asprintf(&manifest, "%s/function.json", testing->dir) < 0)
		manifest = NULL;
	if (manifest && access(manifest, F_OK) < 0)
		cli_error("%s: not the folder of a function: there is no function.json in it",
			testing->dir);
	else
		cli_error("%s: %s: expected captures there, NAME.pcap or NAME.pcapng, or NAME.json "
			  "with requests",
			folder, error ? strerror(error) : "nothing to run");
}

static int has_suffix(const struct dirent *entry)
{
	return is_capture(entry->d_name) || fnmatch("*.json", entry->d_name, 0) == 0;
}

static int run_tests(struct testing *testing)
{
	_cleanup_free_ char *folder = NULL;
	struct dirent **entries = NULL;
	int count, ran = 0;

	if (asprintf(&folder, "%s/tests", testing->dir) < 0) {
		folder = NULL;
		return EXIT_FAILURE;
	}
	count = scandir(folder, &entries, has_suffix, alphasort);
	if (count < 0) {
		explain_no_test(testing, folder, errno);
		return EXIT_FAILURE;
	}
	for (int i = 0; i < count; i++) {
		const char *file = entries[i]->d_name;

		if (!is_capture(file) && !is_alone(entries, count, folder, file))
			continue;
		run_test(testing, file);
		fflush(stdout);
		ran++;
	}
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	if (ran == 0) {
		explain_no_test(testing, folder, 0);
		return EXIT_FAILURE;
	}
	print_sum(testing);
	return testing->failed > 0 ? EXIT_FAILURE : 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_UPDATE = CLI_FIRST_OPTION };
	static const struct option options[] = {
		{"update", no_argument, NULL, OPTION_UPDATE}, CLI_GLOBAL_OPTIONS};
	struct testing testing = {.cli = cli, .dir = "."};
	int c, status;

	while ((c = cli_next_option(cli, argc, argv, options)) == OPTION_UPDATE)
		testing.update = true;
	if (c == CLI_END)
		return cli->status;
	if (argc - optind > 1)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind + 1]);
	if (argc - optind == 1)
		testing.dir = argv[optind];
	testing.tests = cli->output != OUTPUT_TABLE ? json_array() : NULL;
	status = run_tests(&testing);
	json_decref(testing.tests);
	return status;
}

const struct command function_test = {
	.name = "function test",
	.usage = "[DIR] [--update]",
	.summary =
		"Runs a function's tests, captures and requests, and compares what comes of them",
	.help = "DIR is a function's folder (default: this one). Each capture tests/NAME.pcap (or "
		".pcapng) goes through\n"
		"the XDP program, agent, function and store, as by 'netlambda replay', and must "
		"lead to exactly the\n"
		"alerts in tests/NAME.json: {\"alerts\": [{...}]}. What an expected alert does not "
		"name may be\n"
		"anything; its members are title, severity, category, srcip, srcport, dstip, "
		"dstport and data.\n"
		"\n"
		"{\"requests\": [{\"path\": \"/scans\", \"response\": {\"status\": 200}}]} in that "
		"file, "
		"without a capture\n"
		"or behind it, are requests to the function and what it must answer: method, path, "
		"query, headers\n"
		"and body of each, and status, headers and body of the response, as far as they "
		"are named.\n"
		"\n"
		"An event that is put aside fails the test. The exit status is 0 if all passed. "
		"Needs no server,\n"
		"but the capabilities of 'netlambda replay'.\n"
		"\n"
		"Options:\n"
		"      --update                  what comes of it now is right: write it into "
		"tests/\n"
		"\n"
		"Examples:\n"
		"  sudo netlambda function test ./many-syn\n"
		"  sudo netlambda function test ./many-syn --update\n",
	.run = run,
};
