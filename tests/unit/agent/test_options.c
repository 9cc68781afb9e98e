// SPDX-License-Identifier: BSD-2-Clause
#include "agent/options.h"
#include "base/clock.h"
#include "parse_types.bpf.h"
#include "pki/credentials.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARGS_MAX 40

/* Splits a command line at its spaces and parses it; `line` must live as long as the options. */
static int parse(char *line, struct agent_options *ret_options, enum options_outcome *ret_outcome,
	char **ret_error)
{
	static char name[] = "netlambda-agent";
	char *argv[ARGS_MAX + 1] = {name};
	int argc = 1;
	char *word;

	while ((word = strsep(&line, " ")) != NULL && argc < ARGS_MAX)
		argv[argc++] = word;
	*ret_error = NULL;
	return agent_options_parse(argc, argv, ret_options, ret_outcome, ret_error);
}

static void minimal_command_line_has_the_documented_defaults(void **state _unused_)
{
	char line[] = "--interface eth0";
	enum options_outcome outcome = OPTIONS_HELP;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), 0);
	assert_int_equal(outcome, OPTIONS_RUN);
	assert_int_equal(options.protocol, 2);
	assert_int_equal(options.switch_id, 0);
	assert_int_equal(options.interface_count, 1);
	assert_string_equal(options.interfaces[0], "eth0");
	assert_null(options.server); /* as the credentials say */
	assert_string_equal(options.credentials, CREDENTIALS_SWITCH);
	assert_null(options.crl);
	assert_int_equal(options.attach.mode, ATTACH_AUTO);
	assert_false(options.attach.force);
	assert_int_equal(options.period_ns, 200 * NS_PER_MS);
	assert_int_equal(options.flow_idle_ns, 15 * NS_PER_SEC);
	assert_int_equal(options.flush_timeout_ns, 2 * NS_PER_SEC);
	assert_int_equal(options.flow_max, 65536);
	assert_int_equal(options.flow_events_per_s, 20000);
	assert_int_equal(options.inside, TUNNEL_NONE);
	assert_int_equal(options.spool_max, 65536);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
}

static void tunnels_are_given_by_name(void **state _unused_)
{
	char some[] = "-i a -s 127.0.0.1:1 --inside gre,vxlan,gtp";
	char all[] = "-i a -s 127.0.0.1:1 --inside all";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(some, &options, &outcome, &error), 0);
	assert_int_equal(options.inside, TUNNEL_GRE | TUNNEL_VXLAN | TUNNEL_GTPU);
	assert_int_equal(parse(all, &options, &outcome, &error), 0);
	assert_int_equal(options.inside, TUNNEL_ALL);
}

static void unknown_tunnel_is_named(void **state _unused_)
{
	char line[] = "-i a -s 127.0.0.1:1 --inside gre,vxlam";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), -EINVAL);
	assert_string_equal(error,
		"--inside: \"vxlam\" is no tunnel: expected ipip, 6in4, gre, vxlan, geneve, gtp, "
		"all or none (did you mean vxlan?)");
	free(error);
}

static void alarms_have_thresholds_by_name(void **state _unused_)
{
	char plain[] = "-i a -s 127.0.0.1:1";
	char off[] = "-i a -s 127.0.0.1:1 --fanout 0s";
	char some[] = "-i a -s 127.0.0.1:1 --fanout 30s "
		      "--alarm source-ports=7,target-half-open=0 --alarm target-sources=5000 "
		      "--alarm target-packets=1000000,source-bytes=18446744073709551615";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(off, &options, &outcome, &error), 0);
	assert_int_equal(options.fanout.window_ns, 0);
	assert_int_equal(parse(plain, &options, &outcome, &error), 0);
	assert_int_equal(options.fanout.window_ns, 10 * NS_PER_SEC);
	assert_int_equal(options.fanout.source.packets, 0);
	assert_int_equal(options.fanout.target.packets, 20000);
	assert_int_equal(options.fanout.target.bytes, 125000000);
	assert_int_equal(parse(some, &options, &outcome, &error), 0);
	assert_int_equal(options.fanout.window_ns, 30 * NS_PER_SEC);
	assert_int_equal(options.fanout.source.ports, 7);
	assert_int_equal(options.fanout.source.hosts, 200);
	assert_int_equal(options.fanout.target.half_open, 0);
	assert_int_equal(options.fanout.target.hosts, 5000);
	assert_int_equal(options.fanout.target.packets, 1000000);
	assert_int_equal(options.fanout.source.bytes, UINT64_MAX);
}

static void impossible_alarms_are_refused(void **state _unused_)
{
	static const char *const bad[] = {"source-ports=5001", "source-ports",
		"source-ports=", "source-ports=x", "ports=1", "", "source-ports=1,",
		"source-half-open=4294967296", "target-hosts=5",
		"target-bytes=18446744073709551616", "target-packets=-1"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		enum options_outcome outcome;
		struct agent_options options;
		char line[128], *error;

		snprintf(line, sizeof(line), "-i a -s 127.0.0.1:1 --alarm %s", bad[i]);
		assert_int_equal(parse(line, &options, &outcome, &error), -EINVAL);
		assert_non_null(strstr(error, "--alarm"));
		free(error);
	}
}

static void interfaces_may_be_given_in_each_way(void **state _unused_)
{
	char line[] = "-i a,b -s 127.0.0.1:1 --interface c d -f -i e";
	enum options_outcome outcome;
	struct agent_options options;
	/* What is no option comes last. */
	static const char *const expected[] = {"a", "b", "c", "e", "d"};
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), 0);
	assert_int_equal(options.interface_count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(options.interfaces[i], expected[i]);
	assert_true(options.attach.force);
}

static void all_values_are_taken(void **state _unused_)
{
	char line[] =
		"--protocol 1 --id=4294967295 -i x -s [::1]:65535 -m generic -p 1s --flow-idle 2m "
		"--flows 10 --flow-events 0 --ports 20 --spool 30 --flush-timeout 0s "
		"--stats-file /f "
		"--log-level debug --wait --follow-max 256 --user someone --no-sandbox";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), 0);
	assert_int_equal(options.protocol, 1);
	assert_int_equal(options.switch_id, UINT32_MAX);
	assert_string_equal(options.server, "[::1]:65535");
	assert_null(options.credentials);
	assert_int_equal(options.attach.mode, ATTACH_GENERIC);
	assert_int_equal(options.period_ns, NS_PER_SEC);
	assert_int_equal(options.flow_idle_ns, 120 * NS_PER_SEC);
	assert_int_equal(options.flow_max, 10);
	assert_int_equal(options.flow_events_per_s, 0);
	assert_int_equal(options.port_max, 20);
	assert_int_equal(options.spool_max, 30);
	assert_int_equal(options.flush_timeout_ns, 0);
	assert_string_equal(options.stats_file, "/f");
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
	assert_true(options.wait);
	assert_int_equal(options.follow_max, 256);
	assert_string_equal(options.user, "someone");
	assert_true(options.no_sandbox);
}

static void sealed_version_takes_files(void **state _unused_)
{
	char line[] = "-i x --server lambda.example.net -c /c --crl /r --key-log /k --protocol 2";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), 0);
	assert_int_equal(options.protocol, 2);
	assert_string_equal(options.server, "lambda.example.net");
	assert_string_equal(options.credentials, "/c");
	assert_string_equal(options.crl, "/r");
	assert_string_equal(options.key_log, "/k");
}

static void patterns_may_be_longer_than_names(void **state _unused_)
{
	char line[] = "-s 127.0.0.1:1 -i [abcdefghijklmnop]*,eth?";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), 0);
	assert_int_equal(options.interface_count, 2);
	assert_string_equal(options.interfaces[1], "eth?");
	assert_false(options.wait);
	assert_null(options.user);
	assert_false(options.no_sandbox);
	assert_int_equal(options.follow_max, 16);
}

static void errors_say_what_was_expected(void **state _unused_)
{
	static const struct {
		const char *line;
		const char *message;
	} cases[] = {
		{"--protocol 1 -i x -s 127.0.0.1:1", "--id N is missing"},
		{"-s 127.0.0.1:1", "--interface IF is missing"},
		{"--protocol 1 -n 1 -i x", "--server HOST[:PORT] is missing"},
		{"--protocol 1 -n 1 -i x -s a -c b", "--credentials, --crl and --key-log"},
		{"-n 1 -i x", "--id is of --protocol 1"},
		{"--protocol 3", "--protocol 3: expected a number from 1 to 2"},
		{"--follow-max 257", "--follow-max 257: expected a number from 1 to 256"},
		{"-n 0", "--id 0: expected a number from 1 to 4294967295"},
		{"-n 4294967296", "expected a number"},
		{"-n 99999999999999999999999", "expected a number"},
		{"-n 1x", "expected a number"},
		{"-n -1", "expected a number"},
		{"-i aaaaaaaaaaaaaaaa", "cannot be an interface"},
		{"-i a,,b", "cannot be an interface"},
		{"-m fast", "--mode fast: expected auto, native or generic"},
		{"-p 200", "such as 200ms or 2s"},
		{"-p 1ms", "--period 1ms: expected a time from 10ms"},
		{"-p 3000000h", "--period 3000000h"},
		{"--flows 0", "--flows 0: expected a number from 1 to 16777216"},
		{"--log-level loud", "expected error, warning, info or debug"},
		{"--perod 1s", "unknown option --perod (did you mean --period?)"},
		{"--xyzzy", "unknown option --xyzzy"},
		{"-x", "unknown option -x"},
		{"--id", "--id: an argument is missing"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum options_outcome outcome;
		struct agent_options options;
		_cleanup_free_ char *error = NULL;
		char line[128];

		snprintf(line, sizeof(line), "%s", cases[i].line);
		assert_int_equal(parse(line, &options, &outcome, &error), -EINVAL);
		assert_non_null(error);
		if (!strstr(error, cases[i].message))
			fail_msg("\"%s\" gave \"%s\", not \"%s\"", cases[i].line, error,
				cases[i].message);
	}
}

static void help_and_version_need_nothing_else(void **state _unused_)
{
	char help[] = "--help", version[] = "-V";
	enum options_outcome outcome = OPTIONS_RUN;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(help, &options, &outcome, &error), 0);
	assert_int_equal(outcome, OPTIONS_HELP);
	assert_int_equal(parse(version, &options, &outcome, &error), 0);
	assert_int_equal(outcome, OPTIONS_VERSION);
}

static void pins_have_a_default_directory_and_no_relative_one(void **state _unused_)
{
	char line[] = "-i eth0 -s 127.0.0.1:9000 --pin";
	char other[] = "-i eth0 -s 127.0.0.1:9000 --pin=/run/bpf/x";
	char relative[] = "-i eth0 -s 127.0.0.1:9000 --pin=x";
	char forced[] = "-i eth0 -s 127.0.0.1:9000 --pin --force";
	char unpin[] = "--unpin";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), 0);
	assert_string_equal(options.pin_directory, "/sys/fs/bpf/netlambda");
	assert_false(options.unpin);
	assert_int_equal(parse(other, &options, &outcome, &error), 0);
	assert_string_equal(options.pin_directory, "/run/bpf/x");
	assert_int_equal(parse(relative, &options, &outcome, &error), -EINVAL);
	assert_string_equal(
		error, "--pin=x: expected an absolute path, such as /sys/fs/bpf/netlambda");
	free(error);
	assert_int_equal(parse(forced, &options, &outcome, &error), -EINVAL);
	assert_non_null(strstr(error, "--pin and --force exclude each other"));
	free(error);
	/* Nothing else is needed. */
	assert_int_equal(parse(unpin, &options, &outcome, &error), 0);
	assert_string_equal(options.pin_directory, "/sys/fs/bpf/netlambda");
	assert_true(options.unpin);
}

static void chain_excludes_what_would_be_done_later(void **state _unused_)
{
	static const struct {
		const char *line;
		const char *error;
	} cases[] = {
		{"--chain --pin", "--chain excludes --pin"},
		{"--chain --force", "--chain excludes --force"},
		{"--chain --wait", "--chain excludes --wait"},
		{"--chain -i in*", "--chain takes names of interfaces, and in* is a pattern"},
		{"--chain=0", "--chain 0: expected a number from 1 to 1000"},
	};
	char fine[] = "-i eth0 -s 127.0.0.1:9000 --chain", early[128];
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(fine, &options, &outcome, &error), 0);
	assert_true(options.attach.chain);
	assert_int_equal(options.attach.priority, 10);
	snprintf(early, sizeof(early), "%s=3", "-i eth0 -s 127.0.0.1:9000 --chain");
	assert_int_equal(parse(early, &options, &outcome, &error), 0);
	assert_int_equal(options.attach.priority, 3);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[128];

		snprintf(line, sizeof(line), "-i eth0 -s 127.0.0.1:9000 %s", cases[i].line);
		assert_int_equal(parse(line, &options, &outcome, &error), -EINVAL);
		assert_string_equal(error, cases[i].error);
		free(error);
	}
}

static void offload_is_explained(void **state _unused_)
{
	char line[] = "-i eth0 -s 127.0.0.1:9000 --mode offload";
	enum options_outcome outcome;
	struct agent_options options;
	char *error;

	assert_int_equal(parse(line, &options, &outcome, &error), -EINVAL);
	assert_non_null(strstr(error, "no network card takes this program"));
	free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offload_is_explained),
		cmocka_unit_test(chain_excludes_what_would_be_done_later),
		cmocka_unit_test(pins_have_a_default_directory_and_no_relative_one),
		cmocka_unit_test(minimal_command_line_has_the_documented_defaults),
		cmocka_unit_test(tunnels_are_given_by_name),
		cmocka_unit_test(unknown_tunnel_is_named),
		cmocka_unit_test(alarms_have_thresholds_by_name),
		cmocka_unit_test(impossible_alarms_are_refused),
		cmocka_unit_test(interfaces_may_be_given_in_each_way),
		cmocka_unit_test(all_values_are_taken),
		cmocka_unit_test(sealed_version_takes_files),
		cmocka_unit_test(patterns_may_be_longer_than_names),
		cmocka_unit_test(errors_say_what_was_expected),
		cmocka_unit_test(help_and_version_need_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
