/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_UDP_H
#define NET_UDP_H

/*
 * UDP sockets and batched datagrams. Non-blocking; the caller waits with a loop.
 */

#include "base/attr.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define UDP_BATCH         64
#define UDP_DATAGRAM_MAX  2048 /* bytes kept of one datagram; a longer one is `truncated` */
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
const char *endpoint_render(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_MAX]);

/* A bound, non-blocking socket with as large a receive buffer as is allowed. fd or negative errno.
 */
int udp_listen(const struct endpoint *local) _must_check_;
/* A connected, non-blocking socket. fd or negative errno. */
int udp_connect(const struct endpoint *remote) _must_check_;

struct datagram {
	struct endpoint from;
	const uint8_t *bytes;
	size_t size;
	bool truncated;
};

/* The buffers of one receiving thread, about 140 KB. */
struct udp_receiver;
int udp_receiver_new(struct udp_receiver **ret_receiver) _must_check_;
void udp_receiver_free(struct udp_receiver *receiver);
DEFINE_CLEANUP(struct udp_receiver, udp_receiver_free)

/*
 * Up to UDP_BATCH datagrams in one recvmmsg(2); `*ret_datagrams` is valid until the next call.
 * Returns their number, 0 when there is none, or a negative errno (on a connected socket that is
 * also how the peer's ICMP errors show, -ECONNREFUSED: go on, it may come up).
 */
int udp_receive(
	struct udp_receiver *receiver, int fd, const struct datagram **ret_datagrams) _must_check_;

#endif
