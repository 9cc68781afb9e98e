// SPDX-License-Identifier: BSD-2-Clause
/* Datagrams that hold their number, in trains or one by one, as fast as the kernel takes them. */
#include "base/clock.h"
#include "bench/link/rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct raw {
	struct udp_sender *sender;
	struct udp_receiver *receiver;
};

static void close_raw(struct link *link)
{
	struct raw *raw = link->state;

	if (!raw)
		return;
	udp_sender_free(raw->sender);
	udp_receiver_free(raw->receiver);
	free(raw);
}

static int open_raw(struct link *link)
{
	struct raw *raw = link->state = calloc(1, sizeof(*raw));
	int r = raw ? link_open_udp(link) : -ENOMEM;

	if (r == 0 && link->options.one_by_one)
		r = udp_set_gro(link->receiver_fd, false);
	if (r == 0)
		r = udp_sender_new(4 * UDP_SEND_MAX, &raw->sender);
	if (r == 0)
		r = udp_receiver_new(
			link->options.one_by_one ? UDP_MESSAGES_MAX : 16, &raw->receiver);
	return r;
}

static void write_train(struct link *link, uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < size; at += link->options.datagram) {
		link->sent++;
		memcpy(bytes + at, &link->sent, sizeof(link->sent));
	}
}

static int send_raw(struct link *link)
{
	struct udp_sender *sender = ((struct raw *)link->state)->sender;
	size_t datagram = link->options.datagram;
	size_t train = MIN(UDP_SEND_MAX / datagram, (size_t)UDP_SEGMENTS_MAX) * datagram;
	int r = 0;

	udp_sender_set_gso(sender, !link->options.one_by_one);
	while (r == 0 && !link_is_over(link, clock_monotonic_ns())) {
		uint8_t *bytes;

		while ((bytes = udp_sender_room(sender, train))) {
			write_train(link, bytes, train);
			udp_sender_add(sender, NULL, NULL, train, datagram);
		}
		r = link_flush(link, sender, link->sender_fd);
	}
	return r;
}

static int receive_raw(struct link *link)
{
	struct udp_receiver *receiver = ((struct raw *)link->state)->receiver;

	for (;;) {
		int n = udp_receive(receiver, link->receiver_fd);
		uint64_t now_ns = clock_monotonic_ns(), number;
		struct datagram datagram;

		if (n < 0)
			return n;
		if (n == 0 && !link_wait(link, UINT64_MAX))
			return 0;
		if (n > 0)
			link_note_arrival(link, now_ns);
		while (udp_receiver_next(receiver, &datagram)) {
			link->bytes += datagram.size;
			if (datagram.size != link->options.datagram) {
				link_say_wrong(link, "a datagram of %zu bytes", datagram.size);
				continue;
			}
			memcpy(&number, datagram.bytes, sizeof(number));
			link_check_number(link, number, now_ns);
		}
	}
}

const struct link_ends link_raw = {
	.open = open_raw, .close = close_raw, .send = send_raw, .receive = receive_raw};
