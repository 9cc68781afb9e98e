// SPDX-License-Identifier: BSD-2-Clause
#include "replay/courier.h"

#include "wire/v1.h"

#include <errno.h>
#include <string.h>

/* One event that waits to be sent. */
struct item {
	uint32_t event_id;
	union {
		struct port_event port;
		struct flow_event flow;
		struct source_event source;
		struct target_event target;
		struct interface_event interface;
	} record;
};

struct pile {
	struct item *items;
	size_t count, room;
};

struct courier {
	uint32_t switch_id;
	struct pile acknowledged, unacknowledged;
	struct v1_sender sender;
	struct v1_builder builder; /* of what is not acknowledged */
	bool answered;
	struct courier_tally tallies[EVENT_USER_MIN];
};

int courier_new(uint32_t switch_id, struct courier **ret_courier)
{
	struct courier *courier = calloc(1, sizeof(*courier));

	if (!courier)
		return -ENOMEM;
	courier->switch_id = switch_id;
	/* Nothing is lost in memory, so nothing is sent again. */
	v1_sender_init(&courier->sender, switch_id, V1_RESEND_NS);
	*ret_courier = courier;
	return 0;
}

void courier_free(struct courier *courier)
{
	if (!courier)
		return;
	free(courier->acknowledged.items);
	free(courier->unacknowledged.items);
	free(courier);
}

/* ---- taking ---- */

static int pile_add(struct pile *pile, const struct item *item)
{
	if (pile->count == pile->room) {
		size_t room = MAX(pile->room * 2, (size_t)1024);
		struct item *items = reallocarray(pile->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		pile->items = items;
		pile->room = room;
	}
	pile->items[pile->count++] = *item;
	return 0;
}

/* What a flow, a source or a target had is in its last record, an interface's in its newest. */
static void tally_add(struct courier_tally *tally, const struct item *item)
{
	tally->events++;
	switch (item->event_id) {
	case EVENT_PORT:
		tally->packets += (uint64_t)item->record.port.syn + item->record.port.rst +
				  item->record.port.udp;
		break;
	case EVENT_FLOW:
		if (!item->record.flow.ended)
			break;
		tally->packets += item->record.flow.count;
		tally->bytes += item->record.flow.size;
		break;
	case EVENT_SOURCE:
		if (!item->record.source.ended)
			break;
		tally->packets += item->record.source.packets;
		tally->bytes += item->record.source.size;
		break;
	case EVENT_TARGET:
		if (!item->record.target.ended)
			break;
		tally->packets += item->record.target.packets;
		tally->bytes += item->record.target.size;
		break;
	case EVENT_INTERFACE:
		tally->packets = item->record.interface.packets;
		tally->bytes = item->record.interface.size;
		break;
	default:
		break;
	}
}

int courier_take(struct courier *courier, uint32_t event_id, const void *record, bool wants_ack)
{
	struct item item = {.event_id = event_id};

	switch (event_id) {
	case EVENT_PORT:
		item.record.port = *(const struct port_event *)record;
		break;
	case EVENT_FLOW:
		item.record.flow = *(const struct flow_event *)record;
		break;
	case EVENT_SOURCE:
		item.record.source = *(const struct source_event *)record;
		break;
	case EVENT_TARGET:
		item.record.target = *(const struct target_event *)record;
		break;
	case EVENT_INTERFACE:
		item.record.interface = *(const struct interface_event *)record;
		break;
	default:
		return -EINVAL;
	}
	tally_add(&courier->tallies[event_id], &item);
	return pile_add(wants_ack ? &courier->acknowledged : &courier->unacknowledged, &item);
}

/* ---- delivering ---- */

/* Moves items from `at` on into the builder until it is full. Returns how many. */
static size_t fill(struct v1_builder *builder, const struct pile *pile, size_t at, bool wants_ack)
{
	size_t count = 0;

	while (at + count < pile->count) {
		const struct item *item = &pile->items[at + count];

		if (v1_builder_add(builder, item->event_id, &item->record, wants_ack) < 0)
			break;
		count++;
	}
	return count;
}

static int deliver_acknowledged(struct courier *courier, struct backend *backend, uint64_t now_ns)
{
	struct pile *pile = &courier->acknowledged;
	int r = 0;

	for (size_t at = 0; at < pile->count && r == 0;) {
		struct v1_builder *builder = v1_sender_begin(&courier->sender);

		at += fill(builder, pile, at, true);
		if (builder->event_count == 0)
			return -EPROTO; /* version 1 has no payload for it */
		v1_sender_commit(&courier->sender, 0);
		courier->answered = false;
		r = backend_deliver(backend, builder->bytes, builder->size, now_ns);
		if (r == 0)
			r = backend_wait_for(backend, &courier->answered);
	}
	pile->count = 0;
	return r;
}

static int deliver_unacknowledged(struct courier *courier, struct backend *backend, uint64_t now_ns)
{
	struct pile *pile = &courier->unacknowledged;
	struct v1_builder *builder = &courier->builder;
	int r = 0;

	for (size_t at = 0; at < pile->count && r == 0;) {
		/* Sequences number what wants an answer. */
		v1_builder_start(builder, courier->switch_id, 0);
		at += fill(builder, pile, at, false);
		if (builder->event_count == 0)
			return -EPROTO;
		r = backend_deliver(backend, builder->bytes, builder->size, now_ns);
	}
	pile->count = 0;
	return r;
}

int courier_deliver(struct courier *courier, struct backend *backend, uint64_t now_ns)
{
	int r = deliver_acknowledged(courier, backend, now_ns);

	return r < 0 ? r : deliver_unacknowledged(courier, backend, now_ns);
}

void courier_answer(struct courier *courier, const void *bytes, size_t size)
{
	if (v1_sender_acknowledge(&courier->sender, bytes, size))
		courier->answered = true;
}

/* ---- about it ---- */

uint64_t courier_clamped(const struct courier *courier)
{
	return courier->sender.builder.clamped + courier->builder.clamped;
}

const struct courier_tally *courier_tally(const struct courier *courier, uint32_t event_id)
{
	return &courier->tallies[event_id];
}
