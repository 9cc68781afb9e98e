/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

/*
 * The address of a UDP or TCP peer, and its text.
 */

#include "base/attr.h"
#include "base/siphash.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ENDPOINT_TEXT_MAX 64

struct endpoint {
	struct sockaddr_storage address;
	socklen_t len;
};

/*
 * Resolves "HOST:PORT", "[V6]:PORT" or a bare port (any address). Returns 0 or -EINVAL with a
 * message in `ret_error` (to be freed) that says what was expected.
 */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint, char **ret_error) _must_check_;

#define ENDPOINT_HOST_MAX 256 /* a DNS name's 253 characters and room */

/* All addresses of "HOST[:PORT]", "[V6]:PORT", as a resolver orders them. */
struct endpoint_list {
	char host[ENDPOINT_HOST_MAX]; /* as it was written, without brackets */
	struct endpoint endpoints[8];
	size_t count;
};

/*
 * Without a port it is `port`. 0; -EINVAL: it is written wrongly; -EAGAIN: the name is not known, or
 * nobody can say now. With a message in `ret_error` (to be freed).
 */
int endpoint_resolve(const char *text, uint16_t port, struct endpoint_list *ret_list,
	char **ret_error) _must_check_;
/* Address and port. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
const char *endpoint_render(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_MAX]);

/*
 * Equal for equal addresses and ports, and with a random key not to be guessed: what the wire core
 * is given as a peer's address.
 */
uint64_t endpoint_digest(const struct endpoint *endpoint, const struct siphash_key *key);

#endif
