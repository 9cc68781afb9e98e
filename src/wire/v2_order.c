// SPDX-License-Identifier: BSD-2-Clause
#include "wire/v2_order.h"

int v2_order_init(struct v2_order *order, size_t window, uint16_t record_max)
{
	struct v2_order made = {0};
	int r = v2_places_init(&made.places, window, record_max);

	if (r == 0)
		r = v2_bits_init(&made.present, made.places.count);
	if (r == 0)
		r = v2_bits_init(&made.ranges, made.places.count);
	if (r < 0)
		v2_order_done(&made);
	else
		*order = made;
	return r;
}

void v2_order_done(struct v2_order *order)
{
	v2_places_done(&order->places);
	v2_bits_done(&order->present);
	v2_bits_done(&order->ranges);
	*order = (struct v2_order){0};
}

void v2_order_begin(struct v2_order *order, uint64_t base)
{
	order->base = order->taken = order->next = order->end = base;
	v2_bits_clear_all(&order->present);
	v2_bits_clear_all(&order->ranges);
}

uint64_t v2_order_limit(const struct v2_order *order)
{
	return MIN(order->base + order->places.count, V2_SEQUENCE_MAX);
}

bool v2_order_admits(const struct v2_order *order, const struct v2_frame *frame)
{
	uint64_t limit = v2_order_limit(order);

	if (frame->type == V2_FRAME_SHED)
		return frame->shed.sequence < limit;
	/* What is processed may come again from far below; it must not reach beyond. */
	return frame->events.sequence + frame->events.count <= limit;
}

/* `next` moves over what is here: events by the word, ranges one by one. */
static void advance(struct v2_order *order)
{
	while (order->next < order->end) {
		uint64_t stop;

		if (v2_bits_test(&order->ranges, order->next)) {
			order->next += v2_places_span(&order->places, order->next).count;
			continue;
		}
		stop = v2_bits_find(&order->present, order->next, order->end, false);
		stop = v2_bits_find(&order->ranges, order->next, stop, true);
		if (stop == order->next)
			return;
		order->next = stop;
	}
}

static void put_events(struct v2_order *order, const struct v2_frame *frame)
{
	uint64_t first = frame->events.sequence, end = first + frame->events.count;
	uint64_t i = MAX(first, MIN(order->next, end)), stored = 0;

	while (i < end) {
		uint64_t stop = v2_bits_find(&order->present, i, end, true);

		if (stop > i) {
			v2_places_put(&order->places, i, (uint8_t)frame->events.schema,
				frame->events.records + (i - first) * frame->events.record_bytes,
				frame->events.record_bytes, stop - i);
			v2_bits_set(&order->present, i, stop);
			stored += stop - i;
		}
		i = v2_bits_find(&order->present, stop, end, false);
	}
	order->events += stored;
	order->duplicates += frame->events.count - stored;
	order->end = MAX(order->end, end);
}

static void put_range(struct v2_order *order, const struct v2_frame *frame)
{
	uint64_t first = MAX(frame->shed.sequence, order->next);
	uint64_t end = frame->shed.sequence + frame->shed.count;
	struct v2_span span = {.count = end - MIN(first, end), .cause = frame->shed.cause};

	/* What contradicts a range that reaches beyond the window has no place. */
	if (span.count == 0 || first >= v2_order_limit(order) ||
		v2_bits_test(&order->present, first))
		return;
	v2_places_put_span(&order->places, first, &span);
	v2_bits_set(&order->present, first, first + 1);
	v2_bits_set(&order->ranges, first, first + 1);
	order->shed += span.count;
	order->end = MAX(order->end, first + 1);
}

void v2_order_put(struct v2_order *order, const struct v2_frame *frame)
{
	if (order->base == order->end)
		v2_places_restart(&order->places, order->base);
	if (frame->type == V2_FRAME_SHED)
		put_range(order, frame);
	else
		put_events(order, frame);
	advance(order);
}

bool v2_order_take(struct v2_order *order, uint64_t max, struct v2_taken *ret_taken)
{
	uint64_t at = order->taken;

	if (at == order->next)
		return false;
	*ret_taken = (struct v2_taken){.sequence = at};
	if (v2_bits_test(&order->ranges, at)) {
		struct v2_span span = v2_places_span(&order->places, at);

		ret_taken->count = span.count;
		ret_taken->cause = (enum v2_cause)span.cause;
	} else {
		ret_taken->count = v2_places_run(&order->places, at, MIN(max, order->next - at));
		ret_taken->schema = v2_places_kind(&order->places, at);
		ret_taken->records = v2_places_record(&order->places, at);
		ret_taken->stride = order->places.stride;
	}
	order->taken += ret_taken->count;
	return true;
}

void v2_order_abandon(struct v2_order *order)
{
	order->taken = order->base;
}

void v2_order_commit(struct v2_order *order, uint64_t before)
{
	uint64_t base = MAX(order->base, MIN(before, order->taken));

	/* A range may be longer than the window. */
	if (base - order->base >= order->places.count) {
		v2_bits_clear_all(&order->present);
		v2_bits_clear_all(&order->ranges);
	} else {
		v2_bits_clear(&order->present, order->base, base);
		v2_bits_clear(&order->ranges, order->base, base);
	}
	order->base = base;
}
