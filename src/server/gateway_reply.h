/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_GATEWAY_REPLY_H
#define SERVER_GATEWAY_REPLY_H

/*
 * What a handler returned, as an HTTP response: a text as it stands, any other value as JSON, nothing as 204;
 * or {status, headers, body}, with a body of the same.
 */

#include "base/attr.h"

#include <jansson.h>
#include <stddef.h>

struct gateway_reply {
	unsigned int status;
	const char *type; /* of the body, unless the headers say; NULL: there is none */
	char *body;
	size_t size;
	json_t *headers; /* name -> text; NULL: none of its own */
};

/*
 * `text`: JSON, or NULL. 0; -EINVAL: its headers cannot be sent, with a message in `ret_error` (to be freed);
 * -ENOMEM. Released with gateway_reply_done() after success.
 */
int gateway_reply_read(
	const char *text, struct gateway_reply *ret_reply, char **ret_error) _must_check_;
void gateway_reply_done(struct gateway_reply *reply);

#endif
