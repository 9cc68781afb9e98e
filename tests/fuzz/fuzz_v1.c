// SPDX-License-Identifier: BSD-2-Clause
/*
 * The datagram parser, and what must hold for any bytes. Linked with libFuzzer (fuzz_v1), or with
 * replay.c, which feeds it files (replay_v1, part of the test suite).
 */
#include "base/attr.h"
#include "wire/v1.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Ends the program, in builds without assert() as well: libFuzzer then keeps the input. */
#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_event(const struct v1_event *event)
{
	static const uint16_t sizes[] = {
		[EVENT_PORT] = sizeof(struct port_event),
		[EVENT_FLOW] = sizeof(struct flow_event),
		[EVENT_SOURCE] = sizeof(struct source_event),
		[EVENT_TARGET] = sizeof(struct target_event),
		[EVENT_INTERFACE] = sizeof(struct interface_event),
	};

	REQUIRE(event->event_id < ARRAY_SIZE(sizes));
	REQUIRE(event->record_size > 0 && event->record_size == sizes[event->event_id]);
}

static void check_transaction(const struct v1_transaction *transaction, size_t size)
{
	REQUIRE(size <= V1_DATAGRAM_MAX);
	REQUIRE(transaction->event_count > 0);
	REQUIRE(transaction->events_bytes <= size - V1_HEADER_BYTES);
	REQUIRE(transaction->events_bytes >=
		(size_t)transaction->event_count * V1_EVENT_HEADER_BYTES);
	if (transaction->wants_ack)
		REQUIRE(transaction->sequence > 0 && transaction->sequence <= V1_SEQUENCE_MAX);
}

/* Builds what was decoded again. Iteration ends, after as many events as were promised. */
static void build_again(struct v1_transaction transaction, struct v1_builder *builder)
{
	struct v1_event event;
	unsigned int events = 0;

	v1_builder_start(builder, transaction.switch_id, transaction.sequence);
	while (v1_next_event(&transaction, &event)) {
		REQUIRE(++events <= transaction.event_count);
		check_event(&event);
		REQUIRE(v1_builder_add(builder, event.event_id, &event.record,
				transaction.wants_ack) == 0);
	}
	REQUIRE(events == transaction.event_count);
	REQUIRE(builder->event_count == events);
	REQUIRE(builder->clamped == 0);
}

/* A record has one encoding only, so the events are the same bytes, whichever header they came with. */
static void check_built(const struct v1_transaction *transaction, const struct v1_builder *builder)
{
	struct v1_transaction again;

	REQUIRE(builder->size == V1_HEADER_BYTES + transaction->events_bytes);
	REQUIRE(memcmp(builder->bytes + V1_HEADER_BYTES, transaction->events,
			transaction->events_bytes) == 0);
	REQUIRE(v1_decode(builder->bytes, builder->size, &again) == V1_OK);
	REQUIRE(again.switch_id == transaction->switch_id);
	REQUIRE(again.sequence == transaction->sequence);
	REQUIRE(again.wants_ack == transaction->wants_ack);
	REQUIRE(again.event_count == transaction->event_count);
	REQUIRE(!again.count_is_u32);
}

static void check_ack(const uint8_t *bytes, size_t size)
{
	uint8_t again[V1_ACK_BYTES];
	uint32_t sequence = UINT32_MAX;

	if (!v1_decode_ack(bytes, size, &sequence)) {
		REQUIRE(sequence == UINT32_MAX);
		return;
	}
	REQUIRE(sequence <= V1_SEQUENCE_MAX);
	REQUIRE(v1_encode_ack(sequence, again) == sizeof(again));
	REQUIRE(memcmp(again, bytes, MIN(size, sizeof(again))) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct v1_transaction transaction, untouched;
	struct v1_builder builder = {0};
	uint64_t digest = v1_digest(bytes, size);
	enum v1_error error;

	memset(&untouched, 0x5a, sizeof(untouched));
	transaction = untouched;
	error = v1_decode(bytes, size, &transaction);
	REQUIRE(error < V1_ERROR_COUNT);
	if (error == V1_OK) {
		check_transaction(&transaction, size);
		build_again(transaction, &builder);
		check_built(&transaction, &builder);
	} else {
		REQUIRE(memcmp(&transaction, &untouched, sizeof(untouched)) == 0);
	}
	check_ack(bytes, size);
	REQUIRE(digest == v1_digest(bytes, size)); /* the input is as it was */
	return 0;
}
