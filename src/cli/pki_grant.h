/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_PKI_GRANT_H
#define CLI_PKI_GRANT_H

/* What `pki issue` and `pki renew` both end with: a certificate, and the file for whom it is for. */

#include "cli/pki.h"

struct pki_grant {
	struct certificate_subject subject;
	EVP_PKEY *public_key; /* whose private half is elsewhere; NULL: make a key, for the file */
	const char *server;   /* HOST:PORT for the file; NULL: nothing */
	char to[128]; /* the file, unless the options name another; an alternative to both */
};

/* HOST:PORT; not resolved: that is for the switch to do. */
int pki_check_server(const struct cli *cli, const char *server) _must_check_;

int pki_grant(const struct pki_options *options, struct authority *authority,
	const struct pki_grant *grant) _must_check_;

#endif
