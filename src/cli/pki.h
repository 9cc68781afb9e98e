/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_PKI_H
#define CLI_PKI_H

/*
 * What the verbs of `netlambda pki` share: their options, the CA's directory, passphrases, and how a
 * certificate is named on the command line. None of them asks a server. What fails is said on
 * standard error; functions return an exit status, 0 for success.
 */

#include "cli/cli.h"
#include "pki/authority.h"
#include "pki/credentials.h"
#include "pki/key.h"

#define PKI_DIRECTORY "/etc/netlambda/pki"

extern const struct command pki_init, pki_issue, pki_renew, pki_revoke, pki_crl, pki_list, pki_show,
	pki_enroll;

struct pki_options {
	const struct cli *cli; /* how to print */
	const char *directory;
	const char *passphrase_file; /* NULL: ask on the terminal */
	const char *to;              /* NULL: the verb's own place */
	const char *name, *server, *request, *owner;
	enum revocation_reason reason;
	int64_t lifetime_s;
	int64_t expiring_s; /* -1: not asked for */
	bool force, encrypt, new_key, all;
};

enum {
	PKI_DIR = CLI_FIRST_OPTION,
	PKI_PASSPHRASE_FILE,
	PKI_TO,
	PKI_NAME,
	PKI_SERVER,
	PKI_REQUEST,
	PKI_OWNER,
	PKI_REASON,
	PKI_DAYS,
	PKI_EXPIRING,
	PKI_FORCE,
	PKI_ENCRYPT,
	PKI_NEW_KEY,
	PKI_ALL,
};

#define PKI_DIR_OPTION                                                                             \
	{                                                                                          \
		"dir", required_argument, NULL, PKI_DIR                                            \
	}
#define PKI_KEY_OPTIONS                                                                            \
	PKI_DIR_OPTION,                                                                            \
	{                                                                                          \
		"passphrase-file", required_argument, NULL, PKI_PASSPHRASE_FILE                    \
	}

/* Reads those of `options` that are given; `days` is the default of --days. CLI_DONE or CLI_END. */
int pki_parse(struct cli *cli, int argc, char **argv, const struct option *options,
	struct pki_options *ret_options, unsigned int days);

/* Seconds since the epoch. */
int64_t pki_now(void);

int pki_open(const struct pki_options *options, enum authority_use use,
	struct authority **ret_authority) _must_check_;
/* The same, with the CA's key. */
int pki_unlock(const struct pki_options *options, struct authority **ret_authority) _must_check_;

/* A passphrase to encrypt with, asked for twice. To be wiped. */
int pki_new_passphrase(
	const struct pki_options *options, char text[static KEY_PASSPHRASE_MAX]) _must_check_;

/* As `pki list` has it in JSON, at a time. To be released; NULL: no memory. */
json_t *pki_entry_json(const struct index_entry *entry, int64_t now);

/* ---- certificates as the operands "switch 7", "server NAME" or SERIAL name them ---- */

struct pki_selector {
	bool by_serial;
	enum certificate_kind kind;
	uint32_t switch_id;
	const char *text; /* the server's name, or the serial */
};

/* Takes all of `count` operands. 0, or EXIT_USAGE after saying what was expected. */
int pki_select(const struct cli *cli, char **operands, int count,
	struct pki_selector *ret_selector) _must_check_;
bool pki_selects(const struct pki_selector *selector, const struct index_entry *entry);
/* Neither revoked nor expired. */
bool pki_entry_valid(const struct index_entry *entry, int64_t now);

enum pki_state {
	PKI_ANY,
	PKI_UNREVOKED,
	PKI_VALID,
};

/* The newest that is selected and in the state; NULL if there is none, and nothing was said. */
const struct index_entry *pki_find(
	const struct index *index, const struct pki_selector *selector, enum pki_state state);
int pki_parse_switch(const struct cli *cli, const char *text, uint32_t *ret_id) _must_check_;

#define PKI_TITLE_MAX 128
/* "switch 7 (edge-1)", "server lambda.example.net" */
const char *pki_title(enum certificate_kind kind, uint32_t switch_id, const char *name,
	char title[static PKI_TITLE_MAX]);

/* ---- files for the ends ---- */

/* Whether a file may be made there: it is not there yet, or is to be overwritten. */
int pki_check_output(const char *path, bool force) _must_check_;
/* Writes credentials to a file, or "-" for standard output. */
int pki_write_credentials(const char *path, const struct credentials *credentials,
	const char *title, bool force) _must_check_;

#endif
