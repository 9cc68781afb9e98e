// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the window makes of a link, on virtual time: one agent that always has events, one server
 * that processes at once, a link of a given rate, round-trip time, queue and loss. The figures are
 * the same on every machine.
 */
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS          1000000ULL
#define RECORD      72
#define DATAGRAM    1472
#define IN_FLIGHT   32768
#define MEASURED_NS (100 * MS)

struct link_case {
	const char *name;
	uint64_t gigabits;
	uint64_t rtt_ns, queue_ns;
	unsigned int loss; /* in a hundred */
	unsigned int goal; /* of what the link can deliver, in a hundred */
	uint64_t warm_up_ns;
};

struct datagram {
	uint64_t at_ns;
	uint16_t size;
	uint8_t bytes[DATAGRAM];
};

/* Order is kept: the link is one queue. */
struct pipe {
	struct datagram *ring;
	uint64_t head, tail;
};

static struct pipe to_server, to_agent;
static uint64_t random_state, link_free_ns;
static uint64_t queue_seen_ns;

static uint64_t next_random(void *user _unused_)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 33 | random_state << 31;
}

static struct datagram *pipe_put(struct pipe *pipe, uint64_t at_ns, size_t size)
{
	struct datagram *datagram = &pipe->ring[pipe->tail++ % IN_FLIGHT];

	if (pipe->tail - pipe->head > IN_FLIGHT)
		abort();
	datagram->at_ns = at_ns;
	datagram->size = (uint16_t)size;
	return datagram;
}

/* A link that loses at random, and drops what its queue does not hold. */
static void transmit(const struct link_case *link, uint64_t now, const uint8_t *bytes, size_t size)
{
	uint64_t start = link_free_ns > now ? link_free_ns : now;

	if (start - now > link->queue_ns)
		return;
	queue_seen_ns = MAX(queue_seen_ns, start - now);
	link_free_ns = start + (size + 42) * 8 / link->gigabits;
	if (next_random(NULL) % 100 < link->loss)
		return;
	memcpy(pipe_put(&to_server, link_free_ns + link->rtt_ns / 2, size)->bytes, bytes, size);
}

static void fill(struct v2_sender *sender)
{
	static const uint8_t records[64][RECORD];
	struct v2_spool *spool = &sender->lanes[V2_LANE_PORT];
	uint64_t room;

	while ((room = spool->places.count - (spool->tail - spool->head)) > 0) {
		room = MIN(room, ARRAY_SIZE(records));
		if (v2_sender_push(sender, V2_LANE_PORT, 0, records, room) < room)
			abort();
	}
}

static void serve(struct v2_receiver *receiver, const struct link_case *link, uint64_t now)
{
	uint8_t answer[V2_MTU_FLOOR];
	struct v2_taken taken;
	uint64_t address, before = 0;
	size_t size;

	while (v2_receiver_take(receiver, V2_LANE_PORT, UINT64_MAX, &taken))
		before = taken.sequence + taken.count;
	if (before > 0)
		(void)v2_receiver_commit(receiver, 1, V2_LANE_PORT, before, now);
	while ((size = v2_receiver_poll(receiver, now, &address, answer, sizeof(answer))) > 0)
		memcpy(pipe_put(&to_agent, now + link->rtt_ns / 2, size)->bytes, answer, size);
}

static void start(struct v2_sender *sender, struct v2_receiver *receiver)
{
	struct v2_sender_config at_agent = {.capacity = {2, 1U << 18, 2, 2},
		.record_max = RECORD,
		.packets = 16384,
		.datagram_max = DATAGRAM,
		.schemas = {.count = 1, .list = {{.event_id = 1, .record_bytes = RECORD}}},
		.random = next_random};
	struct v2_receiver_config at_server = {
		.window = {2, 1U << 18, 2}, .record_max = RECORD, .random = next_random};
	struct v2_mark mark = {.boot = 1, .epoch = 1};
	struct v2_welcome welcome;
	struct v2_hello hello;

	if (v2_sender_init(sender, &at_agent, 1) < 0 || v2_receiver_init(receiver, &at_server) < 0)
		abort();
	v2_sender_hello(sender, &hello);
	if (v2_receiver_open(receiver, &mark, &hello, &v2_seal_null, &welcome) != V2_OK ||
		v2_sender_open(sender, &welcome, &v2_seal_null, MS) != V2_OK)
		abort();
}

static uint64_t next_event(struct v2_sender *sender, struct v2_receiver *receiver, uint64_t now)
{
	uint64_t at = MIN(v2_sender_next_time(sender, now), v2_receiver_next_time(receiver));

	if (to_server.head < to_server.tail)
		at = MIN(at, to_server.ring[to_server.head % IN_FLIGHT].at_ns);
	if (to_agent.head < to_agent.tail)
		at = MIN(at, to_agent.ring[to_agent.head % IN_FLIGHT].at_ns);
	return MAX(at, now + 1);
}

static void step(struct v2_sender *sender, struct v2_receiver *receiver,
	const struct link_case *link, uint64_t now)
{
	uint8_t bytes[64 * DATAGRAM];
	size_t size, segment;

	for (; to_server.head < to_server.tail; to_server.head++) {
		struct datagram *d = &to_server.ring[to_server.head % IN_FLIGHT];

		if (d->at_ns > now)
			break;
		(void)v2_receiver_receive(receiver, now, 7, d->bytes, d->size);
		serve(receiver, link, now);
	}
	serve(receiver, link, now);
	for (; to_agent.head < to_agent.tail; to_agent.head++) {
		struct datagram *d = &to_agent.ring[to_agent.head % IN_FLIGHT];

		if (d->at_ns > now)
			break;
		(void)v2_sender_receive(sender, now, d->bytes, d->size);
	}
	fill(sender);
	while ((size = v2_sender_poll(sender, now, bytes, sizeof(bytes), &segment)) > 0)
		for (size_t at = 0; at < size; at += segment)
			transmit(link, now, bytes + at, MIN(segment, size - at));
}

static bool run(const struct link_case *link)
{
	struct v2_sender sender;
	struct v2_receiver receiver;
	uint64_t now = MS, counted = 0, ideal, measured, rate;

	random_state = 42;
	link_free_ns = queue_seen_ns = 0;
	to_server.head = to_server.tail = to_agent.head = to_agent.tail = 0;
	start(&sender, &receiver);
	while (now < MS + link->warm_up_ns + MEASURED_NS) {
		step(&sender, &receiver, link, now);
		now = next_event(&sender, &receiver, now);
		if (now < MS + link->warm_up_ns) {
			counted = receiver.lanes[V2_LANE_PORT].events;
			queue_seen_ns = 0;
		}
	}
	measured = (receiver.lanes[V2_LANE_PORT].events - counted) * RECORD;
	ideal = link->gigabits * MEASURED_NS / 8 * (100 - link->loss) / 100;
	rate = measured * 100 / ideal;
	printf("%-34s %5.2f Gb/s of events, %3" PRIu64 " %% of (1 - loss) x link, queue %.2f ms\n",
		link->name, (double)measured * 8 / MEASURED_NS, rate, (double)queue_seen_ns / MS);
	v2_sender_done(&sender);
	v2_receiver_done(&receiver);
	return rate >= link->goal;
}

int main(void)
{
	static const struct link_case cases[] = {
		{"10 Gb/s, 0.2 ms, no loss", 10, MS / 5, 2 * MS, 0, 85, 60 * MS},
		{"10 Gb/s, 0.2 ms, 1 %", 10, MS / 5, 2 * MS, 1, 85, 60 * MS},
		{"10 Gb/s, 0.2 ms, 5 %", 10, MS / 5, 2 * MS, 5, 85, 60 * MS},
		{"10 Gb/s, 10 ms, no loss", 10, 10 * MS, 10 * MS, 0, 80, 200 * MS},
		{"1 Gb/s, 1 ms, 5 %", 1, MS, 5 * MS, 5, 88, 100 * MS},
		{"1 Gb/s, 1 ms, 5 %, short queue", 1, MS, MS / 4, 5, 75, 100 * MS},
		{"1 Gb/s, 1 ms, long queue", 1, MS, 100 * MS, 0, 90, 100 * MS},
	};
	bool ok = true;

	to_server.ring = calloc(IN_FLIGHT, sizeof(*to_server.ring));
	to_agent.ring = calloc(IN_FLIGHT, sizeof(*to_agent.ring));
	if (!to_server.ring || !to_agent.ring)
		return EXIT_FAILURE;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ok &= run(&cases[i]);
	free(to_server.ring);
	free(to_agent.ring);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
