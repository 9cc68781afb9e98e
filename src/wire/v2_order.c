// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_order.h"

#include <errno.h>
#include <stdlib.h>

int v2_order_init(struct v2_order *order, size_t window, uint16_t record_max, bool waits)
{
	struct v2_order made = {.window = 2, .record_max = record_max, .waits = waits};

	if (record_max == 0 || record_max > V2_RECORD_MAX || window > SIZE_MAX / 1024)
		return -EINVAL;
	while (made.window < window)
		made.window *= 2;
	made.items = calloc(made.window, sizeof(*made.items));
	made.records = calloc(made.window, record_max);
	if (!made.items || !made.records) {
		v2_order_done(&made);
		return -ENOMEM;
	}
	*order = made;
	return 0;
}

void v2_order_done(struct v2_order *order)
{
	free(order->items);
	free(order->records);
	*order = (struct v2_order){0};
}

void v2_order_begin(struct v2_order *order, uint64_t base)
{
	order->base = order->taken = order->next = base;
	order->base_place = order->taken_place = order->next_place = 0;
	for (uint64_t i = 0; i < order->window; i++)
		order->items[i].present = false;
}

uint64_t v2_order_limit(const struct v2_order *order)
{
	return MIN(order->base + order->window, V2_SEQUENCE_MAX);
}

bool v2_order_admits(const struct v2_order *order, const struct v2_frame *frame)
{
	uint64_t limit = v2_order_limit(order);

	if (!order->waits)
		return true;
	if (frame->type == V2_FRAME_SHED)
		return frame->shed.sequence < limit;
	/* What is processed may come again from far below; it must not reach beyond. */
	return frame->events.sequence + frame->events.count <= limit;
}

static struct v2_item *item_at(const struct v2_order *order, uint64_t place)
{
	return &order->items[place & (order->window - 1)];
}

static uint8_t *record_at(const struct v2_order *order, uint64_t place)
{
	return order->records + (place & (order->window - 1)) * order->record_max;
}

static bool holds(const struct v2_order *order, uint64_t sequence)
{
	const struct v2_item *item = item_at(order, sequence);

	return order->waits && item->present && item->sequence == sequence;
}

/* Puts an item where its sequence belongs; false if the window ends before. */
static bool put_item(struct v2_order *order, const struct v2_item *item, uint64_t *ret_place)
{
	uint64_t place = order->waits ? item->sequence : order->next_place;

	if (place - (order->waits ? order->base : order->base_place) >= order->window)
		return false;
	*item_at(order, place) = *item;
	*ret_place = place;
	if (!order->waits) {
		order->next_place++;
		order->next = item->sequence + item->count;
		return true;
	}
	while (order->next - order->base < order->window && holds(order, order->next))
		order->next += item_at(order, order->next)->count;
	return true;
}

/* In the unacknowledged lane: what lies between here and `sequence` will not come. */
static bool skip_to(struct v2_order *order, uint64_t sequence)
{
	struct v2_item gap = {
		.sequence = order->next,
		.count = sequence - order->next,
		.cause = V2_CAUSE_PATH,
		.present = true,
	};
	uint64_t place;

	if (order->waits || gap.count == 0)
		return true;
	if (!put_item(order, &gap, &place))
		return false;
	order->lost += gap.count;
	return true;
}

static void put_event(struct v2_order *order, const struct v2_frame *frame, uint16_t i)
{
	struct v2_item item = {
		.sequence = frame->events.sequence + i,
		.count = 1,
		.schema = frame->events.schema,
		.present = true,
	};
	uint64_t place;

	if (item.sequence < order->next || holds(order, item.sequence)) {
		order->duplicates++;
		return;
	}
	if (!skip_to(order, item.sequence) || !put_item(order, &item, &place)) {
		order->no_room++;
		return;
	}
	memcpy(record_at(order, place),
		frame->events.records + (size_t)i * frame->events.record_bytes,
		MIN(frame->events.record_bytes, order->record_max));
	order->events++;
}

static void put_range(struct v2_order *order, const struct v2_frame *frame)
{
	uint64_t end = frame->shed.sequence + frame->shed.count, place;
	struct v2_item item = {
		.sequence = MAX(frame->shed.sequence, order->next),
		.cause = frame->shed.cause,
		.present = true,
	};

	if (item.sequence >= end || holds(order, item.sequence))
		return;
	item.count = end - item.sequence;
	if (skip_to(order, item.sequence) && put_item(order, &item, &place))
		order->shed += item.count;
}

void v2_order_put(struct v2_order *order, const struct v2_frame *frame)
{
	if (frame->type == V2_FRAME_SHED) {
		put_range(order, frame);
		return;
	}
	for (uint16_t i = 0; i < frame->events.count; i++)
		put_event(order, frame, i);
}

bool v2_order_take(struct v2_order *order, struct v2_taken *ret_taken)
{
	uint64_t place = order->waits ? order->taken : order->taken_place;
	const struct v2_item *item = item_at(order, place);

	if (order->taken == order->next)
		return false;
	*ret_taken = (struct v2_taken){
		.sequence = order->taken,
		.count = item->count,
		.cause = item->cause,
		.schema = item->schema,
		.record = record_at(order, place),
	};
	order->taken += item->count;
	order->taken_place++;
	return true;
}

void v2_order_abandon(struct v2_order *order)
{
	order->taken = order->base;
	order->taken_place = order->base_place;
}

void v2_order_commit(struct v2_order *order, uint64_t before)
{
	order->base = MAX(order->base, MIN(before, order->taken));
	while (!order->waits && order->base_place < order->taken_place &&
		item_at(order, order->base_place)->sequence < order->base)
		order->base_place++;
}
