// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whole conversations of version 2 behind the null seal: a server's end and an agent's end, each against
 * a peer that sends what it likes in the order it likes, while time passes, functions fail and sessions
 * begin anew. The input is a list of steps: an octet that says which, and the octets it uses.
 *
 * What must hold is what the ends promise whatever comes: events are handed out once, in order and with
 * their own bytes; no answer is longer than what an address sent before it was validated; memory and
 * what leaves are bounded.
 */
#include "wire/v2_receiver.h"
#include "wire/v2_sender.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define WINDOW     16U
#define PACKETS    64
#define DATAGRAM   1472
#define RECORD_MAX 8
#define POLLS_MAX  (4 * PACKETS)
#define MS         1000000ULL

struct world {
	struct cursor input;
	struct v2_receiver receiver;
	struct v2_sender sender;
	struct v2_mark mark;
	uint64_t now, to_server, to_agent; /* the peers' next packet numbers */
	uint64_t taken[V2_LANES];          /* handed out; after a failure from the mark on again */
	uint64_t told, heard;              /* bytes of this session, from and to the server's end */
	bool raw; /* the peer sent frames as they came: records may be anybody's */
};

static const struct v2_schemas schemas = {.count = 2,
	.list = {{.event_id = 1, .record_bytes = 4}, {.event_id = 2, .record_bytes = 8}}};

static uint64_t constant(void *user _unused_)
{
	return 0x5a5a5a5a5a5a5aULL;
}

/* The next octet of the input; 0 when there is none. */
static uint8_t octet(struct world *world)
{
	const uint8_t *bytes = cursor_left(&world->input) > 0 ? cursor_get(&world->input, 1) : NULL;

	return bytes ? *bytes : 0;
}

/* A number near `base`. */
static uint64_t near(struct world *world, uint64_t base)
{
	return base + octet(world) - MIN(base, 64);
}

static enum v2_lane_id lane_of(uint8_t octet)
{
	return (enum v2_lane_id)(octet % V2_LANES);
}

/* ---- packets of the peers ---- */

struct packet {
	uint8_t bytes[DATAGRAM];
	struct cursor cursor;
};

/* `number` is the peer's next one, which a replay does not take. */
static void begin_packet(
	struct world *world, struct packet *packet, uint64_t session, uint64_t *number)
{
	uint8_t how = octet(world);
	struct v2_header header = {.session = session, .packet = *number};

	if (how > 250)
		header.packet -= MIN(*number, how - 250U);
	else
		*number = header.packet + 1 + (how > 240 ? how : 0);
	cursor_write_init(&packet->cursor, packet->bytes, sizeof(packet->bytes));
	v2_put_header(&packet->cursor, &header);
}

static size_t end_packet(struct packet *packet)
{
	cursor_put(&packet->cursor, V2_TAG_BYTES);
	REQUIRE(cursor_ok(&packet->cursor));
	return packet->cursor.pos;
}

static void put_raw(struct world *world, struct packet *packet)
{
	size_t wanted = octet(world), size = MIN(wanted, cursor_left(&world->input));
	const uint8_t *from = cursor_get(&world->input, size);
	uint8_t *to = cursor_put(&packet->cursor, size);

	if (size > 0)
		memcpy(to, from, size);
}

/* ---- the server's end ---- */

/* What a record of a sequence holds. */
static void fill_record(uint8_t *record, size_t size, unsigned int lane, uint64_t sequence)
{
	for (size_t i = 0; i < size; i++)
		record[i] = (uint8_t)(sequence * 7 + lane * 3 + i);
}

static void check_taken(struct world *world, unsigned int lane, const struct v2_taken *taken)
{
	uint8_t expected[RECORD_MAX];
	size_t size;

	REQUIRE(taken->sequence == world->taken[lane] && taken->count > 0);
	world->taken[lane] += taken->count;
	if (taken->cause != V2_CAUSE_NONE)
		return; /* a range that is lost has no schema */
	REQUIRE(taken->schema < schemas.count);
	size = schemas.list[taken->schema].record_bytes;
	for (uint64_t i = 0; i < taken->count; i++) {
		fill_record(expected, size, lane, taken->sequence + i);
		REQUIRE(world->raw ||
			memcmp(taken->records + i * taken->stride, expected, size) == 0);
	}
}

static void put_events(struct world *world, struct packet *packet)
{
	uint8_t records[16 * RECORD_MAX], what = octet(world);
	struct v2_frame frame = {.type = V2_FRAME_EVENTS};
	unsigned int lane = lane_of(what);
	size_t size;

	frame.events.lane = (uint8_t)lane;
	frame.events.schema = what >> 2 & 1;
	frame.events.count = 1 + (what >> 3 & 15);
	frame.events.sequence = near(world, world->taken[lane]);
	frame.events.records = records;
	size = frame.events.record_bytes = schemas.list[frame.events.schema].record_bytes;
	for (unsigned int i = 0; i < frame.events.count; i++)
		fill_record(records + i * size, size, lane, frame.events.sequence + i);
	v2_put_events(&packet->cursor, &frame, 0);
}

static void put_shed(struct world *world, struct packet *packet)
{
	uint8_t what = octet(world);
	struct v2_frame frame = {.type = V2_FRAME_SHED};

	frame.shed.lane = what % V2_LANES;
	frame.shed.cause = V2_CAUSE_SPOOL_FULL;
	frame.shed.sequence = near(world, world->taken[what % V2_LANES]);
	frame.shed.count = what > 250 ? 1ULL << 40 : 1ULL + (what >> 2);
	v2_put_shed(&packet->cursor, &frame, 0);
}

static void open_at_server(struct world *world, bool anew)
{
	const struct v2_hello hello = {.schemas = schemas};
	struct v2_welcome welcome;

	if (anew)
		world->mark = (struct v2_mark){.boot = 1, .epoch = world->mark.epoch + 1};
	REQUIRE(v2_receiver_open(&world->receiver, &world->mark, &hello, &v2_seal_null, &welcome) ==
		V2_OK);
	for (int i = 0; i < V2_LANES; i++) {
		REQUIRE(welcome.before[i] == world->mark.before[i]);
		REQUIRE(welcome.limit[i] >= welcome.before[i]);
		if (anew)
			world->taken[i] = 0;
	}
	world->to_server = world->told = world->heard = 0;
}

static void send_to_server(struct world *world, uint8_t step)
{
	struct v2_receiver *receiver = &world->receiver;
	struct packet packet;
	struct v2_taken taken;
	size_t size;

	begin_packet(world, &packet, receiver->session, &world->to_server);
	if (step == 0)
		put_events(world, &packet);
	else if (step == 1)
		put_shed(world, &packet);
	else
		put_raw(world, &packet);
	world->raw |= step == 2;
	size = end_packet(&packet);
	if (v2_receiver_receive(receiver, world->now, 7, packet.bytes, size) == V2_OK)
		world->heard += size;
	while (v2_receiver_next_update(receiver, &taken))
		check_taken(world, V2_LANE_UPDATE, &taken);
	if (receiver->session == 0)
		open_at_server(world, false);
}

static void process(struct world *world)
{
	uint8_t what = octet(world);
	unsigned int lane = lane_of(what);
	struct v2_receiver *receiver = &world->receiver;
	struct v2_taken taken;

	for (unsigned int i = what >> 4; lane < V2_LANES_ACKED && i > 0; i--)
		if (v2_receiver_take(receiver, lane, i, &taken))
			check_taken(world, lane, &taken);
	if (what & 4) {
		world->mark.before[lane] = world->taken[lane];
		REQUIRE(v2_receiver_commit(
			receiver, world->mark.epoch, lane, world->taken[lane], world->now));
	} else if (what & 8 && lane < V2_LANES_ACKED) {
		v2_receiver_abandon(receiver, lane);
		world->taken[lane] = world->mark.before[lane];
	}
	/* Of another incarnation nothing counts. */
	REQUIRE(!v2_receiver_commit(receiver, world->mark.epoch + 1, lane, UINT64_MAX, world->now));
}

static void poll_server(struct world *world)
{
	uint8_t answer[V2_MTU_FLOOR];
	unsigned int answers = 0;
	uint64_t address;
	size_t size;

	while ((size = v2_receiver_poll(
			&world->receiver, world->now, &address, answer, sizeof(answer))) > 0) {
		REQUIRE(++answers < POLLS_MAX && address == 7);
		world->told += size;
		REQUIRE(world->told <= world->heard || world->receiver.path.validated);
	}
}

static void check_server(const struct world *world)
{
	for (int i = 0; i < V2_LANES_ACKED; i++) {
		const struct v2_order *order = &world->receiver.lanes[i];

		REQUIRE(order->base == world->mark.before[i] && order->base <= order->taken);
		REQUIRE(order->taken == world->taken[i] && order->taken <= order->next);
	}
	REQUIRE(world->receiver.updates.taken == world->taken[V2_LANE_UPDATE]);
}

/* ---- the agent's end ---- */

static void open_at_agent(struct world *world)
{
	struct v2_welcome welcome = {.session = 9, .epoch = 1, .datagram_max = DATAGRAM};
	struct v2_sender *sender = &world->sender;

	for (int i = 0; i < V2_LANES; i++) {
		welcome.before[i] = i < V2_LANES_ACKED ? sender->lanes[i].processed : 0;
		welcome.limit[i] = welcome.before[i] + WINDOW;
	}
	REQUIRE(v2_sender_open(sender, &welcome, &v2_seal_null, world->now) == V2_OK);
	world->to_agent = 0;
}

static void put_ack(struct world *world, struct packet *packet)
{
	struct v2_range ranges[V2_ACK_RANGES];
	uint64_t last = near(world, world->sender.next_packet);
	uint8_t count = 0, wanted = 1 + octet(world) % 8;

	while (count < wanted) {
		uint8_t what = octet(world);
		uint64_t length = what & 15;

		ranges[count++] =
			(struct v2_range){.first = last - MIN(last, length), .last = last};
		if (last < length + 2U + (what >> 4))
			break;
		last -= length + 2 + (what >> 4);
	}
	v2_put_ack(&packet->cursor, octet(world), ranges, count, 0);
}

static void put_processed(struct world *world, struct packet *packet)
{
	unsigned int lane = octet(world) % V2_LANES_ACKED;
	struct v2_frame frame = {.type = V2_FRAME_PROCESSED};

	frame.processed.lane = (uint8_t)lane;
	frame.processed.before = near(world, world->sender.lanes[lane].processed);
	frame.processed.limit = near(world, frame.processed.before + WINDOW);
	v2_put_processed(&packet->cursor, &frame, 0);
}

static void send_to_agent(struct world *world, uint8_t step)
{
	struct packet packet;

	begin_packet(world, &packet, world->sender.session, &world->to_agent);
	if (step == 4)
		put_ack(world, &packet);
	else if (step == 5)
		put_processed(world, &packet);
	else
		put_raw(world, &packet);
	(void)v2_sender_receive(&world->sender, world->now, packet.bytes, end_packet(&packet));
	if (world->sender.session == 0)
		open_at_agent(world);
}

static void push(struct world *world)
{
	static const uint8_t records[16 * RECORD_MAX];
	uint8_t what = octet(world);
	uint64_t count = 1 + (what >> 3 & 15);

	if (what & 128)
		v2_sender_shed(&world->sender, lane_of(what), count);
	else
		REQUIRE(v2_sender_push(&world->sender, lane_of(what), what >> 2 & 1, records,
				count) <= count);
}

static void poll_agent(struct world *world)
{
	uint8_t train[3 * DATAGRAM];
	unsigned int trains = 0;
	size_t size, segment;

	while ((size = v2_sender_poll(&world->sender, world->now, train, sizeof(train), &segment)) >
		0) {
		REQUIRE(size <= sizeof(train) && segment <= DATAGRAM && ++trains < POLLS_MAX);
		REQUIRE(world->sender.next_packet - world->sender.oldest <= PACKETS);
	}
}

static void check_agent(const struct world *world)
{
	for (int i = 0; i < V2_LANES; i++) {
		const struct v2_spool *spool = &world->sender.lanes[i];

		REQUIRE(spool->head <= spool->unsent && spool->unsent <= spool->tail);
		REQUIRE(spool->tail - spool->head <= WINDOW);
	}
}

/* ---- both ---- */

static void begin(struct world *world)
{
	const struct v2_receiver_config at_server = {
		.window = {WINDOW, WINDOW, WINDOW}, .record_max = RECORD_MAX, .random = constant};
	const struct v2_sender_config at_agent = {.capacity = {WINDOW, WINDOW, WINDOW, WINDOW},
		.record_max = RECORD_MAX,
		.packets = PACKETS,
		.datagram_max = DATAGRAM,
		.schemas = schemas,
		.random = constant};

	REQUIRE(v2_receiver_init(&world->receiver, &at_server) == 0);
	REQUIRE(v2_sender_init(&world->sender, &at_agent, 1) == 0);
	open_at_server(world, true);
	open_at_agent(world);
}

static void step(struct world *world)
{
	uint8_t which = octet(world) % 10;

	if (which < 3)
		send_to_server(world, which);
	else if (which == 3)
		process(world);
	else if (which < 7)
		send_to_agent(world, which);
	else if (which == 7)
		push(world);
	else if (which == 8)
		world->now += octet(world) * MS;
	else if (octet(world) & 1)
		open_at_server(world, octet(world) & 1);
	else
		open_at_agent(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct world world;

	world = (struct world){.now = MS};
	cursor_read_init(&world.input, bytes, size);
	begin(&world);
	while (cursor_left(&world.input) > 0) {
		step(&world);
		poll_server(&world);
		poll_agent(&world);
		check_server(&world);
		check_agent(&world);
	}
	v2_receiver_done(&world.receiver);
	v2_sender_done(&world.sender);
	return 0;
}
