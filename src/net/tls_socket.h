/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TLS_SOCKET_H
#define NET_TLS_SOCKET_H

/* TCP sockets of the control channel, and OpenSSL's view of them, which never raises SIGPIPE. */

#include "base/attr.h"

#include <openssl/types.h>

/* Reads and writes `fd`, which is not owned. NULL: out of memory. */
BIO *tls_socket_bio(int fd) _must_check_;

/*
 * Small messages leave at once, and a peer that acknowledges nothing for `stall_ms` is given up. Each
 * only makes things better, so failures are ignored.
 */
void tls_socket_tune(int fd, unsigned int stall_ms);

#endif
