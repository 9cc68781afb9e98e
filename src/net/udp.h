/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_UDP_H
#define NET_UDP_H

/*
 * UDP sockets. A tour of datagrams: udp.h (here) opens sockets; udp_group.h several at one address,
 * one a worker; udp_receiver.h and udp_sender.h move trains of datagrams, each with one system call
 * for many. Non-blocking throughout; the caller waits with a loop. Whoever reads a socket of ours
 * does it with a udp_receiver, since the kernel may hand out several datagrams as one (UDP_GRO).
 */

#include "base/attr.h"
#include "net/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

/* The address of ours that a datagram came to, and that its answer shall come from. */
struct udp_local {
	sa_family_t family; /* of the socket: AF_INET, AF_INET6; 0: whichever the kernel chooses */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/*
 * A bound socket with buffers as large as is allowed. What is sent is never fragmented (answers are
 * small). fd or negative errno.
 */
int udp_listen(const struct endpoint *local) _must_check_;
/* The same, where all that bind to the address allow each other to (SO_REUSEPORT). */
int udp_listen_shared(const struct endpoint *local) _must_check_;
/* A connected socket. fd or negative errno. */
int udp_connect(const struct endpoint *remote) _must_check_;
/* One that is not connected yet, AF_INET's or AF_INET6's, and fragments nothing. fd or negative errno. */
int udp_open(sa_family_t family) _must_check_;
/*
 * Connects it; when it was already, also to the same peer, the kernel chooses address and port of ours
 * anew. 0 or negative errno; on failure it is not connected.
 */
int udp_set_peer(int fd, const struct endpoint *remote) _must_check_;

/*
 * Sets DF and takes no ICMP message's word for the path's MTU (RFC 8899 probes for it): a datagram
 * larger than the interface's MTU is refused (EMSGSIZE), a larger one than the path's vanishes. 0 or
 * negative errno.
 */
int udp_forbid_fragments(int fd) _must_check_;

/* The kernel may, or shall not, hand out trains (it may by default). 0 or negative errno. */
int udp_set_gro(int fd, bool on) _must_check_;

struct udp_memory {
	uint32_t buffer_bytes; /* the receive buffer's bound, with the kernel's own overhead */
	uint32_t queued_bytes;
	uint32_t drops; /* datagrams since the socket was opened, mod 2^32: the buffer was full */
};

/* What became of what arrived. 0 or negative errno. */
int udp_get_memory(int fd, struct udp_memory *ret_memory) _must_check_;

#endif
