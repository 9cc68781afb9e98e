// SPDX-License-Identifier: BSD-2-Clause
#include "cli/pki.h"

#include "base/clock.h"
#include "base/file.h"
#include "pki/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define DAYS_MAX 36525

int64_t pki_now(void)
{
	return (int64_t)(clock_realtime_ns() / NS_PER_SEC);
}

/* ---- options ---- */

static int take_days(struct cli *cli, const char *text, struct pki_options *options)
{
	uint64_t days;

	if (cli_parse_number(text, 1, DAYS_MAX, &days) < 0)
		return cli_usage_error(cli, "--days: expected a number from 1 to %d, found \"%s\"",
			DAYS_MAX, text);
	options->lifetime_s = (int64_t)days * AUTHORITY_DAY_S;
	return 0;
}

static int take_expiring(struct cli *cli, const char *text, struct pki_options *options)
{
	uint64_t seconds;

	if (cli_parse_duration(text, &seconds) < 0)
		return cli_usage_error(cli,
			"--expiring: expected a duration such as 30d or 12h, found \"%s\"", text);
	options->expiring_s = (int64_t)seconds;
	return 0;
}

static int take_reason(struct cli *cli, const char *text, struct pki_options *options)
{
	if (revocation_reason_parse(text, &options->reason) < 0)
		return cli_usage_error(cli,
			"--reason: expected unspecified, key-compromise, superseded or cessation, "
			"found \"%s\"",
			text);
	return 0;
}

static int take_name(struct cli *cli, const char *text, struct pki_options *options)
{
	options->name = text;
	if (certificate_name_valid(text))
		return 0;
	return cli_usage_error(cli,
		"--name: expected 1 to %d letters, digits, '.', '_', ':' or '-', found \"%s\"",
		CERTIFICATE_COMMON_NAME, text);
}

/* A value that is taken as it is. */
static const char **text_option(struct pki_options *options, int option)
{
	switch (option) {
	case PKI_DIR:
		return &options->directory;
	case PKI_PASSPHRASE_FILE:
		return &options->passphrase_file;
	case PKI_TO:
		return &options->to;
	case PKI_SERVER:
		return &options->server;
	case PKI_REQUEST:
		return &options->request;
	case PKI_OWNER:
		return &options->owner;
	default:
		return NULL;
	}
}

static bool *flag_option(struct pki_options *options, int option)
{
	switch (option) {
	case PKI_FORCE:
		return &options->force;
	case PKI_ENCRYPT:
		return &options->encrypt;
	case PKI_NEW_KEY:
		return &options->new_key;
	case PKI_ALL:
		return &options->all;
	default:
		return NULL;
	}
}

static int take_option(struct cli *cli, int option, struct pki_options *options)
{
	const char **text = text_option(options, option);
	bool *flag = flag_option(options, option);

	if (text)
		*text = optarg;
	else if (flag)
		*flag = true;
	else if (option == PKI_DAYS)
		return take_days(cli, optarg, options);
	else if (option == PKI_EXPIRING)
		return take_expiring(cli, optarg, options);
	else if (option == PKI_REASON)
		return take_reason(cli, optarg, options);
	else if (option == PKI_NAME)
		return take_name(cli, optarg, options);
	return 0;
}

int pki_parse(struct cli *cli, int argc, char **argv, const struct option *options,
	struct pki_options *ret_options, unsigned int days)
{
	const char *directory = getenv("NETLAMBDA_PKI");
	int option;

	*ret_options = (struct pki_options){
		.cli = cli,
		.directory = directory && *directory ? directory : PKI_DIRECTORY,
		.lifetime_s = (int64_t)days * AUTHORITY_DAY_S,
		.expiring_s = -1,
	};
	while ((option = cli_next_option(cli, argc, argv, options)) >= CLI_FIRST_OPTION) {
		cli->status = take_option(cli, option, ret_options);
		if (cli->status != 0)
			return CLI_END;
	}
	return option;
}

/* ---- passphrases ---- */

static int read_passphrase_file(const char *path, char text[static KEY_PASSPHRASE_MAX])
{
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t size, len;
	int r = file_read(path, 4096, &bytes, &size);

	if (r < 0) {
		cli_error("cannot read %s: %s", path, strerror(-r));
		return r;
	}
	len = strcspn((char *)bytes, "\r\n");
	if (len == 0 || len >= KEY_PASSPHRASE_MAX) {
		cli_error("%s: expected a passphrase of 1 to %d characters in the first line", path,
			KEY_PASSPHRASE_MAX - 1);
		r = -EINVAL;
	} else {
		memcpy(text, bytes, len);
		text[len] = '\0';
	}
	explicit_bzero(bytes, size);
	return r;
}

/* One line without echo; its length, or -1. */
static int read_silently(FILE *terminal, const char *prompt, char text[static KEY_PASSPHRASE_MAX])
{
	struct termios before, silent;
	char *got;

	if (tcgetattr(fileno(terminal), &before) < 0)
		return -1;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	/* What was typed before the question is no answer to it. */
	tcsetattr(fileno(terminal), TCSAFLUSH, &silent);
	fputs(prompt, terminal);
	fflush(terminal);
	got = fgets(text, KEY_PASSPHRASE_MAX, terminal);
	tcsetattr(fileno(terminal), TCSANOW, &before);
	fputc('\n', terminal);
	if (!got)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	return (int)strlen(text);
}

static int ask_terminal(const char *prompt, char text[static KEY_PASSPHRASE_MAX])
{
	FILE *terminal = fopen("/dev/tty", "r+e");
	int len;

	if (!terminal) {
		cli_error("there is no terminal to ask for the passphrase: name a file with "
			  "--passphrase-file");
		return -1;
	}
	setvbuf(terminal, NULL, _IONBF, 0); /* no copy of it stays in a buffer */
	len = read_silently(terminal, prompt, text);
	fclose(terminal);
	return len;
}

/* As OpenSSL calls it. */
static int ask_passphrase(char *text, int size, int writing _unused_, void *user)
{
	const struct pki_options *options = user;
	char passphrase[KEY_PASSPHRASE_MAX] = "";
	int len = -1;

	if (!options->passphrase_file)
		len = ask_terminal("Passphrase of the CA's key: ", passphrase);
	else if (read_passphrase_file(options->passphrase_file, passphrase) == 0)
		len = (int)strlen(passphrase);
	if (len >= 0 && len < size)
		memcpy(text, passphrase, (size_t)len);
	else
		len = -1;
	explicit_bzero(passphrase, sizeof(passphrase));
	return len;
}

int pki_new_passphrase(const struct pki_options *options, char text[static KEY_PASSPHRASE_MAX])
{
	char again[KEY_PASSPHRASE_MAX];
	bool same;

	if (options->passphrase_file)
		return read_passphrase_file(options->passphrase_file, text) < 0 ? EXIT_FAILURE : 0;
	if (ask_terminal("New passphrase for the CA's key: ", text) < 1 ||
		ask_terminal("The same again: ", again) < 1) {
		cli_error("no passphrase was given");
		return EXIT_FAILURE;
	}
	same = strcmp(text, again) == 0;
	explicit_bzero(again, sizeof(again));
	if (same)
		return 0;
	cli_error("the passphrases differ");
	return EXIT_FAILURE;
}

/* ---- the CA ---- */

int pki_open(
	const struct pki_options *options, enum authority_use use, struct authority **ret_authority)
{
	_cleanup_free_ char *error = NULL;
	int r = authority_open(options->directory, use, ret_authority, &error);

	if (r == 0)
		return 0;
	cli_error("%s", error ? error : strerror(-r));
	return EXIT_FAILURE;
}

int pki_unlock(const struct pki_options *options, struct authority **ret_authority)
{
	_cleanup_(authority_closep) struct authority *authority = NULL;
	_cleanup_free_ char *error = NULL;
	int r;

	if (pki_open(options, AUTHORITY_CHANGE, &authority) != 0)
		return EXIT_FAILURE;
	r = authority_unlock(authority, ask_passphrase, (void *)options, &error);
	if (r < 0) {
		cli_error("%s", error ? error : strerror(-r));
		return EXIT_FAILURE;
	}
	*ret_authority = TAKE_PTR(authority);
	return 0;
}

/* ---- naming certificates ---- */

int pki_parse_switch(const struct cli *cli, const char *text, uint32_t *ret_id)
{
	uint64_t id;

	if (cli_parse_number(text, 1, UINT32_MAX, &id) < 0)
		return cli_usage_error(
			cli, "expected a switch's number, 1 to 4294967295, found \"%s\"", text);
	*ret_id = (uint32_t)id;
	return 0;
}

int pki_select(const struct cli *cli, char **operands, int count, struct pki_selector *ret_selector)
{
	struct pki_selector selector = {0};

	if (count == 2 && strcmp(operands[0], "switch") == 0) {
		if (pki_parse_switch(cli, operands[1], &selector.switch_id) != 0)
			return EXIT_USAGE;
	} else if (count == 2 && strcmp(operands[0], "server") == 0) {
		selector.kind = CERTIFICATE_SERVER;
		selector.text = operands[1];
	} else if (count == 1) {
		selector.by_serial = true;
		selector.text = operands[0];
	} else {
		return cli_usage_error(cli, "expected \"switch ID\", \"server NAME\" or a serial");
	}
	*ret_selector = selector;
	return 0;
}

bool pki_selects(const struct pki_selector *selector, const struct index_entry *entry)
{
	if (selector->by_serial)
		return strcmp(entry->serial, selector->text) == 0;
	if (entry->kind != selector->kind)
		return false;
	return selector->kind == CERTIFICATE_SWITCH ? entry->switch_id == selector->switch_id
						    : strcmp(entry->name, selector->text) == 0;
}

bool pki_entry_valid(const struct index_entry *entry, int64_t now)
{
	return entry->revoked == 0 && entry->expires > now;
}

static bool is_in_state(const struct index_entry *entry, enum pki_state state)
{
	switch (state) {
	case PKI_VALID:
		return pki_entry_valid(entry, pki_now());
	case PKI_UNREVOKED:
		return entry->revoked == 0;
	default:
		return true;
	}
}

const struct index_entry *pki_find(
	const struct index *index, const struct pki_selector *selector, enum pki_state state)
{
	for (size_t i = index->count; i > 0; i--)
		if (pki_selects(selector, &index->entries[i - 1]) &&
			is_in_state(&index->entries[i - 1], state))
			return &index->entries[i - 1];
	return NULL;
}

const char *pki_title(enum certificate_kind kind, uint32_t switch_id, const char *name,
	char title[static PKI_TITLE_MAX])
{
	if (kind == CERTIFICATE_SWITCH)
		snprintf(title, PKI_TITLE_MAX, "switch %u (%s)", switch_id, name);
	else
		snprintf(title, PKI_TITLE_MAX, "server %s", name);
	return title;
}

/* ---- output ---- */

int pki_check_output(const char *path, bool force)
{
	if (strcmp(path, "-") == 0) {
		if (!isatty(STDOUT_FILENO))
			return 0;
		cli_error("a private key is not printed on a terminal: redirect the output");
		return EXIT_FAILURE;
	}
	if (force || access(path, F_OK) < 0)
		return 0;
	cli_error("%s is there already: name another file with --to, or overwrite it with --force",
		path);
	return EXIT_FAILURE;
}

/* The group that is to read a file, where its service looks for it; NULL: none is, or there is none. */
static const struct group *find_reader(const char *path)
{
	for (int kind = 0; kind < CERTIFICATE_KINDS; kind++)
		if (strcmp(path, credentials_place((enum certificate_kind)kind)) == 0)
			return getgrnam(credentials_group((enum certificate_kind)kind));
	return NULL;
}

/* One that is replaced keeps its owner and group: so it is never there for fewer than before. */
static int write_key_file(const char *path, const char *text, size_t size, bool force)
{
	const struct group *reader = find_reader(path);
	struct stat was;
	bool is_readers = reader && stat(path, &was) == 0 && was.st_gid == reader->gr_gid;
	int r = file_write(path, text, size, is_readers ? 0640 : 0600, force);

	if (r < 0 || !reader || is_readers)
		return r;
	return chown(path, (uid_t)-1, reader->gr_gid) < 0 || chmod(path, 0640) < 0 ? -errno : 0;
}

static int write_text(const char *path, const char *text, size_t size, bool force)
{
	int r;

	if (strcmp(path, "-") == 0)
		return fwrite(text, 1, size, stdout) == size ? 0 : EXIT_FAILURE;
	r = write_key_file(path, text, size, force);
	if (r == 0)
		return 0;
	cli_error("cannot write %s: %s", path, strerror(-r));
	return EXIT_FAILURE;
}

int pki_write_credentials(
	const char *path, const struct credentials *credentials, const char *title, bool force)
{
	_cleanup_(BIO_free_allp) BIO *out = BIO_new(BIO_s_mem());
	char heading[PKI_TITLE_MAX + 64], until[TIME_TEXT_MAX];
	_cleanup_free_ char *error = NULL;
	int64_t from_s, until_s;
	char *text;
	long size;

	certificate_validity(credentials->certificate, &from_s, &until_s);
	snprintf(heading, sizeof(heading), "netlambda credentials of %s, valid until %s", title,
		time_text(until_s, until));
	if (!out || credentials_write(out, credentials, heading, &error) < 0) {
		cli_error("%s", error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	size = BIO_get_mem_data(out, &text);
	return write_text(path, text, (size_t)size, force);
}
