// SPDX-License-Identifier: BSD-2-Clause
/* The spool of a lane, by itself and against a plain list that does the same one event at a time. */
#include "tests/unit/test.h"
#include "wire/v2_spool.h"

#define NO_LIMIT UINT64_MAX

static uint64_t push(struct v2_spool *spool, uint64_t count)
{
	uint32_t records[1000];

	for (uint64_t i = 0; i < count; i++)
		records[i] = (uint32_t)(spool->next_sequence + i);
	return v2_spool_push(spool, 0, records, sizeof(records[0]), count);
}

/* Sends what is next, at most `max` slots; returns how many. */
static uint64_t send(struct v2_spool *spool, uint64_t max)
{
	struct v2_run run;

	if (!v2_spool_next(spool, NO_LIMIT, max, &run))
		return 0;
	v2_spool_sent(spool, &run);
	return run.count;
}

static struct v2_run next(struct v2_spool *spool)
{
	struct v2_run run;

	assert_true(v2_spool_next(spool, NO_LIMIT, 1000, &run));
	return run;
}

static void full_spool_sheds_the_newest_as_one_range(void **state _unused_)
{
	struct v2_spool spool;
	struct v2_run run;

	assert_int_equal(v2_spool_init(&spool, 4, 4), 0);
	assert_int_equal(push(&spool, 10), 4);
	assert_int_equal(spool.shed_total, 6);
	assert_int_equal(send(&spool, 10), 4);
	v2_spool_processed(&spool, 2);
	/* Room again: the range takes its place before the next event. */
	assert_int_equal(push(&spool, 2), 1);
	run = next(&spool);
	assert_int_equal(run.schema, V2_KIND_RANGE);
	assert_int_equal(run.span.cause, V2_CAUSE_SPOOL_FULL);
	assert_int_equal(run.sequence, 4);
	assert_int_equal(run.span.count, 6);
	assert_int_equal(send(&spool, 10), 1);
	assert_int_equal(next(&spool).sequence, 10);
	v2_spool_done(&spool);
}

static void received_events_stay_until_processed(void **state _unused_)
{
	struct v2_spool spool;

	assert_int_equal(v2_spool_init(&spool, 4, 4), 0);
	push(&spool, 3);
	assert_int_equal(send(&spool, 3), 3);
	v2_spool_received(&spool, 0, 3);
	assert_int_equal(send(&spool, 3), 0);
	/* The server's next life knows nothing of what was only received. */
	v2_spool_rewind(&spool);
	assert_int_equal(next(&spool).first, 0);
	v2_spool_processed(&spool, 3);
	assert_true(v2_spool_empty(&spool));
	v2_spool_done(&spool);
}

static void received_events_are_not_lost_afterwards(void **state _unused_)
{
	struct v2_spool spool;

	assert_int_equal(v2_spool_init(&spool, 128, 4), 0);
	push(&spool, 100);
	assert_int_equal(send(&spool, 100), 100);
	v2_spool_received(&spool, 30, 50);
	v2_spool_lost(&spool, 0, 100);
	assert_int_equal(spool.lost_count, 50);
	assert_int_equal(send(&spool, 100), 30);
	assert_int_equal(next(&spool).first, 80);
	/* Late news: it was no loss. */
	v2_spool_received(&spool, 80, 20);
	assert_int_equal(send(&spool, 100), 0);
	v2_spool_done(&spool);
}

static void run_ends_where_schema_credit_or_loss_ends(void **state _unused_)
{
	static const uint64_t records[8];
	struct v2_spool spool;
	struct v2_run run;

	assert_int_equal(v2_spool_init(&spool, 16, 8), 0);
	assert_int_equal(v2_spool_push(&spool, 0, records, 4, 3), 3);
	assert_int_equal(v2_spool_push(&spool, 1, records, 8, 5), 5);
	run = next(&spool);
	assert_int_equal(run.count, 3);
	assert_int_equal(run.schema, 0);
	v2_spool_sent(&spool, &run);
	assert_true(v2_spool_next(&spool, 6, 100, &run));
	assert_int_equal(run.count, 3);
	assert_int_equal(run.schema, 1);
	assert_true(v2_spool_next(&spool, 100, 2, &run));
	assert_int_equal(run.count, 2);
	assert_false(v2_spool_next(&spool, 3, 100, &run));
	v2_spool_lost(&spool, 1, 1);
	run = next(&spool);
	assert_int_equal(run.first, 1);
	assert_int_equal(run.count, 1);
	v2_spool_done(&spool);
}

static void record_longer_than_a_place_is_shed(void **state _unused_)
{
	static const uint8_t record[V2_RECORD_MAX];
	struct v2_spool spool;

	assert_int_equal(v2_spool_init(&spool, 4, 80), 0);
	assert_int_equal(v2_spool_push(&spool, 0, record, 81, 1), 0);
	assert_int_equal(v2_spool_push(&spool, 0, record, 80, 1), 1);
	assert_int_equal(next(&spool).span.count, 1);
	v2_spool_done(&spool);
}

static void ranges_that_find_room_are_not_joined(void **state _unused_)
{
	struct v2_spool spool;

	assert_int_equal(v2_spool_init(&spool, 4, 4), 0);
	v2_spool_shed(&spool, 5);
	v2_spool_shed(&spool, 3);
	assert_int_equal(next(&spool).span.count, 5);
	assert_int_equal(send(&spool, 10), 1);
	assert_int_equal(next(&spool).sequence, 5);
	assert_int_equal(next(&spool).span.count, 3);
	v2_spool_done(&spool);
}

/* ---- an incarnation that goes on ---- */

static struct v2_spool resume(uint64_t first, uint64_t sent_end)
{
	struct v2_spool spool;

	assert_int_equal(v2_spool_init(&spool, 8, 4), 0);
	push(&spool, 3);
	v2_spool_resume(&spool, first, sent_end);
	assert_true(v2_spool_empty(&spool));
	return spool;
}

static void resumed_spool_goes_on_with_its_sequences(void **state _unused_)
{
	struct v2_spool spool = resume(1000, 1004);

	assert_int_equal(spool.processed, 1000);
	assert_int_equal(push(&spool, 6), 6);
	assert_int_equal(next(&spool).sequence, 1000);
	assert_int_equal(next(&spool).count, 6);
	assert_int_equal(send(&spool, 2), 2);
	/* Sent are the four of before, though this one sent two. */
	assert_int_equal(spool.sent_end, 1004);
	assert_int_equal(send(&spool, 4), 4);
	assert_int_equal(spool.sent_end, 1006);
	v2_spool_processed(&spool, 1006);
	assert_true(v2_spool_empty(&spool));
	v2_spool_done(&spool);
}

static void what_was_processed_before_it_is_pushed_is_passed_over(void **state _unused_)
{
	struct v2_spool spool = resume(1000, 1020);
	uint32_t record;

	v2_spool_processed(&spool, 1012);
	/* They need no room, and are not shed. */
	assert_int_equal(push(&spool, 10), 10);
	assert_true(v2_spool_empty(&spool));
	assert_int_equal(send(&spool, 10), 0);
	assert_int_equal(push(&spool, 5), 5);
	assert_int_equal(next(&spool).sequence, 1012);
	assert_int_equal(next(&spool).count, 3);
	memcpy(&record, v2_places_record(&spool.places, next(&spool).first), sizeof(record));
	assert_int_equal(record, 1012);
	assert_int_equal(spool.shed_total, 0);
	v2_spool_done(&spool);
}

static void what_was_pushed_is_freed_by_a_mark_beyond_it(void **state _unused_)
{
	struct v2_spool spool = resume(1000, 1020);

	push(&spool, 5);
	assert_int_equal(send(&spool, 2), 2);
	v2_spool_processed(&spool, 1007);
	assert_true(v2_spool_empty(&spool));
	assert_int_equal(push(&spool, 3), 3);
	assert_int_equal(next(&spool).sequence, 1007);
	assert_int_equal(next(&spool).count, 1);
	v2_spool_done(&spool);
}

static void range_across_the_mark_is_declared_from_the_mark_on(void **state _unused_)
{
	struct v2_spool spool = resume(1000, 1020);

	v2_spool_processed(&spool, 1004);
	v2_spool_shed(&spool, 10);
	assert_int_equal(spool.shed_total, 6);
	assert_int_equal(next(&spool).sequence, 1004);
	assert_int_equal(next(&spool).span.count, 6);
	push(&spool, 1);
	assert_int_equal(send(&spool, 1), 1);
	assert_int_equal(next(&spool).sequence, 1010);
	v2_spool_done(&spool);
}

static void range_in_its_slot_is_freed_when_the_mark_is_at_its_end(void **state _unused_)
{
	struct v2_spool spool = resume(1000, 1020);

	v2_spool_shed(&spool, 10);
	push(&spool, 2);
	v2_spool_processed(&spool, 1004);
	assert_int_equal(next(&spool).sequence, 1000);
	assert_int_equal(next(&spool).span.count, 10);
	v2_spool_processed(&spool, 1010);
	assert_int_equal(next(&spool).sequence, 1010);
	assert_int_equal(next(&spool).count, 2);
	v2_spool_done(&spool);
}

static void range_that_waits_is_cut_at_the_mark(void **state _unused_)
{
	struct v2_spool spool = resume(1000, 1020);

	push(&spool, 8);
	v2_spool_shed(&spool, 10);
	v2_spool_processed(&spool, 1012);
	v2_spool_settle(&spool);
	assert_int_equal(next(&spool).sequence, 1012);
	assert_int_equal(next(&spool).span.count, 6);
	v2_spool_processed(&spool, 1019);
	assert_true(v2_spool_empty(&spool));
	assert_int_equal(push(&spool, 2), 2);
	assert_int_equal(next(&spool).sequence, 1019);
	v2_spool_done(&spool);
}

/* ---- against a plain list ---- */

#define MODEL_MAX 100000

enum state { UNSENT, FLYING, LOST, RECEIVED };

struct model {
	struct {
		uint64_t sequence, count;
		enum state state;
		bool range;
		uint8_t schema;
	} slots[MODEL_MAX];
	uint64_t capacity, head, unsent, tail, next_sequence, shed_sequence, shed_count;
};

static uint64_t random_state;

static uint64_t below(uint64_t bound)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % bound;
}

static void model_append(struct model *model, bool range, uint8_t schema)
{
	uint64_t count = range ? model->shed_count : 1;

	assert_true(model->tail < MODEL_MAX);
	model->slots[model->tail].sequence = range ? model->shed_sequence : model->next_sequence++;
	model->slots[model->tail].count = count;
	model->slots[model->tail].state = UNSENT;
	model->slots[model->tail].range = range;
	model->slots[model->tail].schema = schema;
	model->tail++;
	if (range)
		model->shed_count = 0;
}

static void model_settle(struct model *model)
{
	if (model->shed_count > 0 && model->tail - model->head < model->capacity)
		model_append(model, true, 0);
}

static void model_shed(struct model *model)
{
	if (model->shed_count++ == 0)
		model->shed_sequence = model->next_sequence;
	model->next_sequence++;
}

static bool model_push(struct model *model, uint8_t schema)
{
	if (model->capacity - (model->tail - model->head) < (model->shed_count > 0 ? 2 : 1)) {
		model_shed(model);
		return false;
	}
	model_settle(model);
	model_append(model, false, schema);
	return true;
}

static uint64_t model_next(const struct model *model)
{
	for (uint64_t i = model->head; i < model->unsent; i++)
		if (model->slots[i].state == LOST)
			return i;
	return model->unsent;
}

static void do_push(struct model *model, struct v2_spool *spool)
{
	uint8_t schema = (uint8_t)below(2), records[200][8];
	uint64_t count = 1 + below(below(10) == 0 ? 200 : 20), expected = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t sequence = model->next_sequence;

		memcpy(records[i], &sequence, 8);
		expected += model_push(model, schema);
	}
	assert_int_equal(v2_spool_push(spool, schema, records, 8, count), expected);
	if (expected < count)
		model_settle(model);
}

static void do_shed(struct model *model, struct v2_spool *spool)
{
	uint64_t count = below(3);

	for (uint64_t i = 0; i < count; i++)
		model_shed(model);
	if (count > 0)
		model_settle(model);
	v2_spool_shed(spool, count);
}

static void do_send(struct model *model, struct v2_spool *spool)
{
	uint64_t first = model_next(model), limit = model->next_sequence - below(5);
	struct v2_run run;

	if (!v2_spool_next(spool, limit, 1 + below(30), &run)) {
		assert_true(first == model->tail || model->slots[first].sequence >= limit);
		return;
	}
	assert_int_equal(run.first, first);
	assert_int_equal(run.sequence, model->slots[first].sequence);
	assert_int_equal(run.schema == V2_KIND_RANGE, model->slots[first].range);
	if (run.schema == V2_KIND_RANGE)
		assert_int_equal(run.span.count, model->slots[first].count);
	for (uint64_t i = first; i < first + run.count; i++) {
		assert_true(model->slots[i].sequence < limit);
		assert_int_equal(model->slots[i].range, model->slots[first].range);
		assert_int_equal(model->slots[i].schema, model->slots[first].schema);
		assert_true(i >= model->unsent || model->slots[i].state == LOST);
		if (!model->slots[i].range)
			assert_memory_equal(
				v2_places_record(&spool->places, i), &model->slots[i].sequence, 8);
		model->slots[i].state = FLYING;
	}
	model->unsent = MAX(model->unsent, first + run.count);
	v2_spool_sent(spool, &run);
}

static void do_settle_packet(struct model *model, struct v2_spool *spool, bool received)
{
	uint64_t first = model->head > 50 ? model->head - below(50) : model->head;
	uint64_t count = 1 + below(60);

	first += below(model->unsent - model->head + 10);
	for (uint64_t i = first; i < first + count; i++) {
		if (i < model->head || i >= model->unsent)
			continue;
		if (received)
			model->slots[i].state = RECEIVED;
		else if (model->slots[i].state == FLYING)
			model->slots[i].state = LOST;
	}
	if (received)
		v2_spool_received(spool, first, count);
	else
		v2_spool_lost(spool, first, count);
}

static void do_process(struct model *model, struct v2_spool *spool)
{
	uint64_t before;

	if (model->unsent == model->head)
		return;
	before = model->slots[model->head].sequence +
		 below(model->slots[model->unsent - 1].sequence +
			 model->slots[model->unsent - 1].count -
			 model->slots[model->head].sequence + 1);
	while (model->head < model->tail &&
		model->slots[model->head].sequence + model->slots[model->head].count <= before)
		model->head++;
	model->unsent = MAX(model->unsent, model->head);
	v2_spool_processed(spool, before);
}

static void do_rewind(struct model *model, struct v2_spool *spool)
{
	for (uint64_t i = model->head; i < model->unsent; i++)
		model->slots[i].state = UNSENT;
	model->unsent = model->head;
	v2_spool_rewind(spool);
}

static void compare(const struct model *model, const struct v2_spool *spool)
{
	uint64_t lost = 0;

	assert_int_equal(spool->head, model->head);
	assert_int_equal(spool->unsent, model->unsent);
	assert_int_equal(spool->tail, model->tail);
	assert_int_equal(spool->next_sequence, model->next_sequence);
	assert_int_equal(spool->shed_count, model->shed_count);
	for (uint64_t i = model->head; i < model->tail; i++) {
		lost += i < model->unsent && model->slots[i].state == LOST;
		assert_int_equal(v2_spool_sequence(spool, i), model->slots[i].sequence);
	}
	assert_int_equal(spool->lost_count, lost);
}

static void walk(uint64_t seed, size_t capacity)
{
	static struct model model;
	struct v2_spool spool;

	random_state = seed;
	model.capacity = capacity;
	model.head = model.unsent = model.tail = model.next_sequence = model.shed_count = 0;
	assert_int_equal(v2_spool_init(&spool, capacity, 8), 0);
	for (int step = 0; step < 3000; step++) {
		switch (below(8)) {
		case 0:
		case 1:
			do_push(&model, &spool);
			break;
		case 2:
		case 3:
			model_settle(&model);
			v2_spool_settle(&spool);
			do_send(&model, &spool);
			break;
		case 4:
			do_settle_packet(&model, &spool, true);
			break;
		case 5:
			do_settle_packet(&model, &spool, false);
			break;
		case 6:
			do_process(&model, &spool);
			break;
		default:
			if (below(20) == 0)
				do_rewind(&model, &spool);
			else if (below(10) == 0)
				do_shed(&model, &spool);
			break;
		}
		compare(&model, &spool);
	}
	v2_spool_done(&spool);
}

static void spool_does_what_a_plain_list_does(void **state _unused_)
{
	static const size_t capacities[] = {2, 4, 8, 32, 64, 128, 512};

	for (uint64_t seed = 1; seed <= 12; seed++)
		for (size_t i = 0; i < ARRAY_SIZE(capacities); i++)
			walk(seed, capacities[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_spool_sheds_the_newest_as_one_range),
		cmocka_unit_test(received_events_stay_until_processed),
		cmocka_unit_test(received_events_are_not_lost_afterwards),
		cmocka_unit_test(run_ends_where_schema_credit_or_loss_ends),
		cmocka_unit_test(record_longer_than_a_place_is_shed),
		cmocka_unit_test(ranges_that_find_room_are_not_joined),
		cmocka_unit_test(resumed_spool_goes_on_with_its_sequences),
		cmocka_unit_test(what_was_processed_before_it_is_pushed_is_passed_over),
		cmocka_unit_test(what_was_pushed_is_freed_by_a_mark_beyond_it),
		cmocka_unit_test(range_across_the_mark_is_declared_from_the_mark_on),
		cmocka_unit_test(range_in_its_slot_is_freed_when_the_mark_is_at_its_end),
		cmocka_unit_test(range_that_waits_is_cut_at_the_mark),
		cmocka_unit_test(spool_does_what_a_plain_list_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
