// SPDX-License-Identifier: BSD-2-Clause
#include "agent/options.h"

#include "agent/alarms.h"
#include "agent/chain.h"
#include "agent/pins.h"
#include "agent/slots.h"
#include "agent/tunnels.h"
#include "base/clock.h"
#include "base/number.h"
#include "base/suggest.h"
#include "pki/credentials.h"
#include "wire/v2.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char agent_help[] =
	"Usage: netlambda-agent --interface IF... [--server HOST[:PORT]] [OPTION...]\n"
	"\n"
	"Counts in XDP what network interfaces receive, and sends it as events to a\n"
	"netlambda-server.\n"
	"\n"
	"  -i, --interface IF...     interfaces to count on: several, comma-separated, or\n"
	"                            the option again; patterns such as 'eth*' follow those\n"
	"                            that come and go\n"
	"  -s, --server HOST[:PORT]  the server, TCP and UDP port 5005 unless another is given;\n"
	"                            an IPv6 address stands in brackets. Default: as the\n"
	"                            credentials say\n"
	"  -c, --credentials FILE    this switch's certificate; default\n"
	"                            " CREDENTIALS_SWITCH ", where 'netlambda pki\n"
	"                            enroll' puts it\n"
	"\n"
	"Attaching:\n"
	"  -m, --mode MODE           auto (native XDP, or generic where the driver refuses;\n"
	"                            the default), native, or generic\n"
	"  -f, --force               displace another's XDP program\n"
	"  -w, --wait                wait for interfaces that are not there yet\n"
	"      --follow-max N        interfaces at a time that match patterns; default 16\n"
	"      --chain[=PRIORITY]    beside other XDP programs, by libxdp's dispatcher, the "
	"lowest\n"
	"                            priority first; default 10\n"
	"      --pin[=DIR]           go on counting when the agent ends, for the next one;\n"
	"                            default " PINS_DIR "\n"
	"      --unpin[=DIR]         detach and remove what an agent with --pin left, and exit\n"
	"\n"
	"Collecting:\n"
	"  -p, --period TIME         between collections; default 200ms\n"
	"      --flow-idle TIME      a flow ends when idle for so long; default 15s\n"
	"      --flows N             flows kept in the kernel; default 65536\n"
	"      --flow-events N       flows told of in a second, and flows ended, at most;\n"
	"                            default 20000; 0: no bound\n"
	"      --ports N             port records counted apart in a period; default 65536\n"
	"      --fanout TIME         the window in which sources and targets are counted; those\n"
	"                            that cross a threshold are reported at once; default 10s;\n"
	"                            0s: off\n"
	"      --alarm NAME=N...     the thresholds, with commas between; 0: none. source-hosts\n"
	"                            (default 200), source-ports (100), source-half-open (1000),\n"
	"                            target-sources (1000), target-ports (100), target-half-open\n"
	"                            (1000), and within a second: source-packets (0),\n"
	"                            source-bytes (0), target-packets (20000), target-bytes\n"
	"                            (125000000)\n"
	"      --alarm-file FILE     thresholds, a line each as NAME=N, read again at SIGHUP\n"
	"      --inside TUNNEL...    look into tunnels: ipip, 6in4, gre, vxlan, geneve, gtp, or\n"
	"                            all, with commas between; default none\n"
	"\n"
	"Sending:\n"
	"      --spool N             events of each lane that may wait; default 65536\n"
	"      --flush-timeout TIME  at exit, to send what is left; default 2s\n"
	"\n"
	"      --crl FILE            refuse a server whose certificate this list revokes\n"
	"      --protocol N          2, sealed (the default), or 1, in the clear\n"
	"  -n, --id N                version 1: this switch's number, 1 to 4294967295\n"
	"\n"
	"Privileges:\n"
	"  -u, --user NAME           to become after attaching; default netlambda, if there is\n"
	"                            such a user\n"
	"      --no-sandbox          give up nothing, for debugging\n"
	"\n"
	"      --stats-file FILE     keep statistics there, in Prometheus text format\n"
	"      --key-log FILE        write the secrets of all sessions there, for a dissector\n"
	"      --log-level LEVEL     error, warning, info (the default) or debug\n"
	"  -h, --help                this text\n"
	"  -V, --version             the version\n"
	"\n"
	"TIME is a number and us, ms, s, m, h or d. SIGUSR1 writes the statistics at once, to "
	"standard\n"
	"output if there is no --stats-file. SIGTERM and SIGINT detach, send what is left, and\n"
	"exit; a second one exits at once. With --pin, SIGTERM does not detach.\n"
	"\n"
	"Examples:\n"
	"  netlambda-agent --interface eth0\n"
	"  netlambda-agent -i swp1 swp2 swp3 -s collector.example.net --mode native\n"
	"  netlambda-agent -i eth0,eth1 -s [2001:db8::10]:6000 --period 1s \\\n"
	"      --stats-file /run/netlambda/agent.prom\n"
	"  netlambda-agent --protocol 1 --id 1 --interface eth0 --server 192.0.2.10:5005\n"
	"\n"
	"netlambda-agent(8) tells the rest.\n";

enum long_only {
	OPT_FLOW_IDLE = 256,
	OPT_FOLLOW_MAX,
	OPT_FLUSH_TIMEOUT,
	OPT_FLOWS,
	OPT_FLOW_EVENTS,
	OPT_PORTS,
	OPT_INSIDE,
	OPT_FANOUT,
	OPT_ALARM,
	OPT_ALARM_FILE,
	OPT_SPOOL,
	OPT_NO_SANDBOX,
	OPT_CHAIN,
	OPT_PIN,
	OPT_UNPIN,
	OPT_STATS_FILE,
	OPT_LOG_LEVEL,
	OPT_CRL,
	OPT_PROTOCOL,
	OPT_KEY_LOG,
};

static const struct option long_options[] = {
	{"id", required_argument, NULL, 'n'},
	{"interface", required_argument, NULL, 'i'},
	{"server", required_argument, NULL, 's'},
	{"credentials", required_argument, NULL, 'c'},
	{"crl", required_argument, NULL, OPT_CRL},
	{"protocol", required_argument, NULL, OPT_PROTOCOL},
	{"key-log", required_argument, NULL, OPT_KEY_LOG},
	{"mode", required_argument, NULL, 'm'},
	{"force", no_argument, NULL, 'f'},
	{"wait", no_argument, NULL, 'w'},
	{"follow-max", required_argument, NULL, OPT_FOLLOW_MAX},
	{"period", required_argument, NULL, 'p'},
	{"flow-idle", required_argument, NULL, OPT_FLOW_IDLE},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"flow-events", required_argument, NULL, OPT_FLOW_EVENTS},
	{"ports", required_argument, NULL, OPT_PORTS},
	{"fanout", required_argument, NULL, OPT_FANOUT},
	{"alarm", required_argument, NULL, OPT_ALARM},
	{"alarm-file", required_argument, NULL, OPT_ALARM_FILE},
	{"inside", required_argument, NULL, OPT_INSIDE},
	{"spool", required_argument, NULL, OPT_SPOOL},
	{"flush-timeout", required_argument, NULL, OPT_FLUSH_TIMEOUT},
	{"user", required_argument, NULL, 'u'},
	{"no-sandbox", no_argument, NULL, OPT_NO_SANDBOX},
	{"chain", optional_argument, NULL, OPT_CHAIN},
	{"pin", optional_argument, NULL, OPT_PIN},
	{"unpin", optional_argument, NULL, OPT_UNPIN},
	{"stats-file", required_argument, NULL, OPT_STATS_FILE},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

/* ':' first: a missing argument is told from an unknown option. */
static const char short_options[] = ":n:i:s:c:m:fwu:p:hV";

struct parsing {
	struct agent_options *options;
	char **ret_error;
};

static int _printf_(2, 3) fail(struct parsing *parsing, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(parsing->ret_error, fmt, ap) < 0)
		*parsing->ret_error = NULL;
	va_end(ap);
	return -EINVAL;
}

static int take_duration(
	struct parsing *parsing, const char *option, uint64_t min_ns, uint64_t *ret_ns)
{
	uint64_t value;

	if (duration_parse(optarg, min_ns, 86400 * NS_PER_SEC, &value) < 0)
		return fail(parsing,
			"--%s %s: expected a time from %llums to 1440m, such as 200ms or 2s",
			option, optarg, (unsigned long long)(min_ns / NS_PER_MS));
	*ret_ns = value;
	return 0;
}

static int take_number_from(struct parsing *parsing, const char *option, uint32_t min, uint32_t max,
	uint32_t *ret_value)
{
	if (number32_parse(optarg, min, max, ret_value) < 0)
		return fail(parsing, "--%s %s: expected a number from %u to %u", option, optarg,
			min, max);
	return 0;
}

static int take_number(
	struct parsing *parsing, const char *option, uint32_t max, uint32_t *ret_value)
{
	return take_number_from(parsing, option, 1, max, ret_value);
}

/* One name, or several with commas between. */
static int take_interfaces(struct parsing *parsing, char *list)
{
	struct agent_options *options = parsing->options;
	char *name;

	while ((name = strsep(&list, ",")) != NULL) {
		if (name[0] == '\0' || (!is_pattern(name) && strlen(name) >= IF_NAMESIZE))
			return fail(parsing,
				"--interface: \"%s\" cannot be an interface: expected 1 to %d "
				"characters, or a pattern",
				name, IF_NAMESIZE - 1);
		if (options->interface_count == AGENT_INTERFACES_MAX)
			return fail(parsing, "--interface: more than %d interfaces",
				AGENT_INTERFACES_MAX);
		options->interfaces[options->interface_count++] = name;
	}
	return 0;
}

static int take_mode(struct parsing *parsing)
{
	/* Drivers that offload take hash tables and plain arrays only. */
	if (strcmp(optarg, "offload") == 0)
		return fail(parsing,
			"--mode offload: no network card takes this program, as it counts in maps "
			"of maps and in memory that user space reads: expected auto, native or "
			"generic");
	if (attach_mode_parse(optarg, &parsing->options->attach.mode) < 0)
		return fail(parsing, "--mode %s: expected auto, native or generic", optarg);
	return 0;
}

/* What takes effect later, by ifindex and in another process, must not depend on a working directory. */
static int take_pin(struct parsing *parsing, bool unpin)
{
	const char *directory = optarg ? optarg : PINS_DIR;

	if (directory[0] != '/')
		return fail(parsing, "--%s=%s: expected an absolute path, such as " PINS_DIR,
			unpin ? "unpin" : "pin", directory);
	parsing->options->pin_directory = directory;
	parsing->options->unpin = unpin;
	return 0;
}

static int take_chain(struct parsing *parsing)
{
	struct attach_options *attach = &parsing->options->attach;
	uint32_t priority = CHAIN_PRIORITY;
	int r = optarg ? take_number(parsing, "chain", 1000, &priority) : 0;

	attach->chain = true;
	attach->priority = priority;
	return r;
}

/* What would have to be done later takes privileges that are given up; and libxdp has its own pins. */
static int check_chain(struct parsing *parsing)
{
	const struct agent_options *options = parsing->options;

	if (options->pin_directory || options->attach.force || options->wait)
		return fail(parsing, "--chain excludes %s",
			options->wait           ? "--wait"
			: options->attach.force ? "--force"
						: "--pin");
	for (unsigned int i = 0; i < options->interface_count; i++)
		if (is_pattern(options->interfaces[i]))
			return fail(parsing,
				"--chain takes names of interfaces, and %s is a pattern",
				options->interfaces[i]);
	return 0;
}

static int take_inside(struct parsing *parsing)
{
	_cleanup_free_ char *why = NULL;

	if (tunnels_parse(optarg, &parsing->options->inside, &why) < 0)
		return fail(parsing, "--inside: %s", why ? why : optarg);
	return 0;
}

static int take_alarms(struct parsing *parsing)
{
	_cleanup_free_ char *why = NULL;

	if (alarms_parse(optarg, &parsing->options->fanout, &why) < 0)
		return fail(parsing, "--alarm %s", why ? why : optarg);
	return 0;
}

static int take_log_level(struct parsing *parsing)
{
	if (log_level_parse(optarg, &parsing->options->log_level) < 0)
		return fail(
			parsing, "--log-level %s: expected error, warning, info or debug", optarg);
	return 0;
}

static int unknown_option(struct parsing *parsing, char **argv)
{
	const char *names[ARRAY_SIZE(long_options)];
	const char *near, *given = argv[optind - 1];
	size_t count = 0;

	if (optopt != 0 && optopt < 256)
		return fail(parsing, "unknown option -%c", optopt);
	for (; long_options[count].name; count++)
		names[count] = long_options[count].name;
	near = suggest_nearest(given + strspn(given, "-"), names, count);
	if (near)
		return fail(parsing, "unknown option %s (did you mean --%s?)", given, near);
	return fail(parsing, "unknown option %s", given);
}

static int take_option(struct parsing *parsing, int option, char **argv)
{
	struct agent_options *options = parsing->options;

	switch (option) {
	case 'n':
		return take_number(parsing, "id", UINT32_MAX, &options->switch_id);
	case 'i':
		return take_interfaces(parsing, optarg);
	case 's':
		options->server = optarg;
		return 0;
	case 'c':
		options->credentials = optarg;
		return 0;
	case OPT_CRL:
		options->crl = optarg;
		return 0;
	case OPT_PROTOCOL:
		return take_number(parsing, "protocol", 2, &options->protocol);
	case OPT_KEY_LOG:
		options->key_log = optarg;
		return 0;
	case 'm':
		return take_mode(parsing);
	case 'f':
		options->attach.force = true;
		return 0;
	case 'w':
		options->wait = true;
		return 0;
	case OPT_FOLLOW_MAX:
		return take_number(
			parsing, "follow-max", AGENT_INTERFACES_MAX, &options->follow_max);
	case 'p':
		return take_duration(parsing, "period", 10 * NS_PER_MS, &options->period_ns);
	case OPT_FLOW_IDLE:
		return take_duration(parsing, "flow-idle", NS_PER_MS, &options->flow_idle_ns);
	case OPT_FLUSH_TIMEOUT:
		return take_duration(parsing, "flush-timeout", 0, &options->flush_timeout_ns);
	case OPT_FLOWS:
		return take_number(parsing, "flows", 1U << 24, &options->flow_max);
	case OPT_FLOW_EVENTS:
		return take_number_from(
			parsing, "flow-events", 0, UINT32_MAX, &options->flow_events_per_s);
	case OPT_PORTS:
		return take_number(parsing, "ports", 1U << 24, &options->port_max);
	case OPT_FANOUT:
		return take_duration(parsing, "fanout", 0, &options->fanout.window_ns);
	case OPT_ALARM:
		return take_alarms(parsing);
	case OPT_ALARM_FILE:
		options->alarm_file = optarg;
		return 0;
	case OPT_INSIDE:
		return take_inside(parsing);
	case OPT_SPOOL:
		return take_number(parsing, "spool", 1U << 24, &options->spool_max);
	case 'u':
		options->user = optarg;
		return 0;
	case OPT_NO_SANDBOX:
		options->no_sandbox = true;
		return 0;
	case OPT_CHAIN:
		return take_chain(parsing);
	case OPT_PIN:
	case OPT_UNPIN:
		return take_pin(parsing, option == OPT_UNPIN);
	case OPT_STATS_FILE:
		options->stats_file = optarg;
		return 0;
	case OPT_LOG_LEVEL:
		return take_log_level(parsing);
	case ':':
		return fail(parsing, "%s: an argument is missing", argv[optind - 1]);
	default:
		return unknown_option(parsing, argv);
	}
}

static int check_version1(struct parsing *parsing)
{
	const struct agent_options *options = parsing->options;

	if (options->credentials || options->crl || options->key_log)
		return fail(parsing, "--credentials, --crl and --key-log have no use with "
				     "--protocol 1, which is in the clear");
	if (options->switch_id == 0)
		return fail(parsing, "--id N is missing: this switch's number");
	if (!options->server)
		return fail(parsing, "--server HOST[:PORT] is missing: where to send the events");
	return 0;
}

static const char *usual_credentials(void)
{
	static char path[CREDENTIALS_PATH_MAX];

	credentials_find(CERTIFICATE_SWITCH, path);
	return path;
}

static int check_complete(struct parsing *parsing)
{
	struct agent_options *options = parsing->options;

	if (options->unpin)
		return 0;
	if (options->pin_directory && options->attach.force)
		return fail(parsing, "--pin and --force exclude each other: the next agent could "
				     "not put back what this one displaced");
	if (options->alarm_file && options->fanout.window_ns == 0)
		return fail(parsing, "--alarm-file has no use with --fanout 0s");
	if (options->interface_count == 0)
		return fail(parsing, "--interface IF is missing: where to count");
	if (options->protocol == 1 && check_version1(parsing) < 0)
		return -EINVAL;
	if (options->protocol == 2 && options->switch_id != 0)
		return fail(parsing,
			"--id is of --protocol 1, in the clear; with version 2 the "
			"certificate says which switch this is (netlambda pki issue "
			"switch %u)",
			options->switch_id);
	if (options->protocol == 2 && !options->credentials)
		options->credentials = usual_credentials();
	return options->attach.chain ? check_chain(parsing) : 0;
}

int agent_options_parse(int argc, char **argv, struct agent_options *ret_options,
	enum options_outcome *ret_outcome, char **ret_error)
{
	struct agent_options options = {
		.protocol = V2_VERSION,
		.period_ns = 200 * NS_PER_MS,
		.flow_idle_ns = 15 * NS_PER_SEC,
		.flush_timeout_ns = 2 * NS_PER_SEC,
		.flow_max = 65536,
		.flow_events_per_s = 20000,
		.port_max = 65536,
		.fanout = alarms_default,
		.spool_max = 65536,
		.follow_max = 16,
		.log_level = LOG_LEVEL_INFO,
	};
	struct parsing parsing = {.options = &options, .ret_error = ret_error};
	int option, r;

	optind = 0; /* glibc: start afresh, also for a second call */
	opterr = 0;
	while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			*ret_outcome = option == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
			return 0;
		}
		r = take_option(&parsing, option, argv);
		if (r < 0)
			return r;
	}
	/* --interface eth0 eth1: what is no option is another interface. */
	for (; optind < argc; optind++) {
		r = take_interfaces(&parsing, argv[optind]);
		if (r < 0)
			return r;
	}
	r = check_complete(&parsing);
	if (r < 0)
		return r;
	*ret_options = options;
	*ret_outcome = OPTIONS_RUN;
	return 0;
}
