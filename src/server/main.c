// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "event/schema.h"
#include "server/file_limit.h"
#include "server/link.h"
#include "server/server.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define EXIT_USAGE 2

static const char usage_text[] =
	"Usage: netlambda-server [OPTION]...\n"
	"\n"
	"Receives events from switches, runs functions on them, keeps their state, raises alerts.\n"
	"\n"
	"  -c, --config FILE      configuration (default /etc/netlambda/server.json)\n"
	"      --check            check the configuration and exit\n"
	"      --drop-rate P      throw away this share of received datagrams, 0 to 1 (for tests)\n"
	"      --key-log FILE     write the secrets of all sessions there, for a dissector\n"
	"  -l, --log-level LEVEL  error, warning, info (default) or debug\n"
	"  -h, --help             show this help\n"
	"  -V, --version          show the version\n"
	"\n"
	"Signals: SIGHUP reads the configuration again and reopens the alert file; SIGTERM and "
	"SIGINT\n"
	"stop, a second one at once.\n"
	"\n"
	"Examples:\n"
	"  netlambda-server --config /etc/netlambda/server.json\n"
	"  netlambda-server --config ./server.json --check\n"
	"  netlambda-server --config ./server.json --drop-rate 0.03 --log-level debug\n"
	"\n"
	"See netlambda-server(8) and netlambda-server.conf(5).\n";

struct arguments {
	const char *config_path;
	bool check;
	struct server_options server;
};

/* Returns -1 to go on, or the exit status. */
static int parse_drop_rate(const char *text, double *ret_rate)
{
	char *end;

	errno = 0;
	*ret_rate = strtod(text, &end);
	if (errno == 0 && end != text && *end == '\0' && *ret_rate >= 0 && *ret_rate <= 1)
		return -1;
	fprintf(stderr,
		"netlambda-server: --drop-rate: expected a number from 0 to 1, found \"%s\"\n",
		text);
	return EXIT_USAGE;
}

static int set_log_level(const char *text)
{
	enum log_level level;

	if (log_level_parse(text, &level) < 0) {
		fprintf(stderr,
			"netlambda-server: --log-level: expected error, warning, info or debug, "
			"found \"%s\"\n",
			text);
		return EXIT_USAGE;
	}
	log_set_level(level);
	return -1;
}

static int parse_arguments(int argc, char **argv, struct arguments *ret_arguments)
{
	enum { OPTION_CHECK = 256, OPTION_DROP_RATE, OPTION_KEY_LOG };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"drop-rate", required_argument, NULL, OPTION_DROP_RATE},
		{"key-log", required_argument, NULL, OPTION_KEY_LOG},
		{"log-level", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int status = -1, c;

	*ret_arguments = (struct arguments){.config_path = "/etc/netlambda/server.json"};
	while (status < 0 && (c = getopt_long(argc, argv, "c:l:hV", options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			ret_arguments->config_path = optarg;
			break;
		case OPTION_CHECK:
			ret_arguments->check = true;
			break;
		case OPTION_DROP_RATE:
			status = parse_drop_rate(optarg, &ret_arguments->server.drop_rate);
			break;
		case OPTION_KEY_LOG:
			ret_arguments->server.key_log = optarg;
			break;
		case 'l':
			status = set_log_level(optarg);
			break;
		case 'h':
			fputs(usage_text, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("netlambda-server " NETLAMBDA_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'netlambda-server --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (status < 0 && optind < argc) {
		fprintf(stderr, "netlambda-server: unexpected argument \"%s\"\n", argv[optind]);
		return EXIT_USAGE;
	}
	return status;
}

static void on_signal(void *user, int signo)
{
	struct server *server = *(struct server **)user;

	if (!server)
		return;
	if (signo == SIGHUP) {
		server_reload(server);
		return;
	}
	log_info("stopping signal=%s", sigabbrev_np(signo));
	server_stop(server);
}

/* Too few is no reason not to start: there may never be so many switches. */
static void raise_file_limit(const struct config *config)
{
	uint64_t needed = file_limit_needed(config->switches_max), limit = 0;
	int r = file_limit_raise(needed, &limit);

	if (r < 0)
		log_warning("cannot raise the limit of open files error=\"%s\"", strerror(-r));
	else if (limit < needed)
		log_warning("limit of open files=%llu: switches_max=%u may need %llu (LimitNOFILE= "
			    "of the unit, or ulimit -n)",
			(unsigned long long)limit, config->switches_max,
			(unsigned long long)needed);
}

static int run(struct config *config, const struct server_options *options)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	_cleanup_(loop_freep) struct loop *loop = NULL;
	_cleanup_(server_freep) struct server *server = NULL;
	_cleanup_free_ char *error = NULL;
	int r;

	raise_file_limit(config);
	r = loop_new(&loop);
	if (r == 0)
		r = loop_add_signals(loop, signals, ARRAY_SIZE(signals), on_signal, &server);
	if (r < 0) {
		config_free(config);
		log_error("cannot start error=\"%s\"", strerror(-r));
		return EXIT_FAILURE;
	}
	r = server_new(loop, config, options, &server, &error);
	if (r == 0)
		r = loop_run(loop);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct config *config = NULL;
	struct arguments arguments;
	char *error = NULL;
	int r = parse_arguments(argc, argv, &arguments);

	if (r >= 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	r = schema_init();
	if (r == 0)
		r = config_load(arguments.config_path, &config, &error);
	if (r == 0 && arguments.check) {
		r = link_check(config, &error);
		if (r < 0)
			config_free(config);
	}
	if (r != 0) {
		fprintf(stderr, "netlambda-server: %s\n", error ? error : strerror(-r));
		free(error);
		return EXIT_FAILURE;
	}
	if (arguments.check) {
		printf("%s: good: %zu function(s), %zu trigger(s)\n", arguments.config_path,
			config->function_count, config->trigger_count);
		config_free(config);
		return EXIT_SUCCESS;
	}
	return run(config, &arguments.server);
}
