/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_UDP_RECEIVER_H
#define NET_UDP_RECEIVER_H

/*
 * Datagrams by the batch: one recvmmsg(2) takes several messages, and a message may be a train of
 * datagrams of one peer, which the kernel put together (UDP_GRO). They are handed out one by one,
 * where they lie.
 *
 *     while (udp_receive(receiver, fd) > 0)
 *             while (udp_receiver_next(receiver, &datagram))
 *                     ...
 */

#include "net/udp.h"

#include <stddef.h>

#define UDP_MESSAGES_MAX 64

struct datagram {
	const struct endpoint *from;
	const struct udp_local *at;
	uint8_t *bytes; /* may be written to: version 2 decrypts in place */
	size_t size;
};

/* The buffers of one receiving thread. */
struct udp_receiver;

/*
 * `messages`, 1 to UDP_MESSAGES_MAX, of one call; each is 64 KB of memory once it was used. 0,
 * -EINVAL or -ENOMEM.
 */
int udp_receiver_new(unsigned int messages, struct udp_receiver **ret_receiver) _must_check_;
void udp_receiver_free(struct udp_receiver *receiver);
DEFINE_CLEANUP(struct udp_receiver, udp_receiver_free)

/*
 * Takes what is there, and forgets what the call before took. Returns the number of messages, 0 when
 * there is none, or a negative errno (on a connected socket that is also how the peer's ICMP errors
 * show, -ECONNREFUSED: go on, it may come up).
 */
int udp_receive(struct udp_receiver *receiver, int fd) _must_check_;

/* The next datagram, valid until the next udp_receive(). False: that was all. */
bool udp_receiver_next(struct udp_receiver *receiver, struct datagram *ret_datagram);

#endif
