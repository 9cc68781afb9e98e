// SPDX-License-Identifier: BSD-2-Clause
#include "replay/options.h"

#include "agent/alarms.h"
#include "agent/options.h"
#include "agent/tunnels.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "base/suggest.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

const char replay_help[] =
	"Usage: netlambda replay [CAPTURE] [OPTION]...\n"
	"\n"
	"Runs a capture (pcap or pcapng; \"-\": standard input) through the same XDP program,\n"
	"agent, functions and store as a live network, in the capture's own time and as fast as "
	"it\n"
	"can; then prints the alerts and what became of the events. The same file gives the same\n"
	"output. Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; attaches nothing, sends nothing.\n"
	"\n"
	"Functions:\n"
	"  -c, --config FILE      the server's configuration, for its functions and triggers\n"
	"      --functions DIR    without one: all functions in DIR, for the events that their\n"
	"                         manifests name (default: the shipped ones)\n"
	"      --function DIR     without one: only the function in DIR, likewise\n"
	"      --requests FILE    then send these requests, {\"requests\": [{\"path\": "
	"\"/scans\"}]},\n"
	"                         and print the responses; without a CAPTURE: these alone\n"
	"      --store FILE       keep the store there, for a look at state; must not exist yet\n"
	"\n"
	"The switch:\n"
	"  -n, --id N             its number, as functions see it; default 1\n"
	"  -p, --period TIME      between collections; default 200ms\n"
	"      --flow-idle TIME   a flow ends when idle for so long; default 15s\n"
	"      --flows N          flows kept in the kernel; default 65536\n"
	"      --ports N          port records counted apart in a period; default 65536\n"
	"      --fanout TIME      the window of sources and targets; default 10s; 0s: none\n"
	"      --alarm NAME=N...  their thresholds, as netlambda-agent has them\n"
	"      --inside TUNNEL... look into tunnels: ipip, 6in4, gre, vxlan, geneve, gtp, or all,\n"
	"                         with commas between; default none\n"
	"\n"
	"  -o, --output FORMAT    table (the default) or json\n"
	"      --log-level LEVEL  error, warning (the default), info (also what functions\n"
	"                         print) or debug\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"TIME is a number and us, ms, s, m, h or d, of the capture's time. The exit status is 0 "
	"when "
	"the\n"
	"whole capture was replayed; 1 when that failed or the file is damaged (what came before\n"
	"the damage is printed); 2 for wrong usage.\n"
	"\n"
	"Examples:\n"
	"  netlambda replay attack.pcapng\n"
	"  netlambda replay attack.pcap --config ./server.json -o json | jq '.alerts[].alert'\n"
	"  netlambda replay attack.pcap --functions ./my-functions --log-level info\n"
	"  tcpdump -i eth0 -c 10000 -w - | netlambda replay -\n"
	"\n"
	"netlambda-replay(1) tells the rest.\n";

enum long_only {
	OPT_FUNCTIONS = 256,
	OPT_FUNCTION,
	OPT_REQUESTS,
	OPT_STORE,
	OPT_FLOW_IDLE,
	OPT_FLOWS,
	OPT_PORTS,
	OPT_FANOUT,
	OPT_ALARM,
	OPT_INSIDE,
	OPT_LOG_LEVEL,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"functions", required_argument, NULL, OPT_FUNCTIONS},
	{"function", required_argument, NULL, OPT_FUNCTION},
	{"requests", required_argument, NULL, OPT_REQUESTS},
	{"store", required_argument, NULL, OPT_STORE},
	{"id", required_argument, NULL, 'n'},
	{"period", required_argument, NULL, 'p'},
	{"flow-idle", required_argument, NULL, OPT_FLOW_IDLE},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"ports", required_argument, NULL, OPT_PORTS},
	{"fanout", required_argument, NULL, OPT_FANOUT},
	{"alarm", required_argument, NULL, OPT_ALARM},
	{"inside", required_argument, NULL, OPT_INSIDE},
	{"output", required_argument, NULL, 'o'},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

/* ':' first: a missing argument is told from an unknown option. */
static const char short_options[] = ":c:n:p:o:hV";

static int take_number(const char *option, uint32_t max, uint32_t *ret_value, char **ret_error)
{
	if (number32_parse(optarg, 1, max, ret_value) < 0)
		return error_set(ret_error, -EINVAL, "--%s %s: expected a number from 1 to %u",
			option, optarg, max);
	return 0;
}

static int take_duration(const char *option, uint64_t min_ns, uint64_t *ret_ns, char **ret_error)
{
	uint64_t value;

	if (duration_parse(optarg, min_ns, 86400 * NS_PER_SEC, &value) < 0)
		return error_set(ret_error, -EINVAL,
			"--%s %s: expected a time from %llums to 1440m, such as 200ms or 2s",
			option, optarg, (unsigned long long)(min_ns / NS_PER_MS));
	*ret_ns = value;
	return 0;
}

static int take_output(struct replay_options *options, char **ret_error)
{
	if (strcmp(optarg, "table") != 0 && strcmp(optarg, "json") != 0)
		return error_set(ret_error, -EINVAL,
			"--output: expected \"table\" or \"json\", found \"%s\"", optarg);
	options->json = strcmp(optarg, "json") == 0;
	return 0;
}

static int take_log_level(struct replay_options *options, char **ret_error)
{
	if (log_level_parse(optarg, &options->log_level) < 0)
		return error_set(ret_error, -EINVAL,
			"--log-level %s: expected error, warning, info or debug", optarg);
	return 0;
}

static int unknown_option(char **argv, char **ret_error)
{
	const char *names[ARRAY_SIZE(long_options)];
	const char *near, *given = argv[optind - 1];
	size_t count = 0;

	if (optopt != 0 && optopt < 256)
		return error_set(ret_error, -EINVAL, "there is no option -%c", optopt);
	for (; long_options[count].name; count++)
		names[count] = long_options[count].name;
	near = suggest_nearest(given + strspn(given, "-"), names, count);
	if (near)
		return error_set(ret_error, -EINVAL, "there is no option %s: did you mean --%s?",
			given, near);
	return error_set(ret_error, -EINVAL, "there is no option %s", given);
}

static int take_inside(struct replay_options *options, char **ret_error)
{
	_cleanup_free_ char *why = NULL;

	if (tunnels_parse(optarg, &options->inside, &why) < 0)
		return error_set(ret_error, -EINVAL, "--inside: %s", why ? why : optarg);
	return 0;
}

static int take_alarms(struct replay_options *options, char **ret_error)
{
	_cleanup_free_ char *why = NULL;

	if (alarms_parse(optarg, &options->fanout, &why) < 0)
		return error_set(ret_error, -EINVAL, "--alarm %s", why ? why : optarg);
	return 0;
}

static int take_option(int option, char **argv, struct replay_options *options, char **ret_error)
{
	switch (option) {
	case 'c':
		options->config = optarg;
		return 0;
	case OPT_FUNCTIONS:
		options->functions_dir = optarg;
		return 0;
	case OPT_FUNCTION:
		options->function_dir = optarg;
		return 0;
	case OPT_REQUESTS:
		options->requests = optarg;
		return 0;
	case OPT_STORE:
		options->store = optarg;
		return 0;
	case 'n':
		return take_number("id", UINT32_MAX, &options->switch_id, ret_error);
	case 'p':
		return take_duration("period", NS_PER_MS, &options->period_ns, ret_error);
	case OPT_FLOW_IDLE:
		return take_duration("flow-idle", NS_PER_MS, &options->flow_idle_ns, ret_error);
	case OPT_FLOWS:
		return take_number("flows", 1U << 24, &options->flow_max, ret_error);
	case OPT_PORTS:
		return take_number("ports", 1U << 24, &options->port_max, ret_error);
	case OPT_FANOUT:
		return take_duration("fanout", 0, &options->fanout.window_ns, ret_error);
	case OPT_ALARM:
		return take_alarms(options, ret_error);
	case OPT_INSIDE:
		return take_inside(options, ret_error);
	case 'o':
		return take_output(options, ret_error);
	case OPT_LOG_LEVEL:
		return take_log_level(options, ret_error);
	case ':':
		return error_set(ret_error, -EINVAL, "%s needs a value", argv[optind - 1]);
	default:
		return unknown_option(argv, ret_error);
	}
}

static int take_operands(int argc, char **argv, struct replay_options *options, char **ret_error)
{
	if (optind == argc && !options->requests)
		return error_set(ret_error, -EINVAL,
			"which capture? a pcap or pcapng file, or \"-\"; or --requests");
	if (argc - optind > 1)
		return error_set(ret_error, -EINVAL, "unexpected \"%s\": one capture at a time",
			argv[optind + 1]);
	options->capture = argv[optind];
	if (!!options->config + !!options->functions_dir + !!options->function_dir > 1)
		return error_set(ret_error, -EINVAL,
			"--config, --functions and --function exclude each other");
	return 0;
}

int replay_options_parse(int argc, char **argv, struct replay_options *ret_options,
	enum replay_outcome *ret_outcome, char **ret_error)
{
	struct replay_options options = {
		.switch_id = 1,
		.period_ns = 200 * NS_PER_MS,
		.flow_idle_ns = 15 * NS_PER_SEC,
		.flow_max = 65536,
		.port_max = 65536,
		.fanout = alarms_default,
		.log_level = LOG_LEVEL_WARNING,
	};
	int option, r;

	optind = 0; /* glibc: start afresh, also for a second call */
	opterr = 0;
	while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			*ret_outcome = option == 'h' ? REPLAY_HELP : REPLAY_VERSION;
			return 0;
		}
		r = take_option(option, argv, &options, ret_error);
		if (r < 0)
			return r;
	}
	r = take_operands(argc, argv, &options, ret_error);
	if (r < 0)
		return r;
	*ret_options = options;
	*ret_outcome = REPLAY_RUN;
	return 0;
}
