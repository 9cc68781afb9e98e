// SPDX-License-Identifier: BSD-2-Clause
/* Lanes at the receiver: the acknowledged ones, also against a plain list, and the updates. */
#include "tests/unit/test.h"
#include "wire/v2_updates.h"

static struct v2_frame events(uint64_t sequence, uint16_t count)
{
	static uint32_t records[200];
	struct v2_frame frame = {.type = V2_FRAME_EVENTS};

	/* A record is its sequence. */
	for (uint16_t i = 0; i < count; i++)
		records[i] = (uint32_t)(sequence + i);
	frame.events.count = count;
	frame.events.record_bytes = sizeof(records[0]);
	frame.events.sequence = sequence;
	frame.events.records = (const uint8_t *)records;
	return frame;
}

static struct v2_frame shed(uint64_t sequence, uint64_t count)
{
	struct v2_frame frame = {.type = V2_FRAME_SHED};

	frame.shed.cause = V2_CAUSE_SPOOL_FULL;
	frame.shed.sequence = sequence;
	frame.shed.count = count;
	return frame;
}

static void put(struct v2_order *order, struct v2_frame frame)
{
	assert_true(v2_order_admits(order, &frame));
	v2_order_put(order, &frame);
}

static void assert_records(const struct v2_taken *taken)
{
	for (uint64_t i = 0; taken->cause == V2_CAUSE_NONE && i < taken->count; i++) {
		uint32_t record;

		memcpy(&record, taken->records + i * taken->stride, sizeof(record));
		assert_int_equal(record, (uint32_t)(taken->sequence + i));
	}
}

static uint64_t take_all(struct v2_order *order)
{
	struct v2_taken taken;

	while (v2_order_take(order, UINT64_MAX, &taken))
		assert_records(&taken);
	return order->taken;
}

static void events_are_handed_out_in_order_and_once(void **state _unused_)
{
	struct v2_order order;

	assert_int_equal(v2_order_init(&order, 8, 4), 0);
	v2_order_begin(&order, 0);
	put(&order, events(2, 2));
	assert_int_equal(take_all(&order), 0);
	put(&order, events(0, 2));
	assert_int_equal(take_all(&order), 4);
	put(&order, events(1, 4));
	assert_int_equal(order.duplicates, 3);
	assert_int_equal(order.events, 5);
	assert_int_equal(take_all(&order), 5);
	v2_order_done(&order);
}

static void abandoned_events_come_again(void **state _unused_)
{
	struct v2_order order;
	struct v2_taken taken;

	assert_int_equal(v2_order_init(&order, 8, 4), 0);
	v2_order_begin(&order, 10);
	put(&order, events(10, 4));
	assert_int_equal(take_all(&order), 14);
	v2_order_commit(&order, 12);
	v2_order_abandon(&order);
	assert_true(v2_order_take(&order, 1, &taken));
	assert_int_equal(taken.sequence, 12);
	assert_int_equal(taken.count, 1);
	v2_order_done(&order);
}

static void credit_ends_a_window_after_what_is_processed(void **state _unused_)
{
	struct v2_order order;
	struct v2_frame frame = events(7, 2);

	assert_int_equal(v2_order_init(&order, 8, 4), 0);
	v2_order_begin(&order, 0);
	assert_int_equal(v2_order_limit(&order), 8);
	assert_false(v2_order_admits(&order, &frame));
	put(&order, events(0, 8));
	assert_int_equal(take_all(&order), 8);
	assert_int_equal(v2_order_limit(&order), 8);
	v2_order_commit(&order, 8);
	assert_int_equal(v2_order_limit(&order), 16);
	v2_order_done(&order);
}

static void range_longer_than_the_window_takes_one_place(void **state _unused_)
{
	struct v2_order order;
	struct v2_taken taken;

	assert_int_equal(v2_order_init(&order, 8, 4), 0);
	v2_order_begin(&order, 0);
	put(&order, events(0, 2));
	put(&order, shed(2, 1000000));
	assert_int_equal(order.next, 1000002);
	assert_true(v2_order_take(&order, UINT64_MAX, &taken));
	assert_int_equal(taken.count, 2);
	assert_true(v2_order_take(&order, 1, &taken));
	assert_int_equal(taken.cause, V2_CAUSE_SPOOL_FULL);
	assert_int_equal(taken.count, 1000000);
	v2_order_commit(&order, 1000002);
	put(&order, events(1000002, 8));
	assert_int_equal(take_all(&order), 1000010);
	assert_int_equal(order.shed, 1000000);
	v2_order_done(&order);
}

static void events_within_a_range_change_nothing(void **state _unused_)
{
	struct v2_order order;

	assert_int_equal(v2_order_init(&order, 16, 4), 0);
	v2_order_begin(&order, 0);
	put(&order, events(4, 1)); /* a peer that contradicts itself */
	put(&order, shed(6, 3));
	put(&order, shed(0, 8));
	assert_int_equal(take_all(&order), 8);
	v2_order_commit(&order, 8);
	put(&order, events(8, 16));
	assert_int_equal(take_all(&order), 24);
	v2_order_done(&order);
}

/* A peer that contradicts itself cannot have a range where the bits of the window do not reach. */
static void range_beyond_the_window_changes_nothing(void **state _unused_)
{
	struct v2_order order;

	assert_int_equal(v2_order_init(&order, 8, 4), 0);
	v2_order_begin(&order, 0);
	put(&order, shed(0, 13));
	put(&order, shed(7, 100));
	assert_int_equal(take_all(&order), 13);
	v2_order_commit(&order, 13);
	assert_int_equal(take_all(&order), 13);
	put(&order, events(13, 8));
	assert_int_equal(take_all(&order), 21);
	v2_order_done(&order);
}

/* ---- against a plain list ---- */

#define MODEL_MAX 60000

static uint64_t random_state;

static uint64_t below(uint64_t bound)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % bound;
}

/* What a sender has: the kind of each sequence, where ranges begin. */
struct model {
	bool range[MODEL_MAX];
	uint16_t length[MODEL_MAX]; /* of the range that begins here */
	bool here[MODEL_MAX];       /* it was put */
	uint64_t base, taken;
};

static void model_plan(struct model *model)
{
	memset(model, 0, sizeof(*model));
	for (uint64_t i = 0; i < MODEL_MAX - 2000;) {
		if (below(30) == 0) {
			model->range[i] = true;
			model->length[i] = (uint16_t)(1 + below(below(4) == 0 ? 1000 : 10));
			i += model->length[i];
		} else {
			i++;
		}
	}
}

static uint64_t item_end(const struct model *model, uint64_t i)
{
	return i + (model->range[i] ? model->length[i] : 1);
}

/* Where one of the items from the base on begins; it may lie beyond the window. */
static uint64_t some_item(const struct model *model, uint64_t window)
{
	uint64_t i = model->base;

	for (uint64_t steps = below(window); steps > 0; steps--)
		i = item_end(model, i);
	return i;
}

static void do_put(struct model *model, struct v2_order *order)
{
	uint64_t limit = v2_order_limit(order), first = some_item(model, order->places.count), end;

	if (below(3) == 0)
		first = order->next;
	else if (below(10) == 0)
		first = model->base > 20 ? model->base - below(20) : 0;
	if (first >= limit || first >= MODEL_MAX - 3000)
		return;
	if (model->range[first]) {
		model->here[first] = true;
		put(order, shed(first, model->length[first]));
		return;
	}
	for (end = first; end < limit && end < first + 40 && !model->range[end]; end++)
		model->here[end] = true;
	if (end > first)
		put(order, events(first, (uint16_t)(end - first)));
}

static void do_take(struct model *model, struct v2_order *order)
{
	struct v2_taken taken;

	if (!v2_order_take(order, 1 + below(50), &taken)) {
		assert_false(model->here[model->taken]);
		return;
	}
	assert_int_equal(taken.sequence, model->taken);
	assert_records(&taken);
	if (taken.cause != V2_CAUSE_NONE) {
		assert_true(model->here[model->taken] && model->range[model->taken]);
		assert_int_equal(taken.count, model->length[model->taken]);
	}
	for (uint64_t i = 0; taken.cause == V2_CAUSE_NONE && i < taken.count; i++)
		assert_true(model->here[model->taken + i] && !model->range[model->taken + i]);
	model->taken += taken.count;
}

/* What lies in a range's middle is no place to commit up to. */
static void do_commit(struct model *model, struct v2_order *order)
{
	for (uint64_t steps = below(40); steps > 0 && model->base < model->taken; steps--)
		model->base = item_end(model, model->base);
	v2_order_commit(order, model->base);
	assert_int_equal(order->base, model->base);
}

static void walk(uint64_t seed, size_t window)
{
	static struct model model;
	struct v2_order order;

	random_state = seed;
	model_plan(&model);
	assert_int_equal(v2_order_init(&order, window, 8), 0);
	v2_order_begin(&order, 0);
	for (int step = 0; step < 4000; step++)
		switch (below(5)) {
		case 0:
		case 1:
			do_put(&model, &order);
			break;
		case 2:
		case 3:
			do_take(&model, &order);
			break;
		default:
			do_commit(&model, &order);
			if (below(20) > 0)
				break;
			v2_order_abandon(&order);
			model.taken = model.base;
			break;
		}
	assert_true(model.base > window);
	v2_order_done(&order);
}

static void order_does_what_a_plain_list_does(void **state _unused_)
{
	static const size_t windows[] = {2, 4, 16, 64, 128, 1024};

	for (uint64_t seed = 1; seed <= 12; seed++)
		for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
			walk(seed, windows[i]);
}

/* ---- updates ---- */

static const struct v2_schemas schemas = {.count = 1, .list = {{.event_id = 1, .record_bytes = 4}}};

struct packet {
	struct cursor c;
	uint8_t bytes[2000];
};

static void begin(struct packet *packet)
{
	cursor_write_init(&packet->c, packet->bytes, sizeof(packet->bytes));
}

static void add(struct packet *packet, uint8_t lane, struct v2_frame frame)
{
	if (frame.type == V2_FRAME_EVENTS) {
		frame.events.lane = lane;
		v2_put_events(&packet->c, &frame, 0);
	} else {
		frame.shed.lane = lane;
		v2_put_shed(&packet->c, &frame, 0);
	}
}

static void offer(struct v2_updates *updates, const struct packet *packet)
{
	v2_updates_offer(updates, packet->bytes, packet->c.pos);
}

static void assert_taken(
	struct v2_updates *updates, uint64_t sequence, uint64_t count, enum v2_cause cause)
{
	struct v2_taken taken;

	assert_true(v2_updates_take(updates, &schemas, &taken));
	assert_int_equal(taken.sequence, sequence);
	assert_int_equal(taken.count, count);
	assert_int_equal(taken.cause, cause);
	assert_records(&taken);
}

static void assert_all_taken(struct v2_updates *updates)
{
	struct v2_taken taken;

	assert_false(v2_updates_take(updates, &schemas, &taken));
}

static void updates_are_handed_out_where_they_lie(void **state _unused_)
{
	struct v2_updates updates = {0};
	struct v2_taken taken;
	struct packet packet;

	v2_updates_begin(&updates, 7);
	begin(&packet);
	add(&packet, V2_LANE_PORT, events(0, 3));
	add(&packet, V2_LANE_UPDATE, events(7, 5));
	v2_put_ping(&packet.c, 0);
	add(&packet, V2_LANE_UPDATE, events(12, 2));
	add(&packet, V2_LANE_UPDATE, shed(14, 1000));
	offer(&updates, &packet);
	assert_true(v2_updates_take(&updates, &schemas, &taken));
	assert_true(taken.records > packet.bytes && taken.records < packet.bytes + packet.c.pos);
	assert_int_equal(taken.count, 5);
	assert_taken(&updates, 12, 2, V2_CAUSE_NONE);
	assert_taken(&updates, 14, 1000, V2_CAUSE_SPOOL_FULL);
	assert_all_taken(&updates);
	assert_int_equal(updates.events, 7);
	assert_int_equal(updates.shed, 1000);
	assert_int_equal(updates.lost, 0);
}

static void gaps_of_updates_are_counted_exactly(void **state _unused_)
{
	struct v2_updates updates = {0};
	struct packet packet;

	v2_updates_begin(&updates, 0);
	begin(&packet);
	add(&packet, V2_LANE_UPDATE, events(0, 1));
	add(&packet, V2_LANE_UPDATE, events(1000000, 2));
	add(&packet, V2_LANE_UPDATE, events(500, 1));     /* too late */
	add(&packet, V2_LANE_UPDATE, events(1000001, 2)); /* half of it is */
	add(&packet, V2_LANE_UPDATE, shed(999999, 3));    /* all of it is known */
	offer(&updates, &packet);
	assert_taken(&updates, 0, 1, V2_CAUSE_NONE);
	assert_taken(&updates, 1, 999999, V2_CAUSE_PATH);
	assert_taken(&updates, 1000000, 2, V2_CAUSE_NONE);
	assert_taken(&updates, 1000002, 1, V2_CAUSE_NONE);
	assert_all_taken(&updates);
	assert_int_equal(updates.lost, 999999);
	assert_int_equal(updates.events, 4);
	assert_int_equal(updates.late, 2);
}

static void updates_that_are_not_taken_are_lost(void **state _unused_)
{
	struct v2_updates updates = {0};
	struct packet first, second;

	v2_updates_begin(&updates, 0);
	begin(&first);
	add(&first, V2_LANE_UPDATE, events(0, 4));
	begin(&second);
	add(&second, V2_LANE_UPDATE, events(4, 4));
	offer(&updates, &first);
	offer(&updates, &second);
	assert_taken(&updates, 0, 4, V2_CAUSE_PATH);
	assert_taken(&updates, 4, 4, V2_CAUSE_NONE);
	v2_updates_commit(&updates, 6);
	assert_int_equal(updates.base, 6);
	v2_updates_commit(&updates, 100); /* more than was taken */
	assert_int_equal(updates.base, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_handed_out_in_order_and_once),
		cmocka_unit_test(abandoned_events_come_again),
		cmocka_unit_test(credit_ends_a_window_after_what_is_processed),
		cmocka_unit_test(range_longer_than_the_window_takes_one_place),
		cmocka_unit_test(events_within_a_range_change_nothing),
		cmocka_unit_test(range_beyond_the_window_changes_nothing),
		cmocka_unit_test(order_does_what_a_plain_list_does),
		cmocka_unit_test(updates_are_handed_out_where_they_lie),
		cmocka_unit_test(gaps_of_updates_are_counted_exactly),
		cmocka_unit_test(updates_that_are_not_taken_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
