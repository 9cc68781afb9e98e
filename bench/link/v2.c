// SPDX-License-Identifier: BSD-2-Clause
/* Version 2: the wire core's two ends, sealed or not, with what a daemon does around them. */
#include "base/clock.h"
#include "bench/link/rig.h"
#include "wire/v2_aead.h"
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SPOOL_ACKED   (1U << 17) /* events */
#define SPOOL_UPDATES (1U << 12)
#define WINDOW        (1U << 16)
#define PACKETS       16384
#define CHUNK         256U /* events that are made at once */
#define CHUNKS        8    /* before what is there is sent */
#define PEN           8    /* datagrams that are held back, each until so many others have come */

struct held {
	uint8_t bytes[V2_DATAGRAM_MAX];
	size_t size;
	unsigned int left; /* datagrams that overtake it; 0: the place is free */
};

struct v2 {
	struct v2_sender sender;
	struct v2_receiver receiver;
	struct v2_aead *at_sender, *at_receiver;
	struct udp_sender *trains, *answers;
	struct udp_receiver *from_sender, *from_receiver;
	struct held pen[PEN];
	struct endpoint peer; /* of the receiver; len 0: not heard yet */
	struct udp_local local;
	enum v2_lane_id lane;
	uint64_t progress_ns;
};

/* xorshift64* (Vigna, 2016); it need not be secret here. One of each thread. */
static uint64_t next_random(void *user)
{
	uint64_t *x = user;

	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return *x * 0x2545f4914f6cdd1dULL;
}

static uint64_t sender_random = 7, receiver_random = 11;

static void close_v2(struct link *link)
{
	struct v2 *v2 = link->state;

	if (!v2)
		return;
	v2_sender_done(&v2->sender);
	v2_receiver_done(&v2->receiver);
	if (v2->at_sender)
		v2_aead_free(v2->at_sender);
	if (v2->at_receiver)
		v2_aead_free(v2->at_receiver);
	udp_sender_free(v2->trains);
	udp_sender_free(v2->answers);
	udp_receiver_free(v2->from_sender);
	udp_receiver_free(v2->from_receiver);
	free(v2);
}

static int init_ends(struct link *link, struct v2 *v2)
{
	struct v2_sender_config at_agent = {.capacity = {2, 2, 2, 2},
		.record_max = LINK_EVENT_BYTES,
		.packets = PACKETS,
		.datagram_max = link->options.datagram,
		.schemas = {.count = 1,
			.list = {{.event_id = 2, .record_bytes = LINK_EVENT_BYTES}}},
		.random = next_random,
		.random_user = &sender_random};
	struct v2_receiver_config at_server = {.window = {2, 2, 2},
		.record_max = LINK_EVENT_BYTES,
		.random = next_random,
		.random_user = &receiver_random};
	int r;

	v2->lane = link->options.acknowledged ? V2_LANE_PORT : V2_LANE_UPDATE;
	at_agent.capacity[v2->lane] = link->options.acknowledged ? SPOOL_ACKED : SPOOL_UPDATES;
	at_server.window[V2_LANE_PORT] = WINDOW;
	r = v2_sender_init(&v2->sender, &at_agent, 1);
	return r == 0 ? v2_receiver_init(&v2->receiver, &at_server) : r;
}

static int make_seals(
	struct link *link, struct v2 *v2, struct v2_seal *ret_sender, struct v2_seal *ret_receiver)
{
	static const uint8_t to_server[V2_SECRET_BYTES] = {1}, to_agent[V2_SECRET_BYTES] = {2};
	enum v2_cipher cipher = link->options.cipher;
	int r;

	*ret_sender = *ret_receiver = v2_seal_null;
	if (link->options.cipher == LINK_NO_CIPHER)
		return 0;
	r = v2_aead_new(cipher, to_server, to_agent, 0, &v2->at_sender);
	if (r == 0)
		r = v2_aead_new(cipher, to_agent, to_server, 0, &v2->at_receiver);
	if (r < 0)
		return r;
	*ret_sender = v2_aead_seal(v2->at_sender);
	*ret_receiver = v2_aead_seal(v2->at_receiver);
	return 0;
}

/* What the control channel would have carried. */
static int open_session(struct link *link, struct v2 *v2)
{
	const struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct v2_seal at_sender, at_receiver;
	struct v2_welcome welcome;
	struct v2_hello hello;
	int r = make_seals(link, v2, &at_sender, &at_receiver);

	if (r < 0)
		return r;
	v2_sender_hello(&v2->sender, &hello);
	if (v2_receiver_open(&v2->receiver, &mark, &hello, &at_receiver, &welcome) != V2_OK ||
		v2_sender_open(&v2->sender, &welcome, &at_sender, clock_monotonic_ns()) != V2_OK)
		return -EPROTO;
	return 0;
}

static int open_v2(struct link *link)
{
	struct v2 *v2 = link->state = calloc(1, sizeof(*v2));
	int r = v2 ? link_open_udp(link) : -ENOMEM;

	if (r == 0)
		r = init_ends(link, v2);
	if (r == 0)
		r = open_session(link, v2);
	if (r == 0)
		r = udp_sender_new(4 * UDP_SEND_MAX, &v2->trains);
	if (r == 0)
		r = udp_sender_new(UDP_SEND_MAX, &v2->answers);
	if (r == 0)
		r = udp_receiver_new(16, &v2->from_sender);
	if (r == 0)
		r = udp_receiver_new(4, &v2->from_receiver);
	return r;
}

/* ---- the sending end ---- */

static void push_events(struct link *link, struct v2 *v2, uint64_t now_ns)
{
	const struct v2_spool *spool = &v2->sender.lanes[v2->lane];
	uint64_t existing = link_existing(link, now_ns);
	uint8_t events[CHUNK * LINK_EVENT_BYTES];

	for (int i = 0; i < CHUNKS; i++) {
		uint64_t room = spool->places.count - (spool->tail - spool->head);
		uint64_t count = MIN(MIN(room, CHUNK), existing - link->sent);

		if (count == 0)
			return;
		link_make_events(events, link->sent + 1, count);
		link->sent += v2_sender_push(&v2->sender, v2->lane, 0, events, count);
	}
}

static int take_answers(struct link *link, struct v2 *v2, uint64_t now_ns)
{
	struct datagram datagram;
	int n;

	while ((n = udp_receive(v2->from_receiver, link->sender_fd)) > 0)
		while (udp_receiver_next(v2->from_receiver, &datagram)) {
			enum v2_error error = v2_sender_receive(
				&v2->sender, now_ns, datagram.bytes, datagram.size);

			v2->progress_ns = now_ns;
			if (error != V2_OK) {
				link_say_wrong(link, "an answer is %s", v2_error_name(error));
				return -EPROTO;
			}
		}
	return n;
}

/* True if something was sent. */
static bool send_trains(struct link *link, struct v2 *v2, uint64_t now_ns, int *ret_r)
{
	size_t size, segment;
	bool sent = false;
	uint8_t *bytes;

	while ((bytes = udp_sender_room(v2->trains, UDP_SEND_MAX)) &&
		(size = v2_sender_poll(&v2->sender, now_ns, bytes, UDP_SEND_MAX, &segment)) > 0) {
		udp_sender_add(v2->trains, NULL, NULL, size, segment);
		sent = true;
	}
	*ret_r = link_flush(link, v2->trains, link->sender_fd);
	v2_sender_too_long(&v2->sender, (uint32_t)udp_sender_too_long(v2->trains));
	return sent;
}

static void wait_for_answers(struct link *link, struct v2 *v2, uint64_t now_ns)
{
	struct pollfd ready = {.fd = link->sender_fd, .events = POLLIN};
	uint64_t at =
		MIN(v2_sender_next_time(&v2->sender, now_ns), link_next_event_ns(link, now_ns));
	uint64_t left;
	struct timespec timeout;

	now_ns = clock_monotonic_ns();
	left = MIN(at - MIN(at, now_ns), LINK_QUIET_MS * NS_PER_MS);
	timeout = (struct timespec){(time_t)(left / NS_PER_SEC), (long)(left % NS_PER_SEC)};
	(void)ppoll(&ready, 1, &timeout, NULL);
}

static bool all_is_sent(const struct v2 *v2)
{
	const struct v2_spool *spool = &v2->sender.lanes[v2->lane];

	return spool->head == spool->tail;
}

static int send_v2(struct link *link)
{
	struct v2 *v2 = link->state;
	const struct v2_spool *spool = &v2->sender.lanes[v2->lane];
	int r = 0;

	v2->progress_ns = link->start_ns;
	while (r >= 0) {
		uint64_t now_ns = clock_monotonic_ns();

		r = take_answers(link, v2, now_ns);
		link_settle(link, spool->head_sequence);
		push_events(link, v2, now_ns);
		if (r >= 0 && !send_trains(link, v2, now_ns, &r)) {
			if (link_is_over(link, now_ns) && all_is_sent(v2))
				break;
			wait_for_answers(link, v2, now_ns);
		}
		if (link_is_cut(link, now_ns))
			break;
		if (now_ns - v2->progress_ns > LINK_STUCK_NS)
			r = -ETIMEDOUT;
	}
	link->result.resends = v2->sender.stats.events_again;
	return MIN(r, 0);
}

/* ---- the receiving end ---- */

static void take(struct link *link, const struct v2_taken *taken, uint64_t now_ns)
{
	if (taken->cause == V2_CAUSE_NONE)
		link_check_events(link, taken->records, taken->stride, taken->count, now_ns);
	else
		link_note_lost(link, taken->count);
}

static int send_answers(struct link *link, struct v2 *v2)
{
	uint64_t address;
	uint8_t *bytes;
	size_t size;

	while ((bytes = udp_sender_room(v2->answers, V2_MTU_FLOOR)) &&
		(size = v2_receiver_poll(
			 &v2->receiver, clock_monotonic_ns(), &address, bytes, V2_MTU_FLOOR)) > 0)
		udp_sender_add(v2->answers, &v2->peer, &v2->local, size, size);
	return link_flush(link, v2->answers, link->receiver_fd);
}

static int take_datagram(
	struct link *link, struct v2 *v2, uint8_t *bytes, size_t size, uint64_t now_ns)
{
	enum v2_error error = v2_receiver_receive(&v2->receiver, now_ns, 1, bytes, size);
	struct v2_taken taken;

	if (error != V2_OK) {
		link_say_wrong(link, "a datagram is %s", v2_error_name(error));
		return -EPROTO;
	}
	while (v2_receiver_next_update(&v2->receiver, &taken))
		take(link, &taken, now_ns);
	return v2_receiver_pressing(&v2->receiver) ? send_answers(link, v2) : 0;
}

/* True if the datagram was taken into the pen. */
static bool hold_back(struct link *link, struct v2 *v2, const struct datagram *datagram)
{
	if (!link_reorders(link))
		return false;
	for (unsigned int i = 0; i < PEN; i++)
		if (v2->pen[i].left == 0) {
			memcpy(v2->pen[i].bytes, datagram->bytes, datagram->size);
			v2->pen[i].size = datagram->size;
			v2->pen[i].left = 1 + i; /* each place another distance */
			return true;
		}
	return false;
}

static int let_out(struct link *link, struct v2 *v2, uint64_t now_ns)
{
	int r = 0;

	for (int i = 0; i < PEN && r == 0; i++)
		if (v2->pen[i].left > 0 && --v2->pen[i].left == 0)
			r = take_datagram(link, v2, v2->pen[i].bytes, v2->pen[i].size, now_ns);
	return r;
}

static int take_batch(struct link *link, struct v2 *v2, uint64_t now_ns)
{
	struct datagram datagram;
	int r = 0;

	while (r == 0 && udp_receiver_next(v2->from_sender, &datagram)) {
		link->bytes += datagram.size;
		if (v2->peer.len == 0) {
			v2->peer = *datagram.from;
			v2->local = *datagram.at;
		}
		if (link_loses(link) || hold_back(link, v2, &datagram))
			continue;
		r = take_datagram(link, v2, datagram.bytes, datagram.size, now_ns);
		if (r == 0)
			r = let_out(link, v2, now_ns);
	}
	return r;
}

/* Checked is processed: it is committed at once. */
static void process(struct link *link, struct v2 *v2, uint64_t now_ns)
{
	struct v2_taken taken = {0};
	uint64_t before = 0;

	while (v2_receiver_take(&v2->receiver, V2_LANE_PORT, UINT64_MAX, &taken)) {
		take(link, &taken, now_ns);
		before = taken.sequence + taken.count;
	}
	if (before > 0)
		(void)v2_receiver_commit(&v2->receiver, 1, V2_LANE_PORT, before, now_ns);
}

static int receive_v2(struct link *link)
{
	struct v2 *v2 = link->state;
	int r = 0;

	while (r == 0) {
		int n = udp_receive(v2->from_sender, link->receiver_fd);
		uint64_t now_ns = clock_monotonic_ns();

		if (n < 0)
			return n;
		if (n > 0) {
			link_note_arrival(link, now_ns);
			r = take_batch(link, v2, now_ns);
		}
		process(link, v2, now_ns);
		if (r == 0 && v2->peer.len > 0)
			r = send_answers(link, v2);
		if (n == 0 && !link_wait(link, v2_receiver_next_time(&v2->receiver)))
			break;
	}
	return r;
}

const struct link_ends link_v2 = {
	.open = open_v2, .close = close_v2, .send = send_v2, .receive = receive_v2};
