// SPDX-License-Identifier: BSD-2-Clause
/* Version 1: as many flow events as a datagram takes, stop-and-wait or sent once. */
#include "wire/v1.h"
#include "base/clock.h"
#include "bench/link/rig.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SWITCH_ID 7
#define ANSWERS   4

struct v1 {
	struct v1_sender sender;
	struct v1_receiver receiver;
	struct v1_builder builder;
	struct udp_sender *datagrams;
	struct udp_receiver *from_sender, *from_receiver;
};

static void close_v1(struct link *link)
{
	struct v1 *v1 = link->state;

	if (!v1)
		return;
	udp_sender_free(v1->datagrams);
	udp_receiver_free(v1->from_sender);
	udp_receiver_free(v1->from_receiver);
	free(v1);
}

static int open_v1(struct link *link)
{
	struct v1 *v1 = link->state = calloc(1, sizeof(*v1));
	int r = v1 ? link_open_udp(link) : -ENOMEM;

	if (r == 0)
		r = udp_sender_new(4 * UDP_SEND_MAX, &v1->datagrams);
	if (r == 0)
		r = udp_receiver_new(UDP_MESSAGES_MAX, &v1->from_sender);
	if (r == 0)
		r = udp_receiver_new(ANSWERS, &v1->from_receiver);
	return r;
}

/* All of an event follows from its number (1, 2, ...), so the receiver can check all of it. */
static struct flow_event flow_of(uint64_t number)
{
	uint64_t mixed = number * 0x9e3779b97f4a7c15ULL;
	struct flow_event flow = {
		.srcip.bytes = {[10] = 0xff, 0xff, 10},
		.dstip.bytes = {[10] = 0xff, 0xff, 192, 168},
		.srcport = (port_num)(mixed >> 16),
		.dstport = 443,
		.protocol = 6,
		.count = (uint32_t)number,
		.size = number,
	};

	memcpy(flow.srcip.bytes + 13, &mixed, 3);
	memcpy(flow.dstip.bytes + 14, (uint8_t *)&mixed + 4, 2);
	return flow;
}

static void check_event(struct link *link, const struct v1_event *event, uint64_t now_ns)
{
	const struct flow_event *flow = &event->record.flow;
	struct flow_event expected = flow_of(flow->size);

	if (event->event_id != EVENT_FLOW || memcmp(flow, &expected, sizeof(expected)) != 0)
		link_say_wrong(link, "the event after number %llu has other content",
			(unsigned long long)link->last_number);
	else
		link_check_number(link, flow->size, now_ns);
}

/* ---- the receiving end ---- */

static void answer(struct link *link, const struct datagram *datagram, uint32_t sequence)
{
	uint8_t ack[V1_ACK_BYTES];
	size_t size = v1_encode_ack(sequence, ack);

	/* One that cannot be sent is lost, which the sender makes good. */
	(void)sendto(link->receiver_fd, ack, size, 0,
		(const struct sockaddr *)&datagram->from->address, datagram->from->len);
}

static void process(struct link *link, struct v1_transaction transaction, uint64_t now_ns)
{
	struct v1_event event;

	while (v1_next_event(&transaction, &event))
		check_event(link, &event, now_ns);
}

static void take_acknowledged(struct link *link, const struct datagram *datagram,
	const struct v1_transaction *transaction, uint64_t now_ns)
{
	struct v1_receiver *receiver = &((struct v1 *)link->state)->receiver;
	uint64_t digest = v1_digest(datagram->bytes, datagram->size);

	switch (v1_receiver_check(receiver, transaction->sequence, digest)) {
	case V1_NEW:
		v1_receiver_begin(receiver, transaction->sequence, digest);
		process(link, *transaction, now_ns);
		v1_receiver_commit(receiver);
		answer(link, datagram, transaction->sequence);
		break;
	case V1_DUPLICATE:
		answer(link, datagram, transaction->sequence);
		break;
	case V1_PENDING:
	case V1_STALE:
		break;
	}
}

static void take_datagram(struct link *link, const struct datagram *datagram, uint64_t now_ns)
{
	struct v1_transaction transaction;
	enum v1_error error;

	link->bytes += datagram->size;
	if (link_loses(link))
		return;
	error = v1_decode(datagram->bytes, datagram->size, &transaction);
	if (error != V1_OK)
		link_say_wrong(link, "a datagram is refused: %s", v1_error_name(error));
	else if (transaction.wants_ack)
		take_acknowledged(link, datagram, &transaction, now_ns);
	else
		process(link, transaction, now_ns);
}

static int receive_v1(struct link *link)
{
	struct v1 *v1 = link->state;

	for (;;) {
		int n = udp_receive(v1->from_sender, link->receiver_fd);
		uint64_t now_ns = clock_monotonic_ns();
		struct datagram datagram;

		if (n < 0)
			return n;
		if (n == 0 && !link_wait(link, UINT64_MAX))
			return 0;
		if (n > 0)
			link_note_arrival(link, now_ns);
		while (udp_receiver_next(v1->from_sender, &datagram))
			take_datagram(link, &datagram, now_ns);
	}
}

/* ---- the sending end ---- */

/* As many events as a datagram takes, of those that exist. Returns how many. */
static uint64_t fill(struct link *link, struct v1_builder *builder, bool wants_ack)
{
	uint64_t existing = link_existing(link, clock_monotonic_ns()), before = link->sent;

	while (link->sent < existing) {
		struct flow_event flow = flow_of(link->sent + 1);

		if (v1_builder_add(builder, EVENT_FLOW, &flow, wants_ack) < 0)
			break;
		link->sent++;
	}
	return link->sent - before;
}

static void wait_until(struct link *link, uint64_t at_ns)
{
	struct pollfd ready = {.fd = link->sender_fd, .events = POLLIN};
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left = MIN(at_ns - MIN(at_ns, now_ns), LINK_QUIET_MS * NS_PER_MS);
	struct timespec timeout = {(time_t)(left / NS_PER_SEC), (long)(left % NS_PER_SEC)};

	(void)ppoll(&ready, 1, &timeout, NULL);
}

static bool add_datagram(struct link *link, struct v1 *v1)
{
	uint8_t *bytes = udp_sender_room(v1->datagrams, V1_DATAGRAM_MAX);

	if (!bytes)
		return false;
	v1_builder_start(&v1->builder, SWITCH_ID, 0);
	if (fill(link, &v1->builder, false) == 0)
		return false;
	memcpy(bytes, v1->builder.bytes, v1->builder.size);
	udp_sender_add(v1->datagrams, NULL, NULL, v1->builder.size, v1->builder.size);
	return true;
}

static int send_unacknowledged(struct link *link, struct v1 *v1)
{
	int r = 0;

	while (r == 0) {
		uint64_t now_ns = clock_monotonic_ns();
		bool any = false;

		while (add_datagram(link, v1))
			any = true;
		r = link_flush(link, v1->datagrams, link->sender_fd);
		link_settle(link, link->sent);
		if (link_is_cut(link, now_ns))
			break;
		if (any || r < 0)
			continue;
		if (link_is_over(link, now_ns))
			break;
		wait_until(link, link_next_event_ns(link, now_ns));
	}
	return r;
}

static int send_outstanding(struct link *link, struct v1 *v1)
{
	const struct v1_builder *builder = &v1->sender.builder;

	/* A full socket is a loss like any other: the timer makes it good. */
	if (send(link->sender_fd, builder->bytes, builder->size, 0) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static int take_answers(struct link *link, struct v1 *v1)
{
	int n = udp_receive(v1->from_receiver, link->sender_fd);
	struct datagram datagram;

	while (udp_receiver_next(v1->from_receiver, &datagram))
		(void)v1_sender_acknowledge(&v1->sender, datagram.bytes, datagram.size);
	return MIN(n, 0);
}

static int send_one(struct link *link, struct v1 *v1)
{
	int r;

	v1_sender_commit(&v1->sender, clock_monotonic_ns());
	r = send_outstanding(link, v1);
	while (r == 0 && !v1_sender_idle(&v1->sender)) {
		uint64_t now_ns;

		wait_until(link, v1->sender.resend_at_ns);
		r = take_answers(link, v1);
		now_ns = clock_monotonic_ns();
		if (r == 0 && v1_sender_resend_due(&v1->sender, now_ns))
			r = send_outstanding(link, v1);
		if (r == 0 && now_ns - v1->sender.sent_ns > LINK_STUCK_NS)
			r = -ETIMEDOUT;
	}
	return r;
}

static int send_acknowledged(struct link *link, struct v1 *v1)
{
	int r = 0;

	v1_sender_init(&v1->sender, SWITCH_ID, V1_RESEND_NS);
	while (r == 0) {
		uint64_t now_ns = clock_monotonic_ns();

		if (link_is_cut(link, now_ns))
			break;
		if (fill(link, v1_sender_begin(&v1->sender), true) > 0)
			r = send_one(link, v1);
		else if (link_is_over(link, now_ns))
			break;
		else
			wait_until(link, link_next_event_ns(link, now_ns));
		link_settle(link, link->sent);
	}
	link->result.resends = v1->sender.resends;
	return r;
}

static int send_v1(struct link *link)
{
	struct v1 *v1 = link->state;

	return link->options.acknowledged ? send_acknowledged(link, v1)
					  : send_unacknowledged(link, v1);
}

const struct link_ends link_v1 = {
	.open = open_v1, .close = close_v1, .send = send_v1, .receive = receive_v1};
