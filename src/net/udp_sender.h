/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_UDP_SENDER_H
#define NET_UDP_SENDER_H

/*
 * Trains of datagrams on their way out: written in place, then sent by as few system calls as it
 * takes. A train goes to one peer and all its datagrams but the last have one size, so the kernel
 * gets it as one buffer (UDP_SEGMENT). Where it refuses that, they go one by one.
 *
 *     while ((bytes = udp_sender_room(sender, size)))
 *             udp_sender_add(sender, peer, local, written, segment);
 *     if (udp_sender_flush(sender, fd) == -EAGAIN)
 *             wait for POLLOUT, then flush again
 *
 * What the network does not take is given up and counted: to the protocol it is a loss like another.
 */

#include "net/udp.h"

#include <stddef.h>

#define UDP_SEGMENTS_MAX 64    /* datagrams of a train; more are refused by Linux before 6.9 */
#define UDP_SEND_MAX     65000 /* bytes of a train: what headers leave of 64 KB, and some room */

struct udp_sender_stats {
	uint64_t datagrams, bytes; /* that the kernel took */
	uint64_t calls;            /* of sendmmsg(2) */
	uint64_t blocked;          /* of these, that found the socket full */
	/* Datagrams that were given up. */
	uint64_t too_long;   /* EMSGSIZE: for the interface */
	uint64_t no_buffers; /* ENOBUFS, ENOMEM: the kernel or the device had no room */
	uint64_t refused;    /* anything else: no route, a firewall ...; `refused_errno` says it */
	int refused_errno;   /* the latest */
};

struct udp_sender;

/* `bytes` is room for what waits, at least UDP_SEND_MAX. 0 or -ENOMEM. */
int udp_sender_new(size_t bytes, struct udp_sender **ret_sender) _must_check_;
void udp_sender_free(struct udp_sender *sender);
DEFINE_CLEANUP(struct udp_sender, udp_sender_free)

/* Where the next train may be written; NULL: there is no room for `size` bytes, flush. */
uint8_t *udp_sender_room(struct udp_sender *sender, size_t size);

/*
 * `size` bytes of the room are a train now: datagrams of `segment` bytes, the last may be shorter, at
 * most UDP_SEGMENTS_MAX and UDP_TRAIN_BYTES less headers (65000). `to` is NULL on a connected socket;
 * `from`, the address of ours to send from, may be NULL as well. Both are copied.
 */
void udp_sender_add(struct udp_sender *sender, const struct endpoint *to,
	const struct udp_local *from, size_t size, size_t segment);

/* Sends. 0: nothing is left; -EAGAIN: the socket is full, what is left stays. */
int udp_sender_flush(struct udp_sender *sender, int fd) _must_check_;
/* True if something is left. */
bool udp_sender_pending(const struct udp_sender *sender);

/* Trains as one buffer: so it begins. Off: one by one. */
void udp_sender_set_gso(struct udp_sender *sender, bool on);
/*
 * True once, after the kernel has refused a train that it took one by one, and trains were given up
 * for good: worth a line in a log. `ret_errno`: what it said.
 */
bool udp_sender_gso_failed(struct udp_sender *sender, int *ret_errno);

/* The size of the smallest datagram that was too long since the last call; 0: none was. */
size_t udp_sender_too_long(struct udp_sender *sender);

const struct udp_sender_stats *udp_sender_stats(const struct udp_sender *sender);

#endif
