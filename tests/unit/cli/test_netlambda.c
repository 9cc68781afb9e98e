// SPDX-License-Identifier: BSD-2-Clause
/* The program, run as a shell runs it, against the real API on a real socket. */
#include "base/fd.h"
#include "tests/unit/server/live_api.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX 65536

static const char *program;

struct run {
	int status; /* exit status, or 1000 and the signal */
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
};

static void read_back(int fd, char text[static OUTPUT_MAX])
{
	ssize_t len = pread(fd, text, OUTPUT_MAX - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
}

static int wait_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int temporary_file(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* In the child: arguments from the words of `line`. */
static void exec_line(const struct live_api *live, const char *line)
{
	char *words[32] = {(char *)program};
	char *copy = strdup(line);
	size_t count = 1;

	for (char *word = strtok(copy, " "); word && count < 31; word = strtok(NULL, " "))
		words[count++] = word;
	if (live)
		setenv("NETLAMBDA_SOCKET", live->socket, 1);
	setenv("TZ", "UTC", 1);
	execv(program, words);
	_exit(127);
}

static void run(const struct live_api *live, const char *line, struct run *ret_run)
{
	_cleanup_fd_ int out = temporary_file(), err = temporary_file();
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		exec_line(live, line);
	}
	ret_run->status = wait_status(pid);
	read_back(out, ret_run->out);
	read_back(err, ret_run->err);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("expected \"%s\" in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("did not expect \"%s\" in:\n%s", part, text);
}

/* ---- without a server ---- */

static void help_of_every_command_has_examples(void **state _unused_)
{
	static const char *const names[] = {"status", "alerts", "functions", "function", "state",
		"switches", "pki", "version", "help"};
	static struct run overview, by_option, by_command;
	char line[64];

	run(NULL, "help", &overview);
	assert_int_equal(overview.status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_contains(overview.out, names[i]);
		snprintf(line, sizeof(line), "%s --help", names[i]);
		run(NULL, line, &by_option);
		assert_int_equal(by_option.status, 0);
		assert_contains(by_option.out, "Examples:\n  netlambda ");
		snprintf(line, sizeof(line), "help %s", names[i]);
		run(NULL, line, &by_command);
		assert_string_equal(by_command.out, by_option.out);
		assert_string_equal(by_command.err, "");
	}
}

static void wrong_usage_is_2_and_says_what_was_expected(void **state _unused_)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{"", "which command?"},
		{"alrts", "did you mean \"alerts\"?"},
		{"zzzzzzzz", "'netlambda help' lists them"},
		{"--bogus status", "there is no option --bogus"},
		{"status --bogus", "there is no option --bogus"},
		{"status now", "unexpected \"now\""},
		{"status -o xml", "expected \"table\", \"json\" or \"yaml\", found \"xml\""},
		{"status --socket", "--socket needs a value"},
		{"alerts --since", "--since needs a value"},
		{"alerts --since 10", "expected a duration"},
		{"alerts --since 10x", "expected a duration"},
		{"alerts --since -5m", "expected a duration"},
		{"alerts --limit 0", "from 1 to 10000"},
		{"alerts --limit 1e3", "from 1 to 10000"},
		{"alerts all", "unexpected \"all\""},
		{"function", "expected a verb"},
		{"function deploy", "which function?"},
		{"function deploy x", "where is the code?"},
		{"function deploy x y", "unexpected \"y\""},
		{"function deploy x -f y --batch many",
			"--batch: expected a number, found \"many\""},
		{"function deploy x -f y --bogus", "there is no option --bogus"},
		{"function update x --unset sped", "there is no setting \"sped\""},
		{"function update x -d package.json", "goes with --from-file"},
		{"function rollback x --to zero", "expected the number of a version"},
		{"function delete", "which function?"},
		{"function depoly x", "did you mean \"deploy\"?"},
		{"function dead-letter", "did you mean \"dead-letters\"?"},
		{"function dead-letters a b", "unexpected \"b\""},
		{"help alrts", "there is no command \"alrts\""},
	};
	static struct run result;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		run(NULL, cases[i].line, &result);
		if (result.status != 2)
			fail_msg("\"%s\": status %d", cases[i].line, result.status);
		assert_string_equal(result.out, "");
		assert_contains(result.err, cases[i].message);
	}
}

static void missing_server_is_1_and_says_where_it_was_sought(void **state _unused_)
{
	static const char *const lines[] = {"status", "alerts", "alerts --follow", "functions",
		"switches", "function dead-letters"};
	static struct run result;
	char line[128];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(line, sizeof(line), "--socket /nonexistent/api.sock %s", lines[i]);
		run(NULL, line, &result);
		assert_int_equal(result.status, 1);
		assert_string_equal(result.out, "");
		assert_contains(result.err, "no server answers at /nonexistent/api.sock: "
					    "is netlambda-server running?");
	}
}

static void output_that_cannot_be_written_is_1(void **state _unused_)
{
	static char err[OUTPUT_MAX];
	_cleanup_fd_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC), log = temporary_file();
	pid_t pid = fork();

	if (pid == 0) {
		dup2(full, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		exec_line(NULL, "help");
	}
	assert_int_equal(wait_status(pid), 1);
	read_back(log, err);
	assert_contains(err, "No space left on device");
}

/* ---- with a server ---- */

static void status_is_0_or_1_as_the_server_is_well(void **state)
{
	struct live_api *live = *state;
	static struct run result;

	run(live, "status", &result);
	assert_int_equal(result.status, 0);
	assert_contains(result.out, "netlambda-server " NETLAMBDA_VERSION ": healthy\n");
	assert_contains(result.out, "1h 1m");
	assert_contains(result.out, "4000 (0 given up)");
	assert_string_equal(result.err, "");

	__atomic_store_n(&live->unhealthy, "disk full", __ATOMIC_SEQ_CST);
	run(live, "status", &result);
	assert_int_equal(result.status, 1);
	assert_contains(result.out, ": not healthy\n  reason        disk full\n");
}

static void socket_option_wins_over_the_environment(void **state)
{
	struct live_api *live = *state;
	static struct run result;
	char line[160];

	snprintf(line, sizeof(line), "version --socket %s", live->socket);
	run(NULL, line, &result);
	assert_int_equal(result.status, 0);
	run(live, "--socket /nonexistent/api.sock status", &result);
	assert_int_equal(result.status, 1);
	snprintf(line, sizeof(line), "status --socket %s", live->socket);
	run(NULL, line, &result);
	assert_int_equal(result.status, 0);
}

/* Where `word` begins in its line. */
static long column_of(const char *text, const char *word)
{
	const char *at = strstr(text, word), *line = at;

	if (!at)
		fail_msg("expected \"%s\" in:\n%s", word, text);
	while (line > text && line[-1] != '\n')
		line--;
	return at - line;
}

static void tables_are_aligned(void **state)
{
	static struct run result;

	run(*state, "switches", &result);
	assert_int_equal(result.status, 0);
	assert_int_equal(column_of(result.out, "10.0.0.1:4000"), column_of(result.out, "ADDRESS"));
	assert_int_equal(
		column_of(result.out, "[2001:db8::1]:4000"), column_of(result.out, "ADDRESS"));
	/* Numbers end where their header ends. */
	assert_int_equal(column_of(result.out, "98.8 GB") + 7, column_of(result.out, "BYTES") + 5);
	assert_contains(result.out, "never");
	run(*state, "functions", &result);
	assert_int_equal(column_of(result.out, "ready"), column_of(result.out, "STATE"));
}

static void switches_say_how_they_speak(void **state)
{
	static struct run result;

	run(*state, "switches", &result);
	assert_int_equal(column_of(result.out, "edge-7"), column_of(result.out, "NAME"));
	assert_int_equal(column_of(result.out, "AES-256-GCM"), column_of(result.out, "PROTOCOL"));
	assert_int_equal(
		column_of(result.out, "1, in the clear"), column_of(result.out, "PROTOCOL"));
	assert_int_equal(column_of(result.out, "up"), column_of(result.out, "SESSION"));
	assert_contains(result.out, "in 10d 0h");
	assert_int_equal(column_of(result.out, " 42 ") + 3, column_of(result.out, "LOST") + 4);
	run(*state, "switches -o json", &result);
	assert_contains(result.out, "\"address_validated\": true");
}

static void one_switch_is_told_by_number_or_name(void **state)
{
	static struct run result;

	run(*state, "switches 7", &result);
	assert_int_equal(result.status, 0);
	assert_contains(result.out, "name             edge-7\n");
	assert_contains(result.out, "session          up, since ");
	assert_contains(result.out, "expires in 10d 0h");
	assert_int_equal(column_of(result.out, " 38\n") + 3, column_of(result.out, "LOST") + 4);
	run(*state, "switches edge-7", &result);
	assert_contains(result.out, "switch           7\n");
	run(*state, "switches edge-7 -o json", &result);
	assert_contains(result.out, "\"id\": 7,");
	run(*state, "switches edge-9", &result);
	assert_int_equal(result.status, 1);
	assert_contains(result.err, "no switch \"edge-9\" has been heard of");
	run(*state, "switches 7 8", &result);
	assert_int_equal(result.status, 2);
}

static void one_of_version_1_has_transactions(void **state)
{
	static struct run result;

	run(*state, "switches 1", &result);
	assert_contains(result.out, "protocol         1, in the clear\n");
	assert_contains(result.out, "transactions     ");
	assert_lacks(result.out, "LANE");
}

static void lack_of_isolation_is_shown(void **state)
{
	static struct run result;

	run(*state, "status", &result);
	assert_contains(result.out,
		"isolation     no landlock: landlock_create_ruleset: Function not implemented");
	run(*state, "functions", &result);
	assert_int_equal(column_of(result.out, "best-effort"), column_of(result.out, "ISOLATION"));
	assert_contains(result.out, "port-scan: isolation lacks landlock\n");
}

static void what_functions_write_cannot_drive_the_terminal(void **state)
{
	static struct run result;

	run(*state, "functions", &result);
	assert_contains(result.out, "port-scan: last failure: TypeError");
	assert_lacks(result.out, "\033");
	assert_contains(result.out, "?[31m (3d 1h ago)\n");
}

static void json_is_valid_and_complete(void **state)
{
	static const char *const lines[] = {
		"status -o json", "-o json switches", "functions --output=json"};
	static struct run result;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		json_t *json;

		run(*state, lines[i], &result);
		assert_int_equal(result.status, 0);
		json = json_loads(result.out, 0, NULL);
		assert_non_null(json);
		json_decref(json);
	}
	live_api_alert(*state, "a-1", "port-scan");
	live_api_alert(*state, "a-2", "other");
	run(*state, "alerts -o json", &result);
	assert_contains(result.out, "{\"timestamp\":");
	assert_contains(result.out, "}\n{\"timestamp\":");
	assert_contains(result.out, "\"id\":\"a-1\"");
	assert_contains(result.out, "\"id\":\"a-2\"");
}

static void alerts_are_listed_and_filtered(void **state)
{
	struct live_api *live = *state;
	static struct run result;

	run(live, "alerts", &result);
	assert_string_equal(result.out, "no alerts\n");
	live_api_alert(live, "a-1", "port-scan");
	live_api_alert(live, "a-2", "heavy & hitter");
	run(live, "alerts --since 1h", &result);
	assert_int_equal(result.status, 0);
	assert_int_equal(
		column_of(result.out, "10.0.0.2:80"), column_of(result.out, "DESTINATION"));
	assert_contains(result.out, "port-scan");
	assert_contains(result.out, "heavy & hitter");
	run(live, "alerts --limit 1", &result);
	assert_lacks(result.out, "port-scan");
	run(live, "alerts --function port-scan", &result);
	assert_contains(result.out, "port-scan");
	assert_lacks(result.out, "heavy");
	run(live, "function dead-letters port-scan --limit 3", &result);
	assert_string_equal(result.out, "no dead letters\n");
	live_api_dead_letter(live, "port-scan");
	live_api_dead_letter(live, "other");
	run(live, "function dead-letters port-scan --limit 3", &result);
	assert_int_equal(column_of(result.out, "TypeError: boo"), column_of(result.out, "REASON"));
	assert_lacks(result.out, "other");
	run(live, "-o json function dead-letters", &result);
	assert_contains(result.out, "\"data\":{\"syn\":12}}\n{");
}

/* ---- following ---- */

struct follower {
	pid_t pid;
	int out, err;
	char text[OUTPUT_MAX];
	size_t len;
};

static void follower_start(struct follower *follower, const struct live_api *live, const char *line)
{
	int out[2], err[2];

	*follower = (struct follower){0};
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	follower->pid = fork();
	assert_true(follower->pid >= 0);
	if (follower->pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		close(out[0]);
		close(err[0]);
		exec_line(live, line);
	}
	close(out[1]);
	close(err[1]);
	follower->out = out[0];
	follower->err = err[0];
}

static void follower_stop(struct follower *follower)
{
	close(follower->out);
	close(follower->err);
}

/* Reads from `fd` until `part` came, or fails after a minute. */
static void follower_expect(struct follower *follower, int fd, const char *part)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	follower->len = 0;
	follower->text[0] = '\0';
	while (!strstr(follower->text, part)) {
		ssize_t n = -1;

		if (poll(&poller, 1, 60000) == 1)
			n = read(
				fd, follower->text + follower->len, OUTPUT_MAX - 1 - follower->len);
		if (n <= 0)
			fail_msg("waited for \"%s\", got:\n%s", part, follower->text);
		follower->len += (size_t)n;
		follower->text[follower->len] = '\0';
	}
}

static void follow_misses_nothing_over_a_restart_and_ends_at_ctrl_c(void **state)
{
	struct live_api *live = *state;
	static struct follower follower;

	live_api_alert(live, "old", "before");
	follower_start(&follower, live, "alerts --follow --limit 1");
	follower_expect(&follower, follower.out, "before");
	live_api_alert(live, "a-1", "running");
	follower_expect(&follower, follower.out, "running");

	live_api_close(live);
	follower_expect(&follower, follower.err, "waiting for it to come back");
	live_api_open(live);
	live_api_alert(live, "a-2", "restarted");
	follower_expect(&follower, follower.out, "restarted");
	assert_lacks(follower.text, "running");
	follower_expect(&follower, follower.err, "connected again");

	kill(follower.pid, SIGINT);
	assert_int_equal(wait_status(follower.pid), 0);
	follower_stop(&follower);
}

static void follow_ends_when_its_reader_is_gone(void **state)
{
	struct live_api *live = *state;
	static struct follower follower;
	int status;

	follower_start(&follower, live, "alerts --follow --since 1h -o json");
	live_api_alert(live, "a-1", "running");
	follower_expect(&follower, follower.out, "\"a-1\"");
	follower_stop(&follower);
	live_api_alert(live, "a-2", "running");
	status = wait_status(follower.pid);
	assert_true(status == 0 || status == 1000 + SIGPIPE);
}

/* ---- colours ---- */

static void run_on_terminal(
	const struct live_api *live, const char *no_color, char text[static OUTPUT_MAX])
{
	size_t len = 0;
	ssize_t n;
	int fd;
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("TERM", "xterm", 1);
		setenv("NO_COLOR", no_color, 1);
		exec_line(live, "status");
	}
	while (len < OUTPUT_MAX - 1 && (n = read(fd, text + len, OUTPUT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
	assert_int_equal(wait_status(pid), 0);
}

static void colours_are_for_terminals_that_want_them(void **state)
{
	static char text[OUTPUT_MAX];
	static struct run result;

	run_on_terminal(*state, "", text);
	assert_contains(text, "\033[32mhealthy\033[0m");
	run_on_terminal(*state, "1", text);
	assert_lacks(text, "\033");
	run(*state, "status", &result);
	assert_lacks(result.out, "\033");
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_api_start, live_api_stop)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_of_every_command_has_examples),
		cmocka_unit_test(wrong_usage_is_2_and_says_what_was_expected),
		cmocka_unit_test(missing_server_is_1_and_says_where_it_was_sought),
		cmocka_unit_test(output_that_cannot_be_written_is_1),
		LIVE(status_is_0_or_1_as_the_server_is_well),
		LIVE(socket_option_wins_over_the_environment),
		LIVE(tables_are_aligned),
		LIVE(switches_say_how_they_speak),
		LIVE(one_switch_is_told_by_number_or_name),
		LIVE(one_of_version_1_has_transactions),
		LIVE(lack_of_isolation_is_shown),
		LIVE(what_functions_write_cannot_drive_the_terminal),
		LIVE(json_is_valid_and_complete),
		LIVE(alerts_are_listed_and_filtered),
		LIVE(follow_misses_nothing_over_a_restart_and_ends_at_ctrl_c),
		LIVE(follow_ends_when_its_reader_is_gone),
		LIVE(colours_are_for_terminals_that_want_them),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s PROGRAM\n", argv[0]);
		return 2;
	}
	program = argv[1];
	unsetenv("NETLAMBDA_SOCKET");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
