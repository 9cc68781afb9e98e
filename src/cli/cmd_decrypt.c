// SPDX-License-Identifier: BSD-2-Clause
#include "cli/cli.h"
#include "decrypt/decrypt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OPTION_KEY_LOG = CLI_FIRST_OPTION,
	OPTION_WRITE,
};

static const struct option options[] = {
	{"key-log", required_argument, NULL, OPTION_KEY_LOG},
	{"write", required_argument, NULL, OPTION_WRITE},
	CLI_GLOBAL_OPTIONS,
};

static int read_keys(const char *path, struct key_file **ret_keys)
{
	FILE *log = fopen(path, "re");
	unsigned long line = 0;
	int r = log ? key_file_read(log, ret_keys, &line) : -errno;

	if (log)
		fclose(log);
	if (r == -EBADMSG)
		cli_error("%s:%lu: expected \"NETLAMBDA_2 SESSION CIPHER SECRET SECRET\" with 14, "
			  "2, 64 and 64 hex digits",
			path, line);
	else if (r == -E2BIG)
		cli_error("%s:%lu: more than %d sessions", path, line, KEY_FILE_SESSIONS_MAX);
	else if (r < 0)
		cli_error("%s: %s", path, strerror(-r));
	else if (key_file_count(*ret_keys) == 0)
		cli_error("%s: there are no sessions of protocol version 2 in it", path);
	return r;
}

static void print_json(const struct cli *cli, const struct decrypt_counters *c)
{
	json_t *value = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "packets",
		(json_int_t)c->packets, "opened", (json_int_t)c->opened, "open",
		(json_int_t)c->open, "unknown_session", (json_int_t)c->unknown_session, "unsealed",
		(json_int_t)c->unsealed, "cut", (json_int_t)c->cut);

	cli_print_value(cli, value);
	json_decref(value);
}

/* Beside the capture, which may be standard output. */
static void print_text(const struct decrypt_counters *c)
{
	fprintf(stderr, "%" PRIu64 " packets: %" PRIu64 " opened", c->packets, c->opened);
	if (c->open > 0)
		fprintf(stderr, ", %" PRIu64 " were open", c->open);
	if (c->unknown_session > 0)
		fprintf(stderr, ", %" PRIu64 " of sessions that the key log has not",
			c->unknown_session);
	if (c->unsealed > 0)
		fprintf(stderr, ", %" PRIu64 " do not open: damaged or forged", c->unsealed);
	if (c->cut > 0)
		fprintf(stderr, ", %" PRIu64 " were cut by the capture", c->cut);
	fprintf(stderr, "\n");
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino && S_ISREG(x.st_mode);
}

static int decrypt(struct cli *cli, const char *from, const char *to, const char *log)
{
	_cleanup_(key_file_freep) struct key_file *keys = NULL;
	struct decrypt_counters counters;
	_cleanup_free_ char *error = NULL;

	if (read_keys(log, &keys) < 0 || key_file_count(keys) == 0)
		return EXIT_FAILURE;
	if (same_file(from, to)) {
		cli_error("%s: is the capture itself; --write another file", to);
		return EXIT_FAILURE;
	}
	if (decrypt_file(keys, from, to, &counters, &error) < 0) {
		cli_error("%s", error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	if (cli->output == OUTPUT_TABLE)
		print_text(&counters);
	else
		print_json(cli, &counters);
	return EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const char *log = NULL, *to = NULL;
	int option;

	while ((option = cli_next_option(cli, argc, argv, options)) >= 0)
		if (option == OPTION_KEY_LOG)
			log = optarg;
		else
			to = optarg;
	if (option == CLI_END)
		return cli->status;
	if (argc - optind != 1)
		return cli_usage_error(cli, "expected one capture");
	if (!log || !to)
		return cli_usage_error(cli, "expected --key-log FILE and --write FILE");
	if (strcmp(to, "-") == 0 && (isatty(STDOUT_FILENO) || cli->output != OUTPUT_TABLE))
		return cli_usage_error(cli, "standard output is for the capture then");
	return decrypt(cli, argv[optind], to, log);
}

const struct command command_decrypt = {
	.name = "decrypt",
	.usage = "CAPTURE --key-log FILE --write FILE",
	.summary = "Opens the sealed datagrams of a capture, for Wireshark",
	.help = "Needs no server. The key log is what an agent or a server wrote that was told to\n"
		"(its manual); whoever has it can read and forge what its sessions said.\n"
		"\n"
		"Options:\n"
		"      --key-log FILE  the secrets of the sessions\n"
		"      --write FILE    the capture to make (pcap); - is standard output\n"
		"\n"
		"Examples:\n"
		"  netlambda decrypt sealed.pcap --key-log keys.log --write open.pcap\n"
		"  netlambda decrypt sealed.pcap --key-log keys.log --write - |\n"
		"    tshark -X lua_script:netlambda.lua -r - -V\n",
	.run = run,
};
