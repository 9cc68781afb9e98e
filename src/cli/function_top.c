// SPDX-License-Identifier: BSD-2-Clause
#include "base/clock.h"
#include "cli/format.h"
#include "cli/function.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What each function does now: rates are from one look at the server's counters to the next. */

static const struct column columns[] = {
	{"FUNCTION", false, 14},
	{"STATE", false, 8},
	{"EVENTS/S", true, 9},
	{"BATCH", true, 5},
	{"BUSY", true, 5},
	{"P50", true, 8},
	{"P99", true, 8},
	{"QUEUED", true, 7},
	{"REFUSED", true, 7},
	{"WORKERS", true, 7},
	{"MEMORY", true, 8},
	{"ALERTS", true, 6},
	{"FAILED", true, 6},
	{"LOST", true, 4},
	{"DEAD", true, 4},
};

struct top {
	struct cli *cli;
	uint64_t interval_ms;
	uint64_t rounds; /* 0: until Ctrl-C */
	json_t *before;
	uint64_t before_ns;
};

static const json_t *find_function(const json_t *functions, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach (functions, i, item)
		if (name && strcmp(name, get_text(item, "name")) == 0)
			return item;
	return NULL;
}

/* How much a counter grew; a new worker or server begins at 0. */
static int64_t growth(const json_t *now, const json_t *before, const char *key)
{
	int64_t value = get_count(now, key), old = get_count(before, key);

	return before && value >= old ? value - old : 0;
}

static double busy_share(const json_t *now, const json_t *before, double seconds)
{
	double busy = get_real(now, "busy_seconds") - get_real(before, "busy_seconds");

	return before && busy > 0 && seconds > 0 ? busy / seconds : 0;
}

static enum color state_color(const char *state)
{
	if (state && (strcmp(state, "failed") == 0 || strcmp(state, "stalled") == 0))
		return COLOR_RED;
	if (state && (strcmp(state, "backoff") == 0 || strcmp(state, "full") == 0))
		return COLOR_YELLOW;
	return COLOR_NONE;
}

static void add_latency(struct table *table, const json_t *now, const char *quantile)
{
	double seconds = get_real(json_object_get(now, "latency_seconds"), quantile);
	char text[FORMAT_MAX];

	snprintf(text, sizeof(text), "%.1f ms", 1000 * seconds);
	table_cell(table, seconds > 0 ? text : "-");
}

static void add_row(struct table *table, const json_t *now, const json_t *before, double seconds)
{
	int64_t events = growth(now, before, "events"), batches = growth(now, before, "batches");
	const char *state = get_text(now, "state");
	char text[FORMAT_MAX];

	table_cell(table, get_text(now, "name"));
	table_cell_color(table, state, state_color(state));
	snprintf(text, sizeof(text), "%.0f", seconds > 0 ? (double)events / seconds : 0);
	table_cell(table, text);
	table_cell_count(table, batches > 0 ? events / batches : 0);
	snprintf(text, sizeof(text), "%.0f %%", 100 * busy_share(now, before, seconds));
	table_cell(table, text);
	add_latency(table, now, "p50");
	add_latency(table, now, "p99");
	table_cell_count(table, get_count(now, "queued"));
	table_cell_count(table, get_count(now, "calls_refused"));
	table_cell_count(table, get_count(now, "workers"));
	table_cell(table, format_bytes(get_count(now, "memory_bytes"), text));
	table_cell_count(table, get_count(now, "alerts"));
	table_cell_count(table, get_count(now, "failures"));
	table_cell_count(table, get_count(now, "crashes") + get_count(now, "timeouts"));
	table_cell_count(table, get_count(now, "dead_letters"));
}

static void show(struct top *top, json_t *functions, uint64_t now_ns)
{
	_cleanup_(table_freep) struct table *table =
		table_new(columns, ARRAY_SIZE(columns), top->cli->color);
	double seconds = top->before ? (double)(now_ns - top->before_ns) / (double)NS_PER_SEC : 0;
	const json_t *item;
	char time_text[32];
	time_t now = time(NULL);
	size_t i;

	json_array_foreach (functions, i, item)
		add_row(table, item, find_function(top->before, get_text(item, "name")), seconds);
	if (isatty(STDOUT_FILENO)) {
		strftime(time_text, sizeof(time_text), "%H:%M:%S", localtime(&now));
		printf("\033[H\033[Jnetlambda functions at %s, every %.1f s; Ctrl-C ends\n\n",
			time_text, (double)top->interval_ms / 1000);
	}
	table_print(table);
	function_print_failures(top->cli, functions);
}

/* 0, or an exit status. */
static int look(struct top *top, bool silent)
{
	json_t *answer = NULL, *functions;
	uint64_t now_ns;

	if (client_get(top->cli, "/v1/functions", &answer) != 0)
		return EXIT_FAILURE;
	now_ns = clock_monotonic_ns();
	functions = json_incref(json_object_get(answer, "functions"));
	json_decref(answer);
	if (!silent && top->cli->output != OUTPUT_TABLE)
		cli_print_item(top->cli, functions);
	else if (!silent)
		show(top, functions, now_ns);
	fflush(stdout);
	json_decref(top->before);
	top->before = functions;
	top->before_ns = now_ns;
	return ferror(stdout) ? EXIT_FAILURE : 0;
}

/* Returns whether a signal ends it. */
static bool pause_for(uint64_t ms, const sigset_t *signals)
{
	const struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	return sigtimedwait(signals, NULL, &time) > 0;
}

static int watch(struct top *top)
{
	sigset_t signals;
	int status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* The first look only begins the count. */
	status = look(top, true);
	for (uint64_t round = 0; status == 0 && (top->rounds == 0 || round < top->rounds);
		round++) {
		if (pause_for(top->interval_ms, &signals))
			break;
		status = look(top, false);
	}
	json_decref(top->before);
	return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	enum { OPTION_INTERVAL = 'd', OPTION_ROUNDS = 'n' };
	static const struct option options[] = {
		{"interval", required_argument, NULL, OPTION_INTERVAL},
		{"count", required_argument, NULL, OPTION_ROUNDS}, CLI_GLOBAL_OPTIONS};
	struct top top = {.cli = cli, .interval_ms = 2000};
	char *end;
	double seconds;
	int c;

	while ((c = cli_next_option(cli, argc, argv, options)) >= 0) {
		if (c == OPTION_ROUNDS && cli_parse_number(optarg, 1, INT32_MAX, &top.rounds) < 0)
			return cli_usage_error(
				cli, "--count: expected a number, found \"%s\"", optarg);
		if (c != OPTION_INTERVAL)
			continue;
		seconds = strtod(optarg, &end);
		if (end == optarg || *end || seconds < 0.1 || seconds > 3600)
			return cli_usage_error(cli,
				"--interval: expected seconds from 0.1 to 3600, found \"%s\"",
				optarg);
		top.interval_ms = (uint64_t)(seconds * 1000);
	}
	if (c == CLI_END)
		return cli->status;
	if (optind < argc)
		return cli_usage_error(cli, "unexpected \"%s\"", argv[optind]);
	return watch(&top);
}

const struct command function_top = {
	.name = "function top",
	.usage = "[--interval SECONDS] [--count N]",
	.summary = "Shows what each function does now, again and again",
	.help = "EVENTS/S, BATCH (events at once) and BUSY (time with a batch out) are since the "
		"look before;\n"
		"P50 and P99: within so long after their arrival, half and 99 % of the events of "
		"the last "
		"half\n"
		"to whole minute were committed. ALERTS, FAILED calls, LOST workers (crashed or "
		"too slow) "
		"and DEAD\n"
		"letters since the server's start; MEMORY is that of all its workers, resident.\n"
		"\n"
		"Options:\n"
		"  -d, --interval SECONDS        between looks; default 2\n"
		"  -n, --count N                 end after N\n"
		"\n"
		"Examples:\n"
		"  netlambda function top\n"
		"  netlambda function top -n 1 -o json | jq '.[].events'\n",
	.run = run,
	.letters = "d:n:",
};
