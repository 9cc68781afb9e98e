/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_GATEWAY_SECRETS_H
#define SERVER_GATEWAY_SECRETS_H

/* The contents of the files that the settings of requests name. */

#include "server/http_config.h"

struct secrets {
	char *token, *certificate, *key; /* NULL: none */
};

/*
 * 0, or a negative errno with a message in `ret_error` (to be freed). `ret_secrets`: to be released with
 * secrets_done(), also on failure.
 */
int secrets_read(const struct http_settings *settings, struct secrets *ret_secrets,
	char **ret_error) _must_check_;
void secrets_done(struct secrets *secrets);
bool secrets_equal(const struct secrets *a, const struct secrets *b);

#endif
