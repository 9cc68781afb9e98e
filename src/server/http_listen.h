/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H

/* A TCP socket that listens, also where one of ours already does. */

#include "base/attr.h"

/*
 * Listens on `where`, "127.0.0.1:8080". `beside`: a socket of ours that listens and whose address may overlap that
 * one, as 0.0.0.0 does 127.0.0.1; -1: there is none. It goes on. 0, or a negative errno with a message in
 * `ret_error` (to be freed): -EADDRINUSE: somebody else has the address.
 */
int http_listen(const char *where, int beside, int *ret_fd, char **ret_error) _must_check_;

#endif
