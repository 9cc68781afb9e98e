// SPDX-License-Identifier: BSD-2-Clause
/*
 * A sender and a receiver over a network that loses, doubles, delays and reorders, with both ends
 * crashing, on virtual time. What is acknowledged must have been applied exactly once and in order.
 *
 * The seed is printed; NETLAMBDA_SEED=N begins with that one, NETLAMBDA_ROUNDS=N runs so many seeds.
 *
 * What version 1 cannot hold, and this therefore leaves out: an end that is up again sooner than a
 * datagram from before its crash can still arrive (docs/protocol-1.md 8).
 */
#include "tests/unit/seed.h"
#include "tests/unit/test.h"
#include "wire/v1.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS            1000000ULL
#define NEVER         UINT64_MAX
#define IN_FLIGHT_MAX 256
#define EVENTS_MAX    20000
#define DELAY_MAX_NS  (120 * MS) /* a datagram's life; longer than the resend timer */
#define RESTART_NS    (150 * MS) /* longer than that */
#define STEPS_MAX     1000000    /* far more than any run takes: no progress is a failure */

struct conditions {
	const char *name;
	unsigned int loss, twice, late; /* of a thousand datagrams */
	unsigned int abandon, crash;    /* of a thousand transactions, of a thousand steps */
	uint32_t first_sequence;
};

struct packet {
	uint64_t at_ns;
	bool to_server;
	size_t size;
	uint8_t bytes[V1_DATAGRAM_MAX];
};

struct world {
	const struct conditions *conditions;
	uint64_t random, now_ns;
	struct packet flying[IN_FLIGHT_MAX];
	unsigned int flying_count;

	struct v1_sender sender;
	uint64_t sender_up_ns;
	uint32_t made, outstanding_from; /* events, numbered from 1; the outstanding ones */
	uint8_t forgiven[EVENTS_MAX];    /* outstanding when the sender crashed: at most once */

	struct v1_receiver receiver;
	uint64_t server_up_ns, done_at_ns;
	struct packet processing;
	bool has_mark;
	uint32_t mark_sequence; /* what the store has: survives a crash */
	uint64_t mark_digest;
	uint32_t last_applied;
	uint8_t applied[EVENTS_MAX];

	unsigned int transactions_left;
};

static uint64_t seed;

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t draw(struct world *world)
{
	uint64_t z = world->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static bool happens(struct world *world, unsigned int of_a_thousand)
{
	return draw(world) % 1000 < of_a_thousand;
}

/* ---- the network ---- */

static void fly(struct world *world, bool to_server, const void *bytes, size_t size)
{
	struct packet *packet;

	if (happens(world, world->conditions->loss) || world->flying_count == IN_FLIGHT_MAX)
		return;
	packet = &world->flying[world->flying_count++];
	packet->at_ns = world->now_ns + MS / 20 + draw(world) % (MS / 5);
	if (happens(world, world->conditions->late))
		packet->at_ns += draw(world) % (DELAY_MAX_NS - MS);
	packet->to_server = to_server;
	packet->size = size;
	memcpy(packet->bytes, bytes, size);
}

static void transmit(struct world *world, bool to_server, const void *bytes, size_t size)
{
	fly(world, to_server, bytes, size);
	if (happens(world, world->conditions->twice))
		fly(world, to_server, bytes, size);
}

/* ---- the receiving end: a store with one mark, and time to process ---- */

static void answer(struct world *world, uint32_t sequence)
{
	uint8_t ack[V1_ACK_BYTES];

	transmit(world, false, ack, v1_encode_ack(sequence, ack));
}

static void server_receive(struct world *world, const struct packet *packet)
{
	uint64_t digest = v1_digest(packet->bytes, packet->size);
	struct v1_transaction transaction;

	if (world->now_ns < world->server_up_ns)
		return;
	assert_int_equal(v1_decode(packet->bytes, packet->size, &transaction), V1_OK);
	switch (v1_receiver_check(&world->receiver, transaction.sequence, digest)) {
	case V1_NEW:
		v1_receiver_begin(&world->receiver, transaction.sequence, digest);
		world->processing = *packet;
		world->done_at_ns =
			world->now_ns + draw(world) % (happens(world, 50) ? 80 * MS : MS);
		break;
	case V1_DUPLICATE:
		answer(world, transaction.sequence);
		break;
	case V1_PENDING:
	case V1_STALE:
		break;
	}
}

static void apply(struct world *world, struct v1_transaction transaction)
{
	struct v1_event event;

	while (v1_next_event(&transaction, &event)) {
		uint32_t number = event.record.port.syn;

		if (++world->applied[number] != 1)
			fail_msg("seed %" PRIu64 ", %s: event %u is applied %u times", seed,
				world->conditions->name, number, world->applied[number]);
		if (number <= world->last_applied)
			fail_msg("seed %" PRIu64 ", %s: event %u is applied after %u", seed,
				world->conditions->name, number, world->last_applied);
		world->last_applied = number;
	}
}

static void server_finish(struct world *world)
{
	struct v1_transaction transaction;

	world->done_at_ns = NEVER;
	if (happens(world, world->conditions->abandon)) {
		v1_receiver_abandon(&world->receiver);
		return;
	}
	assert_int_equal(
		v1_decode(world->processing.bytes, world->processing.size, &transaction), V1_OK);
	apply(world, transaction);
	v1_receiver_commit(&world->receiver);
	world->has_mark = true;
	world->mark_sequence = transaction.sequence;
	world->mark_digest = v1_digest(world->processing.bytes, world->processing.size);
	answer(world, transaction.sequence);
}

static void server_crash(struct world *world)
{
	world->server_up_ns = world->now_ns + RESTART_NS;
	world->done_at_ns = NEVER;
	world->receiver = (struct v1_receiver){0};
	if (world->has_mark)
		v1_receiver_restore(&world->receiver, world->mark_sequence, world->mark_digest);
}

/* ---- the sending end ---- */

static void sender_transmit(struct world *world)
{
	transmit(world, true, world->sender.builder.bytes, world->sender.builder.size);
}

static void sender_begin(struct world *world)
{
	struct v1_builder *builder = v1_sender_begin(&world->sender);
	uint64_t events = 1 + draw(world) % 38;

	world->outstanding_from = world->made + 1;
	for (uint64_t i = 0; i < events; i++) {
		struct port_event port = {.srcip.bytes = {0x20, 0x01}, .syn = ++world->made};

		if (v1_builder_add(builder, EVENT_PORT, &port, true) < 0) {
			world->made--;
			break;
		}
	}
	assert_true(world->made < EVENTS_MAX);
	v1_sender_commit(&world->sender, world->now_ns);
	world->transactions_left--;
	sender_transmit(world);
}

static void sender_crash(struct world *world)
{
	if (!v1_sender_idle(&world->sender))
		for (uint32_t i = world->outstanding_from; i <= world->made; i++)
			world->forgiven[i] = 1;
	v1_sender_init(&world->sender, 7, V1_RESEND_NS);
	world->sender_up_ns = world->now_ns + RESTART_NS;
}

static void sender_receive(struct world *world, const struct packet *packet)
{
	if (world->now_ns < world->sender_up_ns ||
		!v1_sender_acknowledge(&world->sender, packet->bytes, packet->size))
		return;
	for (uint32_t i = world->outstanding_from; i <= world->made; i++)
		if (world->applied[i] != 1)
			fail_msg("seed %" PRIu64
				 ", %s: event %u is acknowledged, but was not applied",
				seed, world->conditions->name, i);
}

/* ---- virtual time ---- */

static void deliver_due(struct world *world)
{
	for (unsigned int i = 0; i < world->flying_count; i++) {
		struct packet packet;

		if (world->flying[i].at_ns > world->now_ns)
			continue;
		packet = world->flying[i];
		world->flying[i--] = world->flying[--world->flying_count];
		if (packet.to_server)
			server_receive(world, &packet);
		else
			sender_receive(world, &packet);
	}
}

static uint64_t next_time(const struct world *world)
{
	uint64_t at = MIN(world->done_at_ns, world->now_ns + 10 * MS);

	for (unsigned int i = 0; i < world->flying_count; i++)
		at = MIN(at, world->flying[i].at_ns);
	if (!v1_sender_idle(&world->sender))
		at = MIN(at, world->sender.resend_at_ns);
	return MAX(at, world->now_ns + 1);
}

static void step(struct world *world)
{
	world->now_ns = next_time(world);
	if (happens(world, world->conditions->crash)) {
		if (happens(world, 500))
			server_crash(world);
		else
			sender_crash(world);
	}
	deliver_due(world);
	if (world->done_at_ns <= world->now_ns)
		server_finish(world);
	if (world->now_ns < world->sender_up_ns)
		return;
	if (v1_sender_idle(&world->sender) && world->transactions_left > 0)
		sender_begin(world);
	else if (v1_sender_resend_due(&world->sender, world->now_ns))
		sender_transmit(world);
}

static void check_end(const struct world *world)
{
	for (uint32_t i = 1; i <= world->made; i++)
		if (world->applied[i] != 1 && !world->forgiven[i])
			fail_msg("seed %" PRIu64 ", %s: event %u is applied %u times", seed,
				world->conditions->name, i, world->applied[i]);
	if (world->conditions->loss > 0)
		assert_true(world->sender.resends > 0 || world->conditions->crash > 0);
}

static void run(const struct conditions *conditions)
{
	struct world *world = calloc(1, sizeof(*world));
	unsigned int steps = 0;

	assert_non_null(world);
	*world = (struct world){
		.conditions = conditions,
		.random = seed,
		.now_ns = MS,
		.done_at_ns = NEVER,
		.transactions_left = 400,
	};
	v1_sender_init(&world->sender, 7, V1_RESEND_NS);
	world->sender.sequence = conditions->first_sequence;
	while (world->transactions_left > 0 || !v1_sender_idle(&world->sender)) {
		step(world);
		if (++steps == STEPS_MAX)
			fail_msg("seed %" PRIu64 ", %s: no progress", seed, conditions->name);
	}
	check_end(world);
	free(world);
}

static void run_rounds(const struct conditions *conditions)
{
	const char *rounds = getenv("NETLAMBDA_ROUNDS");
	unsigned long left = rounds ? strtoul(rounds, NULL, 10) : 5;

	for (seed = seed_take(); left-- > 0; seed++)
		run(conditions);
}

static void nothing_goes_wrong_on_a_good_network(void **state _unused_)
{
	run_rounds(&(struct conditions){.name = "good", .first_sequence = 1});
}

static void loss_and_duplicates_change_nothing(void **state _unused_)
{
	run_rounds(&(struct conditions){
		.name = "lossy", .loss = 50, .twice = 50, .late = 20, .first_sequence = 1});
}

static void terrible_network_changes_nothing(void **state _unused_)
{
	run_rounds(&(struct conditions){.name = "terrible",
		.loss = 300,
		.twice = 200,
		.late = 300,
		.abandon = 50,
		.first_sequence = 1});
}

static void wrapping_sequence_changes_nothing(void **state _unused_)
{
	run_rounds(&(struct conditions){.name = "wrap",
		.loss = 100,
		.twice = 100,
		.late = 100,
		.abandon = 20,
		.first_sequence = V1_SEQUENCE_MAX - 100});
}

static void crashes_of_both_ends_change_nothing(void **state _unused_)
{
	run_rounds(&(struct conditions){.name = "crashes",
		.loss = 50,
		.twice = 50,
		.late = 50,
		.abandon = 20,
		.crash = 3,
		.first_sequence = 1});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_goes_wrong_on_a_good_network),
		cmocka_unit_test(loss_and_duplicates_change_nothing),
		cmocka_unit_test(terrible_network_changes_nothing),
		cmocka_unit_test(wrapping_sequence_changes_nothing),
		cmocka_unit_test(crashes_of_both_ends_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
